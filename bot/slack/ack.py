"""One guard for everything that has to be done before Slack's acknowledgement."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bot.errors import BadRequest, BotError, NotPossible
from bot.timings import ACK_TIMEOUT
from bot.ui import replies

log = structlog.get_logger()

T = TypeVar("T")


async def within_ack(
    work: Awaitable[T],
    explain: Callable[[str], T],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 -- it is passed to asyncio.timeout
    database_down: str = replies.DATABASE_DOWN,
) -> T:
    """The result of the work; if it fails or takes too long, the person is told why.

    `explain` turns the sentence for the person into a result. `database_down` is the sentence
    for everything that the person can't correct. `timeout` is in seconds.
    """
    try:
        async with asyncio.timeout(ACK_TIMEOUT if timeout is None else timeout):
            return await work
    except NotPossible as error:
        return explain(replies.not_possible(error))
    except BadRequest as error:
        return explain(replies.problem(error))
    except (BotError, TimeoutError) as error:
        log.error("request not accepted", reason=str(error) or "too slow")  # noqa: TRY400 -- expected
        return explain(database_down)
