"""What a person does in Slack, and what they see."""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bot.sandbox.slack import modal, responses
from bot.sandbox.slack.objects import INITIAL, message_object
from bot.sandbox.slack.payloads import Payloads
from bot.sandbox.slack.sockets import Ack, Envelope, EnvelopeType
from bot.sandbox.slack.state import (
    Conversation,
    File,
    Impossible,
    Json,
    Message,
    PrivateMessage,
    ResponseUrl,
    SlackError,
    User,
    View,
    Workspace,
)
from bot.sandbox.slack.web_api.chat import parent_of

Where = Message | PrivateMessage | View
"""What holds a button or a field: a message, a modal or the Home tab."""


class Person:
    """A member of the team, with Slack open."""

    def __init__(
        self,
        user: User,
        workspace: Workspace,
        deliver: Callable[[Envelope], Awaitable[Ack]],
    ) -> None:
        self.user = user
        self._workspace = workspace
        self._deliver = deliver
        self._payloads = Payloads(workspace, user)

    @property
    def id(self) -> str:
        """The user's id."""
        return self.user.id

    # What they see

    def sees(self, place: Conversation) -> bool:
        """Whether the conversation is among those that this person can open."""
        is_open = place.kind == "public" and not self.user.is_confined
        return is_open or self.id in place.members

    @property
    def private(self) -> list[PrivateMessage]:
        """The ephemeral messages that this person sees, oldest first."""
        mine = [message for message in self._workspace.private if message.user == self.id]
        return [message for message in mine if not message.deleted]

    @property
    def view(self) -> View | None:
        """The modal on top, if one is open."""
        stack = self._workspace.stack(self.id)
        return stack[-1] if stack else None

    @property
    def home(self) -> View | None:
        """The app's Home tab, once the app has published it."""
        return self._workspace.homes.get(self.id)

    # Commands and shortcuts

    async def command(
        self, text: str = "", *, channel: Conversation | str = "videos", command: str = "/video"
    ) -> Ack:
        """Send a slash command, and wait for its acknowledgement."""
        self._check_app_is_installed()
        payload = self._payloads.command(command, text, self._place(channel))
        return await self._send("slash_commands", payload, accepts_response=True)

    def show_acknowledgement(self, ack: Ack) -> None:
        """Show a command's acknowledgement, if it is a message."""
        if not ack.payload:
            return
        body, sent = ack.payload, ack.envelope.payload
        if body.get("response_type") == "in_channel":
            # The whole channel sees what was typed, too.
            place = self._workspace.channel(sent["channel_id"])
            self._workspace.post(self._typed(place, f"{sent['command']} {sent['text']}".strip()))
        url = ResponseUrl("", self.id, sent["channel_id"], self._workspace.clock(), None)
        try:
            responses.receive(self._workspace, url, body)
        except SlackError as error:
            ack.error = error.code
            self._workspace.complain(f"a command's response was refused: {error.code}")

    async def global_shortcut(self, callback_id: str) -> Ack:
        """Pick a shortcut from the menu beside the message field."""
        self._check_app_is_installed()
        return await self._send("interactive", self._payloads.global_shortcut(callback_id))

    async def message_shortcut(self, callback_id: str, message: Message) -> Ack:
        """Pick a shortcut from a message's own menu; ephemeral messages have none."""
        self._place(message.channel)
        payload = self._payloads.message_shortcut(callback_id, message)
        return await self._send("interactive", payload)

    # Buttons and fields

    async def click(
        self,
        where: Where,
        action_id: str,
        *,
        value: str | None = None,
        block_id: str | None = None,
    ) -> Ack:
        """Click a button that is visible now, in a message, a modal or the Home tab."""
        block, button = modal.find_button(where.blocks, action_id, value, block_id)
        action = {
            "type": "button",
            "action_id": action_id,
            "block_id": block["block_id"],
            "text": button["text"],
            "action_ts": self._workspace.new_ts(),
        }
        if "value" in button:
            action["value"] = button["value"]
        return await self._act(where, action)

    async def fill(self, values: Mapping[str, Any]) -> None:
        """Enter values in the modal on top: block_id or action_id -> value.

        Text for text fields, an option's value (or a list of them) for choices, ids for users
        and conversations, files from `upload` for file fields, None to empty a field. A field
        that dispatches its changes tells the app about each one.
        """
        for name, value in values.items():
            await self._enter(self._top(), name, value)

    async def choose(self, name: str, value: Any, *, where: Where | None = None) -> Ack:  # noqa: ANN401 -- as for fill
        """Change a field that dispatches its changes, and wait for the acknowledgement.

        After text, Enter is pressed. The field is in the modal on top, or in `where`: a message or
        the Home tab.
        """
        ack = await self._enter(where or self._top(), name, value, presses_enter=True)
        if ack is None:
            raise Impossible(f"{name} does not dispatch its changes")
        return ack

    # Modals

    async def submit(self) -> Ack:
        """Submit the modal on top, and apply the app's response."""
        view = self._top()
        modal.check_complete(view)
        view.errors = {}
        payload = self._payloads.submission(view)
        ack = await self._send("interactive", payload, accepts_response=True)
        if ack.delivered:
            self._apply_response(view, ack)
        return ack

    async def close_view(self, *, everything: bool = False) -> Ack | None:
        """Close the modal on top, or the whole stack; the app learns of it if it asked to."""
        view = self._top()
        everything = everything or bool(view.body.get("clear_on_close"))
        if everything:
            self._workspace.close_all(self.id)
        else:
            self._workspace.close_view(view)
        if not view.body.get("notify_on_close"):
            return None
        return await self._send("interactive", self._payloads.closed(view, is_cleared=everything))

    # Messages and the Home tab

    def upload(self, name: str, data: bytes, mimetype: str = "") -> File:
        """Upload a file, to be posted or submitted with a form."""
        return self._workspace.hosted_file(self.id, name, data, mimetype)

    def post(
        self,
        text: str,
        *,
        channel: Conversation | str = "videos",
        thread_ts: str | None = None,
        files: Sequence[File] = (),
    ) -> Message:
        """Post a message, perhaps with files."""
        message = self._written(self._place(channel), text, thread_ts)
        self._workspace.share(list(files), message)
        return message

    async def mention(
        self,
        text: str,
        *,
        channel: Conversation | str = "videos",
        thread_ts: str | None = None,
        files: Sequence[File] = (),
    ) -> Ack | None:
        """Post `@app text`; the app receives it in channels that it is a member of."""
        place = self._place(channel)
        message = self._written(place, text, thread_ts, to_app=True)
        self._workspace.share(list(files), message)
        if self._workspace.bot_user_id not in place.members or place.kind == "im":
            return None
        payload = self._payloads.mention(message)
        return await self._send_event("app_mention", "app_mentions:read", payload)

    async def direct_message(
        self, text: str, *, thread_ts: str | None = None, files: Sequence[File] = ()
    ) -> Ack | None:
        """Write to the app in its direct message."""
        tab = self._workspace.app_home
        if not tab["messages_tab_enabled"] or tab["messages_tab_read_only_enabled"]:
            raise Impossible("the app does not accept messages")
        place = self._workspace.direct_message(self.user)
        return await self.send_message_event(
            self.post(text, channel=place, thread_ts=thread_ts, files=files),
            **({"subtype": "file_share"} if files else {}),
        )

    async def send_message_event(self, message: Message, **more: str) -> Ack | None:
        """Send the event of a message in the app's direct message, whoever wrote it."""
        payload = self._payloads.direct_message(message, **more)
        return await self._send_event("message.im", "im:history", payload)

    async def edit(self, message: Message, text: str) -> Ack | None:
        """Edit one's own message; in a direct message the app receives the change."""
        before = message_object(self._workspace, message)
        place = self._place(message.channel)
        typed = self._typed(place, text)
        self._workspace.edit(message, typed.text, typed.blocks, message.parse)
        message.edited = True
        if place.kind != "im":
            return None
        payload = self._payloads.edited(message, before)
        return await self._send_event("message.im", "im:history", payload)

    async def open_home(self, tab: str = "home") -> Ack | None:
        """Open the app's page in the sidebar."""
        payload = self._payloads.home_opened(tab, self.home)
        return await self._send_event("app_home_opened", None, payload)

    async def _enter(
        self,
        where: Where,
        name: str,
        value: Any,  # noqa: ANN401 -- as for fill
        *,
        presses_enter: bool = False,
    ) -> Ack | None:
        block, element = modal.find_field(where.blocks, name)
        state = modal.enter(self._workspace, element, value)
        names = {"block_id": block["block_id"], "action_id": element["action_id"]}
        if isinstance(where, View) and element["type"] in INITIAL:
            self._check_visible(where)
            where.values[names["block_id"]][names["action_id"]] = state
            self._workspace.changed()
        if not modal.dispatches(block, element, after_enter=presses_enter):
            return None
        return await self._act(where, {**state, **names, "action_ts": self._workspace.new_ts()})

    async def _act(self, where: Where, action: Json) -> Ack:
        if isinstance(where, View):
            self._check_visible(where)
            return await self._send("interactive", self._payloads.action_in_view(where, action))
        self._place(where.channel)
        return await self._send("interactive", self._payloads.action_in_message(where, action))

    def _apply_response(self, view: View, ack: Ack) -> None:
        try:
            modal.apply_response(self._workspace, view, ack.payload or {})
        except SlackError as error:
            # The person reads "We had some trouble connecting. Try again?"
            ack.error = error.code
            complaint = f"a submission's response was refused: {error.code} {error.messages}"
            self._workspace.complain(complaint)
        self._workspace.changed()

    def _top(self) -> View:
        if self.view is None:
            raise Impossible("no modal is open")
        return self.view

    def _check_visible(self, view: View) -> None:
        if view is not self.view and view is not self.home:
            raise Impossible("this view is not visible")

    def _written(
        self, place: Conversation, text: str, thread_ts: str | None, *, to_app: bool = False
    ) -> Message:
        if self.id not in place.members:
            raise Impossible("join the channel to post in it")
        message = self._typed(place, text, to_app=to_app)
        message.thread_ts = parent_of(self._workspace, place, thread_ts)
        return message

    def _typed(self, place: Conversation, text: str, *, to_app: bool = False) -> Message:
        """Return a message as Slack stores what people type: escaped text, and rich text."""
        # docs.slack.dev: formatting message text, "escaping text".
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        words: list[Json] = [{"type": "text", "text": text}] if text else []
        if to_app:
            escaped = f"<@{self._workspace.bot_user_id}> {escaped}".strip()
            words.insert(0, {"type": "user", "user_id": self._workspace.bot_user_id})
        message = Message(self._workspace.new_ts(), place.id, self.id, escaped)
        if words:
            line = {"type": "rich_text_section", "elements": words}
            message.blocks = [{"type": "rich_text", "elements": [line]}]
        return message

    # Sending

    async def _send(
        self, kind: EnvelopeType, payload: Json, *, accepts_response: bool = False
    ) -> Ack:
        return await self._deliver(Envelope(kind, copy.deepcopy(payload), accepts_response))

    async def _send_event(self, name: str, scope: str | None, payload: Json) -> Ack | None:
        """Send an event, if the app subscribes to it and has the scope for it."""
        if name not in self._workspace.subscriptions:
            return None
        if scope is not None and scope not in self._workspace.scopes:
            return None
        return await self._send("events_api", payload)

    def _check_app_is_installed(self) -> None:
        """In a Slack Connect channel, others lack the app's commands and global shortcuts."""
        if self.user.role == "external":
            raise Impossible("your organization doesn't have this app")

    def _place(self, channel: Conversation | str) -> Conversation:
        place = self._workspace.channel(channel)
        if not self.sees(place):
            raise Impossible(f"{self.user.name} can't see {place.id}")
        if place.archived:
            raise Impossible("the channel is archived")
        return place
