"""What people say to the bot: a mention in a channel or thread, and the direct message."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BadRequest, TemporaryError
from bot.request import Draft, VideoRequest, read_command, read_inquiry
from bot.service import Origin, Service
from bot.slack import inquiries
from bot.slack.shortcuts import read_message
from bot.slack.text import typed, without_mention
from bot.slack_errors import translate
from bot.ui import usage
from bot.ui.blocks import Message

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the row to be written, of the 3 that Slack waits for an ack."""

BY_HAND = {None, "file_share", "thread_broadcast"}
"""Subtypes of messages that a person has just written (docs.slack.dev: message event)."""

_ANSWER = "answer"


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open these doors.

    Bolt acknowledges an event before its listener runs; a listener's own middleware comes before
    the ack. So the row is written there: what Slack believes to be delivered is never lost.
    """

    async def take(
        body: dict[str, Any],
        context: AsyncBoltContext,
        next_: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse:
        if is_request(body["event"]):
            context[_ANSWER] = await hear(body, context, service, catalog)
        return await next_()

    async def tell(
        event: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        if answer := context.get(_ANSWER):
            await _tell(client, event, answer)

    app.event("app_mention", middleware=[take])(tell)
    app.event("message", middleware=[take])(tell)


def is_request(event: dict[str, Any]) -> bool:
    """Whether a person has just said this to the bot.

    Not so for what apps say, and for edits: to correct a word is not to ask for another video.
    """
    said_here = event["type"] == "app_mention" or event.get("channel_type") == "im"
    by_person = bool(event.get("user")) and not event.get("bot_id")
    return said_here and by_person and event.get("subtype") in BY_HAND and "edited" not in event


async def hear(
    body: dict[str, Any], context: AsyncBoltContext, service: Service, catalog: Catalog
) -> Message | str:
    """Do what the message says; returns what the person is told privately, if anything."""
    event, name = body["event"], _name(context)
    text = typed(without_mention(event.get("text") or "", context.bot_user_id or ""))
    if (inquiry := read_inquiry(text)) is not None:
        return await inquiries.answer(inquiry, event["user"], service)
    try:
        match read_command(text, catalog):
            case VideoRequest() as request:
                picture = read_message(event).input_reference
                return await _start(body, replace(request, input_reference=picture), service)
            case Draft() if text:
                return usage.form_by_button()
            case _:
                return usage.how_to(name, catalog)
    except BadRequest as error:
        return usage.refusal(name, error)


def _name(context: AsyncBoltContext) -> str:
    """What people call the bot."""
    identity = context.authorize_result
    return f"@{(identity and identity.user) or 'video'}"


async def _start(body: dict[str, Any], request: VideoRequest, service: Service) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await service.start(_origin(body), request)
    except (TemporaryError, TimeoutError) as error:
        log.error("request not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return usage.CANNOT_TAKE
    return ""


def _origin(body: dict[str, Any]) -> Origin:
    event = body["event"]
    return Origin(
        # Slack repeats an event that it believes unheard, under the same id.
        request_key=f"event:{body['event_id']}",
        team_id=body["team_id"],
        user_id=event["user"],
        channel_id=event["channel"],
        thread_ts=_thread(event),
    )


def _thread(event: dict[str, Any]) -> str | None:
    """The thread of the answer: under a mention itself, but in plain sight in a direct message."""
    if event["type"] == "app_mention":
        return str(event.get("thread_ts") or event["ts"])
    return event.get("thread_ts")


async def _tell(client: AsyncWebClient, event: dict[str, Any], answer: Message | str) -> None:
    """Answer where it was said, for this person's eyes only."""
    place = {"channel": event["channel"], "thread_ts": event.get("thread_ts"), "parse": "none"}
    said = {"text": answer} if isinstance(answer, str) else _content(answer)
    try:
        if event["type"] == "app_mention":
            await client.chat_postEphemeral(user=event["user"], **place, **said)
        else:
            await client.chat_postMessage(**place, **said)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("private word not heard", reason=translate(error).message)


def _content(message: Message) -> dict[str, Any]:
    return {"text": message.text, "blocks": message.blocks}
