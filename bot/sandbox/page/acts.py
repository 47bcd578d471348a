"""What a browser may do: one model for each act, and the method of `Person` that it calls."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from bot.sandbox.slack.person import Person
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Impossible, Message, PrivateMessage, View, Workspace

BOT_NAME = "video"
COMMANDS = [{"command": "/video", "hint": "a timelapse of clouds --seconds 8"}]
GLOBAL_SHORTCUTS = [{"id": "create_video", "name": "Create a video"}]
MESSAGE_SHORTCUTS = [{"id": "video_of_message", "name": "Make a video of this"}]
"""As in manifest.yml, which is not part of the installed package; a test compares them."""


class Say(BaseModel):
    """Send the text in the message field: a command, a mention or a message."""

    act: Literal["say"]
    place: str
    text: str
    thread_ts: str | None = None
    files: list[str] = []


class Target(BaseModel):
    """Where a button or a menu is: in a message of a conversation, or in a view."""

    place: str = ""
    ts: str = ""
    view: str = ""


class Click(BaseModel):
    """Click a button."""

    act: Literal["click"]
    where: Target
    action_id: str
    block_id: str
    value: str | None = None


class Choose(BaseModel):
    """Pick from a menu that tells the app at once."""

    act: Literal["choose"]
    where: Target
    name: str
    value: Any


class Fill(BaseModel):
    """Enter something in the modal on top."""

    act: Literal["fill"]
    view: str
    name: str
    value: Any


class Attach(BaseModel):
    """Put uploaded files into a field of the modal on top."""

    act: Literal["attach"]
    view: str
    name: str
    files: list[str]


class Submit(BaseModel):
    """Submit the modal on top."""

    act: Literal["submit"]


class Close(BaseModel):
    """Close the modal on top."""

    act: Literal["close"]


class OpenHome(BaseModel):
    """Open the app's page in the side bar, at one of its tabs."""

    act: Literal["open_home"]
    tab: Literal["home", "messages"] = "home"


class Shortcut(BaseModel):
    """Pick a shortcut; with a message, from that message's menu."""

    act: Literal["shortcut"]
    callback_id: str
    place: str = ""
    ts: str = ""


Act = Say | Click | Choose | Fill | Attach | Submit | Close | OpenHome | Shortcut
ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="act")])


async def perform(act: Act, person: Person, workspace: Workspace) -> Ack | None:
    """Do it; returns the app's ack, if the app was asked.

    Raises:
        Impossible: Slack's own screens do not let this person do that.
    """
    match act:
        case Say():
            return await _say(act, person, workspace)
        case Click(where=target, action_id=action_id, block_id=block_id, value=value):
            where = _find(target, person, workspace)
            # An edit gives new ids to blocks that the app left without one.
            same = (
                block_id if any(block["block_id"] == block_id for block in where.blocks) else None
            )
            return await person.click(where, action_id, value=value, block_id=same)
        case Choose(where=target, name=name, value=value):
            return await person.choose(name, value, where=_find(target, person, workspace))
        case Fill(view=view, name=name, value=value):
            _check_on_top(view, person)
            await person.fill({name: value})
            return None
        case Attach(view=view, name=name, files=files):
            _check_on_top(view, person)
            await person.fill({name: [workspace.file(file) for file in files] or None})
            return None
        case Submit():
            return await person.submit()
        case Close():
            return await person.close_view()
        case OpenHome(tab=tab):
            return await person.open_home(tab)
        case Shortcut(callback_id=callback_id, place=place, ts=ts) if ts:
            message = workspace.message(place, ts)
            if message is None:
                raise Impossible("this message is no longer there")
            return await person.message_shortcut(callback_id, message)
        case Shortcut(callback_id=callback_id):
            return await person.global_shortcut(callback_id)


async def _say(act: Say, person: Person, workspace: Workspace) -> Ack | None:
    place = workspace.channel(act.place)
    files = [workspace.file(file) for file in act.files]
    if command := re.match(r"(/\w\S*)\s*", act.text):
        _check_command(command[1], act)
        rest = act.text[command.end() :]
        return await person.command(rest, channel=place, command=command[1])
    if place.kind == "im":
        return await person.direct_message(act.text, thread_ts=act.thread_ts, files=files)
    name = re.escape(workspace.users[workspace.bot_user_id].name)
    if mention := re.match(rf"@{name}(?![\w.-])\s*", act.text, re.IGNORECASE):
        rest = act.text[mention.end() :]
        return await person.mention(rest, channel=place, thread_ts=act.thread_ts, files=files)
    person.post(act.text, channel=place, thread_ts=act.thread_ts, files=files)
    return None


def _check_command(command: str, act: Say) -> None:
    """Slack takes no slash commands in threads, no files with them, and no unknown ones."""
    if act.thread_ts is not None:
        raise Impossible(f"{command} does not work in threads.")
    if command not in {known["command"] for known in COMMANDS}:
        raise Impossible(f"{command} is not a command here. To send it, put a space before it.")
    if act.files:
        raise Impossible("A command takes no files.")


def _check_on_top(view: str, person: Person) -> None:
    """What was entered in one modal must not reach another that was pushed meanwhile."""
    if person.view is None or person.view.id != view:
        raise Impossible("this modal is no longer on top")


def _find(target: Target, person: Person, workspace: Workspace) -> Message | PrivateMessage | View:
    views = [view for view in (person.view, person.home) if view and view.id == target.view]
    private = [message for message in person.private if message.ts == target.ts]
    message = workspace.message(target.place, target.ts) if target.ts else None
    for found in (*views, *private, message):
        if found is not None:
            return found
    raise Impossible("it is no longer there")
