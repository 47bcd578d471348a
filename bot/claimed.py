"""A job that this process has claimed, and what all claimed jobs of the process share."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from bot.delivery import Delivery
from bot.estimates import Estimates
from bot.files import Files
from bot.homes import Homes
from bot.jobs import Job, response_url_expired, with_resumption
from bot.metrics import Metrics
from bot.pacing import FairSlots
from bot.spending import Policy
from bot.store import NO_LIMITS, Store
from bot.timings import Timings
from bot.videos.servers import VideosServers

log = structlog.get_logger()

T = TypeVar("T")

MAX_DOWNLOADS = 4
"""Files that one process fetches at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """Who is asked to approve jobs: everyone in the channel sees it, but only admins decide."""

    admins: tuple[str, ...] = ()
    channel: str | None = None
    policy: Policy = NO_LIMITS
    """The limits, of which the question says what is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What all runners of a process share."""

    store: Store
    servers: VideosServers
    delivery: Delivery
    files: Files
    homes: Homes
    estimates: Estimates
    metrics: Metrics
    timings: Timings
    folder: Path
    """For temporary files."""
    clock: Callable[[], float] = time.time
    downloads: FairSlots = field(default_factory=lambda: FairSlots(MAX_DOWNLOADS))
    pictures: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Only one picture at a time is fetched and decoded, because each may take a lot of memory."""
    posters: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """The same for the frames of finished videos."""
    shows_posters: bool = True
    approvers: Approvers = Approvers()


class ClaimedJob:
    """A claimed job; `job` always equals its row."""

    def __init__(self, job: Job, dependencies: Dependencies) -> None:
        self.job = job
        self._dependencies = dependencies

    async def save(self, job: Job, event: str, **details: str) -> None:
        """Write the job to its row, and log the event.

        Raises:
            LeaseLost: another process owns the job now, or does soon.
            VideoTaken: another job has this video.
        """
        now = self._dependencies.clock()
        job = with_resumption(self.job, response_url_expired(job, now=now), now=now)
        await self._dependencies.store.save(job, now=now)
        self._dependencies.metrics.saved(self.job, job)
        if (job.state, job.closed_at) != (self.job.state, self.job.closed_at):
            self._dependencies.homes.changed(job.user_id)
        self.job = job
        log.info(event, job=job.id, state=job.state, **details)


def required(value: T | None) -> T:
    """A value that the job always has in its current state."""
    if value is None:
        raise AssertionError("the row lacks a value that its state requires")
    return value
