"""The conversations.* methods."""

from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.objects import conversation_object, message_object
from bot.sandbox.slack.state import Conversation, Json, Message, SlackError, Workspace
from bot.sandbox.slack.web_api.method import Args, Methods, Parameters

READ_SCOPES = {"public": "channels:read", "private": "groups:read", "im": "im:read"}
HISTORY_SCOPES = {"public": "channels:history", "private": "groups:history", "im": "im:history"}
PAGE: Parameters = {
    "cursor": str,
    "inclusive": bool,
    "include_all_metadata": bool,
    "latest": str,
    "oldest": str,
    "limit": int,
}
methods = Methods()


def visible(workspace: Workspace, channel: str) -> Conversation:
    """Return a conversation that the bot can see: a public one, or one it is a member of.

    Raises:
        SlackError: `channel_not_found`.
    """
    conversation = workspace.conversations.get(channel)
    if conversation is None or not (
        conversation.kind == "public" or workspace.bot_user_id in conversation.members
    ):
        raise SlackError("channel_not_found")
    return conversation


@methods.add(
    "conversations.info",
    Limit.TIER_3,
    required={"channel": str},
    optional={"include_locale": bool, "include_num_members": bool},
    reads_json=False,
)
def conversation_info(workspace: Workspace, args: Args) -> Json:
    """Return a conversation."""
    conversation = visible(workspace, args["channel"])
    workspace.require_scopes(READ_SCOPES[conversation.kind])
    found = conversation_object(workspace, conversation, workspace.bot_user_id)
    return {"channel": found}


@methods.add(
    "conversations.join", Limit.TIER_3, required={"channel": str}, scopes=("channels:join",)
)
def join(workspace: Workspace, args: Args) -> Json:
    """Join a public channel; private ones are invisible to the bot."""
    conversation = visible(workspace, args["channel"])
    if conversation.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if conversation.archived:
        raise SlackError("is_archived")
    bot = workspace.bot_user_id
    warning = {"warning": "already_in_channel"} if bot in conversation.members else {}
    conversation.members.add(bot)
    workspace.changed()
    return {"channel": conversation_object(workspace, conversation, bot), **warning}


@methods.add(
    "conversations.open",
    Limit.TIER_3,
    optional={"channel": str, "users": str, "return_im": bool, "prevent_creation": bool},
    scopes=("im:write",),
)
def open_conversation(workspace: Workspace, args: Args) -> Json:
    """Open the direct message with one person."""
    if "channel" in args:
        conversation = visible(workspace, args["channel"])
        if conversation.kind != "im":
            raise SlackError("method_not_supported_for_channel_type")
    elif not args.get("users"):
        raise SlackError("users_list_not_supplied")
    else:
        conversation = workspace.direct_message(_one_person(workspace, args["users"]))
    full = conversation_object(workspace, conversation, workspace.bot_user_id)
    return {"channel": full if args.get("return_im") else {"id": conversation.id}}


@methods.add(
    "conversations.history",
    Limit.HISTORY,
    required={"channel": str},
    optional=PAGE,
    reads_json=False,
)
def history(workspace: Workspace, args: Args) -> Json:
    """List the messages of a conversation, newest first, without replies."""
    conversation = _readable(workspace, args["channel"])
    messages = [message for message in conversation.messages if not message.is_reply]
    return _page(workspace, messages[::-1], args)


@methods.add(
    "conversations.replies",
    Limit.HISTORY,
    required={"channel": str, "ts": str},
    optional=PAGE,
    reads_json=False,
)
def replies(workspace: Workspace, args: Args) -> Json:
    """List a thread, its parent first."""
    conversation = _readable(workspace, args["channel"])
    parent = workspace.message(conversation, args["ts"])
    if parent is None:
        raise SlackError("thread_not_found")
    thread = parent.thread_ts or parent.ts
    return _page(
        workspace, [m for m in conversation.messages if thread in (m.ts, m.thread_ts)], args
    )


def _one_person(workspace: Workspace, users: str) -> str:
    ids = users.split(",")
    if len(ids) > 1:
        workspace.require_scopes("mpim:write")
        raise SlackError("invalid_arguments", "[ERROR] the sandbox has no group messages")
    user = workspace.users.get(ids[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.is_bot:
        raise SlackError("cannot_dm_bot")
    return user.id


def _readable(workspace: Workspace, channel: str) -> Conversation:
    conversation = visible(workspace, channel)
    workspace.require_scopes(HISTORY_SCOPES[conversation.kind])
    if workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    return conversation


def _page(workspace: Workspace, messages: list[Message], args: Args) -> Json:
    size, begin = args.get("limit", 100), int(args.get("cursor") or 0)
    if not 1 <= size <= 999:
        raise SlackError("invalid_limit")
    inside = [message for message in messages if _within(message, args)]
    shown = inside[begin : begin + size]
    more = begin + size < len(inside)
    metadata = args.get("include_all_metadata", False)
    return {
        "messages": [message_object(workspace, m, metadata=metadata) for m in shown],
        "has_more": more,
        "response_metadata": {"next_cursor": str(begin + size) if more else ""},
    }


def _within(message: Message, args: Args) -> bool:
    ts, inclusive = float(message.ts), args.get("inclusive", False)
    oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or 1e11)
    return oldest < ts < latest or (inclusive and ts in (oldest, latest))
