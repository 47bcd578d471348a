"""The views.* methods."""

import copy
from typing import Any

from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.objects import initial_state, view_object
from bot.sandbox.slack.state import Json, SlackError, View, Workspace, elements
from bot.sandbox.slack.web_api.method import Args, Methods

methods = Methods()


@methods.add("views.open", Limit.TIER_4, required={"trigger_id": str, "view": dict})
def open_view(workspace: Workspace, args: Args) -> Json:
    """Open a modal for the person behind a trigger."""
    trigger = workspace.use_trigger(args["trigger_id"])
    check_view(workspace, args["view"], "modal")
    if trigger.view_id is None:
        # A trigger from inside a modal stacks the new one; any other replaces them all.
        workspace.close_all(trigger.user)
    return {"view": view_object(workspace, push(workspace, trigger.user, args["view"]))}


@methods.add("views.push", Limit.TIER_4, required={"trigger_id": str, "view": dict})
def push_view(workspace: Workspace, args: Args) -> Json:
    """Push a modal onto the one that issued the trigger."""
    trigger = workspace.use_trigger(args["trigger_id"])
    check_view(workspace, args["view"], "modal")
    parent = workspace.views.get(trigger.view_id or "")
    if parent is None:
        raise SlackError("invalid_trigger_id")
    if not parent.open:
        raise SlackError("not_found")
    return {"view": view_object(workspace, push(workspace, trigger.user, args["view"]))}


@methods.add(
    "views.update",
    Limit.TIER_4,
    required={"view": dict},
    optional={"view_id": str, "external_id": str, "hash": str},
)
def update_view(workspace: Workspace, args: Args) -> Json:
    """Update an open modal."""
    if ("view_id" in args) == ("external_id" in args):
        raise SlackError("invalid_arguments", "[ERROR] Provide either `view_id` or `external_id`")
    view = _open_view(workspace, args)
    check_view(workspace, args["view"], view.type, same=view)
    if "hash" in args and args["hash"] != view.hash:
        raise SlackError("hash_conflict")
    replace_body(workspace, view, args["view"])
    return {"view": view_object(workspace, view)}


@methods.add(
    "views.publish", Limit.TIER_4, required={"user_id": str, "view": dict}, optional={"hash": str}
)
def publish_view(workspace: Workspace, args: Args) -> Json:
    """Publish one person's Home tab."""
    if args["user_id"] not in workspace.users:
        raise SlackError("user_not_found")
    if not workspace.app_home["home_tab_enabled"]:
        raise SlackError("not_enabled")
    home = workspace.homes.get(args["user_id"])
    check_view(workspace, args["view"], "home", same=home)
    if home is None:
        home = new_view(workspace, args["user_id"], args["view"])
        workspace.homes[args["user_id"]] = home
    else:
        if "hash" in args and args["hash"] != home.hash:
            raise SlackError("hash_conflict")
        replace_body(workspace, home, args["view"])
    workspace.changed()
    return {"view": view_object(workspace, home)}


def check_view(workspace: Workspace, view: Any, kind: str, same: View | None = None) -> None:  # noqa: ANN401 -- any JSON
    """Check a view.

    Raises:
        SlackError: with a message for each problem.
    """
    if isinstance(view, dict) and block_kit.is_too_large(view):
        raise SlackError("view_too_large")
    problems = block_kit.problems_of_view(view)
    if not problems and view["type"] != kind:
        problems = [f"[ERROR] must be of type {kind} [json-pointer:/view/type]"]
    if problems:
        raise SlackError("invalid_arguments", *problems)
    if any(e["type"] == "file_input" for block in view["blocks"] for e in elements(block)):
        workspace.require_scopes("files:read")  # docs.slack.dev: file input element
    _check_external_id(workspace, view, same)


def push(workspace: Workspace, user: str, body: Json) -> View:
    """Push a checked modal onto the person's stack.

    Raises:
        SlackError: three are open already.
    """
    stack = workspace.stack(user)
    if len(stack) >= 3:
        raise SlackError("push_limit_reached")
    view = new_view(workspace, user, body)
    if stack:
        view.root_view_id, view.previous_view_id = stack[0].id, stack[-1].id
    stack.append(view)
    workspace.changed()
    return view


def new_view(workspace: Workspace, user: str, body: Json) -> View:
    """Create a view with its initial state."""
    view_id = workspace.new_id("V")
    body = {**copy.deepcopy(body), "blocks": workspace.with_ids(body["blocks"])}
    view = View(view_id, user, body, workspace.new_hash(), root_view_id=view_id)
    view.values = _state(view)
    workspace.views[view_id] = view
    return view


def replace_body(workspace: Workspace, view: View, body: Json) -> None:
    """Replace a view's body; entered values stay where both ids stay the same."""
    view.body = {**copy.deepcopy(body), "blocks": workspace.with_ids(body["blocks"])}
    view.values = _state(view)
    view.hash = workspace.new_hash()
    view.errors = {}
    workspace.changed()


def _open_view(workspace: Workspace, args: Args) -> View:
    for view in workspace.views.values():
        named = view.body.get("external_id") or None
        is_it = args.get("view_id") == view.id or args.get("external_id", "") == named
        if is_it and view.open and view.type == "modal":
            return view
    raise SlackError("not_found")


def _check_external_id(workspace: Workspace, view: Json, same: View | None) -> None:
    name = view.get("external_id")
    others = [known for known in workspace.views.values() if known is not same and known.open]
    if name and any(other.body.get("external_id") == name for other in others):
        raise SlackError("duplicate_external_id")


def _state(view: View) -> dict[str, dict[str, Json]]:
    values: dict[str, dict[str, Json]] = {}
    for block in view.blocks:
        for element in elements(block):
            initial = initial_state(element)
            if initial is not None:
                block_id, action_id = block["block_id"], element["action_id"]
                entered = view.values.get(block_id, {}).get(action_id)
                kept = entered if _still_possible(element, entered) else None
                values.setdefault(block_id, {})[action_id] = kept or initial
    return values


def _still_possible(element: Json, entered: Json | None) -> bool:
    """A removed option can't stay selected (not documented; strict)."""
    if entered is None or entered["type"] != element["type"]:
        return False
    options = element.get("options")
    chosen = entered.get("selected_option")
    return options is None or chosen is None or chosen in options
