"""Opening the form, for every door that leads to it."""

import asyncio
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import PermanentError
from bot.slack_errors import translate
from bot.ui import usage
from bot.ui.blocks import Block

log = structlog.get_logger()

PATIENCE = 2.5
"""Seconds, of the 3 that a trigger lives."""


async def open_form(client: AsyncWebClient, trigger_id: str, form: Block) -> str:
    """Open the form; returns what the person is to be told if it cannot be opened."""
    try:
        async with asyncio.timeout(PATIENCE):
            await client.views_open(trigger_id=trigger_id, view=form)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        meaning = translate(error)
        code = meaning.code if isinstance(meaning, PermanentError) else ""
        log.warning("form not opened", reason=meaning.message)
        if code == "exchanged_trigger_id":
            return ""  # Slack repeated itself, and the form is open
        return usage.TOO_LATE if code == "expired_trigger_id" else usage.CANNOT_OPEN
    return ""


async def redraw(client: AsyncWebClient, view: dict[str, Any], form: Block) -> None:
    """Show the form anew, unless it has changed since or is closed."""
    try:
        async with asyncio.timeout(PATIENCE):
            await client.views_update(view_id=view["id"], hash=view["hash"], view=form)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        # A newer choice redraws it again; what is chosen is checked at the end in any case.
        log.info("form not redrawn", reason=translate(error).message)


async def tell(client: AsyncWebClient, user_id: str, words: str) -> None:
    """Say something in the person's direct message with the bot."""
    try:
        await client.chat_postMessage(channel=user_id, text=words, parse="none")
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("private word not heard", reason=translate(error).message)
