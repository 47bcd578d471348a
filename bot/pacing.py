"""Keeps calls within Slack's rates: urgent ones first, and people in turn."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class FairQueue:
    """Waiters, served one person after another, however many each of them has."""

    def __init__(self) -> None:
        self._waiters: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def add(self, user_id: str) -> asyncio.Future[None]:
        """A future that is done when it is this waiter's turn."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(user_id, deque()).append(waiter)
        return waiter

    def serve_next(self) -> bool:
        """Wake the next waiter; returns whether there was one."""
        while self._waiters:
            user_id, waiters = self._waiters.popitem(last=False)
            waiter = waiters.popleft()
            if waiters:
                self._waiters[user_id] = waiters  # at the end: the others come first
            if not waiter.done():
                waiter.set_result(None)
                return True
        return False


class FairLimiter:
    """At most `calls` in any period of `seconds`; they may come in a burst.

    A sliding window, because a token bucket allows up to twice as many after a quiet time.
    """

    def __init__(self, calls: int, seconds: float) -> None:
        self._calls = calls
        self._seconds = seconds
        self._sent: deque[float] = deque()
        self._held_until = 0.0
        self._queue = FairQueue()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and no call counts any more."""
        return not self._queue and self._left() == self._calls

    async def acquire(self, user_id: str) -> None:
        """Wait for this person's turn."""
        waiter = self._queue.add(user_id)
        self._serve()
        await waiter

    def acquire_spare(self, reserve: int) -> bool:
        """Take a call only if nobody waits and more than `reserve` calls are left."""
        if not self.has_spare(reserve):
            return False
        self._sent.append(time.monotonic())
        return True

    def has_spare(self, reserve: int) -> bool:
        """Whether `acquire_spare` would succeed."""
        return not self._queue and self._left() > reserve

    def hold(self, seconds: float) -> None:
        """Let nobody pass for this long, because a call was refused as one too many."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _left(self) -> int:
        now = time.monotonic()
        if now < self._held_until:
            return 0
        while self._sent and self._sent[0] <= now - self._seconds:
            self._sent.popleft()
        return self._calls - len(self._sent)

    def _serve(self) -> None:
        while self._queue and self._left() > 0:
            if self._queue.serve_next():
                self._sent.append(time.monotonic())
        if self._queue and self._timer is None:
            delay = self._next_at() - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0), self._on_timer)

    def _next_at(self) -> float:
        is_full = len(self._sent) >= self._calls
        return max(self._held_until, self._sent[0] + self._seconds if is_full else 0)

    def _on_timer(self) -> None:
        self._timer = None
        self._serve()


class FairSlots:
    """At most `slots` at a time."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._queue = FairQueue()

    @asynccontextmanager
    async def slot(self, user_id: str) -> AsyncIterator[None]:
        """Hold a slot, after waiting for this person's turn."""
        await self._acquire(user_id)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, user_id: str) -> None:
        if self._free:
            self._free -= 1
            return
        waiter = self._queue.add(user_id)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release()  # it was this waiter's turn already
            raise

    def _release(self) -> None:
        if not self._queue.serve_next():
            self._free += 1


class SharedRate:
    """Divides a rate among those that asked lately: the more there are, the rarer each one's turn.

    `rate` is in turns per second. Whoever has not asked for `forget_after` seconds is forgotten.
    """

    def __init__(self, rate: float, *, forget_after: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._forget_after = forget_after
        self._clock = clock
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._taken: dict[str, float] = {}

    def is_due(self, name: str, *, min_interval: float) -> bool:
        """Whether it is this one's turn; the first turn is at once, the others in seconds."""
        now = self._clock()
        self._asked[name] = now
        self._asked.move_to_end(name)
        self._forget(before=now - self._forget_after)
        if self.is_first(name):
            return True
        return now - self._taken[name] >= max(min_interval, len(self._asked) / self._rate)

    def is_first(self, name: str) -> bool:
        """Whether this one has asked and had no turn yet."""
        return name in self._asked and name not in self._taken

    def take(self, name: str) -> None:
        """Note that this one has had its turn now."""
        if name in self._asked:
            self._taken[name] = self._clock()

    def leave(self, name: str) -> None:
        """Share the rate without this one from now on."""
        self._asked.pop(name, None)
        self._taken.pop(name, None)

    def _forget(self, before: float) -> None:
        while self._asked[oldest := next(iter(self._asked))] < before:
            self.leave(oldest)
