"""List, status and cancel by words, for the doors at which people type."""

import asyncio

import structlog

from bot.errors import NotPossible, TemporaryError
from bot.request import Inquiry, Verb
from bot.service import Service
from bot.ui import home, usage
from bot.ui.blocks import Message

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the database, of the 3 that Slack waits for an ack."""

LISTED = 10


async def answer(inquiry: Inquiry, user_id: str, service: Service) -> Message | str:
    """Do what was asked; returns what the person is told privately."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _look_or_cancel(inquiry, user_id, service)
    except NotPossible as error:
        return error.message
    except (TemporaryError, TimeoutError) as error:
        log.error("inquiry not answered", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return usage.CANNOT_LOOK


async def _look_or_cancel(inquiry: Inquiry, user_id: str, service: Service) -> Message | str:
    match inquiry.verb:
        case Verb.LIST:
            return home.job_list(await service.latest(user_id, limit=LISTED))
        case Verb.STATUS:
            return home.job_status(await service.owned(inquiry.job_id, user_id))
        case Verb.CANCEL:
            return home.cancelling(await service.cancel(inquiry.job_id, user_id))
