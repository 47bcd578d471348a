"""The chat.* methods."""

import copy
import re
from typing import Any

from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.objects import message_object
from bot.sandbox.slack.state import (
    Conversation,
    Json,
    Message,
    PrivateMessage,
    SlackError,
    Workspace,
    compact,
    slack_files,
)
from bot.sandbox.slack.web_api.conversations import visible
from bot.sandbox.slack.web_api.method import Args, Methods, Parameters

MAX_TEXT_LENGTH = 4000  # documented for chat.update; posts fail too (ChatGPT-in-Slack issue 102)
MAX_METADATA_LENGTH = 1000  # not documented (metadata_too_large); strict
DRAWN_TYPES = {"image/png", "image/jpeg", "image/gif"}
TIMESTAMP = re.compile(r"\d{10}\.\d{6}")
RESTRICTIONS = {
    "restricted": "restricted_action",
    "read_only": "restricted_action_read_only_channel",
}
CONTENT: Parameters = {
    "text": str,
    "blocks": list,
    "markdown_text": str,
    "parse": str,
    "link_names": bool,
}
methods = Methods()


@methods.add(
    "chat.postMessage",
    Limit.POST,
    required={"channel": str},
    optional={
        **CONTENT,
        "username": str,
        "icon_emoji": str,
        "icon_url": str,
        "thread_ts": str,
        "reply_broadcast": bool,
        "unfurl_links": bool,
        "unfurl_media": bool,
        "mrkdwn": bool,
        "metadata": dict,
    },
    scopes=("chat:write",),
)
def post_message(workspace: Workspace, args: Args) -> Json:
    """Post a message, or a reply."""
    if {"username", "icon_emoji", "icon_url"} & set(args):
        workspace.require_scopes("chat:write.customize")
    conversation = _writable(workspace, args["channel"])
    text, blocks = _content(workspace, args)
    check_restrictions(conversation, args.get("thread_ts"))
    thread = parent_of(workspace, conversation, args.get("thread_ts"))
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
    return _posted(workspace, message)


def check_restrictions(conversation: Conversation, thread_ts: str | None) -> None:
    """Apply the channel's posting rules to a message or, with `thread_ts`, a reply.

    Raises:
        SlackError: the rules forbid it.
    """
    if conversation.posting in RESTRICTIONS:
        raise SlackError(RESTRICTIONS[conversation.posting])
    if conversation.posting == "thread_only" and thread_ts is None:
        raise SlackError("restricted_action_thread_only_channel")
    if conversation.posting == "non_threadable" and thread_ts is not None:
        raise SlackError("restricted_action_non_threadable_channel")


def check_message_blocks(blocks: list[Json]) -> None:
    """Check the blocks of a message.

    Raises:
        SlackError: with a message for each problem.
    """
    problems = block_kit.problems_of_message(blocks)
    if problems:
        sentences = [problem.removeprefix("[ERROR] ") for problem in problems]
        raise SlackError("invalid_blocks", *problems, errors=sentences)
    if block_kit.is_too_long(blocks):
        raise SlackError("msg_blocks_too_long")


def parent_of(
    workspace: Workspace, conversation: Conversation, thread_ts: str | None
) -> str | None:
    """Check and return the `ts` of the thread to reply in.

    Raises:
        SlackError: there is no such thread, or it can't be replied to.
    """
    if thread_ts is None:
        return None
    if not TIMESTAMP.fullmatch(thread_ts):
        raise SlackError("invalid_thread_ts", f"[ERROR] {thread_ts} is not a valid thread_ts")
    parent = workspace.message(conversation, thread_ts)
    if parent is None:
        raise SlackError("thread_not_found")
    if parent.is_reply:
        # "Avoid using a reply's ts value": the effect is not documented, so refuse it.
        raise SlackError("cannot_reply_to_message")
    if parent.locked:
        raise SlackError("restricted_action_thread_locked")
    return thread_ts


@methods.add(
    "chat.update",
    Limit.TIER_3,
    required={"channel": str, "ts": str},
    optional={**CONTENT, "metadata": dict},
    scopes=("chat:write",),
)
def update_message(workspace: Workspace, args: Args) -> Json:
    """Update one of the bot's own messages."""
    conversation = visible(workspace, args["channel"])
    message = _own_message(workspace, conversation, args["ts"], "cant_update_message")
    if conversation.archived:
        raise SlackError("is_inactive")
    text, blocks = _content(workspace, _keeping_blocks(message, args))
    if _has_rich_text(message.blocks) and not _has_rich_text(blocks):
        # "Rich-text blocks cannot be replaced with non-rich-text blocks."
        raise SlackError("block_mismatch")
    metadata = _metadata(args)
    if "metadata" in args:
        message.metadata = metadata
    # "If you do not specify a value, the original value will be overwritten with `client`."
    parse = "full" if args.get("link_names") else args.get("parse", "client")
    workspace.edit(message, text, blocks, parse)
    shown = message_object(workspace, message)
    return {"channel": message.channel, "ts": message.ts, "text": text, "message": shown}


@methods.add(
    "chat.delete", Limit.TIER_3, required={"channel": str, "ts": str}, scopes=("chat:write",)
)
def delete_message(workspace: Workspace, args: Args) -> Json:
    """Delete one of the bot's own messages."""
    conversation = visible(workspace, args["channel"])
    message = _own_message(workspace, conversation, args["ts"], "cant_delete_message")
    workspace.delete(message)
    return {"channel": message.channel, "ts": message.ts}


@methods.add(
    "chat.postEphemeral",
    Limit.TIER_4,
    required={"channel": str, "user": str},
    optional={**CONTENT, "thread_ts": str},
    scopes=("chat:write",),
)
def post_ephemeral(workspace: Workspace, args: Args) -> Json:
    """Show a message to one other member of a conversation."""
    conversation = visible(workspace, args["channel"])
    if workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    if conversation.archived:
        raise SlackError("is_archived")
    if args["user"] not in conversation.members:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(workspace, args)
    thread = parent_of(workspace, conversation, args.get("thread_ts"))
    ts = workspace.new_ts()
    workspace.notify_privately(
        PrivateMessage(args["user"], conversation.id, ts, text, blocks, thread)
    )
    return {"message_ts": ts}


@methods.add(
    "chat.getPermalink", Limit.MANY, required={"channel": str, "message_ts": str}, reads_json=False
)
def permalink(workspace: Workspace, args: Args) -> Json:
    """Return the permalink of a message."""
    conversation = visible(workspace, args["channel"])
    message = workspace.message(conversation, args["message_ts"])
    if message is None:
        raise SlackError("message_not_found")
    path = f"archives/{conversation.id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={conversation.id}" if message.is_reply else ""
    link = f"https://{workspace.domain}.slack.com/{path}{thread}"
    return {"channel": conversation.id, "permalink": link}


def _posted(workspace: Workspace, message: Message) -> Json:
    shown = message_object(workspace, message)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


def _writable(workspace: Workspace, channel: str) -> Conversation:
    """Unlike uploading, posting with chat:write.public does not need membership."""
    if channel[:1] in {"U", "W"}:
        # A user id opens the app's own direct message (docs.slack.dev: chat.postMessage).
        user = workspace.users.get(channel)
        if user is None or user.is_bot:
            raise SlackError("channel_not_found")
        return workspace.direct_message(user)
    conversation = visible(workspace, channel)
    is_member = workspace.bot_user_id in conversation.members
    if not is_member and "chat:write.public" not in workspace.scopes:
        raise SlackError("not_in_channel")
    if conversation.archived:
        raise SlackError("is_archived")
    return conversation


def _content(workspace: Workspace, args: Args) -> tuple[str, list[Json]]:
    """Check and return the text and the blocks."""
    text, blocks = args.get("text", ""), args.get("blocks", [])
    markdown = args.get("markdown_text", "")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if not (text.strip() or blocks or markdown.strip()):
        raise SlackError("no_text")
    if len(text) > MAX_TEXT_LENGTH or len(markdown) > 12_000:
        raise SlackError("msg_too_long")
    check_message_blocks(blocks)
    _check_slack_files(workspace, blocks)
    return text or markdown, copy.deepcopy(blocks)


def _check_slack_files(workspace: Workspace, blocks: list[Json]) -> None:
    """An image's file must be processed, of a type that Slack draws, and readable by the app.

    The page of the image block names the types; the words of the refusal are not documented.
    """
    for file_id, at in slack_files(blocks):
        file = workspace.files.get(file_id)
        is_usable = (
            file is not None
            and file.stage == "complete"
            and file.mimetype in DRAWN_TYPES
            and workspace.may_read(workspace.bot_user_id, file)
        )
        if not is_usable:
            problem = f"invalid slack file [json-pointer:/blocks/{at}/slack_file]"
            raise SlackError("invalid_blocks", f"[ERROR] {problem}", errors=[problem])


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
    if len(compact(metadata)) > MAX_METADATA_LENGTH:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def _is_flat(value: Any) -> bool:  # noqa: ANN401 -- any JSON value
    """Nested objects are "currently not supported" (docs.slack.dev: message metadata)."""
    if isinstance(value, list):
        return all(isinstance(item, str | int | float | bool) for item in value)
    return isinstance(value, str | int | float | bool)


def _keeping_blocks(message: Message, args: Args) -> Args:
    """Keep the old blocks if neither text nor blocks are given."""
    if "blocks" in args or args.get("text") or args.get("markdown_text"):
        return args
    return {**args, "text": message.text, "blocks": message.blocks}


def _has_rich_text(blocks: list[Json]) -> bool:
    return any(block["type"] == "rich_text" for block in blocks)


def _own_message(
    workspace: Workspace, conversation: Conversation, ts: str, refusal: str
) -> Message:
    message = workspace.message(conversation, ts)
    if message is None or message.tombstone:
        raise SlackError("message_not_found")
    if message.bot_id != workspace.bot_id:
        raise SlackError(refusal)
    return message
