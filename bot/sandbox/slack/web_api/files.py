"""The files.* methods."""

import copy
import re
import secrets
from typing import Any

from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.objects import file_object
from bot.sandbox.slack.state import Conversation, File, Json, Message, SlackError, Workspace
from bot.sandbox.slack.web_api.chat import check_message_blocks, check_restrictions, parent_of
from bot.sandbox.slack.web_api.conversations import visible
from bot.sandbox.slack.web_api.method import Args, Methods

MAX_COMMENT_LENGTH = 4000
UPLOAD_CHANNEL = re.compile(r"[CGDZ][A-Z0-9]{8,}")  # bolt-js issue 2115
methods = Methods()


@methods.add(
    "files.getUploadURLExternal",
    Limit.TIER_4,
    required={"filename": str, "length": int},
    optional={"alt_txt": str, "snippet_type": str},
    scopes=("files:write",),
    reads_json=False,
)
def get_upload_url(workspace: Workspace, args: Args) -> Json:
    """Start an upload: return the URL for its bytes, and the file's id."""
    length = args["length"]
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


@methods.add(
    "files.completeUploadExternal",
    Limit.TIER_4,
    required={"files": list},
    optional={"channel_id": str, "thread_ts": str, "initial_comment": str, "blocks": list},
    scopes=("files:write",),
)
def complete_upload(workspace: Workspace, args: Args) -> Json:
    """Complete an upload, and share the files a moment later."""
    named = [_named(workspace, item) for item in args["files"]]
    if not named:
        raise SlackError("invalid_arguments", "[ERROR] no less than 1 items allowed")
    conversation, thread = _destination(workspace, args)
    comment, blocks = _comment(args)
    for file, title in named:
        workspace.complete_file(file, title)
    files = [file for file, _ in named]
    workspace.shares.add(
        lambda: _process(workspace, files, conversation, (comment, blocks, thread))
    )
    return {"files": [file_object(workspace, file) for file in files]}


@methods.add(
    "files.info",
    Limit.TIER_4,
    required={"file": str},
    optional={"count": int, "cursor": str, "limit": int, "page": int},
    scopes=("files:read",),
    reads_json=False,
)
def file_info(workspace: Workspace, args: Args) -> Json:
    """Return a file that the bot may read."""
    file = _complete_file(workspace, args["file"])
    if not workspace.may_read(workspace.bot_user_id, file):
        raise SlackError("file_not_found")
    return {"file": file_object(workspace, file), "comments": [], "response_metadata": {}}


@methods.add("files.delete", Limit.TIER_3, required={"file": str}, scopes=("files:write",))
def delete_file(workspace: Workspace, args: Args) -> Json:
    """Delete one of the bot's own files."""
    file = _complete_file(workspace, args["file"])
    if file.user != workspace.bot_user_id:
        raise SlackError("cant_delete_file")
    workspace.delete_file(file)
    return {}


def _named(workspace: Workspace, item: Any) -> tuple[File, str | None]:  # noqa: ANN401 -- any JSON value
    match item:
        case {"id": str(file_id), **rest} if set(rest) <= {"title", "highlight_type"}:
            file = workspace.files.get(file_id)
        case _:
            raise SlackError("invalid_arguments", "[ERROR] invalid item [json-pointer:/files]")
    # Each file can be completed once, after its bytes have arrived.
    if file is None or file.stage != "uploaded" or file.user != workspace.bot_user_id:
        raise SlackError("file_not_found")
    return file, str(rest["title"]) if rest.get("title") else None


def _destination(workspace: Workspace, args: Args) -> tuple[Conversation | None, str | None]:
    """Uploading needs membership even with chat:write.public (getnao/nao issue 1372)."""
    if "channel_id" not in args:
        if "thread_ts" in args:
            raise SlackError("invalid_arguments", "[ERROR] missing required field: channel_id")
        return None, None
    if not UPLOAD_CHANNEL.fullmatch(args["channel_id"]):
        pattern = "[ERROR] must match a pattern: ^[CGDZ][A-Z0-9]{8,}$ [json-pointer:/channel_id]"
        raise SlackError("invalid_arguments", pattern)
    conversation = visible(workspace, args["channel_id"])
    if workspace.bot_user_id not in conversation.members:
        raise SlackError("not_in_channel")
    try:
        check_restrictions(conversation, args.get("thread_ts"))
        thread = parent_of(workspace, conversation, args.get("thread_ts"))
    except SlackError as refused:
        denied = refused.code.startswith("restricted_action")
        code = "posting_to_channel_denied" if denied else "invalid_arguments"
        raise SlackError(code, *refused.messages) from refused
    if conversation.archived:
        raise SlackError("posting_to_channel_denied")
    return conversation, thread


def _comment(args: Args) -> tuple[str, list[Json]]:
    comment = args.get("initial_comment", "")
    if len(comment) > MAX_COMMENT_LENGTH:
        raise SlackError("msg_too_long")
    # "If the initial_comment field is provided, the blocks field is ignored."
    blocks = [] if comment else args.get("blocks", [])
    check_message_blocks(blocks)
    return comment, copy.deepcopy(blocks)


def _process(
    workspace: Workspace,
    files: list[File],
    conversation: Conversation | None,
    comment: tuple[str, list[Json], str | None],
) -> None:
    """Process and share the files, which `ok: true` does not wait for."""
    files = [file for file in files if file.stage == "complete"]
    for file in files:
        workspace.process_file(file)
    if conversation is None or not files:
        return
    if any(file.alt_txt and not file.is_image for file in files):
        # The share silently never happens (python-slack-sdk issue 1818).
        return
    text, blocks, thread = comment
    message = Message(
        ts=workspace.new_ts(),
        channel=conversation.id,
        user=workspace.bot_user_id,
        bot_id=workspace.bot_id,
        text=text,
        blocks=blocks,
        thread_ts=thread,
        # Whether plain @names in a comment are parsed is not documented; here they are.
        parse="client",
    )
    workspace.share(files, message)


def _complete_file(workspace: Workspace, file_id: str) -> File:
    file = workspace.files.get(file_id)
    if file is None or file.stage in {"promised", "uploaded"}:
        raise SlackError("file_not_found")
    if file.stage == "deleted":
        raise SlackError("file_deleted")
    return file
