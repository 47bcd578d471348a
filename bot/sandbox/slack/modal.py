"""What Slack's screens let a person do with buttons, fields and forms."""

from collections.abc import Sequence
from typing import Any

from bot.sandbox.slack.objects import INITIAL, LISTS, file_object
from bot.sandbox.slack.state import File, Impossible, Json, SlackError, View, Workspace, elements
from bot.sandbox.slack.web_api.views import check_view, push, replace_body

TYPED = frozenset(
    {
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "rich_text_input",
    }
)


def find_button(
    blocks: list[Json], action_id: str, value: str | None = None, block_id: str | None = None
) -> tuple[Json, Json]:
    """Return a button and the block that it is in.

    Raises:
        Impossible: there is no such button.
    """
    for block in blocks:
        for element in elements(block):
            is_it = element.get("action_id") == action_id and element["type"] == "button"
            right_value = value is None or element.get("value") == value
            if is_it and right_value and block_id in (None, block["block_id"]):
                return block, element
    raise Impossible(f"there is no button {action_id} (value {value})")


def find_field(blocks: list[Json], name: str) -> tuple[Json, Json]:
    """Return the element with this block_id or action_id, and the block that it is in.

    Raises:
        Impossible: there is no such field.
    """
    for block in blocks:
        for element in elements(block):
            if name in (block["block_id"], element.get("action_id")):
                return block, element
    raise Impossible(f"there is no field {name}")


def enter(workspace: Workspace, element: Json, value: Any) -> Json:  # noqa: ANN401 -- as for Person.fill
    """Return the state of an element in which this value has been entered.

    Raises:
        Impossible: the element does not take this value.
    """
    kind = element["type"]
    if kind == "overflow":
        return {"type": kind, "selected_option": _option(element, value)}
    if kind not in INITIAL:
        raise Impossible(f"a {kind} has no value")
    name = INITIAL[kind][0]
    if value is None or value == []:
        return {"type": kind, name: [] if kind in LISTS else None}
    if kind == "file_input":
        return {"type": kind, name: _files(workspace, element, value)}
    if name == "selected_option":
        return {"type": kind, name: _option(element, value)}
    if name == "selected_options":
        return {"type": kind, name: [_option(element, one) for one in value]}
    if kind == "plain_text_input" and len(value) > element.get("max_length", 3000):
        raise Impossible("the text is too long")
    return {"type": kind, name: value}


def dispatches(block: Json, element: Json, *, after_enter: bool = False) -> bool:
    """Whether Slack tells the app about a change of this element at once, or after Enter."""
    if block["type"] != "input":
        return True
    if not block.get("dispatch_action"):
        return False
    if element["type"] not in TYPED:
        return True
    config = element.get("dispatch_action_config", {})
    triggers = config.get("trigger_actions_on", ["on_enter_pressed"])
    return "on_character_entered" in triggers or (after_enter and "on_enter_pressed" in triggers)


def state_values(action: Json) -> Json:
    """Return an action's element state by block_id and action_id; buttons and menus have none."""
    if action["type"] not in INITIAL:
        return {}
    name = INITIAL[action["type"]][0]
    state = {"type": action["type"], name: action[name]}
    return {action["block_id"]: {action["action_id"]: state}}


def check_complete(view: View) -> None:
    """Check the required fields, as Slack's own screen does before it tells the app.

    Raises:
        Impossible: the modal can't be submitted like this.
    """
    if "submit" not in view.body:
        raise Impossible("this modal has no submit button")
    for block in view.blocks:
        if block["type"] == "input" and not block.get("optional"):
            element = block["element"]
            state = view.values[block["block_id"]][element["action_id"]]
            entered = state[INITIAL[element["type"]][0]]
            if not entered:
                raise Impossible("this field is required", block["block_id"])
            if element["type"] == "plain_text_input" and len(entered) < element.get(
                "min_length", 0
            ):
                raise Impossible("the text is too short", block["block_id"])


def apply_response(workspace: Workspace, view: View, response: Json) -> None:
    """Do what the app's response to a submission says (docs.slack.dev: modals, response_action).

    Raises:
        SlackError: Slack would refuse the response.
    """
    match response:
        case {} if not response:
            workspace.close_view(view)
        case {"response_action": "clear"}:
            workspace.close_all(view.user)
        case {"response_action": "errors", "errors": dict(errors)} if errors:
            view.errors = _checked_errors(view, errors)
        case {"response_action": "update", "view": dict(body)}:
            check_view(workspace, body, "modal", same=view)
            replace_body(workspace, view, body)
        case {"response_action": "push", "view": dict(body)}:
            check_view(workspace, body, "modal")
            push(workspace, view.user, body)
        case _:
            raise SlackError("invalid_response_action")


def response_urls(workspace: Workspace, view: View) -> list[Json]:
    """Issue a response URL for each conversation chosen in a field that asks for one."""
    urls = []
    for block in view.blocks:
        for element in elements(block):
            state = view.values.get(block["block_id"], {}).get(element.get("action_id", ""))
            channel = (state or {}).get("selected_conversation")
            if element.get("response_url_enabled") and channel:
                url = workspace.issue_response_url(view.user, channel)
                names = {"block_id": block["block_id"], "action_id": element["action_id"]}
                urls.append({**names, "channel_id": channel, "response_url": url})
    return urls


def _option(element: Json, value: str) -> Json:
    groups = element.get("option_groups", [])
    options = [*element.get("options", []), *(o for group in groups for o in group["options"])]
    for option in options:
        if option["value"] == value:
            return dict(option)
    raise Impossible(f"there is no option {value}")


def _files(workspace: Workspace, element: Json, files: Sequence[File]) -> list[Json]:
    if len(files) > element.get("max_files", 10):
        raise Impossible("too many files")
    for file in files:
        # docs.slack.dev: file input element. `filetypes` only filters the picker.
        if file.size > 10_000_000:
            raise Impossible("a file in a form can have at most 10 MB")
        file.readers.add(workspace.bot_user_id)
    return [file_object(workspace, file) for file in files]


def _checked_errors(view: View, errors: Json) -> dict[str, str]:
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not set(errors) <= inputs:
        raise SlackError("invalid_errors", "errors belong to the block_id of an input block")
    return {name: str(sentence) for name, sentence in errors.items()}
