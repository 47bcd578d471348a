"""The Web API: one function for each method, and the rules that hold for all of them.

The facts are those of docs.slack.dev, one page for each method. Arguments that the bot has no
use for (attachments, file_ids, ...) are refused as invalid, so that nobody relies on them.
"""

import asyncio
import copy
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.limits import Limit, Limits
from bot.sandbox.slack.objects import (
    conversation_object,
    file_object,
    initial_state,
    message_object,
    user_object,
    view_object,
)
from bot.sandbox.slack.state import (
    Conversation,
    File,
    Json,
    Message,
    PrivateMessage,
    SlackError,
    View,
    Workspace,
    compact,
    elements,
)

MOST_TEXT = 4000  # hard for chat.update; seen of posts too (ChatGPT-in-Slack issue 102)
MOST_METADATA = 1000  # undocumented (metadata_too_large): the strict reading
MOST_COMMENT = 4000
TIMESTAMP = re.compile(r"\d{10}\.\d{6}")
UPLOAD_CHANNEL = re.compile(r"[CGDZ][A-Z0-9]{8,}")  # bolt-js issue 2115
HISTORY_SCOPES = {"public": "channels:history", "private": "groups:history", "im": "im:history"}
READ_SCOPES = {"public": "channels:read", "private": "groups:read", "im": "im:read"}
RESTRICTIONS = {
    "restricted": "restricted_action",
    "read_only": "restricted_action_read_only_channel",
}
TokenKind = Literal["bot", "app"]
Args = Mapping[str, Any]


class WebApi:
    """Answers calls of Web API methods."""

    def __init__(
        self,
        workspace: Workspace,
        issue_ticket: Callable[[], str],
        *,
        limits: bool,
    ) -> None:
        self.workspace = workspace
        self.issue_ticket = issue_ticket
        self.limits = Limits(workspace.clock) if limits else None
        self.share_delay = 0.005
        self.held: list[Callable[[], None]] | None = None
        """Shares that wait for a test's leave; None lets them happen by themselves."""

    def call(self, name: str, args: Json, token: str | None, *, as_json: bool) -> Json:
        """Carry out a call.

        Raises:
            SlackError: Slack says no.
            RateLimited: not now.
        """
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        self._authenticate(method, token)
        if as_json and not method.reads_json:
            args = {}
        if self.limits is not None:
            self.limits.take(method.limit, name, str(args.get("channel", "")))
        self.need(*method.scopes)
        return {"ok": True, **method.handler(self, method.accept(args, self.workspace.team_id))}

    def token_kind(self, token: str | None) -> TokenKind | None:
        """Say whose token it is; None if it is nobody's."""
        known: dict[str, TokenKind] = {
            self.workspace.bot_token: "bot",
            self.workspace.app_token: "app",
        }
        return known.get(token or "")

    def _authenticate(self, method: "Method", token: str | None) -> None:
        if not token:
            raise SlackError("not_authed")
        kind = self.token_kind(token)
        if kind is None:
            raise SlackError("invalid_auth")
        if kind == "bot" and self.workspace.token_error:
            raise SlackError(self.workspace.token_error)
        if kind != method.token:
            raise SlackError("not_allowed_token_type")

    def need(self, *scopes: str) -> None:
        """Stop unless the bot's token has these scopes."""
        provided = self.workspace.scopes
        missing = [scope for scope in scopes if scope not in provided]
        if missing:
            shown = ",".join(sorted(provided))
            raise SlackError("missing_scope", needed=",".join(missing), provided=shown)

    def later(self, effect: Callable[[], None]) -> None:
        """Let something happen a moment later, as Slack's own queues do."""
        if self.held is not None:
            self.held.append(effect)
        else:
            asyncio.get_running_loop().call_later(self.share_delay, effect)


Handler = Callable[[WebApi, Args], Json]


@dataclass(frozen=True)
class Method:
    """What is known of a method: who may call it, with what, how often."""

    handler: Handler
    limit: Limit
    required: Mapping[str, type] = field(default_factory=dict)
    optional: Mapping[str, type] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    reads_json: bool = True
    """Methods that only read take no JSON body (their page lists form encoding only)."""
    token: TokenKind = "bot"

    def accept(self, args: Args, team_id: str) -> Json:
        """Return the arguments with their types."""
        known = {**self.required, **self.optional, "team_id": str}
        faults = [f"[ERROR] missing required field: {n}" for n in self.required if n not in args]
        faults += [f"[ERROR] unknown argument: {name}" for name in args if name not in known]
        if faults:
            raise SlackError("invalid_arguments", *faults)
        accepted = {name: _typed(name, value, known[name]) for name, value in args.items()}
        if accepted.pop("team_id", team_id) != team_id:
            raise SlackError("team_not_found")
        return accepted


UNREADABLE = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}


def _typed(name: str, value: Any, wanted: type) -> Any:  # noqa: ANN401 -- any JSON value
    """Turn a form's string into what the method wants, or insist on the right JSON type."""
    wrong = SlackError(
        UNREADABLE.get(name, "invalid_arguments"),
        f"[ERROR] must be of type {wanted.__name__} [json-pointer:/{name}]",
    )
    if isinstance(value, str) and wanted is not str:
        value = _from_form(value, wanted)
    if wanted is int and isinstance(value, bool):
        raise wrong
    if not isinstance(value, wanted):
        raise wrong
    return value


def _from_form(value: str, wanted: type) -> Any:  # noqa: ANN401 -- any JSON value
    if wanted is bool:
        return {"1": True, "true": True, "0": False, "false": False}.get(value.lower())
    try:
        return json.loads(value)
    except ValueError:
        return None


# auth.*, apps.*, users.*


def auth_test(api: WebApi, _args: Args) -> Json:
    """Say who the token is."""
    workspace = api.workspace
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.domain.title(),
        "user": workspace.users[workspace.bot_user_id].name,
        "team_id": workspace.team_id,
        "user_id": workspace.bot_user_id,
        "bot_id": workspace.bot_id,
        "is_enterprise_install": False,
    }


def open_connection(api: WebApi, _args: Args) -> Json:
    """Give the address of one websocket."""
    base = api.workspace.base_url.replace("http", "ws", 1)
    ticket = api.issue_ticket()
    return {"url": f"{base}/link/?ticket={ticket}&app_id={api.workspace.app_id}"}


def user_info(api: WebApi, args: Args) -> Json:
    """Describe a user."""
    user = api.workspace.users.get(args["user"])
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user_object(api.workspace, user)}


# conversations.*


def visible(api: WebApi, channel: str) -> Conversation:
    """Return a conversation that the bot can see: public, or one that it is in."""
    conversation = api.workspace.conversations.get(channel)
    if conversation is None or not (
        conversation.kind == "public" or api.workspace.bot_user_id in conversation.members
    ):
        raise SlackError("channel_not_found")
    return conversation


def conversation_info(api: WebApi, args: Args) -> Json:
    """Describe a conversation."""
    conversation = visible(api, args["channel"])
    api.need(READ_SCOPES[conversation.kind])
    found = conversation_object(api.workspace, conversation, api.workspace.bot_user_id)
    return {"channel": found}


def join(api: WebApi, args: Args) -> Json:
    """Let the bot into a public channel; a private one stays invisible to it."""
    conversation = visible(api, args["channel"])
    if conversation.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if conversation.archived:
        raise SlackError("is_archived")
    bot = api.workspace.bot_user_id
    warning = {"warning": "already_in_channel"} if bot in conversation.members else {}
    conversation.members.add(bot)
    api.workspace.changed()
    return {"channel": conversation_object(api.workspace, conversation, bot), **warning}


def open_conversation(api: WebApi, args: Args) -> Json:
    """Open the direct message with one person."""
    workspace = api.workspace
    if "channel" in args:
        conversation = visible(api, args["channel"])
        if conversation.kind != "im":
            raise SlackError("method_not_supported_for_channel_type")
    elif not args.get("users"):
        raise SlackError("users_list_not_supplied")
    else:
        conversation = workspace.direct_message(_one_person(api, args["users"]))
    full = conversation_object(workspace, conversation, workspace.bot_user_id)
    return {"channel": full if args.get("return_im") else {"id": conversation.id}}


def _one_person(api: WebApi, users: str) -> str:
    ids = users.split(",")
    if len(ids) > 1:
        api.need("mpim:write")
        raise SlackError("invalid_arguments", "[ERROR] group messages are not in this sandbox")
    user = api.workspace.users.get(ids[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.is_bot:
        raise SlackError("cannot_dm_bot")
    return user.id


def history(api: WebApi, args: Args) -> Json:
    """List the messages of a conversation, newest first, without replies."""
    conversation = _readable(api, args["channel"])
    messages = [message for message in conversation.messages if not message.is_reply]
    return _page(api, messages[::-1], args)


def replies(api: WebApi, args: Args) -> Json:
    """List a thread, its head first."""
    conversation = _readable(api, args["channel"])
    head = api.workspace.message(conversation, args["ts"])
    if head is None:
        raise SlackError("thread_not_found")
    thread = head.thread_ts or head.ts
    return _page(api, [m for m in conversation.messages if thread in (m.ts, m.thread_ts)], args)


def _readable(api: WebApi, channel: str) -> Conversation:
    conversation = visible(api, channel)
    api.need(HISTORY_SCOPES[conversation.kind])
    if api.workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    return conversation


def _page(api: WebApi, messages: list[Message], args: Args) -> Json:
    size, begin = args.get("limit", 100), int(args.get("cursor") or 0)
    if not 1 <= size <= 999:
        raise SlackError("invalid_limit")
    inside = [message for message in messages if _within(message, args)]
    shown = inside[begin : begin + size]
    more = begin + size < len(inside)
    metadata = args.get("include_all_metadata", False)
    return {
        "messages": [message_object(api.workspace, m, metadata=metadata) for m in shown],
        "has_more": more,
        "response_metadata": {"next_cursor": str(begin + size) if more else ""},
    }


def _within(message: Message, args: Args) -> bool:
    ts, inclusive = float(message.ts), args.get("inclusive", False)
    oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or 1e11)
    return oldest < ts < latest or (inclusive and ts in (oldest, latest))


# chat.*


def post_message(api: WebApi, args: Args) -> Json:
    """Post a message, or a reply."""
    workspace = api.workspace
    if {"username", "icon_emoji", "icon_url"} & set(args):
        api.need("chat:write.customize")
    conversation = _writable(api, args["channel"])
    text, blocks = _content(args)
    _check_restrictions(conversation, args.get("thread_ts"))
    thread = parent_of(api, conversation, args.get("thread_ts"))
    message = Message(
        ts=workspace.new_ts(),
        channel=conversation.id,
        user=workspace.bot_user_id,
        bot_id=workspace.bot_id,
        text=text,
        blocks=blocks,
        thread_ts=thread,
        metadata=_metadata(args),
        parse="full" if args.get("link_names") else args.get("parse", "none"),
        reply_broadcast=args.get("reply_broadcast", False),
    )
    workspace.post(message)
    return _posted(api, message)


def _posted(api: WebApi, message: Message) -> Json:
    shown = message_object(api.workspace, message)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


def _writable(api: WebApi, channel: str) -> Conversation:
    """Posting needs less than uploading: chat:write.public lets a stranger post."""
    workspace = api.workspace
    if channel[:1] in {"U", "W"}:
        # A user id opens the app's own direct message (docs.slack.dev: chat.postMessage).
        user = workspace.users.get(channel)
        if user is None or user.is_bot:
            raise SlackError("channel_not_found")
        return workspace.direct_message(user)
    conversation = visible(api, channel)
    is_member = workspace.bot_user_id in conversation.members
    if not is_member and "chat:write.public" not in workspace.scopes:
        raise SlackError("not_in_channel")
    if conversation.archived:
        raise SlackError("is_archived")
    return conversation


def _check_restrictions(conversation: Conversation, thread_ts: str | None) -> None:
    if conversation.posting in RESTRICTIONS:
        raise SlackError(RESTRICTIONS[conversation.posting])
    if conversation.posting == "thread_only" and thread_ts is None:
        raise SlackError("restricted_action_thread_only_channel")
    if conversation.posting == "non_threadable" and thread_ts is not None:
        raise SlackError("restricted_action_non_threadable_channel")


def _content(args: Args) -> tuple[str, list[Json]]:
    """Return the text and the blocks, checked."""
    text, blocks = args.get("text", ""), args.get("blocks", [])
    markdown = args.get("markdown_text", "")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if not (text.strip() or blocks or markdown.strip()):
        raise SlackError("no_text")
    if len(text) > MOST_TEXT or len(markdown) > 12_000:
        raise SlackError("msg_too_long")
    check_message_blocks(blocks)
    return text or markdown, copy.deepcopy(blocks)


def check_message_blocks(blocks: list[Json]) -> None:
    """Stop at blocks that Slack would not take.

    Raises:
        SlackError: with a sentence for each fault.
    """
    problems = block_kit.problems_of_message(blocks)
    if problems:
        sentences = [problem.removeprefix("[ERROR] ") for problem in problems]
        raise SlackError("invalid_blocks", *problems, errors=sentences)
    if block_kit.is_too_long(blocks):
        raise SlackError("msg_blocks_too_long")


def _metadata(args: Args) -> Json | None:
    metadata: Json | None = args.get("metadata")
    if not metadata:
        return None
    match metadata:
        case {"event_type": str(name), "event_payload": dict(payload), **rest} if name and not rest:
            if not all(_is_flat(value) for value in payload.values()):
                raise SlackError("invalid_metadata_schema")
        case _:
            raise SlackError("invalid_metadata_format")
    if len(compact(metadata)) > MOST_METADATA:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def _is_flat(value: Any) -> bool:  # noqa: ANN401 -- any JSON value
    """Nested objects are "currently not supported" (docs.slack.dev: message metadata)."""
    if isinstance(value, list):
        return all(isinstance(item, str | int | float | bool) for item in value)
    return isinstance(value, str | int | float | bool)


def parent_of(api: WebApi, conversation: Conversation, thread_ts: str | None) -> str | None:
    """Return the thread to reply in: it must be there, and begin with that message."""
    if thread_ts is None:
        return None
    if not TIMESTAMP.fullmatch(thread_ts):
        raise SlackError("invalid_thread_ts", f"[ERROR] {thread_ts} is not a valid thread_ts")
    parent = api.workspace.message(conversation, thread_ts)
    if parent is None:
        raise SlackError("thread_not_found")
    if parent.is_reply:
        # "Avoid using a reply's ts value": what happens is not documented, so it is refused.
        raise SlackError("cannot_reply_to_message")
    if parent.locked:
        raise SlackError("restricted_action_thread_locked")
    return thread_ts


def update_message(api: WebApi, args: Args) -> Json:
    """Change a message of the bot's own."""
    conversation = visible(api, args["channel"])
    message = _own_message(api, conversation, args["ts"], "cant_update_message")
    if conversation.archived:
        raise SlackError("is_inactive")
    text, blocks = _content(_keeping_blocks(message, args))
    if _has_rich_text(message.blocks) and not _has_rich_text(blocks):
        # "Rich-text blocks cannot be replaced with non-rich-text blocks."
        raise SlackError("block_mismatch")
    metadata = _metadata(args)
    if "metadata" in args:
        message.metadata = metadata
    # "If you do not specify a value, the original value will be overwritten with `client`."
    parse = "full" if args.get("link_names") else args.get("parse", "client")
    api.workspace.edit(message, text, blocks, parse)
    shown = message_object(api.workspace, message)
    return {"channel": message.channel, "ts": message.ts, "text": text, "message": shown}


def _keeping_blocks(message: Message, args: Args) -> Args:
    """Without `blocks`, the old ones stay only if no text is given either."""
    if "blocks" in args or args.get("text") or args.get("markdown_text"):
        return args
    return {**args, "text": message.text, "blocks": message.blocks}


def _has_rich_text(blocks: list[Json]) -> bool:
    return any(block["type"] == "rich_text" for block in blocks)


def _own_message(api: WebApi, conversation: Conversation, ts: str, refusal: str) -> Message:
    message = api.workspace.message(conversation, ts)
    if message is None or message.tombstone:
        raise SlackError("message_not_found")
    if message.bot_id != api.workspace.bot_id:
        raise SlackError(refusal)
    return message


def delete_message(api: WebApi, args: Args) -> Json:
    """Take a message of the bot's own away."""
    conversation = visible(api, args["channel"])
    message = _own_message(api, conversation, args["ts"], "cant_delete_message")
    api.workspace.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def post_ephemeral(api: WebApi, args: Args) -> Json:
    """Show a message to one person in a conversation that both are in."""
    workspace = api.workspace
    conversation = visible(api, args["channel"])
    if workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    if conversation.archived:
        raise SlackError("is_archived")
    if args["user"] not in conversation.members:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(args)
    thread = parent_of(api, conversation, args.get("thread_ts"))
    ts = workspace.new_ts()
    workspace.notify_privately(
        PrivateMessage(args["user"], conversation.id, ts, text, blocks, thread)
    )
    return {"message_ts": ts}


def permalink(api: WebApi, args: Args) -> Json:
    """Give the address of a message."""
    conversation = visible(api, args["channel"])
    message = api.workspace.message(conversation, args["message_ts"])
    if message is None:
        raise SlackError("message_not_found")
    path = f"archives/{conversation.id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={conversation.id}" if message.is_reply else ""
    link = f"https://{api.workspace.domain}.slack.com/{path}{thread}"
    return {"channel": conversation.id, "permalink": link}


# files.*


def get_upload_url(api: WebApi, args: Args) -> Json:
    """Step one of an upload: an address for the bytes, and the file's id."""
    workspace, length = api.workspace, args["length"]
    if length <= 0:
        raise SlackError("missing_argument", "[ERROR] missing required field: length")
    if not args["filename"]:
        raise SlackError("invalid_arguments", "[ERROR] must be more than 0 characters")
    if length > workspace.largest_upload:
        raise SlackError("file_upload_size_restricted")
    if len(args.get("alt_txt", "")) > 1000:
        raise SlackError("alt_txt_too_large")
    if "snippet_type" in args and length > 1_000_000:
        raise SlackError("snippet_too_large")
    file = workspace.promise_file(args["filename"], length, workspace.bot_user_id)
    file.alt_txt = args.get("alt_txt", "")
    key = secrets.token_urlsafe(24)
    workspace.uploads[key] = file
    return {"upload_url": f"{workspace.base_url}/upload/v1/{key}", "file_id": file.id}


def complete_upload(api: WebApi, args: Args) -> Json:
    """Step three of an upload: name the files, and share them a moment later."""
    workspace = api.workspace
    named = [_named(api, item) for item in args["files"]]
    if not named:
        raise SlackError("invalid_arguments", "[ERROR] no less than 1 items allowed")
    conversation, thread = _destination(api, args)
    comment, blocks = _comment(args)
    for file, title in named:
        workspace.complete_file(file, title)
    files = [file for file, _ in named]
    api.later(lambda: _process(workspace, files, conversation, (comment, blocks, thread)))
    return {"files": [file_object(workspace, file) for file in files]}


def _named(api: WebApi, item: Any) -> tuple[File, str | None]:  # noqa: ANN401 -- any JSON value
    match item:
        case {"id": str(file_id), **rest} if set(rest) <= {"title", "highlight_type"}:
            file = api.workspace.files.get(file_id)
        case _:
            raise SlackError("invalid_arguments", "[ERROR] invalid item [json-pointer:/files]")
    # Once per file: afterwards, the ticket is gone. Before the bytes are there, it is not yet.
    if file is None or file.stage != "uploaded" or file.user != api.workspace.bot_user_id:
        raise SlackError("file_not_found")
    return file, str(rest["title"]) if rest.get("title") else None


def _destination(api: WebApi, args: Args) -> tuple[Conversation | None, str | None]:
    """Uploading needs membership, whatever chat:write.public says (getnao/nao issue 1372)."""
    if "channel_id" not in args:
        if "thread_ts" in args:
            raise SlackError("invalid_arguments", "[ERROR] missing required field: channel_id")
        return None, None
    if not UPLOAD_CHANNEL.fullmatch(args["channel_id"]):
        pattern = "[ERROR] must match a pattern: ^[CGDZ][A-Z0-9]{8,}$ [json-pointer:/channel_id]"
        raise SlackError("invalid_arguments", pattern)
    conversation = visible(api, args["channel_id"])
    if api.workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    try:
        _check_restrictions(conversation, args.get("thread_ts"))
        thread = parent_of(api, conversation, args.get("thread_ts"))
    except SlackError as refused:
        denied = refused.code.startswith("restricted_action")
        code = "posting_to_channel_denied" if denied else "invalid_arguments"
        raise SlackError(code, *refused.messages) from refused
    if conversation.archived:
        raise SlackError("posting_to_channel_denied")
    return conversation, thread


def _comment(args: Args) -> tuple[str, list[Json]]:
    comment = args.get("initial_comment", "")
    if len(comment) > MOST_COMMENT:
        raise SlackError("msg_too_long")
    # "If the initial_comment field is provided, the blocks field is ignored."
    blocks = [] if comment else args.get("blocks", [])
    check_message_blocks(blocks)
    return comment, copy.deepcopy(blocks)


def _process(
    workspace: Workspace,
    files: list[File],
    conversation: Conversation | None,
    said: tuple[str, list[Json], str | None],
) -> None:
    """Look at the files and share them: what happens behind `ok: true`."""
    files = [file for file in files if file.stage == "complete"]
    for file in files:
        workspace.process_file(file)
    if conversation is None or not files:
        return
    if any(file.alt_txt and not file.is_image for file in files):
        # The share silently never comes (python-slack-sdk issue 1818).
        return
    text, blocks, thread = said
    message = Message(
        ts=workspace.new_ts(),
        channel=conversation.id,
        user=workspace.bot_user_id,
        bot_id=workspace.bot_id,
        text=text,
        blocks=blocks,
        thread_ts=thread,
        # Whether a comment's bare @names are parsed is not documented: here they are.
        parse="client",
    )
    workspace.share(files, message)


def file_info(api: WebApi, args: Args) -> Json:
    """Describe a file, if the bot may see it."""
    file = _complete_file(api, args["file"])
    if not api.workspace.may_read(api.workspace.bot_user_id, file):
        raise SlackError("file_not_found")
    return {"file": file_object(api.workspace, file), "comments": [], "response_metadata": {}}


def delete_file(api: WebApi, args: Args) -> Json:
    """Delete a file of the bot's own, everywhere."""
    file = _complete_file(api, args["file"])
    if file.user != api.workspace.bot_user_id:
        raise SlackError("cant_delete_file")
    api.workspace.delete_file(file)
    return {}


def _complete_file(api: WebApi, file_id: str) -> File:
    file = api.workspace.files.get(file_id)
    if file is None or file.stage in {"promised", "uploaded"}:
        raise SlackError("file_not_found")
    if file.stage == "deleted":
        raise SlackError("file_deleted")
    return file


# views.*


def open_view(api: WebApi, args: Args) -> Json:
    """Open a modal before the person who did something in the last three seconds."""
    trigger = api.workspace.exchange(args["trigger_id"])
    check_view(api, args["view"], "modal")
    if trigger.view_id is None:
        # From inside a modal, a new one comes on top; from elsewhere, it is the only one.
        api.workspace.close_all(trigger.user)
    return {"view": view_object(api.workspace, push(api, trigger.user, args["view"]))}


def push_view(api: WebApi, args: Args) -> Json:
    """Put a modal on top of the one in which the person did something."""
    trigger = api.workspace.exchange(args["trigger_id"])
    check_view(api, args["view"], "modal")
    under = api.workspace.views.get(trigger.view_id or "")
    if under is None:
        raise SlackError("invalid_trigger_id")
    if not under.open:
        raise SlackError("not_found")
    return {"view": view_object(api.workspace, push(api, trigger.user, args["view"]))}


def update_view(api: WebApi, args: Args) -> Json:
    """Change a modal that is open."""
    if ("view_id" in args) == ("external_id" in args):
        raise SlackError("invalid_arguments", "[ERROR] Provide either `view_id` or `external_id`")
    view = _open_view(api, args)
    check_view(api, args["view"], view.type, same=view)
    if "hash" in args and args["hash"] != view.hash:
        raise SlackError("hash_conflict")
    replace_body(api, view, args["view"])
    return {"view": view_object(api.workspace, view)}


def _open_view(api: WebApi, args: Args) -> View:
    for view in api.workspace.views.values():
        named = view.body.get("external_id") or None
        is_it = args.get("view_id") == view.id or args.get("external_id", "") == named
        if is_it and view.open and view.type == "modal":
            return view
    raise SlackError("not_found")


def publish_view(api: WebApi, args: Args) -> Json:
    """Show a Home tab to one person."""
    workspace = api.workspace
    if args["user_id"] not in workspace.users:
        raise SlackError("user_not_found")
    if not workspace.app_home["home_tab_enabled"]:
        raise SlackError("not_enabled")
    home = workspace.homes.get(args["user_id"])
    check_view(api, args["view"], "home", same=home)
    if home is None:
        home = new_view(api, args["user_id"], args["view"])
        workspace.homes[args["user_id"]] = home
    else:
        if "hash" in args and args["hash"] != home.hash:
            raise SlackError("hash_conflict")
        replace_body(api, home, args["view"])
    workspace.changed()
    return {"view": view_object(workspace, home)}


def check_view(api: WebApi, view: Any, kind: str, same: View | None = None) -> None:  # noqa: ANN401 -- any JSON
    """Stop at a view that Slack would not show.

    Raises:
        SlackError: with a sentence for each fault.
    """
    if isinstance(view, dict) and block_kit.is_too_large(view):
        raise SlackError("view_too_large")
    problems = block_kit.problems_of_view(view)
    if not problems and view["type"] != kind:
        problems = [f"[ERROR] must be of type {kind} [json-pointer:/view/type]"]
    if problems:
        raise SlackError("invalid_arguments", *problems)
    if any(e["type"] == "file_input" for block in view["blocks"] for e in elements(block)):
        api.need("files:read")  # docs.slack.dev: file input element
    _check_external_id(api, view, same)


def _check_external_id(api: WebApi, view: Json, same: View | None) -> None:
    name = view.get("external_id")
    others = [known for known in api.workspace.views.values() if known is not same and known.open]
    if name and any(other.body.get("external_id") == name for other in others):
        raise SlackError("duplicate_external_id")


def push(api: WebApi, user: str, body: Json) -> View:
    """Put a checked modal on top of the person's stack.

    Raises:
        SlackError: three are open already.
    """
    stack = api.workspace.stack(user)
    if len(stack) >= 3:
        raise SlackError("push_limit_reached")
    view = new_view(api, user, body)
    if stack:
        view.root_view_id, view.previous_view_id = stack[0].id, stack[-1].id
    stack.append(view)
    api.workspace.changed()
    return view


def new_view(api: WebApi, user: str, body: Json) -> View:
    """Return a new view with the state that it begins with."""
    workspace = api.workspace
    view_id = workspace.new_id("V")
    body = {**copy.deepcopy(body), "blocks": workspace.with_ids(body["blocks"])}
    view = View(view_id, user, body, workspace.new_hash(), root_view_id=view_id)
    view.values = _state(view)
    workspace.views[view_id] = view
    return view


def replace_body(api: WebApi, view: View, body: Json) -> None:
    """Change what a view shows; what was entered stays where both ids stay the same."""
    workspace = api.workspace
    view.body = {**copy.deepcopy(body), "blocks": workspace.with_ids(body["blocks"])}
    view.values = _state(view)
    view.hash = workspace.new_hash()
    view.errors = {}
    workspace.changed()


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
    """An option that is gone cannot stay chosen (undocumented: the strict reading)."""
    if entered is None or entered["type"] != element["type"]:
        return False
    options = element.get("options")
    chosen = entered.get("selected_option")
    return options is None or chosen is None or chosen in options


_CONTENT: Mapping[str, type] = {
    "text": str,
    "blocks": list,
    "markdown_text": str,
    "parse": str,
    "link_names": bool,
}
_LOOK: Mapping[str, type] = {"username": str, "icon_emoji": str, "icon_url": str}
_PAGES: Mapping[str, type] = {
    "cursor": str,
    "inclusive": bool,
    "include_all_metadata": bool,
    "latest": str,
    "oldest": str,
    "limit": int,
}

METHODS: Mapping[str, Method] = {
    "auth.test": Method(auth_test, Limit.MANY),
    "apps.connections.open": Method(open_connection, Limit.TIER_1, token="app"),
    "users.info": Method(
        user_info,
        Limit.TIER_4,
        {"user": str},
        {"include_locale": bool},
        ("users:read",),
        reads_json=False,
    ),
    "conversations.info": Method(
        conversation_info,
        Limit.TIER_3,
        {"channel": str},
        {"include_locale": bool, "include_num_members": bool},
        reads_json=False,
    ),
    "conversations.join": Method(join, Limit.TIER_3, {"channel": str}, scopes=("channels:join",)),
    "conversations.open": Method(
        open_conversation,
        Limit.TIER_3,
        {},
        {"channel": str, "users": str, "return_im": bool, "prevent_creation": bool},
        ("im:write",),
    ),
    "conversations.history": Method(
        history, Limit.HISTORY, {"channel": str}, _PAGES, reads_json=False
    ),
    "conversations.replies": Method(
        replies, Limit.HISTORY, {"channel": str, "ts": str}, _PAGES, reads_json=False
    ),
    "chat.postMessage": Method(
        post_message,
        Limit.POST,
        {"channel": str},
        {
            **_CONTENT,
            **_LOOK,
            "thread_ts": str,
            "reply_broadcast": bool,
            "unfurl_links": bool,
            "unfurl_media": bool,
            "mrkdwn": bool,
            "metadata": dict,
        },
        ("chat:write",),
    ),
    "chat.update": Method(
        update_message,
        Limit.TIER_3,
        {"channel": str, "ts": str},
        {**_CONTENT, "metadata": dict},
        ("chat:write",),
    ),
    "chat.delete": Method(
        delete_message, Limit.TIER_3, {"channel": str, "ts": str}, scopes=("chat:write",)
    ),
    "chat.postEphemeral": Method(
        post_ephemeral,
        Limit.TIER_4,
        {"channel": str, "user": str},
        {**_CONTENT, "thread_ts": str},
        ("chat:write",),
    ),
    "chat.getPermalink": Method(
        permalink, Limit.MANY, {"channel": str, "message_ts": str}, reads_json=False
    ),
    "files.getUploadURLExternal": Method(
        get_upload_url,
        Limit.TIER_4,
        {"filename": str, "length": int},
        {"alt_txt": str, "snippet_type": str},
        ("files:write",),
        reads_json=False,
    ),
    "files.completeUploadExternal": Method(
        complete_upload,
        Limit.TIER_4,
        {"files": list},
        {"channel_id": str, "thread_ts": str, "initial_comment": str, "blocks": list},
        ("files:write",),
    ),
    "files.info": Method(
        file_info,
        Limit.TIER_4,
        {"file": str},
        {"count": int, "cursor": str, "limit": int, "page": int},
        ("files:read",),
        reads_json=False,
    ),
    "files.delete": Method(delete_file, Limit.TIER_3, {"file": str}, scopes=("files:write",)),
    "views.open": Method(open_view, Limit.TIER_4, {"trigger_id": str, "view": dict}),
    "views.push": Method(push_view, Limit.TIER_4, {"trigger_id": str, "view": dict}),
    "views.update": Method(
        update_view,
        Limit.TIER_4,
        {"view": dict},
        {"view_id": str, "external_id": str, "hash": str},
    ),
    "views.publish": Method(
        publish_view, Limit.TIER_4, {"user_id": str, "view": dict}, {"hash": str}
    ),
}
