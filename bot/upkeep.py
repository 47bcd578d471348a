"""Removes what need not be kept: old prompts, and rows that nobody will read again.

Figures stay: who made how many videos, when, with which model, and at what price.
"""

import asyncio
import time
from collections.abc import Callable

import sqlalchemy as sa

from bot.database import Database
from bot.tables import CONTENT, homes, jobs, signals
from bot.timings import DAY, HOME_REFRESH_WINDOW, PRUNE_PAUSE, SIGNAL_LIFETIME

BATCH = 500
"""Rows that one statement changes: few, because nobody else can write to SQLite meanwhile."""

EMPTY = {
    "prompt": "",
    "response_url": None,
    "reference_file_id": None,
    "reference_user_id": None,
    "reference_fit": None,
    "reference_size": None,
    "notify": None,
    "permalink": None,
    "error_message": sa.case((jobs.c.error_message.is_not(None), sa.literal(""))),
}
"""What is left of a job's contents."""


class Upkeep:
    """Times are in seconds since 1970; every method raises TemporaryError like `Store`'s."""

    def __init__(
        self,
        database: Database,
        *,
        keep_days: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keep_days = keep_days
        self._clock = clock

    async def run(self) -> None:
        """Remove everything that is due."""
        now = self._clock()
        await self.delete_leftovers(now=now)
        if self._keep_days is not None:
            await self.empty_jobs(closed_before=now - self._keep_days * DAY)

    async def delete_leftovers(self, *, now: float) -> None:
        """Delete closed Home tabs, and the signals to jobs that were closed a day ago."""
        closed = homes.delete().where(homes.c.opened_at < now - HOME_REFRESH_WINDOW)
        await self._database.execute(closed)
        unread = (
            sa.select(signals.c.job_id)
            .outerjoin(jobs, jobs.c.id == signals.c.job_id)
            .where(sa.or_(jobs.c.id.is_(None), jobs.c.closed_at < now - SIGNAL_LIFETIME))
            .limit(BATCH)
        )
        await self._in_batches(signals.delete().where(signals.c.job_id.in_(unread)))

    async def empty_jobs(self, *, closed_before: float) -> None:
        """Remove the contents of the jobs that were closed before then."""
        is_old = jobs.c.closed_at < closed_before
        oldest = sa.select(jobs.c.id).where(is_old, CONTENT).order_by(jobs.c.closed_at)
        old = jobs.update().where(jobs.c.id.in_(oldest.limit(BATCH)), is_old)
        await self._in_batches(old.values(EMPTY))

    async def _in_batches(self, statement: sa.Update | sa.Delete) -> None:
        """Repeat the statement until it finds no row, with pauses in which others can write."""
        # RETURNING the number one, because nobody needs more than whether there was a row.
        changed: sa.Executable = statement.returning(sa.literal_column("1"))
        while await self._database.execute(changed):  # noqa: ASYNC110 -- a pause, not a wait
            await asyncio.sleep(PRUNE_PAUSE)
