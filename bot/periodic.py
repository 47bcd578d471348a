"""Scheduled work: each task with its interval. `app.py` lists the tasks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from bot.errors import TemporaryError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """Work that is repeated for as long as the bot runs."""

    name: str
    interval: float
    """Seconds between the end of one run and the start of the next."""
    run: Callable[[], Awaitable[None]]


async def run_periodically(tasks: Iterable[PeriodicTask]) -> None:
    """Run every task, then again at its interval, until cancelled.

    An error is logged and ends one run only.
    """
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_repeat(task), name=task.name)


async def _repeat(task: PeriodicTask) -> None:
    while True:
        try:
            await task.run()
        except TemporaryError as error:
            log.warning("periodic task postponed", task=task.name, reason=error.message)
        except Exception:
            log.exception("periodic task failed", task=task.name)
        await asyncio.sleep(task.interval)
