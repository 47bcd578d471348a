"""Opens and updates forms, and sends private messages."""

import asyncio
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import PermanentError
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import VIEW_OPEN_TIMEOUT
from bot.ui import replies
from bot.ui.blocks import Block, Message

log = structlog.get_logger()


async def open_form(client: AsyncWebClient, trigger_id: str, form: Block) -> Message | None:
    """Open the form; returns what to tell the person if it can't be opened."""
    try:
        async with asyncio.timeout(VIEW_OPEN_TIMEOUT):
            await client.views_open(trigger_id=trigger_id, view=form)
    except CALL_ERRORS as error:
        meaning = translate(error)
        code = meaning.code if isinstance(meaning, PermanentError) else ""
        log.warning("form not opened", reason=meaning.message)
        if code == "exchanged_trigger_id":
            return None  # delivered twice: the form is open
        return replies.form_not_opened(expired=code == "expired_trigger_id")
    return None


async def open_or_tell(
    ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, form: Block
) -> None:
    """Open the form, or tell the person in the direct message why it can't be opened."""
    problem = await open_form(client, body["trigger_id"], form)
    await ack()
    if problem is not None:
        await tell(client, body["user"]["id"], problem)


async def redraw(client: AsyncWebClient, view: dict[str, Any], form: Block) -> None:
    """Update the form, unless it has changed since or is closed."""
    try:
        async with asyncio.timeout(VIEW_OPEN_TIMEOUT):
            await client.views_update(view_id=view["id"], hash=view["hash"], view=form)
    except CALL_ERRORS as error:
        # A newer choice updates it again, and everything is checked on submission.
        log.info("form not updated", reason=translate(error).message)


async def tell(client: AsyncWebClient, user_id: str, message: Message) -> None:
    """Send it to the person's direct message with the bot."""
    try:
        await client.chat_postMessage(channel=user_id, parse="none", **message.content)
    except CALL_ERRORS as error:
        log.warning("private message not delivered", reason=translate(error).message)
