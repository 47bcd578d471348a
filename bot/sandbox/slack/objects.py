"""Slack's JSON objects: messages, files, views, conversations and users."""

from typing import Any

from PIL import Image

from bot.sandbox.slack.state import Conversation, File, Json, Message, User, View, Workspace

INITIAL = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_static_select": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "file_input": ("files", ""),
}
"""Elements with a state: the state's field, and the element's field for its initial value."""

LISTS = frozenset(
    {
        "checkboxes",
        "multi_static_select",
        "multi_users_select",
        "multi_conversations_select",
        "file_input",
    }
)


def message_object(workspace: Workspace, message: Message, *, metadata: bool = True) -> Json:
    """Return the message object."""
    given: Json = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": workspace.team_id,
        "blocks": message.blocks,
    }
    if message.bot_id is not None:
        given |= {"bot_id": message.bot_id, "app_id": workspace.app_id}
    if message.thread_ts is not None:
        given["thread_ts"] = message.thread_ts
        if not message.is_reply:
            given["reply_count"] = len(workspace.replies(message.channel, message.ts))
    if message.files:
        given["files"] = [file_object(workspace, file) for file in message.files]
    if message.metadata is not None and metadata:
        given["metadata"] = message.metadata
    if message.edited:
        given["edited"] = {"user": message.user, "ts": message.ts}
    if message.tombstone:
        given |= {"subtype": "tombstone", "hidden": True}
    return given


def file_object(workspace: Workspace, file: File) -> Json:
    """Return the file object (docs.slack.dev: file object)."""
    if file.stage == "deleted":
        return {"id": file.id, "mode": "tombstone"}
    where = f"{workspace.base_url}/files-pri/{workspace.team_id}-{file.id}"
    link = f"https://{workspace.domain}.slack.com/files/{file.user}/{file.id}/{file.name}"
    extension = file.name.rpartition(".")[2].lower() if "." in file.name else "binary"
    is_text = file.mimetype.startswith("text/")
    given: Json = {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title,
        "mimetype": file.mimetype,
        "filetype": "text" if extension == "txt" else extension,
        "pretty_type": extension.upper(),
        "user": file.user,
        "user_team": workspace.team_id,
        "editable": is_text,
        "size": file.size,
        "mode": "snippet" if is_text else "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": any(_is_public(workspace, share) for share in file.shares),
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{where}/{file.name}",
        "url_private_download": f"{where}/download/{file.name}",
        "permalink": link,
        "has_rich_preview": False,
        "file_access": "visible",
        "shares": _shares(workspace, file),
        **_places(workspace, file),
    }
    if file.alt_txt:
        given["alt_txt"] = file.alt_txt
    if file.is_image and file.stage == "complete":
        given |= _dimensions(file)
    if file.mimetype.startswith("video/"):
        given["media_display_type"] = "video"
    return given | file.overrides


def conversation_object(workspace: Workspace, conversation: Conversation, viewer: str) -> Json:
    """Return the conversation object as this user sees it."""
    if conversation.kind == "im":
        other = next(iter(conversation.members - {viewer}), viewer)
        return {"id": conversation.id, "is_im": True, "user": other, "is_archived": False}
    return {
        "id": conversation.id,
        "name": conversation.name,
        "is_channel": conversation.kind == "public",
        "is_group": conversation.kind == "private",
        "is_im": False,
        "is_mpim": False,
        "is_private": conversation.kind == "private",
        "is_archived": conversation.archived,
        "is_general": False,
        "is_member": viewer in conversation.members,
        "num_members": len(conversation.members),
        "context_team_id": workspace.team_id,
    }


def user_object(workspace: Workspace, user: User) -> Json:
    """Return the user object."""
    return {
        "id": user.id,
        "team_id": user.team_id or workspace.team_id,
        "name": user.name,
        "real_name": user.name.title(),
        "is_bot": user.is_bot,
        # docs.slack.dev: user object. A multi-channel guest; a person of Slack Connect.
        "is_admin": user.role == "admin",
        "is_restricted": user.is_guest,
        "is_ultra_restricted": False,
        "is_stranger": user.role == "external",
        "deleted": False,
        "tz": "Europe/London",
        "profile": {"real_name": user.name.title(), "display_name": user.name},
    }


def view_object(workspace: Workspace, view: View) -> Json:
    """Return the view object of responses and payloads."""
    body = view.body
    given: Json = {
        "id": view.id,
        "team_id": workspace.team_id,
        "type": view.type,
        "blocks": view.blocks,
        "private_metadata": view.private_metadata,
        "callback_id": view.callback_id,
        "external_id": body.get("external_id", ""),
        "state": {"values": view.values},
        "hash": view.hash,
        "clear_on_close": body.get("clear_on_close", False),
        "notify_on_close": body.get("notify_on_close", False),
        "previous_view_id": view.previous_view_id,
        "root_view_id": view.root_view_id,
        "app_id": workspace.app_id,
        "app_installed_team_id": workspace.team_id,
        "bot_id": workspace.bot_id,
    }
    if view.type == "modal":
        given |= {name: body.get(name) for name in ("title", "close", "submit")}
    return given


def initial_state(element: Json) -> Json | None:
    """Return an element's initial state; None if it has no state."""
    kept = INITIAL.get(element["type"])
    if kept is None:
        return None
    name, first = kept
    empty: Any = [] if element["type"] in LISTS else None
    return {"type": element["type"], name: element.get(first, empty)}


def _is_public(workspace: Workspace, share: Message) -> bool:
    return workspace.conversations[share.channel].kind == "public"


def _shares(workspace: Workspace, file: File) -> Json:
    shares: dict[str, dict[str, list[Json]]] = {}
    for message in file.shares:
        side = "public" if _is_public(workspace, message) else "private"
        share: Json = {
            "ts": message.ts,
            "share_user_id": file.user,
            "channel_name": workspace.conversations[message.channel].shown_name,
            "team_id": workspace.team_id,
            "reply_users": [],
            "reply_users_count": 0,
            "reply_count": 0,
        }
        if message.thread_ts is not None:
            share["thread_ts"] = message.thread_ts
        shares.setdefault(side, {}).setdefault(message.channel, []).append(share)
    return shares


def _places(workspace: Workspace, file: File) -> Json:
    def of(kind: str) -> list[str]:
        places = {share.channel for share in file.shares}
        return sorted(p for p in places if workspace.conversations[p].kind == kind)

    return {"channels": of("public"), "groups": of("private"), "ims": of("im")}


def _dimensions(file: File) -> Json:
    """The sides of an image that Slack can read."""
    try:
        with Image.open(file.path) as image:
            return {"original_w": image.width, "original_h": image.height}
    except (OSError, Image.DecompressionBombError):
        return {}
