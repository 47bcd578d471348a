"""The slash command: `/video PROMPT`, `/video` for the form, `/video help`, `/video list`."""

import asyncio
import re
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BadRequest, TemporaryError
from bot.request import Draft, VideoRequest, read_command, read_inquiry
from bot.service import Origin, Service
from bot.slack import inquiries
from bot.slack.modals import open_form
from bot.ui import usage
from bot.ui.blocks import Message
from bot.ui.form import MAX_TEXT_FIELD_LENGTH, build_form

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the row to be written, of the 3 that Slack waits for an ack."""

# Which command it is stands in the app's manifest alone: an app gets its own only.
ANY_COMMAND = re.compile(r"^/")


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open this door."""

    async def video(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        told = await answer(body, client, service, catalog)
        # Nothing may follow the ack: an exception right behind it makes Bolt lose it.
        if isinstance(told, Message):
            await ack(text=told.text, blocks=told.blocks)
        else:
            await ack(told)

    app.command(ANY_COMMAND)(video)


async def answer(
    body: dict[str, Any], client: AsyncWebClient, service: Service, catalog: Catalog
) -> Message | str:
    """Do what the command says; returns what the person is told privately, if anything."""
    text = body.get("text") or ""
    if (inquiry := read_inquiry(text)) is not None:
        return await inquiries.answer(inquiry, body["user_id"], service)
    try:
        match read_command(text, catalog):
            case None:
                return usage.how_to(body["command"], catalog)
            case Draft() as draft:
                return await _open(body, client, draft, catalog)
            case VideoRequest() as request:
                return await _start(body, request, service)
    except BadRequest as error:
        return usage.refusal(body["command"], error)


async def _open(
    body: dict[str, Any], client: AsyncWebClient, draft: Draft, catalog: Catalog
) -> Message | str:
    form = build_form(draft, catalog, channel_id=body["channel_id"])
    if problem := await open_form(client, body["trigger_id"], form):
        return problem
    if len(draft.prompt) > MAX_TEXT_FIELD_LENGTH:
        return usage.too_long_for_the_form(draft.prompt)
    return ""


async def _start(body: dict[str, Any], request: VideoRequest, service: Service) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await service.start(_origin(body), request)
    except (TemporaryError, TimeoutError) as error:
        log.error("request not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return usage.CANNOT_TAKE
    return ""


def _origin(body: dict[str, Any]) -> Origin:
    return Origin(
        # One press has one trigger, however often Slack delivers it (slackapi/bolt-js#2188).
        request_key=f"command:{body['trigger_id']}",
        team_id=body["team_id"],
        user_id=body["user_id"],
        channel_id=body["channel_id"],
        response_url=body["response_url"],
    )
