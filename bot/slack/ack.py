"""One guard for everything that has to be done before Slack's acknowledgement."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bot.drafts import NotConfirmed
from bot.errors import BadRequest, BotError, FileRefused, NotPossible, TemporaryError
from bot.timings import ACK_TIMEOUT

log = structlog.get_logger()

T = TypeVar("T")


async def within_ack(
    work: Awaitable[T],
    explain: Callable[[BotError], T],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 -- it is passed to asyncio.timeout
) -> T:
    """The result of the work, or what `explain` makes of an error that the bot expects.

    Work that takes longer than `timeout` seconds is cancelled, which is a TemporaryError.
    """
    try:
        async with asyncio.timeout(ACK_TIMEOUT if timeout is None else timeout):
            return await work
    except (BadRequest, FileRefused, NotConfirmed, NotPossible) as error:
        return explain(error)  # the person can act on it, the operator can't
    except (BotError, TimeoutError) as error:
        reason = str(error) or "too slow"
        log.error("request not accepted", reason=reason)  # noqa: TRY400 -- expected
        return explain(error if isinstance(error, BotError) else TemporaryError(reason))
