"""Messages in the app's acknowledgements and behind response URLs."""

from typing import Any

from bot.sandbox.slack.state import (
    Json,
    Message,
    PrivateMessage,
    ResponseUrl,
    SlackError,
    Workspace,
)
from bot.sandbox.slack.web_api.chat import MAX_TEXT_LENGTH, check_message_blocks

FIELDS = frozenset(
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


def receive(workspace: Workspace, url: ResponseUrl, body: Any) -> None:  # noqa: ANN401 -- any JSON value
    """Show a response: privately, in the channel, or in place of the original message.

    Raises:
        SlackError: Slack would refuse it.
    """
    if not isinstance(body, dict) or not set(body) <= FIELDS:
        raise SlackError("invalid_payload")
    if body.get("delete_original"):
        _delete_original(workspace, url)
        return
    text, blocks = body.get("text", ""), body.get("blocks", [])
    if not (text or blocks):
        raise SlackError("no_text")
    if len(text) > MAX_TEXT_LENGTH:
        raise SlackError("msg_too_long")
    check_message_blocks(blocks)
    if body.get("replace_original"):
        _replace_original(workspace, url, text, blocks)
    else:
        _show(workspace, url, body, text, blocks)


def _delete_original(workspace: Workspace, url: ResponseUrl) -> None:
    match url.about:
        case Message():
            workspace.delete(url.about)
        case PrivateMessage():
            url.about.deleted = True
            workspace.changed()
        case None:
            raise SlackError("cant_delete_message")


def _replace_original(
    workspace: Workspace, url: ResponseUrl, text: str, blocks: list[Json]
) -> None:
    match url.about:
        case Message():
            workspace.edit(url.about, text, blocks, "client")
        case PrivateMessage():
            url.about.text, url.about.blocks = text, workspace.with_ids(blocks)
            workspace.changed()
        case None:
            # It "does not work" on a slash command's own message.
            raise SlackError("cant_update_message")


def _show(
    workspace: Workspace, url: ResponseUrl, body: Json, text: str, blocks: list[Json]
) -> None:
    ts, thread = workspace.new_ts(), body.get("thread_ts")
    if body.get("response_type") != "in_channel":
        private = PrivateMessage(url.user, url.channel, ts, text, blocks, thread)
        workspace.notify_privately(private)
        return
    if isinstance(url.about, PrivateMessage):
        raise SlackError("invalid_response_type")
    # docs.slack.dev: a response URL works whatever the channel's posting rules are.
    message = Message(ts, url.channel, workspace.bot_user_id, text, workspace.bot_id, blocks)
    message.thread_ts = thread
    message.parse = body.get("parse", "client")
    workspace.post(message)
