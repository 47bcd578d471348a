"""The form in which admins set limits, for everyone or as an exception. Builds and reads it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.errors import BadForm
from bot.spending import LimitKind, LimitsChange, Policy, Scope, SetLimit, in_dollars, micros
from bot.ui.blocks import Block, button, context, dollars, plain_text, section

OPEN = "open_limits"
"""The action of the Home tab's button."""
CALLBACK_ID = "limits_form"
PERSON = "limits_of_person"
CHANNEL = "limits_of_channel"
"""Actions of the menus that choose whom an exception is for."""
SOFT = "soft"
CHANNELS = "allowed_channels"
PEOPLE = "allowed_people"

_LABELS = {
    LimitKind.MONTH_USD: "Everyone, dollars per month",
    LimitKind.DAY_USD: "Everyone, dollars per day",
    LimitKind.CHANNEL_MONTH_USD: "Each channel, dollars per month",
    LimitKind.PERSON_MONTH_USD: "Each person, dollars per month",
    LimitKind.PERSON_DAY_USD: "Each person, dollars per day",
    LimitKind.PERSON_DAY_VIDEOS: "Each person, videos per day",
    LimitKind.PERSON_OPEN: "Each person, unfinished videos",
}
_NONE = "none"
_MAX_USD = 10_000_000
_MAX_VIDEOS = 1_000_000
_BAD_USD = f"Enter an amount of dollars such as 50 or 0.50, or {_NONE}, or leave it empty."
_BAD_VIDEOS = f"Enter a whole number, or {_NONE}, or leave it empty."


def open_button() -> Block:
    """The Home tab's button, for admins."""
    return button("Limits…", OPEN)


def build_limits(
    changes: Iterable[SetLimit], policy: Policy, *, subject: str = "", allowed: Iterable[str] = ()
) -> Block:
    """The form with what admins have set for this person or channel, or for everyone.

    `allowed`: the channels and people that may use the bot; none: all.
    """
    theirs = {change.kind: change for change in changes if change.subject == subject}
    fields = [_field(kind, theirs.get(kind), policy, subject) for kind in _kinds(subject)]
    soft = _soft_field(_kinds(subject), [kind for kind, each in theirs.items() if each.is_soft])
    about = [
        section(
            f"Exception for {_mention(subject)}. Fields left empty are the same as for everyone."
        )
    ]
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "private_metadata": subject,
        "title": plain_text("Limits"),
        "submit": plain_text("Save"),
        "close": plain_text("Cancel"),
        "blocks": [
            *(about if subject else [_exceptions()]),
            *fields,
            soft,
            *([] if subject else _allowed_fields(sorted(allowed))),
            context("Days and months are in UTC. Every change is recorded in the audit log."),
        ],
    }


def read_limits(view: Mapping[str, Any]) -> LimitsChange:
    """What the form sets.

    Raises:
        BadForm: a value is not an amount.
    """
    values = {
        block_id: state[block_id]
        for block_id, state in view["state"]["values"].items()
        if block_id in state
    }
    subject, errors, limits = str(view["private_metadata"]), {}, []
    soft = {option["value"] for option in values.get(SOFT, {}).get("selected_options") or []}
    for kind in _kinds(subject):
        typed = (values[kind]["value"] or "").strip().lower().removeprefix("$")
        if not typed:
            continue
        try:
            amount = None if typed == _NONE else _amount(kind, typed)
        except ValueError:
            errors[kind.value] = _BAD_USD if kind.is_money else _BAD_VIDEOS
            continue
        limits.append(SetLimit(kind=kind, subject=subject, amount=amount, is_soft=kind in soft))
    if errors:
        raise BadForm(errors)
    chosen = [
        *(values.get(CHANNELS, {}).get("selected_conversations") or []),
        *(values.get(PEOPLE, {}).get("selected_users") or []),
    ]
    return LimitsChange(
        subject=subject, limits=tuple(limits), allowed=None if subject else frozenset(chosen)
    )


def _kinds(subject: str) -> Sequence[LimitKind]:
    """What can be limited for this person or channel, or for everyone."""
    if not subject:
        return [*LimitKind]
    scope = Scope.PERSON if subject.startswith(("U", "W")) else Scope.CHANNEL
    return [kind for kind in LimitKind if kind.scope is scope]


_WHOLE = re.compile(r"\d{1,7}", re.ASCII)
_DOLLARS = re.compile(r"\d{1,8}(\.\d{1,6})?", re.ASCII)


def _amount(kind: LimitKind, typed: str) -> int:
    if not kind.is_money:
        if not _WHOLE.fullmatch(typed) or int(typed) > _MAX_VIDEOS:
            raise ValueError
        return int(typed)
    if not _DOLLARS.fullmatch(typed) or Decimal(typed) > _MAX_USD:
        raise ValueError
    return micros(Decimal(typed)) or 0


def _field(kind: LimitKind, change: SetLimit | None, policy: Policy, subject: str) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": kind.value, "max_length": 20}
    if change is not None:
        element["initial_value"] = _shown(kind, change.amount)
    default = policy.limits.get(kind)
    otherwise = (
        "same as for everyone" if subject else f"the configured default ({_default(kind, default)})"
    )
    return {
        "type": "input",
        "block_id": kind.value,
        "label": plain_text(_LABELS[kind]),
        "hint": plain_text(f"Empty: {otherwise}. Type “{_NONE}” for no limit."),
        "optional": True,
        "element": element,
    }


def _default(kind: LimitKind, amount: int | None) -> str:
    if amount is None:
        return "no limit"
    return dollars(in_dollars(amount)) if kind.is_money else str(amount)


def _shown(kind: LimitKind, amount: int | None) -> str:
    if amount is None:
        return _NONE
    return f"{in_dollars(amount):f}" if kind.is_money else str(amount)


def _soft_field(kinds: Iterable[LimitKind], chosen: Sequence[LimitKind]) -> Block:
    options = {
        kind: {"text": plain_text(_LABELS[kind]), "value": kind.value}
        for kind in kinds
        if kind is not LimitKind.PERSON_OPEN
    }
    element: Block = {
        "type": "checkboxes",
        "action_id": SOFT,
        "options": [*options.values()],
    }
    if initial := [options[kind] for kind in chosen if kind in options]:
        element["initial_options"] = initial
    return {
        "type": "input",
        "block_id": SOFT,
        "label": plain_text("Beyond these limits, an admin can approve a video"),
        "hint": plain_text("Applies to limits that are set above."),
        "optional": True,
        "element": element,
    }


def _exceptions() -> Block:
    return {
        "type": "actions",
        "elements": [
            {
                "type": "users_select",
                "action_id": PERSON,
                "placeholder": plain_text("Exception for a person…"),
            },
            {
                "type": "conversations_select",
                "action_id": CHANNEL,
                "placeholder": plain_text("Exception for a channel…"),
                "filter": {"include": ["public", "private"]},
            },
        ],
    }


def _allowed_fields(allowed: Sequence[str]) -> list[Block]:
    people = [each for each in allowed if each.startswith(("U", "W"))]
    channels = [each for each in allowed if each.startswith(("C", "G"))]
    channel_menu = {
        "type": "multi_conversations_select",
        "action_id": CHANNELS,
        "filter": {"include": ["public", "private"]},
        **({"initial_conversations": channels} if channels else {}),
    }
    people_menu = {
        "type": "multi_users_select",
        "action_id": PEOPLE,
        **({"initial_users": people} if people else {}),
    }
    return [
        _allowed_field(CHANNELS, "Channels in which the app can be used", channel_menu),
        _allowed_field(PEOPLE, "People who can use the app", people_menu),
    ]


def _allowed_field(block_id: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(label),
        "hint": plain_text("Empty: all."),
        "optional": True,
        "element": element,
    }


def _mention(subject: str) -> str:
    return f"<@{subject}>" if subject.startswith(("U", "W")) else f"<#{subject}>"
