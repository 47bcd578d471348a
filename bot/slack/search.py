"""Searching one's own videos, and turning the pages of the results."""

from collections.abc import Awaitable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond

from bot.catalog import Catalog
from bot.errors import BotError
from bot.service import Service
from bot.slack.ack import within_ack
from bot.slack_errors import CALL_ERRORS
from bot.ui import replies, search
from bot.ui.blocks import Message

log = structlog.get_logger()


def register(app: AsyncApp, service: Service, _catalog: Catalog) -> None:
    """Register the listeners."""

    async def turned(ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        page, words = search.read_button(body["actions"][0]["value"])
        finding = _replacing(find(service, body["user"]["id"], words, page))
        answer = await within_ack(finding, _beside)
        await ack()
        try:
            await respond(**answer)
        except CALL_ERRORS as error:
            log.warning("search results not delivered", reason=type(error).__name__)

    app.action(search.OLDER)(turned)
    app.action(search.NEWER)(turned)


async def find(service: Service, user_id: str, words: str, page: int = 0) -> Message:
    """A page of this person's videos whose prompts contain the words."""
    words = words[: search.MAX_WORDS].strip()
    found = await service.search(user_id, words, limit=search.PAGE + 1, offset=page * search.PAGE)
    has_older = len(found) > search.PAGE
    return search.search_results(words, found[: search.PAGE], page=page, has_older=has_older)


async def _replacing(finding: Awaitable[Message]) -> dict[str, Any]:
    return {**(await finding).content, "replace_original": True}


def _beside(error: BotError) -> dict[str, Any]:
    """A failed turn leaves the page that is shown."""
    return {**replies.not_answered(error).content, "replace_original": False}
