"""Messages to the bot: a mention in a channel or thread, and the direct message."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.request import Draft
from bot.service import Origin, Service
from bot.slack.prompts import Typed, handle_text, keep
from bot.slack.shortcuts import read_message
from bot.slack.text import typed, without_mention
from bot.slack_errors import CALL_ERRORS, translate
from bot.ui import drafts, replies
from bot.ui.blocks import Message

log = structlog.get_logger()

TYPED_SUBTYPES = {None, "file_share", "thread_broadcast"}
"""Subtypes of messages that a person has just typed (docs.slack.dev: message event)."""

_REPLIES = "replies"


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners.

    Bolt acknowledges an event before its listener runs, but after the listener's own middleware.
    So the row is written in the middleware: what Slack believes to be delivered is never lost.
    """

    async def submit(
        body: dict[str, Any],
        context: AsyncBoltContext,
        next_: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse:
        if is_request(body["event"]):
            typed = _typed(body, context, service, catalog)
            context[_REPLIES] = await handle_text(typed, service, catalog)
        return await next_()

    async def reply(
        event: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        for private in context.get(_REPLIES, ()):
            await reply_privately(client, event, private)

    app.event("app_mention", middleware=[submit])(reply)
    app.event("message", middleware=[submit])(reply)


def is_request(event: dict[str, Any]) -> bool:
    """Whether a person has just typed this message to the bot.

    Messages of apps don't count, nor do edits: correcting a word doesn't request another video.
    """
    is_here = event["type"] == "app_mention" or event.get("channel_type") == "im"
    by_person = bool(event.get("user")) and not event.get("bot_id")
    is_new = event.get("subtype") in TYPED_SUBTYPES and "edited" not in event
    return is_here and by_person and is_new


def _typed(
    body: dict[str, Any], context: AsyncBoltContext, service: Service, catalog: Catalog
) -> Typed:
    event, name = body["event"], _name(context)
    message = typed(without_mention(event.get("text") or "", context.bot_user_id or ""))
    text = _without_command(message, name)

    async def offer_form(draft: Draft) -> Sequence[Message]:
        if not text:
            return [replies.usage(name, catalog)]
        saved = await keep(service, request, draft)
        if saved is None:
            return drafts.returned(replies.DATABASE_DOWN, text)
        return [drafts.form_by_button(saved)]

    request = Typed(
        text=text,
        origin=_origin(body),
        name=name,
        open_form=offer_form,
        picture=read_message(event).input_reference,
        may_be_chat=text == message,
    )
    return request


def _without_command(text: str, name: str) -> str:
    """The text after `/video`, or whatever the command is called, where Slack has no commands."""
    first, *rest = text.split(maxsplit=1) or [""]
    return "".join(rest) if first in {"/video", name.replace("@", "/", 1)} else text


def _name(context: AsyncBoltContext) -> str:
    """What people type to mention the bot."""
    identity = context.authorize_result
    return f"@{(identity and identity.user) or 'video'}"


def _origin(body: dict[str, Any]) -> Origin:
    event = body["event"]
    return Origin(
        # Slack repeats an unacknowledged event with the same id.
        request_key=f"event:{body['event_id']}",
        team_id=body["team_id"],
        user_id=event["user"],
        channel_id=event["channel"],
        thread_ts=_thread(event),
    )


def _thread(event: dict[str, Any]) -> str | None:
    """Where the card goes: in the mention's thread, but directly in a direct message."""
    if event["type"] == "app_mention":
        return str(event.get("thread_ts") or event["ts"])
    return event.get("thread_ts")


async def reply_privately(client: AsyncWebClient, event: dict[str, Any], reply: Message) -> None:
    """Reply where it was typed, visible to this person only."""
    place = {"channel": event["channel"], "thread_ts": event.get("thread_ts"), "parse": "none"}
    try:
        if event["type"] == "app_mention":
            await client.chat_postEphemeral(user=event["user"], **place, **reply.content)
        else:
            await client.chat_postMessage(**place, **reply.content)
    except CALL_ERRORS as error:
        log.warning("private reply not delivered", reason=translate(error).message)
