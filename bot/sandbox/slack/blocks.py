"""Strict Block Kit: every limit that Slack documents, in messages, modals and Home tabs.

The limits are those of docs.slack.dev (Block Kit reference, September 2026). Each problem is worded
as Slack words it, with a JSON pointer to its place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from bot.sandbox.slack.state import Json, compact, elements

Surface = Literal["message", "modal", "home"]
MAX_VIEW_BYTES = 250_000  # docs.slack.dev: views.update, view_too_large
MAX_MESSAGE_LENGTH = 12_000  # bolt-js issues 2509 and 2867: msg_blocks_too_long


@dataclass
class Report:
    """The problems so far, and counts that the whole view is checked for."""

    surface: Surface
    root: str
    problems: list[str] = field(default_factory=list)
    inputs: int = 0
    focused: int = 0

    def add(self, problem: str, where: str) -> None:
        """Add a problem at this place."""
        self.problems.append(f"[ERROR] {problem} [json-pointer:{self.root}{where}]")


Check = Callable[[Any, str, Report], None]


def problems_of_message(blocks: Any) -> list[str]:  # noqa: ANN401 -- whatever the app sent
    """Return the problems of a message's blocks."""
    report = Report("message", "/blocks")
    _blocks(0, 50)(blocks, "", report)
    return report.problems


def problems_of_view(view: Any) -> list[str]:  # noqa: ANN401 -- whatever the app sent
    """Return the problems of a modal or a Home tab."""
    is_home = isinstance(view, dict) and view.get("type") == "home"
    report = Report("home" if is_home else "modal", "/view")
    (HOME if is_home else MODAL)(view, "", report)
    if report.problems or is_home:
        return report.problems
    if report.inputs and "submit" not in view:
        report.add("must have a submit button when it has input blocks", "/submit")
    if report.focused > 1:
        report.add("only one element can have `focus_on_load`", "/blocks")
    return report.problems


def is_too_large(view: Json) -> bool:
    """Whether a view is over 250 kB."""
    return len(compact(view).encode()) > MAX_VIEW_BYTES


def is_too_long(blocks: list[Json]) -> bool:
    """Whether the blocks of a message have too many characters in total."""
    return sum(len(text) for block in blocks for text in _texts(block)) > MAX_MESSAGE_LENGTH


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 -- any JSON value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


# Basic checks


def text(max_length: int, min_length: int = 1) -> Check:
    """A string within these lengths."""

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, str):
            report.add("must be a string", where)
        elif len(value) > max_length:
            report.add(f"must be less than {max_length + 1} characters", where)
        elif len(value) < min_length:
            report.add(f"must be more than {min_length - 1} characters", where)

    return check


def number(minimum: int, maximum: int) -> Check:
    """A whole number in a range."""

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, int) or isinstance(value, bool):
            report.add("must be an integer", where)
        elif not minimum <= value <= maximum:
            report.add(f"must be between {minimum} and {maximum}", where)

    return check


def boolean(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
    """True or false."""
    if not isinstance(value, bool):
        report.add("must be a boolean", where)


def one_of(*allowed: str | int) -> Check:
    """One of these values."""

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if value not in allowed:
            report.add(f"must be a valid enum value: {', '.join(map(str, allowed))}", where)

    return check


def listing(item: Check, minimum: int, maximum: int) -> Check:
    """An array of this many items, each checked."""

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, list):
            report.add("must be an array", where)
            return
        if len(value) > maximum:
            report.add(f"no more than {maximum} items allowed", where)
        if len(value) < minimum:
            report.add(f"no less than {minimum} items allowed", where)
        for position, inner in enumerate(value):
            item(inner, f"{where}/{position}", report)

    return check


def shape(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    then: Check | None = None,
) -> Check:
    """An object with these fields and no others."""
    required, optional = required or {}, optional or {}
    known = {**required, **optional}

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, dict):
            report.add("must be an object", where)
            return
        before = len(report.problems)
        for name in required:
            if name not in value:
                report.add(f"missing required field: {name}", where)
        for name, inner in value.items():
            if name in known:
                known[name](inner, f"{where}/{name}", report)
            else:
                report.add(f"invalid additional property: {name}", where)
        if then is not None and len(report.problems) == before:
            then(value, where, report)

    return check


def by_type(kinds: Mapping[str, Check]) -> Check:
    """An object whose `type` selects its check."""

    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            report.add(f"unsupported type: {kind}", f"{where}/type")
        else:
            kinds[kind](value, where, report)

    return check


def url(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
    """A URL of at most 3,000 characters."""
    text(3000)(value, where, report)
    if isinstance(value, str) and urlsplit(value).scheme not in {"http", "https", "mailto"}:
        report.add("invalid url", where)


# Composition objects

_NAME = text(255)


def _plain(max_length: int) -> Check:
    return shape(
        {"type": one_of("plain_text"), "text": text(max_length)},
        {"emoji": boolean},
    )


def _any_text(max_length: int) -> Check:
    mrkdwn = shape({"type": one_of("mrkdwn"), "text": text(max_length)}, {"verbatim": boolean})
    return by_type({"plain_text": _plain(max_length), "mrkdwn": mrkdwn})


_CONFIRM = shape(
    {"title": _plain(100), "text": _any_text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": one_of("primary", "danger")},
)
_OPTION_FIELDS: dict[str, Check] = {"value": text(150)}
_OPTION = shape(
    {"text": _plain(75), **_OPTION_FIELDS},
    {"description": _plain(75)},
)
_RICH_OPTION = shape({"text": _any_text(75), **_OPTION_FIELDS}, {"description": _any_text(75)})
_MENU_OPTION = shape({"text": _plain(75), **_OPTION_FIELDS}, {"url": url})
_GROUP = shape({"label": _plain(75), "options": listing(_OPTION, 1, 100)})
_DISPATCH = shape(
    {
        "trigger_actions_on": listing(
            one_of("on_enter_pressed", "on_character_entered"),
            1,
            2,
        )
    }
)
_FILTER = shape(
    optional={
        "include": listing(one_of("im", "mpim", "private", "public"), 1, 4),
        "exclude_external_shared_channels": boolean,
        "exclude_bot_users": boolean,
    }
)
_SLACK_FILE = shape(optional={"id": text(255), "url": url})


# Elements


def _element(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    then: Check | None = None,
) -> Check:
    def check(value: Json, where: str, report: Report) -> None:
        report.focused += value.get("focus_on_load") is True
        if then is not None:
            then(value, where, report)

    return shape(
        {"type": text(255), **(required or {})},
        {"action_id": _NAME, "confirm": _CONFIRM, **(optional or {})},
        check,
    )


def _input(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    then: Check | None = None,
) -> Check:
    common: dict[str, Check] = {"focus_on_load": boolean, "placeholder": _plain(150)}
    return _element(required, {**common, **(optional or {})}, then)


def _initial_is_an_option(value: Json, where: str, report: Report) -> None:
    groups = value.get("option_groups", [])
    options = [*value.get("options", []), *(o for group in groups for o in group["options"])]
    if len({option["value"] for option in options}) < len(options):
        report.add("option values must be unique", f"{where}/options")
    chosen = value.get("initial_options", [])
    chosen = [*chosen, value["initial_option"]] if "initial_option" in value else chosen
    for option in chosen:
        if option not in options:
            report.add("initial option must match an option", where)


def _options_or_groups(value: Json, where: str, report: Report) -> None:
    if ("options" in value) == ("option_groups" in value):
        report.add("must define either `options` or `option_groups`", where)
    else:
        _initial_is_an_option(value, where, report)


def _text_lengths(value: Json, where: str, report: Report) -> None:
    minimum, maximum = value.get("min_length", 0), value.get("max_length", 3000)
    if minimum > maximum:
        report.add("`min_length` must not be greater than `max_length`", where)
    if len(value.get("initial_value", "")) > maximum:
        report.add(f"must be less than {maximum + 1} characters", f"{where}/initial_value")


def _numeric(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
    try:
        float(value if isinstance(value, str) else "not a string")
    except ValueError:
        report.add("must be a string that is a number", where)


def _in_modals(inner: Check) -> Check:
    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        if report.surface != "modal":
            report.add("only supported in modals", where)
        inner(value, where, report)

    return check


_STATIC: dict[str, Check] = {
    "options": listing(_OPTION, 1, 100),
    "option_groups": listing(_GROUP, 1, 100),
}
_MAX_SELECTED: dict[str, Check] = {"max_selected_items": number(1, 100)}
_IDS = listing(_NAME, 1, 100)
_CONVERSATION: dict[str, Check] = {
    "default_to_current_conversation": boolean,
    "filter": _FILTER,
}
_RESPONSE_URL: dict[str, Check] = {"response_url_enabled": _in_modals(boolean)}
_BUTTON = _element(
    {"text": _plain(75)},
    {
        "url": url,
        "value": text(2000),
        "style": one_of("primary", "danger"),
        "accessibility_label": text(75),
    },
)
_IMAGE_FIELDS: dict[str, Check] = {"image_url": url, "slack_file": _SLACK_FILE}


def _one_picture(value: Json, where: str, report: Report) -> None:
    if ("image_url" in value) == ("slack_file" in value):
        report.add("must define either `image_url` or `slack_file`", where)


_IMAGE = shape({"type": one_of("image"), "alt_text": text(2000)}, _IMAGE_FIELDS, _one_picture)
_RADIO = _element(
    {"options": listing(_RICH_OPTION, 1, 10)},
    {"initial_option": _RICH_OPTION, "focus_on_load": boolean},
    _initial_is_an_option,
)
_CHECKBOXES = _element(
    {"options": listing(_RICH_OPTION, 1, 10)},
    {"initial_options": listing(_RICH_OPTION, 1, 10), "focus_on_load": boolean},
    _initial_is_an_option,
)
_SINGLE_SELECTS: dict[str, Check] = {
    "static_select": _input(None, {**_STATIC, "initial_option": _OPTION}, _options_or_groups),
    "users_select": _input(None, {"initial_user": _NAME}),
    "conversations_select": _input(
        None, {**_CONVERSATION, **_RESPONSE_URL, "initial_conversation": _NAME}
    ),
    "channels_select": _input(None, {**_RESPONSE_URL, "initial_channel": _NAME}),
    "external_select": _input(
        None, {"initial_option": _OPTION, "min_query_length": number(0, 255)}
    ),
}
_MULTI_SELECTS: dict[str, Check] = {
    "multi_static_select": _input(
        None,
        {**_STATIC, **_MAX_SELECTED, "initial_options": listing(_OPTION, 1, 100)},
        _options_or_groups,
    ),
    "multi_users_select": _input(None, {**_MAX_SELECTED, "initial_users": _IDS}),
    "multi_conversations_select": _input(
        None, {**_MAX_SELECTED, **_CONVERSATION, "initial_conversations": _IDS}
    ),
}
_PICKERS: dict[str, Check] = {
    "datepicker": _input(None, {"initial_date": text(10, 10)}),
    "timepicker": _input(None, {"initial_time": text(5, 5), "timezone": _NAME}),
}
_DATETIME: dict[str, Check] = {
    "datetimepicker": _element(
        None, {"initial_date_time": number(1, 9_999_999_999), "focus_on_load": boolean}
    ),
}
_TYPED: dict[str, Check] = {"dispatch_action_config": _DISPATCH}


def _rich_text_value(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON
    by_type({"rich_text": _RICH_TEXT})(value, where, report)


_TEXT_INPUTS: dict[str, Check] = {
    "plain_text_input": _input(
        None,
        {
            **_TYPED,
            "initial_value": text(3000, 0),
            "multiline": boolean,
            "min_length": number(0, 3000),
            "max_length": number(1, 3000),
        },
        _text_lengths,
    ),
    "rich_text_input": _input(
        None,
        {
            **_TYPED,
            "initial_value": _rich_text_value,
            "min_lines": number(1, 100),
            "max_lines": number(1, 100),
        },
    ),
    "number_input": _input(
        {"is_decimal_allowed": boolean},
        {**_TYPED, "initial_value": _numeric, "min_value": _numeric, "max_value": _numeric},
    ),
    "email_text_input": _input(None, {**_TYPED, "initial_value": text(3000)}),
    "url_text_input": _input(None, {**_TYPED, "initial_value": text(3000)}),
}
_FILE_INPUT = _in_modals(
    shape(
        {"type": one_of("file_input")},
        {
            "action_id": _NAME,
            "filetypes": listing(text(50), 1, 100),
            "max_files": number(1, 10),
        },
    )
)
_IN_SECTION = by_type(
    {
        "button": _BUTTON,
        "image": _IMAGE,
        "overflow": _element({"options": listing(_MENU_OPTION, 1, 5)}),
        "radio_buttons": _RADIO,
        "checkboxes": _CHECKBOXES,
        **_SINGLE_SELECTS,
        **_MULTI_SELECTS,
        **_PICKERS,
    }
)
_IN_ACTIONS = by_type(
    {
        "button": _BUTTON,
        "overflow": _element({"options": listing(_MENU_OPTION, 1, 5)}),
        "radio_buttons": _RADIO,
        "checkboxes": _CHECKBOXES,
        **_SINGLE_SELECTS,
        **_PICKERS,
        **_DATETIME,
    }
)
_IN_INPUT = by_type(
    {
        "radio_buttons": _RADIO,
        "checkboxes": _CHECKBOXES,
        "file_input": _FILE_INPUT,
        **_SINGLE_SELECTS,
        **_MULTI_SELECTS,
        **_PICKERS,
        **_DATETIME,
        **_TEXT_INPUTS,
    }
)


# Rich text

_STYLE = shape(
    optional=dict.fromkeys(
        ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight"), boolean
    )
)
_WORDS: dict[str, Check] = {"type": text(255)}
_LEAF = by_type(
    {
        "text": shape({**_WORDS, "text": text(MAX_MESSAGE_LENGTH)}, {"style": _STYLE}),
        "link": shape(
            {**_WORDS, "url": url}, {"text": text(3000), "unsafe": boolean, "style": _STYLE}
        ),
        "user": shape({**_WORDS, "user_id": _NAME}, {"style": _STYLE}),
        "usergroup": shape({**_WORDS, "usergroup_id": _NAME}, {"style": _STYLE}),
        "channel": shape({**_WORDS, "channel_id": _NAME}, {"style": _STYLE}),
        "emoji": shape({**_WORDS, "name": _NAME}, {"unicode": _NAME, "skin_tone": number(1, 6)}),
        "broadcast": shape({**_WORDS, "range": one_of("here", "channel", "everyone")}),
        "color": shape({**_WORDS, "value": text(7)}),
        "date": shape(
            {**_WORDS, "timestamp": number(0, 9_999_999_999), "format": text(255)},
            {"url": url, "fallback": text(255), "style": _STYLE},
        ),
    }
)
_SECTION_OF_WORDS = shape({**_WORDS, "elements": listing(_LEAF, 1, 1000)})
_BORDERED = shape({**_WORDS, "elements": listing(_LEAF, 1, 1000)}, {"border": one_of(0, 1)})
_RICH_TEXT = shape(
    {
        "type": one_of("rich_text"),
        "elements": listing(
            by_type(
                {
                    "rich_text_section": _SECTION_OF_WORDS,
                    "rich_text_quote": _BORDERED,
                    "rich_text_preformatted": shape(
                        {**_WORDS, "elements": listing(_LEAF, 1, 1000)},
                        {"border": one_of(0, 1), "language": text(50)},
                    ),
                    "rich_text_list": shape(
                        {
                            **_WORDS,
                            "style": one_of("bullet", "ordered"),
                            "elements": listing(
                                by_type({"rich_text_section": _SECTION_OF_WORDS}), 1, 1000
                            ),
                        },
                        {"indent": number(0, 8), "offset": number(0, 9999), "border": one_of(0, 1)},
                    ),
                }
            ),
            1,
            1000,
        ),
    },
    {"block_id": text(255)},
)


# Blocks


def _block(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    then: Check | None = None,
) -> Check:
    return shape(
        {"type": text(255), **(required or {})}, {"block_id": _NAME, **(optional or {})}, then
    )


def _text_or_fields(value: Json, where: str, report: Report) -> None:
    if "text" not in value and "fields" not in value:
        report.add("must define either `text` or `fields`", where)


def _input_rules(value: Json, where: str, report: Report) -> None:
    report.inputs += 1
    if value["element"]["type"] == "file_input" and value.get("dispatch_action"):
        report.add("`dispatch_action` is not supported for file_input", f"{where}/dispatch_action")


_BLOCKS: dict[str, Check] = {
    "section": _block(
        None,
        {
            "text": _any_text(3000),
            "fields": listing(_any_text(2000), 1, 10),
            "accessory": _IN_SECTION,
            "expand": boolean,
        },
        _text_or_fields,
    ),
    "divider": _block(),
    "header": _block({"text": _plain(150)}),
    "context": _block(
        {
            "elements": listing(
                by_type(
                    {"image": _IMAGE, "plain_text": _any_text(3000), "mrkdwn": _any_text(3000)}
                ),
                1,
                10,
            )
        }
    ),
    "actions": _block({"elements": listing(_IN_ACTIONS, 1, 25)}),
    "image": _block(
        {"alt_text": text(2000)}, {**_IMAGE_FIELDS, "title": _plain(2000)}, _one_picture
    ),
    "input": _block(
        {"label": _plain(2000), "element": _IN_INPUT},
        {"hint": _plain(2000), "optional": boolean, "dispatch_action": boolean},
        _input_rules,
    ),
    "rich_text": _RICH_TEXT,
}
_ONLY: dict[Surface, dict[str, Check]] = {
    "message": {"markdown": _block({"text": text(12_000)})},
    "modal": {
        "alert": _block(
            {"text": _any_text(200)},
            {"level": one_of("default", "info", "warning", "error", "success")},
        )
    },
    "home": {},
}


def _blocks(minimum: int, maximum: int) -> Check:
    def check(value: Any, where: str, report: Report) -> None:  # noqa: ANN401 -- any JSON value
        block = by_type({**_BLOCKS, **_ONLY[report.surface]})
        before = len(report.problems)
        listing(block, minimum, maximum)(value, where, report)
        if len(report.problems) == before:
            _unique_names(value, where, report)

    return check


def _unique_names(blocks: list[Json], where: str, report: Report) -> None:
    seen: set[str] = set()
    for position, block in enumerate(blocks):
        name = block.get("block_id")
        if name in seen:
            report.add("Block ID needs to be unique", f"{where}/{position}/block_id")
        if name is not None:
            seen.add(name)
        actions = [e["action_id"] for e in elements(block) if "action_id" in e]
        if len(set(actions)) < len(actions):
            report.add("Action ID needs to be unique", f"{where}/{position}/elements")


# Views

_EVERY_VIEW: dict[str, Check] = {
    "private_metadata": text(3000, 0),
    "callback_id": text(255, 0),
    "external_id": text(255, 0),
}
MODAL = shape(
    {"type": one_of("modal"), "title": _plain(24), "blocks": _blocks(1, 100)},
    {
        **_EVERY_VIEW,
        "close": _plain(24),
        "submit": _plain(24),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
        "submit_disabled": boolean,
    },
)
HOME = shape({"type": one_of("home"), "blocks": _blocks(1, 100)}, _EVERY_VIEW)
