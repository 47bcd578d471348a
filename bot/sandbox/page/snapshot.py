"""What one person sees of the workspace, as JSON for the browser."""

from collections.abc import Iterator
from typing import Any

from bot.sandbox.slack.objects import view_object
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import (
    Conversation,
    File,
    Json,
    Message,
    PrivateMessage,
    View,
    Workspace,
)


def parts(person: Person, workspace: Workspace, *, connected: bool) -> Json:
    """Everything on this person's screen, by path."""
    places = [place for place in workspace.conversations.values() if person.sees(place)]
    return {
        "bot": {"connected": connected},
        "people": [_user(user.id, workspace) for user in workspace.users.values()],
        **{f"place/{place.id}": _place(place, person) for place in places},
        **dict(item for place in places for item in _messages(place, person, workspace)),
        **{f"message/{m.channel}/{m.ts}": _private(m) for m in person.private},
        "modals": [_view(view, workspace) for view in workspace.stack(person.id)],
        "home": _view(person.home, workspace) if person.home else None,
    }


def _user(user_id: str, workspace: Workspace) -> Json:
    user = workspace.users[user_id]
    return {"id": user.id, "name": user.name, "is_bot": user.is_bot}


def _place(place: Conversation, person: Person) -> Json:
    return {
        "id": place.id,
        "name": place.name,
        "kind": place.kind,
        "archived": place.archived,
        "joined": person.id in place.members,
    }


def _messages(
    place: Conversation, person: Person, workspace: Workspace
) -> Iterator[tuple[str, Json]]:
    replies: dict[str, list[Message]] = {}
    for message in place.messages:
        if message.is_reply:
            replies.setdefault(str(message.thread_ts), []).append(message)
    for message in place.messages:
        shown = _message(message, person, workspace)
        below = replies.get(message.ts, [])
        users = list(dict.fromkeys(reply.user for reply in below))
        shown |= {"reply_count": len(below), "reply_users": users}
        yield f"message/{place.id}/{message.ts}", shown


def _message(message: Message, person: Person, workspace: Workspace) -> Json:
    files = [file for file in message.files if workspace.may_read(person.id, file)]
    return {
        **_words(message),
        "user": message.user,
        "is_reply": message.is_reply,
        "edited": message.edited,
        "tombstone": message.tombstone,
        "files": [_file(file, person) for file in files],
    }


def _private(message: PrivateMessage) -> Json:
    """An ephemeral message; only the app sends them."""
    return {**_words(message), "private": True, "is_reply": message.thread_ts is not None}


def _words(message: Message | PrivateMessage) -> dict[str, Any]:
    return {
        "channel": message.channel,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "text": message.text,
        "blocks": message.blocks,
    }


def _file(file: File, person: Person) -> Json:
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title,
        "alt": file.alt_txt,
        "size": file.size,
        "mimetype": file.mimetype,
        "url": f"/files/{person.id}/{file.id}/{file.name}",
    }


def _view(view: View, workspace: Workspace) -> Json:
    return {**view_object(workspace, view), "errors": view.errors}
