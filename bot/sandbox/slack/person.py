"""What a person does in Slack, and what they see."""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.sandbox.slack.objects import INITIAL, LISTS, file_object, message_object, view_object
from bot.sandbox.slack.sockets import Answer, Envelope, Type
from bot.sandbox.slack.state import (
    Conversation,
    File,
    Json,
    Message,
    PrivateMessage,
    ResponseUrl,
    SlackError,
    User,
    View,
    elements,
)
from bot.sandbox.slack.web_api.chat import check_message_blocks, parent_of
from bot.sandbox.slack.web_api.views import check_view, push, replace_body

if TYPE_CHECKING:
    from bot.sandbox.slack.server import SlackSandbox

TYPED = frozenset(
    {
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "rich_text_input",
    }
)
RESPONSE_FIELDS = frozenset(
    {
        "text",
        "blocks",
        "response_type",
        "replace_original",
        "delete_original",
        "thread_ts",
        "metadata",
        "unfurl_links",
        "unfurl_media",
        "mrkdwn",
        "parse",
    }
)


class Impossible(AssertionError):
    """Slack's own screens do not let a person do that."""


class Person:
    """Somebody in the team, with Slack open."""

    def __init__(self, user: User, slack: "SlackSandbox") -> None:
        self.user = user
        self._slack = slack
        self._workspace = slack.workspace

    @property
    def id(self) -> str:
        """The user's id."""
        return self.user.id

    # What they see

    @property
    def private(self) -> list[PrivateMessage]:
        """The ephemeral messages before this person, oldest first."""
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
    ) -> Answer:
        """Send a slash command, and wait for the answer as Slack does."""
        place = self._place(channel)
        payload = {
            "token": self._workspace.verification_token,
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.domain,
            "channel_id": place.id,
            "channel_name": place.shown_name,
            "user_id": self.id,
            "user_name": self.user.name,
            "command": command,
            "text": text.strip(),
            "api_app_id": self._workspace.app_id,
            "is_enterprise_install": False,
            "response_url": self._workspace.issue_response_url(self.id, place.id),
            "trigger_id": self._workspace.issue_trigger(self.id),
        }
        answer = await self._deliver("slash_commands", payload, accepts=True)
        self.hear(answer)
        return answer

    def hear(self, answer: Answer) -> None:
        """Read a command's acknowledgement, if it is a message."""
        if not answer.payload:
            return
        body, sent = answer.payload, answer.envelope.payload
        if body.get("response_type") == "in_channel":
            # What was typed is shown to the whole channel, too.
            place = self._workspace.channel(sent["channel_id"])
            typed = f"{sent['command']} {sent['text']}".strip()
            self._workspace.post(self._message(place, typed))
        url = ResponseUrl("", self.id, sent["channel_id"], self._workspace.clock(), None)
        try:
            self.receive(body, url)
        except SlackError as error:
            answer.error = error.code
            self._slack.complain(f"a command's answer was refused: {error.code}")

    async def global_shortcut(self, callback_id: str) -> Answer:
        """Pick a shortcut from the menu beside the message field."""
        payload = self._interaction("shortcut", callback_id=callback_id)
        return await self._deliver("interactive", payload)

    async def message_shortcut(self, callback_id: str, message: Message) -> Answer:
        """Pick a shortcut from a message's own menu; ephemeral messages have none."""
        place = self._place(message.channel)
        payload = self._interaction(
            "message_action",
            callback_id=callback_id,
            message_ts=message.ts,
            message=message_object(self._workspace, message),
            channel={"id": place.id, "name": place.shown_name},
            response_url=self._workspace.issue_response_url(self.id, place.id, message),
        )
        return await self._deliver("interactive", payload)

    # Buttons

    async def click(
        self,
        where: Message | PrivateMessage | View,
        action_id: str,
        *,
        value: str | None = None,
        block_id: str | None = None,
    ) -> Answer:
        """Press a button that is there now, in a message, a modal or the Home tab."""
        block, button = _button(where.blocks, action_id, value, block_id)
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

    async def _act(self, where: Message | PrivateMessage | View, action: Json) -> Answer:
        if isinstance(where, View):
            self._check_open(where)
            return await self._deliver("interactive", self._action_in_view(where, action))
        return await self._deliver("interactive", self._action_in_message(where, action))

    def _action_in_message(self, message: Message | PrivateMessage, action: Json) -> Json:
        place = self._place(message.channel)
        is_private = isinstance(message, PrivateMessage)
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": place.id,
            "is_ephemeral": is_private,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        payload = self._interaction(
            "block_actions",
            container=container,
            channel={"id": place.id, "name": place.shown_name},
            state={"values": _state_of(action)},
            response_url=self._workspace.issue_response_url(self.id, place.id, message),
            actions=[action],
        )
        if isinstance(message, Message):
            # An ephemeral message is not in the payload: Slack keeps none.
            payload["message"] = message_object(self._workspace, message)
        return payload

    def _action_in_view(self, view: View, action: Json) -> Json:
        return self._interaction(
            "block_actions",
            of=view,
            container={"type": "view", "view_id": view.id},
            view=self._shown(view),
            actions=[action],
        )

    # Modals

    async def fill(self, values: Mapping[str, Any]) -> None:
        """Enter values in the modal on top: block_id or action_id -> value.

        Text for text fields, an option's value (or a list of them) for choices, ids for users
        and conversations, files from `upload` for file fields, None to empty a field. A field
        that tells the app about each change does so.
        """
        for name, value in values.items():
            await self._enter(self._top(), name, value)

    async def choose(
        self,
        name: str,
        value: Any,  # noqa: ANN401 -- as for fill
        *,
        where: Message | PrivateMessage | View | None = None,
    ) -> Answer:
        """Change a field that tells the app about it, and wait for the acknowledgement.

        The field is in the modal on top, or in `where`: a message or the Home tab.
        """
        answer = await self._enter(where or self._top(), name, value)
        if answer is None:
            raise Impossible(f"{name} tells the app nothing before the form is submitted")
        return answer

    async def _enter(
        self,
        where: Message | PrivateMessage | View,
        name: str,
        value: Any,  # noqa: ANN401 -- as for fill
    ) -> Answer | None:
        block, element = _field(where.blocks, name)
        state = self._entered(element, value)
        names = {"block_id": block["block_id"], "action_id": element["action_id"]}
        if isinstance(where, View) and element["type"] in INITIAL:
            self._check_open(where)
            where.values[names["block_id"]][names["action_id"]] = state
            self._workspace.changed()
        if not _dispatches(block, element):
            return None
        return await self._act(where, {**state, **names, "action_ts": self._workspace.new_ts()})

    def _entered(self, element: Json, value: Any) -> Json:  # noqa: ANN401 -- as for fill
        kind = element["type"]
        if kind == "overflow":
            return {"type": kind, "selected_option": _option(element, value)}
        if kind not in INITIAL:
            raise Impossible(f"nothing can be entered in a {kind}")
        name = INITIAL[kind][0]
        if value is None or value == []:
            return {"type": kind, name: [] if kind in LISTS else None}
        if kind == "file_input":
            return {"type": kind, name: self._files(element, value)}
        if name == "selected_option":
            return {"type": kind, name: _option(element, value)}
        if name == "selected_options":
            return {"type": kind, name: [_option(element, one) for one in value]}
        if kind == "plain_text_input" and len(value) > element.get("max_length", 3000):
            raise Impossible("the field takes no more characters")
        return {"type": kind, name: value}

    def _files(self, element: Json, files: Sequence[File]) -> list[Json]:
        if len(files) > element.get("max_files", 10):
            raise Impossible("the field takes no more files")
        for file in files:
            # docs.slack.dev: file input element. `filetypes` is a convenience, no check.
            if file.size > 10_000_000:
                raise Impossible("a file of a form has at most 10 MB")
            file.readers.add(self._workspace.bot_user_id)
        return [file_object(self._workspace, file) for file in files]

    async def submit(self) -> Answer:
        """Press the modal's submit button, and let its answer have its effect."""
        view = self._top()
        _check_complete(view)
        view.errors = {}
        payload = self._interaction(
            "view_submission",
            of=view,
            view=self._shown(view),
            response_urls=self._response_urls(view),
        )
        answer = await self._deliver("interactive", payload, accepts=True)
        if answer.delivered:
            self._after_submission(view, answer)
        return answer

    def _after_submission(self, view: View, answer: Answer) -> None:
        try:
            self._obey(view, answer.payload or {})
        except SlackError as error:
            # The person reads "We had some trouble connecting. Try again?"
            answer.error = error.code
            complaint = f"a submission's answer was refused: {error.code} {error.messages}"
            self._slack.complain(complaint)
        self._workspace.changed()

    def _obey(self, view: View, reaction: Json) -> None:
        match reaction:
            case {} if not reaction:
                self._pop(view)
            case {"response_action": "clear"}:
                self._workspace.close_all(self.id)
            case {"response_action": "errors", "errors": dict(errors)} if errors:
                view.errors = _checked_errors(view, errors)
            case {"response_action": "update", "view": dict(body)}:
                check_view(self._workspace, body, "modal", same=view)
                replace_body(self._workspace, view, body)
            case {"response_action": "push", "view": dict(body)}:
                check_view(self._workspace, body, "modal")
                push(self._workspace, self.id, body)
            case _:
                raise SlackError("invalid_response_action")

    def _response_urls(self, view: View) -> list[Json]:
        urls = []
        for block in view.blocks:
            for element in elements(block):
                state = view.values.get(block["block_id"], {}).get(element.get("action_id", ""))
                channel = (state or {}).get("selected_conversation")
                if element.get("response_url_enabled") and channel:
                    url = self._workspace.issue_response_url(self.id, channel)
                    names = {"block_id": block["block_id"], "action_id": element["action_id"]}
                    urls.append({**names, "channel_id": channel, "response_url": url})
        return urls

    async def close_view(self, *, everything: bool = False) -> Answer | None:
        """Close the modal on top, or the whole stack; the app hears of it if it asked to."""
        view = self._top()
        everything = everything or bool(view.body.get("clear_on_close"))
        if everything:
            self._workspace.close_all(self.id)
        else:
            self._pop(view)
        if not view.body.get("notify_on_close"):
            return None
        payload = self._interaction(
            "view_closed", of=view, view=self._shown(view), is_cleared=everything
        )
        del payload["trigger_id"]
        return await self._deliver("interactive", payload)

    def _pop(self, view: View) -> None:
        stack = self._workspace.stack(self.id)
        if view in stack:
            stack.remove(view)
        view.open = False
        self._workspace.changed()

    def _top(self) -> View:
        if self.view is None:
            raise Impossible("no modal is open")
        return self.view

    def _check_open(self, view: View) -> None:
        if view is not self.view and view is not self.home:
            raise Impossible("this view is not before the person")

    def _shown(self, view: View) -> Json:
        return copy.deepcopy(view_object(self._workspace, view))

    # Messages and events

    def post(
        self,
        text: str,
        *,
        channel: Conversation | str = "videos",
        thread_ts: str | None = None,
        files: Sequence[File] = (),
    ) -> Message:
        """Write a message, perhaps with files."""
        place = self._place(channel)
        message = self._said_by_hand(place, text, thread_ts)
        if files:
            self._workspace.share(list(files), message)
            return message
        return self._workspace.post(message)

    def _said_by_hand(
        self, place: Conversation, text: str, thread_ts: str | None, *, to_app: bool = False
    ) -> Message:
        if self.id not in place.members:
            raise Impossible("one must join a channel to write in it")
        message = self._message(place, text, to_app=to_app)
        message.thread_ts = parent_of(self._workspace, place, thread_ts)
        return message

    def _message(self, place: Conversation, text: str, *, to_app: bool = False) -> Message:
        """Return a message as Slack keeps what people type: escaped, and once more as blocks."""
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

    async def mention(
        self,
        text: str,
        *,
        channel: Conversation | str = "videos",
        thread_ts: str | None = None,
        files: Sequence[File] = (),
    ) -> Answer | None:
        """Write `@app text`; the app hears of it where it is a member."""
        place = self._place(channel)
        message = self._said_by_hand(place, text, thread_ts, to_app=True)
        self._workspace.share(list(files), message)
        if self._workspace.bot_user_id not in place.members or place.kind == "im":
            return None
        return await self._event("app_mention", "app_mentions:read", self._said(message))

    async def direct_message(
        self, text: str, *, thread_ts: str | None = None, files: Sequence[File] = ()
    ) -> Answer | None:
        """Write to the app in its direct message."""
        tab = self._workspace.app_home
        if not tab["messages_tab_enabled"] or tab["messages_tab_read_only_enabled"]:
            raise Impossible("the app takes no messages")
        place = self._workspace.direct_message(self.user)
        return await self.overhear(
            self.post(text, channel=place, thread_ts=thread_ts, files=files),
            **({"subtype": "file_share"} if files else {}),
        )

    async def edit(self, message: Message, text: str) -> Answer | None:
        """Correct one's own message; in a direct message the app hears of it."""
        before = message_object(self._workspace, message)
        written = self._message(self._place(message.channel), text)
        self._workspace.edit(message, written.text, written.blocks, message.parse)
        message.edited = True
        if self._place(message.channel).kind != "im":
            return None
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": message.channel,
            "channel_type": "im",
            "message": message_object(self._workspace, message),
            "previous_message": before,
            "ts": self._workspace.new_ts(),
            "event_ts": self._workspace.new_ts(),
        }
        return await self._event("message.im", "im:history", event)

    async def overhear(self, message: Message, **more: str) -> Answer | None:
        """Let the app hear of a message in its direct message, whoever wrote it."""
        event = {**self._said(message), "type": "message", "channel_type": "im", **more}
        return await self._event("message.im", "im:history", event)

    async def open_home(self, tab: str = "home") -> Answer | None:
        """Open the app's page in the side bar."""
        place = self._workspace.direct_message(self.user)
        event: Json = {
            "type": "app_home_opened",
            "user": self.id,
            "channel": place.id,
            "tab": tab,
            "event_ts": self._workspace.new_ts(),
        }
        if tab == "home" and self.home is not None:
            event["view"] = self._shown(self.home)
        return await self._event("app_home_opened", None, event)

    def upload(self, name: str, data: bytes, mimetype: str = "") -> File:
        """Put a file on Slack's disk, to be posted or handed in with a form."""
        return self._workspace.hosted_file(self.id, name, data, mimetype)

    def _said(self, message: Message) -> Json:
        shown = message_object(self._workspace, message)
        about = {"type": "app_mention", "channel": message.channel, "event_ts": message.ts}
        return {**shown, **about}

    async def _event(self, name: str, scope: str | None, event: Json) -> Answer | None:
        """Send an event, if the app subscribes to it and may have it."""
        if name not in self._slack.subscriptions:
            return None
        if scope is not None and scope not in self._workspace.scopes:
            return None
        authorization = {
            "enterprise_id": None,
            "team_id": self._workspace.team_id,
            "user_id": self._workspace.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        payload = {
            "token": self._workspace.verification_token,
            "team_id": self._workspace.team_id,
            "api_app_id": self._workspace.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self._workspace.new_id("Ev"),
            "event_time": int(self._workspace.clock()),
            "authorizations": [authorization],
            "is_ext_shared_channel": False,
        }
        return await self._deliver("events_api", payload)

    # What reaches them

    def receive(self, body: Any, url: ResponseUrl) -> None:  # noqa: ANN401 -- any JSON value
        """Take what the app answered: in an acknowledgement, or through a response URL.

        Raises:
            SlackError: Slack would not take it.
        """
        if not isinstance(body, dict) or not set(body) <= RESPONSE_FIELDS:
            raise SlackError("invalid_payload")
        if body.get("delete_original"):
            self._delete_original(url)
            return
        text, blocks = body.get("text", ""), body.get("blocks", [])
        if not (text or blocks):
            raise SlackError("no_text")
        if len(text) > 4000:
            raise SlackError("msg_too_long")
        check_message_blocks(blocks)
        if body.get("replace_original"):
            self._replace_original(url, text, blocks)
        else:
            self._show(body, url, text, blocks)

    def _show(self, body: Json, url: ResponseUrl, text: str, blocks: list[Json]) -> None:
        workspace, ts = self._workspace, self._workspace.new_ts()
        if body.get("response_type") != "in_channel":
            private = PrivateMessage(self.id, url.channel, ts, text, blocks, body.get("thread_ts"))
            workspace.notify_privately(private)
            return
        if isinstance(url.about, PrivateMessage):
            raise SlackError("invalid_response_type")
        # docs.slack.dev: a response URL works whatever the channel's posting rules are.
        message = Message(ts, url.channel, workspace.bot_user_id, text, workspace.bot_id, blocks)
        message.thread_ts = body.get("thread_ts")
        message.parse = body.get("parse", "client")
        workspace.post(message)

    def _delete_original(self, url: ResponseUrl) -> None:
        match url.about:
            case Message():
                self._workspace.delete(url.about)
            case PrivateMessage():
                url.about.deleted = True
                self._workspace.changed()
            case None:
                raise SlackError("cant_delete_message")

    def _replace_original(self, url: ResponseUrl, text: str, blocks: list[Json]) -> None:
        match url.about:
            case Message():
                self._workspace.edit(url.about, text, blocks, "client")
            case PrivateMessage():
                url.about.text, url.about.blocks = text, self._workspace.with_ids(blocks)
                self._workspace.changed()
            case None:
                # It "does not work" on a slash command's own message.
                raise SlackError("cant_update_message")

    # Payloads

    def _interaction(self, kind: str, *, of: View | None = None, **more: Any) -> Json:  # noqa: ANN401 -- any JSON
        workspace = self._workspace
        return {
            "type": kind,
            "token": workspace.verification_token,
            "action_ts": workspace.new_ts(),
            "team": {"id": workspace.team_id, "domain": workspace.domain},
            "user": {
                "id": self.id,
                "username": self.user.name,
                "name": self.user.name,
                "team_id": workspace.team_id,
            },
            "api_app_id": workspace.app_id,
            "is_enterprise_install": False,
            "enterprise": None,
            "trigger_id": workspace.issue_trigger(
                self.id, of.id if of is not None and of.type == "modal" else None
            ),
            **more,
        }

    async def _deliver(self, kind: Type, payload: Json, *, accepts: bool = False) -> Answer:
        return await self._slack.deliver(Envelope(kind, copy.deepcopy(payload), accepts))

    def _place(self, channel: Conversation | str) -> Conversation:
        place = self._workspace.channel(channel)
        if place.kind != "public" and self.id not in place.members:
            raise Impossible(f"{self.user.name} cannot see {place.id}")
        if place.archived:
            raise Impossible("nothing can be done in an archived channel")
        return place


def _button(
    blocks: list[Json], action_id: str, value: str | None, block_id: str | None
) -> tuple[Json, Json]:
    for block in blocks:
        for element in elements(block):
            is_it = element.get("action_id") == action_id and element["type"] == "button"
            right_value = value is None or element.get("value") == value
            if is_it and right_value and block_id in (None, block["block_id"]):
                return block, element
    raise Impossible(f"there is no button {action_id} (value {value})")


def _state_of(action: Json) -> Json:
    """Return what a message's own fields hold: buttons and menus hold nothing."""
    if action["type"] not in INITIAL:
        return {}
    name = INITIAL[action["type"]][0]
    state = {"type": action["type"], name: action[name]}
    return {action["block_id"]: {action["action_id"]: state}}


def _field(blocks: list[Json], name: str) -> tuple[Json, Json]:
    for block in blocks:
        for element in elements(block):
            if name in (block["block_id"], element.get("action_id")):
                return block, element
    raise Impossible(f"there is no field {name}")


def _dispatches(block: Json, element: Json) -> bool:
    if block["type"] != "input":
        return True
    if not block.get("dispatch_action"):
        return False
    if element["type"] not in TYPED:
        return True
    config = element.get("dispatch_action_config", {})
    return "on_character_entered" in config.get("trigger_actions_on", ["on_enter_pressed"])


def _option(element: Json, value: str) -> Json:
    groups = element.get("option_groups", [])
    options = [*element.get("options", []), *(o for group in groups for o in group["options"])]
    for option in options:
        if option["value"] == value:
            return dict(option)
    raise Impossible(f"there is no option {value}")


def _check_complete(view: View) -> None:
    """Slack's own screen checks that required fields are filled before the app hears of it."""
    if "submit" not in view.body:
        raise Impossible("this modal has no submit button")
    for block in view.blocks:
        if block["type"] == "input" and not block.get("optional"):
            element = block["element"]
            state = view.values[block["block_id"]][element["action_id"]]
            entered = state[INITIAL[element["type"]][0]]
            if not entered:
                raise Impossible(f"{block['block_id']} must be filled in")
            if element["type"] == "plain_text_input":
                _check_shortest(element, entered)


def _check_shortest(element: Json, entered: str) -> None:
    if len(entered) < element.get("min_length", 0):
        raise Impossible("the text is too short")


def _checked_errors(view: View, errors: Json) -> dict[str, str]:
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not set(errors) <= inputs:
        raise SlackError("invalid_errors", "errors belong to the block_id of an input block")
    return {name: str(sentence) for name, sentence in errors.items()}
