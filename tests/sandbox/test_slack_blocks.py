"""The fake Slack checks every documented limit of Block Kit."""

from typing import Any

import pytest

from bot.sandbox.slack.blocks import is_too_large, problems_of_message, problems_of_view

Block = dict[str, Any]


def plain(text: str = "x") -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "x") -> Block:
    return {"type": "mrkdwn", "text": text}


def button(**more: Any) -> Block:  # noqa: ANN401 -- any JSON value
    return {"type": "button", "text": plain(), **more}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def options(count: int) -> list[Block]:
    return [{"text": plain(f"{n}"), "value": f"{n}"} for n in range(count)]


def field(element: Block, **more: Any) -> Block:  # noqa: ANN401 -- any JSON value
    return {"type": "input", "label": plain(), "element": element, **more}


def modal(*blocks: Block, **more: Any) -> Block:  # noqa: ANN401 -- any JSON value
    found = list(blocks) or [{"type": "divider"}]
    return {"type": "modal", "title": plain(), "submit": plain(), "blocks": found, **more}


def rich(*elements: Block) -> Block:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


PICTURE: Block = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a"}
GOOD_IN_MESSAGES: list[Block] = [
    {"type": "section", "text": mrkdwn("x" * 3000), "accessory": button(value="v" * 2000)},
    {"type": "section", "fields": [plain("x" * 2000)] * 10, "block_id": "b"},
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn(), PICTURE]},
    {"type": "image", "image_url": "https://x.test/a.png", "alt_text": "a"},
    {"type": "markdown", "text": "# x"},
    actions(*[button(action_id=f"{n}") for n in range(25)]),
    actions({"type": "overflow", "options": options(5)}),
    rich({"type": "text", "text": "x", "style": {"bold": True}}, {"type": "user", "user_id": "U1"}),
]
BAD_IN_MESSAGES: list[tuple[Block, str]] = [
    ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
    (
        {"type": "section", "text": mrkdwn("x" * 3001)},
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    ({"type": "section", "text": mrkdwn("")}, "must be more than 0 characters"),
    ({"type": "section", "text": "x"}, "unsupported type: None"),
    ({"type": "section", "text": {**plain(), "verbatim": True}}, "additional property: verbatim"),
    ({"type": "section", "fields": [plain()] * 11}, "no more than 10 items"),
    ({"type": "section", "text": plain(), "colour": "red"}, "additional property: colour"),
    ({"type": "header", "text": mrkdwn()}, "enum"),
    ({"type": "header", "text": plain("x" * 151)}, "less than 151"),
    ({"type": "context", "elements": [mrkdwn()] * 11}, "no more than 10 items"),
    ({"type": "context", "elements": [button()]}, "unsupported type: button"),
    ({"type": "image", "alt_text": "a"}, "either `image_url` or `slack_file`"),
    ({"type": "image", "image_url": "javascript:1", "alt_text": "a"}, "invalid url"),
    (actions(), "no less than 1 items"),
    (actions(*[button()] * 26), "no more than 25 items"),
    (actions(button(value="v" * 2001)), "less than 2001"),
    (actions(button(style="green")), "enum"),
    (actions({"type": "button", "text": mrkdwn()}), "enum"),
    (actions({"type": "button", "text": plain("x" * 76)}), "less than 76"),
    (actions({"type": "plain_text_input"}), "unsupported type: plain_text_input"),
    (actions(button(action_id="a"), button(action_id="a")), "Action ID needs to be unique"),
    (actions({"type": "overflow", "options": options(6)}), "no more than 5 items"),
    (rich({"type": "text", "text": ""}), "more than 0"),
    (rich({"type": "mrkdwn", "text": "x"}), "unsupported type: mrkdwn"),
    ({"type": "alert", "text": plain()}, "unsupported type: alert"),
    ({"type": "video"}, "unsupported type: video"),
    (field({"type": "file_input"}), "only supported in modals"),
]

GOOD_IN_MODALS: list[Block] = [
    {"type": "alert", "text": plain("x" * 200), "level": "error"},
    field({"type": "plain_text_input", "max_length": 3000, "placeholder": plain("x" * 150)}),
    field({"type": "static_select", "options": options(100), "initial_option": options(1)[0]}),
    field({"type": "radio_buttons", "options": options(10)}),
    field({"type": "number_input", "is_decimal_allowed": False, "initial_value": "3"}),
    field({"type": "file_input", "filetypes": ["png"], "max_files": 10}, optional=True),
    field({"type": "rich_text_input", "max_lines": 100}),
    field({"type": "multi_users_select", "max_selected_items": 5}),
    field({"type": "conversations_select", "response_url_enabled": True}),
    field(
        {
            "type": "plain_text_input",
            "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
        },
        dispatch_action=True,
        hint=plain("x" * 2000),
    ),
]

BAD_IN_MODALS: list[tuple[Block, str]] = [
    (field({"type": "plain_text_input", "max_length": 3001}), "between 1 and 3000"),
    (field({"type": "plain_text_input", "min_length": 9, "max_length": 8}), "greater"),
    (field({"type": "plain_text_input", "placeholder": plain("x" * 151)}), "less than 151"),
    (field({"type": "plain_text_input", "verbatim": True}), "additional property"),
    (field({"type": "static_select"}), "either `options` or `option_groups`"),
    (field({"type": "static_select", "options": options(101)}), "no more than 100"),
    (
        field({"type": "static_select", "options": options(2), "initial_option": options(3)[2]}),
        "initial option must match",
    ),
    (field({"type": "radio_buttons", "options": options(11)}), "no more than 10"),
    (field({"type": "number_input"}), "missing required field: is_decimal_allowed"),
    (
        field({"type": "number_input", "is_decimal_allowed": True, "min_value": 1}),
        "must be a string that is a number",
    ),
    (field({"type": "file_input", "max_files": 11}), "between 1 and 10"),
    (field({"type": "file_input"}, dispatch_action=True), "not supported for file_input"),
    (field(button()), "unsupported type: button"),
    (field({"type": "plain_text_input"}, label=plain("x" * 2001)), "less than 2001"),
    ({"type": "markdown", "text": "x"}, "unsupported type: markdown"),
    ({"type": "alert", "text": plain("x" * 201)}, "less than 201"),
]


@pytest.mark.parametrize("block", GOOD_IN_MESSAGES)
def test_valid_blocks_are_accepted_in_a_message(block: Block) -> None:
    assert problems_of_message([block]) == []


@pytest.mark.parametrize(("block", "sentence"), BAD_IN_MESSAGES)
def test_invalid_blocks_are_refused_in_a_message(block: Block, sentence: str) -> None:
    assert sentence in "\n".join(problems_of_message([block]))


@pytest.mark.parametrize("block", GOOD_IN_MODALS)
def test_valid_blocks_are_accepted_in_a_modal(block: Block) -> None:
    assert problems_of_view(modal(block)) == []


@pytest.mark.parametrize(("block", "sentence"), BAD_IN_MODALS)
def test_invalid_blocks_are_refused_in_a_modal(block: Block, sentence: str) -> None:
    assert sentence in "\n".join(problems_of_view(modal(block)))


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (modal(title=plain("x" * 25)), "less than 25"),
        (modal(private_metadata="x" * 3001), "less than 3001"),
        (modal(callback_id="x" * 256), "less than 256"),
        (modal(colour="red"), "additional property: colour"),
        (modal(*[{"type": "divider"}] * 101), "no more than 100"),
        ({**modal(), "type": "page"}, "enum"),
        ({"type": "home", "blocks": [{"type": "divider"}], "title": plain()}, "property: title"),
        ({"type": "home"}, "missing required field: blocks"),
    ],
)
def test_an_invalid_view_is_refused(view: Block, sentence: str) -> None:
    assert sentence in "\n".join(problems_of_view(view))


def test_a_modal_with_inputs_needs_a_submit_button() -> None:
    view = modal(field({"type": "plain_text_input"}))
    del view["submit"]
    assert "submit button" in problems_of_view(view)[0]


def test_only_one_field_can_have_the_focus() -> None:
    focused = field({"type": "plain_text_input", "focus_on_load": True})
    assert problems_of_view(modal(focused)) == []
    assert "focus_on_load" in problems_of_view(modal(focused, focused))[0]


def test_block_ids_must_be_unique_and_a_message_has_at_most_fifty_blocks() -> None:
    divider = {"type": "divider", "block_id": "one"}
    assert "Block ID needs to be unique" in problems_of_message([divider, divider])[0]
    assert "no more than 50" in problems_of_message([{"type": "divider"}] * 51)[0]
    assert problems_of_message("blocks") == ["[ERROR] must be an array [json-pointer:/blocks]"]


def test_a_view_has_at_most_250_kb() -> None:
    block = {"type": "section", "text": mrkdwn("\N{CLOUD}" * 3000)}
    assert is_too_large(modal(*[block] * 28))
    assert not is_too_large(modal(*[block] * 26))
