"""One process's share of the jobs: claims them, keeps their leases, hands them back."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import structlog

from bot.delivery import Delivery
from bot.errors import TemporaryError
from bot.files import Files
from bot.homes import Homes
from bot.jobs import Job
from bot.runner import Dependencies, JobRunner
from bot.store import Store
from bot.timings import Timings
from bot.videos.client import VideosClient

log = structlog.get_logger()

MAX_JOBS = 20_000
"""Jobs that one process runs at once."""

MAX_DOWNLOADS = 4
"""Files that one process fetches at once."""

BATCH = 200
"""Jobs that one turn takes: thousands at once would hold up the event loop for seconds."""

_Key = tuple[str, int]
"""A job's id and the fence under which it is carried."""


class Worker:
    """Carries as many jobs as there are, each in a task of its own."""

    def __init__(
        self,
        store: Store,
        videos: VideosClient,
        delivery: Delivery,
        files: Files,
        homes: Homes,
        *,
        owner: str,
        timings: Timings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._owner = owner
        self._timings = timings or Timings()
        self._clock = clock
        downloads = asyncio.Semaphore(MAX_DOWNLOADS)
        self._dependencies = Dependencies(
            store, videos, delivery, files, homes, self._timings, clock, downloads
        )
        self._homes = homes
        self._wanted = asyncio.Event()
        self._in_hand: dict[_Key, asyncio.Task[None]] = {}
        self._dropped: set[str] = set()
        """Jobs that were to be cancelled: who claims them again knows it."""
        self._claiming = asyncio.Lock()
        self._has_dropped = False
        self._proved_at = self._ran_at = time.monotonic()

    def wake(self) -> None:
        """Look into the table now."""
        self._wanted.set()

    @property
    def is_alive(self) -> bool:
        """Whether the loop has turned lately."""
        return time.monotonic() - self._ran_at < 5 * self._timings.claim_interval + 10

    async def run(self) -> None:
        """Carry jobs until cancelled; then hand back what is in hand."""
        heartbeat = asyncio.create_task(self._beat())
        try:
            while True:
                self._wanted.clear()
                await self._run_once_safely()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), self._timings.claim_interval)
        finally:
            heartbeat.cancel()
            await self._stop()

    async def run_once(self) -> None:
        """Claim what is free, and start to carry it."""
        async with self._claiming:
            room = MAX_JOBS - len(self._in_hand)
            await self._drop_unwanted()
            limit = min(room, BATCH)
            claimed = await self._store.claim(self._owner, now=self._clock(), limit=limit)
            for job in claimed:
                self._take(job)
            if len(claimed) == BATCH:
                self.wake()

    async def _drop_unwanted(self) -> None:
        """Stop the tasks of what is to be cancelled; the next claim finds the wish."""
        unwanted = await self._store.cancel_requested(self._owner) - self._dropped
        if not unwanted:
            return
        self._dropped |= unwanted
        keys = [key for key in self._in_hand if key[0] in unwanted]
        tasks = [self._in_hand[key] for key in keys]
        self._cancel(keys)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.release(self._owner, now=self._clock(), only=unwanted)

    async def renew(self) -> None:
        """Renew the leases of what is in hand, and let go of all else.

        Whose lease is gone is stopped. What the table says is ours but nobody carries (its
        task broke off while the database did not answer) becomes free.
        """
        asked_at = time.monotonic()
        async with self._claiming:
            owned = await self._store.renew(self._owner, now=self._clock())
            if dropped := [job_id for job_id, _ in owned - self._in_hand.keys()]:
                await self._store.release(self._owner, now=self._clock(), only=dropped)
        self._proved_at = asked_at
        self._cancel(self._in_hand.keys() - owned)

    async def _run_once_safely(self) -> None:
        try:
            async with asyncio.timeout(self._store.lease / 3):
                if self._has_dropped:
                    await self.renew()
                    self._has_dropped = False
                await self.run_once()
        except (TemporaryError, TimeoutError) as error:
            log.warning("no turn", reason=str(error) or "too slow")
        self._ran_at = time.monotonic()

    async def _beat(self) -> None:
        pause = self._store.lease / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._store.lease / 3
            try:
                async with asyncio.timeout(self._store.lease / 6):
                    await self.renew()
            except (TemporaryError, TimeoutError) as error:
                log.warning("leases not renewed", reason=str(error) or "too slow")
                pause = self._store.lease / 12
                if time.monotonic() - self._proved_at > self._store.lease / 2:
                    # It cannot be proved that these jobs are still ours.
                    self._cancel(self._in_hand.keys())

    async def _stop(self) -> None:
        tasks = [*self._in_hand.values()]
        self._cancel(self._in_hand.keys())
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._store.release(self._owner, now=self._clock())
        except TemporaryError as error:
            log.warning("not handed back: the leases run out instead", reason=error.message)
        log.info("worker stopped", handed_back=len(tasks))

    def _take(self, job: Job) -> None:
        key = (job.id, job.fence)
        if job.fence == 1:
            self._homes.changed(job.user_id)
        carry = JobRunner(job, self._dependencies).run()
        task = self._in_hand[key] = asyncio.create_task(carry, name=f"job {job.id}")
        task.add_done_callback(lambda done: self._put_down(key, done))

    def _put_down(self, key: _Key, task: asyncio.Task[None]) -> None:
        del self._in_hand[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The row stays as it is; the next turn frees it.
            self._has_dropped = True
            foreseen = isinstance(error, TemporaryError)
            log.error(
                "job dropped", job=key[0], reason=str(error), exc_info=None if foreseen else error
            )

    def _cancel(self, keys: Iterable[_Key]) -> None:
        for key in [*keys]:
            self._in_hand[key].cancel()
