"""The buttons under what the bot said, and the choices in an open form."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import NotYours, TemporaryError
from bot.request import Draft
from bot.service import Service
from bot.slack.modals import open_form, redraw, tell
from bot.ui import cards, usage
from bot.ui.blocks import Message
from bot.ui.cards import ASK_AGAIN, LET_IT_BE
from bot.ui.form import REDRAWING, build_form, redraw_form

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the database, of the 3 that Slack waits for an ack."""

Press = Callable[[str, str], Awaitable[str]]
"""Does what a button says, for (job id, user id); returns what then stands in its place."""


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open these doors."""

    async def ask_again(job_id: str, user_id: str) -> str:
        await service.ask_again(job_id, user_id)
        return f"<@{user_id}> asked again: see the new card."

    async def let_it_be(job_id: str, user_id: str) -> str:
        await service.owned(job_id, user_id)
        return f"<@{user_id}> lets it be."

    for action_id, press in ((ASK_AGAIN, ask_again), (LET_IT_BE, let_it_be)):
        app.action(action_id)(_listener(press))

    async def more_options(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = build_form(Draft(), catalog, channel_id=body["channel"]["id"])
        if trouble := await open_form(client, body["trigger_id"], form):
            await tell(client, body["user"]["id"], trouble)
        await ack()

    async def chosen(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        await redraw(client, body["view"], redraw_form(body["view"], catalog))
        await ack()

    app.action(usage.OPEN_FORM)(more_options)
    app.action(re.compile(f"^(?:{'|'.join(REDRAWING)})$"))(chosen)


def _listener(press: Press) -> Callable[..., Awaitable[None]]:
    async def listener(ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        message = await _pressed(press, body)
        await ack()
        await _show(message, respond)

    return listener


async def _show(message: Message | str, respond: AsyncRespond) -> None:
    try:
        if isinstance(message, Message):
            await respond(text=message.text, blocks=message.blocks, replace_original=True)
        else:
            await respond(text=message, response_type="ephemeral", replace_original=False)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        # What was pressed is in the database; only the word about it is lost.
        log.warning("no answer to a press", reason=type(error).__name__)


async def _pressed(press: Press, body: dict[str, Any]) -> Message | str:
    """The reply with the outcome in place of its buttons, or a private word."""
    try:
        async with asyncio.timeout(PATIENCE):
            words = await press(body["actions"][0]["value"], body["user"]["id"])
    except NotYours as error:
        return error.message
    except (TemporaryError, TimeoutError) as error:
        log.error("press not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return usage.CANNOT_TAKE
    return cards.answered(body["message"], words)
