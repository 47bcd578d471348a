"""Refusals because of a spending limit: which one, what is left, and what still fits."""

from datetime import UTC, datetime

from bot.drafts import OverLimit
from bot.spending import LimitKind, Period, Scope, in_dollars
from bot.ui.blocks import Block, Message, actions, button, dollars, excerpt, quote, section
from bot.ui.drafts import CONFIRM, EXCERPT, details, fix_in_form

_MOST_ADMINS = 3
"""Named in one message."""


def refusal(error: OverLimit) -> Message:
    """Why a video was not started, with its prompt and what the person can do instead."""
    words = explain(error)
    return Message(
        words,
        [
            section(words),
            quote(excerpt(error.saved.draft.prompt, EXCERPT)),
            *([actions(*buttons)] if (buttons := choices(error)) else []),
        ],
    )


def choices(error: OverLimit) -> list[Block]:
    """The buttons: the cheapest choice that still fits, and the form."""
    return [*_cheaper(error), *fix_in_form(error.saved)]


def explain(error: OverLimit) -> str:
    """The limit, what is left, when it renews and whom to ask; mrkdwn."""
    return f"{_reason(error)}{_renewal(error)} {_whom_to_ask(error)}"


def explain_in_form(error: OverLimit) -> str:
    """The same for a field of a form, in plain text, which has no local time."""
    reached = error.reached
    words = _reason(error)
    if reached.renews_at is not None:
        words += f" The limit renews on {_plainly(reached.renews_at)}."
    if error.cheaper is not None and error.cheaper.price is not None:
        cheaper = f"{details(error.cheaper).removeprefix(' · ')}: {dollars(error.cheaper.price)}"
        words += f" The cheapest choice that still fits is {cheaper}."
    return words


def _reason(error: OverLimit) -> str:
    reached = error.reached
    kind, amount = reached.reached.kind, reached.reached.amount
    if not kind.is_money:
        videos = "1 video" if amount == 1 else f"{amount} videos"
        return f"You have made {videos} today, which is the limit per person."
    limit = f"{_whose(kind)} limit of {dollars(in_dollars(amount))} per {_PERIODS[kind.period]}"
    if reached.price is None:
        return f"The price of this video is unknown, so it can't be made under {limit}."
    price, left = dollars(in_dollars(reached.price)), dollars(in_dollars(reached.left))
    return f"This video costs {price}, and {left} is left of {limit}."


def _whose(kind: LimitKind) -> str:
    match kind.scope:
        case Scope.WORKSPACE:
            return "this workspace's"
        case Scope.CHANNEL:
            return "this channel's"
        case Scope.PERSON:
            return "your"


_PERIODS = {Period.DAY: "day", Period.MONTH: "month", Period.OPEN: "time"}


def _renewal(error: OverLimit) -> str:
    """In the reader's own time zone (docs.slack.dev: date formatting)."""
    at = error.reached.renews_at
    if at is None:
        return ""
    return (
        f" The limit renews <!date^{int(at)}^{{date_long_pretty}} at {{time}}|on {_plainly(at)}>."
    )


def _plainly(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _whom_to_ask(error: OverLimit) -> str:
    admins = [f"<@{user_id}>" for user_id in error.admins[:_MOST_ADMINS]]
    return f"If you need more, ask {' or '.join(admins) or 'whoever manages this app'}."


def _cheaper(error: OverLimit) -> list[Block]:
    saved = error.cheaper
    if saved is None or saved.price is None:
        return []
    choice = excerpt(f"{dollars(saved.price)}{details(saved)}", 50)
    return [button(f"Make it for {choice}", CONFIRM, saved.id)]
