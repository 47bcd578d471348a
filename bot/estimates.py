"""How long a video will take, from earlier videos and the queue; read once for all jobs."""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bot.request import VideoRequest
from bot.store import Store
from bot.timings import Timings
from bot.ui.progress import TypicalDuration, estimate

SAMPLES = 50
"""The latest similar videos that an estimate is based on."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Estimates:
    """Estimates for a running job, from this installation's other jobs.

    Methods raise TemporaryError while the database does not respond.
    """

    def __init__(self, store: Store, timings: Timings, clock: Callable[[], float]) -> None:
        self._store = store
        self._durations = _Cache(self._load_duration, timings.duration_cache, clock)
        self._queues = _Cache(store.queued, timings.queue_cache, clock)

    async def typical(self, server: str, request: VideoRequest) -> TypicalDuration | None:
        """How long this server usually takes for such a video."""
        return await self._durations.get((server, request.model, request.seconds, request.size))

    async def queued_ahead(self, server: str, submitted_at: float) -> int:
        """How many videos were submitted to this server earlier and show no progress yet."""
        return bisect_left(await self._queues.get(server), submitted_at)

    async def _load_duration(self, kind: tuple[str, str, str, str]) -> TypicalDuration | None:
        server, model, seconds, size = kind
        request = VideoRequest(prompt="", model=model, seconds=seconds, size=size)
        return estimate(await self._store.render_times(server, request, limit=SAMPLES))


class _Cache(Generic[K, V]):
    """Keeps each value for some seconds; concurrent callers wait for the same query."""

    def __init__(
        self, load: Callable[[K], Awaitable[V]], seconds: float, clock: Callable[[], float]
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._values: dict[K, tuple[float, V]] = {}
        self._locks: defaultdict[K, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, key: K) -> V:
        async with self._locks[key]:
            if key not in self._values or self._clock() - self._values[key][0] > self._seconds:
                self._values[key] = (self._clock(), await self._load(key))
            return self._values[key][1]
