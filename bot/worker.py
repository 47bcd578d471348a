"""One process's share of the jobs: claims them, renews their leases, releases them."""

import asyncio
import contextlib
import time
from collections.abc import Iterable

import structlog

from bot.claimed import Dependencies
from bot.errors import TemporaryError
from bot.jobs import Job, Signal
from bot.process_lock import ProcessLock
from bot.runner import JobRunner

log = structlog.get_logger()

MAX_JOBS = 20_000
"""Jobs that one process runs at once."""

BATCH = 200
"""Jobs per claim: thousands at once would block the event loop for seconds."""

_Key = tuple[str, int]
"""A job's id and the fence of its claim."""


class Worker:
    """Claims jobs and runs each in a task of its own."""

    def __init__(self, dependencies: Dependencies, *, lock: ProcessLock) -> None:
        self._dependencies = dependencies
        self._store = dependencies.store
        self._homes = dependencies.homes
        self._timings = dependencies.timings
        self._clock = dependencies.clock
        self._lock = lock
        self._owner = lock.owner
        self._woken = asyncio.Event()
        self._running: dict[_Key, asyncio.Task[None]] = {}
        self._runners: dict[_Key, JobRunner] = {}
        self._cancelled: set[str] = set()
        """Jobs released because someone cancelled them: the next claim sees the signal."""
        self._claiming = asyncio.Lock()
        self._has_crashed = False
        self._proved_at = self._ran_at = time.monotonic()

    def wake(self) -> None:
        """Claim now instead of at the next interval."""
        self._woken.set()

    @property
    def is_alive(self) -> bool:
        """Whether the claim loop has run recently, or waits for a database that hangs."""
        limit = self._pass_timeout + 5 * self._timings.claim_interval + 10
        return time.monotonic() - self._ran_at < limit

    @property
    def _pass_timeout(self) -> float:
        return self._store.lease / 3

    async def run(self) -> None:
        """Run jobs until cancelled, then release them."""
        heartbeat = asyncio.create_task(self._keep_renewing())
        try:
            while True:
                self._woken.clear()
                await self._run_once_safely()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._timings.claim_interval)
        finally:
            heartbeat.cancel()
            await self._stop()

    async def run_once(self) -> None:
        """Claim free jobs and start to run them."""
        async with self._claiming:
            room = MAX_JOBS - len(self._running)
            await self._release_cancelled()
            limit = min(room, BATCH)
            claimed = await self._store.claim(self._owner, now=self._clock(), limit=limit)
            # A signal stops the task so that the job is claimed again: a first claim has none.
            again = [job.id for job in claimed if job.fence > 1]
            signals = await self._store.signals_of(again) if again else {}
            for job in claimed:
                kinds = {kind for kind, _ in signals.get(job.id, ())}
                self._start(job, is_cancelled=Signal.CANCEL in kinds)
            if len(claimed) == BATCH:
                self.wake()

    async def take_over(self) -> None:
        """Release the jobs of processes that have died, so that they continue at once."""
        for owner in await asyncio.to_thread(self._lock.dead_owners):
            await self._store.release(owner, now=self._clock() + self._timings.takeover_delay)
            await asyncio.to_thread(self._lock.forget, owner)
            log.info("took over from a dead process", owner=owner)

    async def renew(self) -> None:
        """Renew the leases of running jobs. Cancel jobs whose lease was lost.

        A job that is ours according to the table but not running (its task ended while the
        database did not respond) is released.
        """
        began = time.monotonic()
        async with self._claiming:
            owned = await self._store.renew(self._owner, now=self._clock())
            if orphaned := [job_id for job_id, _ in owned - self._running.keys()]:
                await self._store.release(self._owner, now=self._clock(), only=orphaned)
        self._proved_at = began
        for key in self._running.keys() - owned:
            self._dependencies.metrics.lease_lost()
            self._cancel([key])

    async def _run_once_safely(self) -> None:
        try:
            async with asyncio.timeout(self._pass_timeout):
                if self._has_crashed:
                    await self.renew()
                    self._has_crashed = False
                await self.run_once()
        except (TemporaryError, TimeoutError) as error:
            log.warning("nothing claimed", reason=str(error) or "timeout")
        self._ran_at = time.monotonic()

    async def _release_cancelled(self) -> None:
        """Stop and release the jobs that someone cancelled; the next claim cancels them."""
        cancelled = await self._store.cancel_requested(self._owner) - self._cancelled
        if not cancelled:
            return
        self._cancelled |= cancelled
        keys = [
            key
            for key, runner in self._runners.items()
            if key[0] in cancelled and not runner.cancel_after_submission()
        ]
        tasks = [self._running[key] for key in keys]
        self._cancel(keys)
        await asyncio.gather(*tasks, return_exceptions=True)
        stopped = [job_id for job_id, _ in keys]
        await self._store.release(self._owner, now=self._clock(), only=stopped)

    async def _keep_renewing(self) -> None:
        pause = self._store.lease / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._store.lease / 3
            try:
                async with asyncio.timeout(self._store.lease / 6):
                    await self.renew()
            except (TemporaryError, TimeoutError) as error:
                log.warning("leases not renewed", reason=str(error) or "timeout")
                pause = self._store.lease / 12
                if time.monotonic() - self._proved_at > self._store.lease / 2:
                    # These jobs can no longer be proved to be ours.
                    self._cancel(self._running.keys())

    async def _stop(self) -> None:
        tasks = [*self._running.values()]
        self._cancel(self._running.keys())
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._store.release(self._owner, now=self._clock())
        except TemporaryError as error:
            log.warning("jobs not released; their leases will expire", reason=error.message)
        log.info("worker stopped", released=len(tasks))

    def _start(self, job: Job, *, is_cancelled: bool) -> None:
        key = (job.id, job.fence)
        if job.fence == 1:
            self._homes.changed(job.user_id)
        runner = JobRunner(job, self._dependencies, is_cancelled=is_cancelled)
        self._runners[key] = runner
        task = self._running[key] = asyncio.create_task(runner.run(), name=f"job {job.id}")
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: _Key, task: asyncio.Task[None]) -> None:
        del self._running[key], self._runners[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The row is unchanged; the next claim releases it first.
            self._has_crashed = True
            if isinstance(error, TemporaryError):
                log.error("job dropped", job=key[0], reason=error.message)
            else:
                log.error("job dropped", job=key[0], exc_info=error)

    def _cancel(self, keys: Iterable[_Key]) -> None:
        for key in [*keys]:
            self._running[key].cancel()
