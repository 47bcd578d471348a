"""The state of the workspace: people, conversations, messages, files and views."""

import copy
import hashlib
import itertools
import json
import mimetypes
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bot.sandbox.slack import mentions
from bot.sandbox.slack.shares import Shares

Json = dict[str, Any]
Role = Literal["member", "admin", "guest", "external"]
Kind = Literal["public", "private", "im"]
Posting = Literal["everyone", "restricted", "read_only", "thread_only", "non_threadable"]

DEFAULT_SCOPES = (
    "commands",
    "chat:write",
    "chat:write.public",
    "channels:join",
    "channels:read",
    "groups:read",
    "files:read",
    "files:write",
    "im:write",
    "app_mentions:read",
    "im:history",
)
TRIGGER_SECONDS = 3  # docs.slack.dev: handling user interaction
RESPONSE_URL_SECONDS = 30 * 60  # docs.slack.dev: handling user interaction
RESPONSE_URL_USES = 5
TICKET_SECONDS = 30  # how long a Socket Mode ticket is valid is not documented


class Impossible(AssertionError):
    """Slack's screens don't let a person do this; `field` is the block_id of the input at fault."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class SlackError(Exception):
    """Slack refuses a call: a code, perhaps with messages and further fields."""

    def __init__(self, code: str, *messages: str, **more: Any) -> None:  # noqa: ANN401 -- any JSON
        super().__init__(code)
        self.code = code
        self.messages = list(messages)
        self.more = more


@dataclass
class User:
    """A person, or the app's bot."""

    id: str
    name: str
    is_bot: bool = False
    role: Role = "member"
    team_id: str | None = None
    """The workspace of someone from another organization, in a Slack Connect channel."""

    @property
    def is_guest(self) -> bool:
        """Whether this is a guest of the workspace."""
        return self.role == "guest"

    @property
    def is_confined(self) -> bool:
        """Guests and other organizations' people see only the channels they were added to."""
        return self.role in {"guest", "external"}


@dataclass
class File:
    """An uploaded file, and where it was shared."""

    id: str
    name: str
    user: str
    declared: int
    """The announced size, in bytes."""
    created: int
    path: Path
    alt_txt: str = ""
    title: str = ""
    mimetype: str = ""
    size: int = 0
    sha256: str = ""
    stage: Literal["promised", "uploaded", "complete", "deleted"] = "promised"
    shares: list["Message"] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    """Who may read it without a share: the app may read files submitted with a form."""
    shown_in: set[str] = field(default_factory=set)
    """The conversations with a message whose image block shows it."""
    overrides: Json = field(default_factory=dict)
    """Overrides of the file object: `mode: external`, `file_access: check_file_info`."""

    @property
    def data(self) -> bytes:
        """The content; for large files use `path`."""
        return self.path.read_bytes()

    def copy_to(self, path: Path) -> None:
        """Copy the content without loading it into memory."""
        shutil.copyfile(self.path, path)

    @property
    def is_image(self) -> bool:
        """Whether Slack would show it as an image."""
        return (mimetypes.guess_type(self.name)[0] or "").startswith("image/")


@dataclass
class Message:
    """A message that everyone in the conversation sees."""

    ts: str
    channel: str
    user: str
    text: str = ""
    bot_id: str | None = None
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    files: list[File] = field(default_factory=list)
    metadata: Json | None = None
    edits: list[tuple[str, list[Json]]] = field(default_factory=list)
    """Earlier texts and blocks, oldest first."""
    parse: str = "none"
    reply_broadcast: bool = False
    edited: bool = False
    locked: bool = False
    """An administrator locked this thread."""
    tombstone: bool = False
    mentions: frozenset[str] = frozenset()
    """Whom it notified when posted, or would notify in its current text."""

    @property
    def is_reply(self) -> bool:
        """Whether it is in a thread, and not its parent."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class PrivateMessage:
    """An ephemeral message: one person sees it, and Slack does not store it."""

    user: str
    channel: str
    ts: str
    text: str
    blocks: list[Json]
    thread_ts: str | None = None
    deleted: bool = False


@dataclass
class Conversation:
    """A channel, or a direct message."""

    id: str
    name: str
    kind: Kind
    members: set[str]
    archived: bool = False
    posting: Posting = "everyone"
    messages: list[Message] = field(default_factory=list)

    @property
    def shown_name(self) -> str:
        """The name in payloads: only public channels show their own."""
        return {"public": self.name, "private": "privategroup", "im": "directmessage"}[self.kind]


@dataclass
class View:
    """One person's modal or Home tab."""

    id: str
    user: str
    body: Json
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    values: dict[str, dict[str, Json]] = field(default_factory=dict)
    """What the person entered: block_id -> action_id -> element state."""
    errors: dict[str, str] = field(default_factory=dict)
    """The app's errors about a submission: block_id -> message."""
    open: bool = True

    @property
    def blocks(self) -> list[Json]:
        """Its blocks, in order."""
        return list(self.body["blocks"])

    @property
    def type(self) -> str:
        """`modal` or `home`."""
        return str(self.body["type"])

    @property
    def title(self) -> str:
        """The title's text."""
        return str(self.body.get("title", {}).get("text", ""))

    @property
    def callback_id(self) -> str:
        """The app's name for this kind of view."""
        return str(self.body.get("callback_id", ""))

    @property
    def private_metadata(self) -> str:
        """The app's private metadata."""
        return str(self.body.get("private_metadata", ""))


@dataclass
class Trigger:
    """A permission to open one modal within three seconds."""

    id: str
    user: str
    issued: float
    view_id: str | None
    used: bool = False


@dataclass
class ResponseUrl:
    """A permission to respond to an interaction: five times within thirty minutes."""

    id: str
    user: str
    channel: str
    issued: float
    about: Message | PrivateMessage | None
    uses: int = 0


class Workspace:
    """One team and its history."""

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = clock
        self.changed = changed
        self.directory = directory
        self.base_url = ""
        self.domain = "sandbox"
        self.app_id = "A0SANDBOX01"
        self.bot_id = "B0SANDBOX01"
        self.team_id = "T0SANDBOX01"
        self.enterprise_id: str | None = None
        self.bot_token = "xoxb-sandbox-bot-token"
        self.app_token = "xapp-1-A0SANDBOX01-sandbox"
        self.signing_secret = "sandbox-signing-secret"
        self.verification_token = "sandbox-verification-token"
        self.scopes: set[str] = set(DEFAULT_SCOPES)
        self.token_error = ""
        """Why the bot token is invalid: `token_revoked`, `account_inactive`; empty if valid."""
        self.app_home: Json = {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        }
        self.subscriptions = {"app_home_opened", "app_mention", "message.im"}
        """`app_home` and these events are as in the app's manifest."""
        self.complaints: list[str] = []
        """Mistakes of the app that the real Slack would silently ignore."""
        self.largest_upload = 1_000_000_000  # Slack's help centre: 1 GB per file
        self.users: dict[str, User] = {}
        self.conversations: dict[str, Conversation] = {}
        self.files: dict[str, File] = {}
        self.uploads: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.stacks: dict[str, list[View]] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.private: list[PrivateMessage] = []
        self.shares = Shares()
        self._tickets: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self.bot_user_id = self.add_user("videobot", is_bot=True).id
        self.ada = self.add_user("ada")
        self.grace = self.add_user("grace")
        self.videos = self.add_channel("videos")

    # What the app may do, and what it did wrong

    def complain(self, sentence: str) -> None:
        """Record a mistake of the app."""
        self.complaints.append(sentence)
        self.changed()

    def require_scopes(self, *scopes: str) -> None:
        """Check that the bot's token has these scopes.

        Raises:
            SlackError: `missing_scope`.
        """
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            provided = ",".join(sorted(self.scopes))
            raise SlackError("missing_scope", needed=",".join(missing), provided=provided)

    def issue_ticket(self) -> str:
        """Return a ticket that opens one Socket Mode connection."""
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = self.clock()
        return ticket

    def redeem_ticket(self, ticket: str) -> bool:
        """Use up a ticket, and return whether it was valid."""
        issued = self._tickets.pop(ticket, None)
        return issued is not None and self.clock() - issued <= TICKET_SECONDS

    # People and conversations

    def add_user(
        self,
        name: str,
        *,
        is_bot: bool = False,
        role: Role = "member",
        team_id: str | None = None,
    ) -> User:
        """Add a person or a bot to the team, or someone of another team."""
        if role == "external":
            team_id = team_id or "T0EXTERNAL"
        user = User(self.new_id("U"), name, is_bot, role, team_id)
        self.users[user.id] = user
        self.changed()
        return user

    def add_channel(
        self,
        name: str,
        *,
        private: bool = False,
        bot_is_member: bool = True,
        members: Iterable[User | str] | None = None,
        archived: bool = False,
        posting: Posting = "everyone",
    ) -> Conversation:
        """Create a channel; everyone is a member unless `members` is given."""
        chosen = [user.id for user in self.people()] if members is None else members
        inside = {member if isinstance(member, str) else member.id for member in chosen}
        if bot_is_member:
            inside.add(self.bot_user_id)
        kind: Kind = "private" if private else "public"
        return self._open(Conversation(self.new_id("C"), name, kind, inside, archived, posting))

    def direct_message(self, user: User | str, other: User | str | None = None) -> Conversation:
        """Return this person's direct message with the bot, or with `other`."""
        one = user if isinstance(user, str) else user.id
        two = self.bot_user_id if other is None else other if isinstance(other, str) else other.id
        for known in self.conversations.values():
            if known.kind == "im" and known.members == {one, two}:
                return known
        return self._open(Conversation(self.new_id("D"), "directmessage", "im", {one, two}))

    def people(self) -> list[User]:
        """Everyone who is not a bot."""
        return [user for user in self.users.values() if not user.is_bot]

    def channel(self, channel: Conversation | str) -> Conversation:
        """Return a conversation by its id or its name.

        Raises:
            KeyError: there is no such conversation.
        """
        if isinstance(channel, Conversation):
            return channel
        by_name = {known.name: known for known in self.conversations.values() if known.name}
        return self.conversations[channel] if channel in self.conversations else by_name[channel]

    # Messages

    def messages(self, channel: Conversation | str) -> list[Message]:
        """Return all messages of a conversation, with replies, oldest first."""
        return list(self.channel(channel).messages)

    def replies(self, channel: Conversation | str, thread_ts: str) -> list[Message]:
        """Return the replies of a thread, without its parent."""
        return [m for m in self.messages(channel) if m.is_reply and m.thread_ts == thread_ts]

    def message(self, channel: Conversation | str, ts: str) -> Message | None:
        """Return one message by its timestamp."""
        return next((m for m in self.channel(channel).messages if m.ts == ts), None)

    def post(self, message: Message) -> Message:
        """Add a message to its conversation."""
        self._prepare(message)
        self.conversations[message.channel].messages.append(message)
        if message.is_reply:
            parent = self.message(message.channel, str(message.thread_ts))
            if parent is not None:
                parent.thread_ts = parent.ts
        self.changed()
        return message

    def edit(self, message: Message, text: str, blocks: list[Json], parse: str) -> None:
        """Change a message, and record what it said before."""
        message.edits.append((message.text, message.blocks))
        message.text, message.blocks, message.parse = text, blocks, parse
        message.edited = not blocks
        self._prepare(message)
        self.changed()

    def delete(self, message: Message) -> None:
        """Delete a message; a thread's parent becomes a tombstone."""
        if self.replies(message.channel, message.ts):
            message.tombstone = True
            message.text, message.blocks, message.files = "This message was deleted.", [], []
        else:
            self.conversations[message.channel].messages.remove(message)
        self.changed()

    def notify_privately(self, message: PrivateMessage) -> PrivateMessage:
        """Show one person an ephemeral message."""
        message.blocks = self.with_ids(message.blocks)
        self.private.append(message)
        self.changed()
        return message

    def with_ids(self, blocks: list[Json]) -> list[Json]:
        """Return the blocks with generated ids where the app gave none."""
        blocks = copy.deepcopy(blocks)
        for block in blocks:
            block.setdefault("block_id", secrets.token_urlsafe(4))
            for element in elements(block):
                if element.get("type") not in {"image", "mrkdwn", "plain_text"}:
                    element.setdefault("action_id", secrets.token_urlsafe(4))
        return blocks

    # Files

    def promise_file(self, name: str, length: int, user: str) -> File:
        """Create a file whose content is still to be uploaded."""
        file_id = self.new_id("F")
        path = self.directory / file_id
        file = File(file_id, name, user, length, int(self.clock()), path, title=name)
        self.files[file_id] = file
        self.changed()
        return file

    def receive_file(self, file: File, size: int, sha256: str) -> None:
        """Record that the content is on disk."""
        file.size, file.sha256, file.stage = size, sha256, "uploaded"
        self.changed()

    def complete_file(self, file: File, title: str | None = None) -> None:
        """Complete a file's upload; Slack still has to process it."""
        file.stage = "complete"
        file.title = title or file.title
        self.changed()

    def process_file(self, file: File, mimetype: str = "") -> None:
        """Finish processing a file: its type is now known."""
        file.mimetype = mimetype or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        self.changed()

    def hosted_file(self, user: str, name: str, data: bytes, mimetype: str) -> File:
        """Upload a person's file, not shared yet."""
        file = self.promise_file(name, len(data), user)
        file.path.write_bytes(data)
        self.receive_file(file, len(data), hashlib.sha256(data).hexdigest())
        self.complete_file(file)
        self.process_file(file, mimetype)
        return file

    def share(self, files: list[File], message: Message) -> None:
        """Post a message with these files."""
        message.files = files
        self.post(message)
        for file in files:
            file.shares.append(message)
        self.changed()

    def delete_file(self, file: File) -> None:
        """Delete a file from every message."""
        file.stage = "deleted"
        file.path.unlink(missing_ok=True)
        for message in file.shares:
            message.files = [other for other in message.files if other is not file]
        self.changed()

    def file(self, file_id: str) -> File:
        """Return a file by its id.

        Raises:
            KeyError: there is no such file.
        """
        return self.files[file_id]

    def may_read(self, user: str, file: File) -> bool:
        """Whether this user uploaded the file or has access to it."""
        channels = {message.channel for message in file.shares} | file.shown_in
        return (
            file.user == user
            or user in file.readers
            or any(user in self.conversations[channel].members for channel in channels)
        )

    # Interactions

    def issue_trigger(self, user: str, view_id: str | None = None) -> str:
        """Return a trigger id for one modal."""
        digits = f"{next(self._numbers)}.{int(self.clock())}"
        trigger = Trigger(f"{digits}.{secrets.token_hex(16)}", user, self.clock(), view_id)
        self.triggers[trigger.id] = trigger
        return trigger.id

    def use_trigger(self, trigger_id: str) -> Trigger:
        """Use a trigger, which works once.

        Raises:
            SlackError: it is unknown, used or too old (docs.slack.dev: views.open, errors).
        """
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self.clock() - trigger.issued > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger

    def issue_response_url(
        self, user: str, channel: str, about: Message | PrivateMessage | None = None
    ) -> str:
        """Return a new response URL."""
        key = secrets.token_hex(12)
        self.response_urls[key] = ResponseUrl(key, user, channel, self.clock(), about)
        return f"{self.base_url}/response/{key}"

    def use_response_url(self, key: str) -> ResponseUrl:
        """Use a response URL once more.

        Raises:
            SlackError: it is unknown, used up or too old.
        """
        url = self.response_urls.get(key)
        if url is None:
            raise SlackError("invalid_url")
        if self.clock() - url.issued > RESPONSE_URL_SECONDS:
            raise SlackError("expired_url")
        if url.uses >= RESPONSE_URL_USES:
            raise SlackError("used_url")
        url.uses += 1
        return url

    # Views

    def stack(self, user: str) -> list[View]:
        """Return a person's open modals, the visible one last."""
        return self.stacks.setdefault(user, [])

    def close_view(self, view: View) -> None:
        """Close one modal."""
        stack = self.stack(view.user)
        if view in stack:
            stack.remove(view)
        view.open = False
        self.changed()

    def close_all(self, user: str) -> list[View]:
        """Close all modals of a person, and return them."""
        closed, self.stacks[user] = self.stack(user), []
        for view in closed:
            view.open = False
        self.changed()
        return closed

    def new_hash(self) -> str:
        """Return a new hash for a view that has changed."""
        return f"{int(self.clock())}.{secrets.token_hex(4)}"

    # Ids and timestamps

    def new_id(self, prefix: str) -> str:
        """Return a unique id that looks like Slack's."""
        return f"{prefix}0SBX{next(self._numbers):06d}"

    def new_ts(self) -> str:
        """Return a unique message timestamp, later than every earlier one."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _open(self, conversation: Conversation) -> Conversation:
        self.conversations[conversation.id] = conversation
        self.changed()
        return conversation

    def _prepare(self, message: Message) -> None:
        message.blocks = self.with_ids(message.blocks)
        names = {user.name: user.id for user in self.users.values()}
        bare = message.parse != "none"
        message.mentions = mentions.in_message(message.text, message.blocks, names, bare=bare)
        for file_id, _ in slack_files(message.blocks):
            self.files[file_id].shown_in.add(message.channel)


def slack_files(blocks: Iterable[Json]) -> Iterator[tuple[str, int]]:
    """Yield the file of each image that has one, and the index of its block."""
    for at, block in enumerate(blocks):
        images = [block, block.get("accessory"), *block.get("elements", ())]
        for image in images:
            if image and image["type"] == "image" and "slack_file" in image:
                yield image["slack_file"].get("id", ""), at


def elements(block: Mapping[str, Any]) -> list[Json]:
    """Return the interactive elements of a block."""
    match block:
        case {"type": "section", "accessory": dict(accessory)}:
            return [accessory]
        case {"type": "actions" | "context_actions", "elements": list(found)}:
            return found
        case {"type": "input", "element": dict(element)}:
            return [element]
        case _:
            return []


def compact(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return compact JSON, whose length Slack limits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
