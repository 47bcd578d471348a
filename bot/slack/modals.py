"""Opens and updates forms, and sends private messages."""

import asyncio
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import PermanentError
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import VIEW_OPEN_TIMEOUT
from bot.ui import replies
from bot.ui.blocks import Block

log = structlog.get_logger()


async def open_form(client: AsyncWebClient, trigger_id: str, form: Block) -> str:
    """Open the form; returns what to tell the person if it can't be opened."""
    try:
        async with asyncio.timeout(VIEW_OPEN_TIMEOUT):
            await client.views_open(trigger_id=trigger_id, view=form)
    except CALL_ERRORS as error:
        meaning = translate(error)
        code = meaning.code if isinstance(meaning, PermanentError) else ""
        log.warning("form not opened", reason=meaning.message)
        if code == "exchanged_trigger_id":
            return ""  # delivered twice: the form is open
        return replies.TOO_LATE if code == "expired_trigger_id" else replies.CANNOT_OPEN
    return ""


async def redraw(client: AsyncWebClient, view: dict[str, Any], form: Block) -> None:
    """Update the form, unless it has changed since or is closed."""
    try:
        async with asyncio.timeout(VIEW_OPEN_TIMEOUT):
            await client.views_update(view_id=view["id"], hash=view["hash"], view=form)
    except CALL_ERRORS as error:
        # A newer choice updates it again, and everything is checked on submission.
        log.info("form not updated", reason=translate(error).message)


async def tell(client: AsyncWebClient, user_id: str, words: str) -> None:
    """Send a message to the person's direct message with the bot."""
    try:
        await client.chat_postMessage(channel=user_id, text=words, parse="none")
    except CALL_ERRORS as error:
        log.warning("private message not delivered", reason=translate(error).message)
