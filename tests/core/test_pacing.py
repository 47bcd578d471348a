"""Calls are paced: outcomes before progress, and people take turns whatever their backlog."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from heapq import heappop, heappush
from itertools import count
from string import ascii_letters

import pytest

from bot.errors import RateLimited, RequestRefused, TemporaryError, Throttled
from bot.pacing import FairLimiter, FairSlots, SharedRate
from bot.retries import retry_later
from bot.videos.throttle import Throttle


async def order_of(turns: dict[str, asyncio.Task[None]]) -> list[str]:
    """The names of the tasks, in the order in which they finish."""
    names = {task: name for name, task in turns.items()}
    order: list[str] = []
    for task in names:
        task.add_done_callback(lambda done: order.append(names[done]))
    await asyncio.gather(*names)
    return order


async def test_people_take_turns_regardless_of_their_backlogs() -> None:
    limiter = FairLimiter(1, 0.01)
    await limiter.acquire("first")
    turns = {
        name: asyncio.create_task(limiter.acquire(name[0])) for name in ("a1", "a2", "a3", "b1")
    }
    assert await order_of(turns) == ["a1", "b1", "a2", "a3"]


async def test_slots_rotate_between_people() -> None:
    slots, order = FairSlots(1), list[str]()

    async def use(name: str) -> None:
        async with slots.slot(name[0]):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(name) for name in ("a1", "a2", "a3", "b1", "c1")))
    assert order == ["a1", "a2", "b1", "c1", "a3"]


async def test_a_cancelled_waiter_does_not_take_a_slot() -> None:
    slots = FairSlots(1)
    async with slots.slot("a"):
        waiter = asyncio.create_task(slots._acquire("b"))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait({waiter})
    async with asyncio.timeout(1), slots.slot("c"):
        pass


async def test_progress_polls_leave_capacity_for_outcomes() -> None:
    limiter = FairLimiter(5, 3600)
    assert [limiter.acquire_spare(2) for _ in range(5)] == [True, True, True, False, False]
    await limiter.acquire("a")
    await limiter.acquire("a")
    waiting = asyncio.create_task(limiter.acquire("a"))
    await asyncio.sleep(0)
    assert not limiter.has_spare(0)
    waiting.cancel()


def turns_of(rate: SharedRate, names: str) -> str:
    """The names that are due now; each takes its turn."""
    due = [name for name in names if rate.is_due(name, min_interval=3)]
    for name in due:
        rate.take(name)
    return "".join(due)


def test_turns_become_rarer_with_more_participants() -> None:
    now = [0.0]
    rate = SharedRate(0.25, forget_after=600, clock=lambda: now[0])
    assert turns_of(rate, "abc") == "abc"
    now[0] = 11
    assert turns_of(rate, "abc") == ""
    now[0] = 12
    assert turns_of(rate, "abc") == "abc"
    rate.leave("b")
    rate.leave("c")
    now[0] = 16
    assert turns_of(rate, "a") == "a"


def test_inactive_participants_do_not_slow_down_the_others() -> None:
    now = [0.0]
    rate = SharedRate(0.25, forget_after=600, clock=lambda: now[0])
    assert turns_of(rate, ascii_letters) == ascii_letters
    now[0] = 601
    assert turns_of(rate, "a") == "a"
    now[0] = 604
    assert turns_of(rate, "a") == ""
    now[0] = 605
    assert turns_of(rate, "a") == "a"


def test_only_participants_that_requested_a_turn_share_the_rate() -> None:
    rate = SharedRate(0.25, forget_after=600, clock=lambda: 0.0)
    rate.take("paused")
    assert not rate.is_first("paused")
    assert rate.is_due("a", min_interval=3)
    assert rate.is_first("a")


async def test_no_period_exceeds_the_call_limit() -> None:
    limiter, sent = FairLimiter(3, 0.05), list[float]()
    for _ in range(10):
        await limiter.acquire("a")
        sent.append(asyncio.get_running_loop().time())
    assert all(later - earlier >= 0.049 for earlier, later in zip(sent, sent[3:], strict=False))


async def test_a_held_limiter_lets_no_call_through_until_the_delay_ends() -> None:
    limiter, loop = FairLimiter(3, 0.01), asyncio.get_running_loop()
    await limiter.acquire("a")
    began = loop.time()
    limiter.hold(0.1)
    assert not limiter.acquire_spare(0)
    await asyncio.gather(*(limiter.acquire(name) for name in "abc"))
    assert loop.time() - began >= 0.099


class Clock:
    """A clock that only moves when it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


BUSY = RateLimited("busy", retry_after=1)


def attempt(throttle: Throttle, error: Exception | None = None) -> None:
    with throttle.record():
        if error is not None:
            raise error


def test_after_a_rate_limit_one_request_must_succeed_before_others_are_sent() -> None:
    clock = Clock()
    throttle = Throttle(TemporaryError, clock=clock)
    with pytest.raises(RateLimited):
        attempt(throttle, BUSY)
    with pytest.raises(Throttled) as early:
        throttle.check()
    assert early.value.retry_after == 2
    clock.now = 2
    with throttle.record(), pytest.raises(Throttled):
        throttle.check()
    throttle.check()


def test_a_refused_trial_request_doubles_the_delay() -> None:
    clock = Clock()
    throttle = Throttle(TemporaryError, clock=clock)
    delays = []
    for _ in range(4):
        with pytest.raises(RateLimited):
            attempt(throttle, BUSY)
        with pytest.raises(Throttled) as early:
            throttle.check()
        delays.append(early.value.retry_after)
        clock.now += early.value.retry_after or 0
    assert delays == [2, 4, 8, 16]


def refuse() -> None:
    raise BUSY


def test_concurrent_refusals_count_once() -> None:
    clock = Clock()
    throttle = Throttle(TemporaryError, clock=clock)
    with ExitStack() as together:
        for _ in range(10):
            together.enter_context(pytest.raises(RateLimited))
            together.enter_context(throttle.record())
            together.callback(refuse)
    with pytest.raises(Throttled) as early:
        throttle.check()
    assert early.value.retry_after == 2


def test_a_refused_request_does_not_throttle_other_requests() -> None:
    throttle = Throttle(TemporaryError)
    with pytest.raises(RequestRefused):
        attempt(throttle, RequestRefused("no", code="x"))
    throttle.check()


LATENCY = 0.3
"""Seconds from a request to its response."""


class Jobs:
    """Jobs that create videos through a throttle, in simulated time."""

    def __init__(self, number: int) -> None:
        self.clock = Clock()
        self.requests = 0
        self.accepted = 0
        self._throttle = Throttle(TemporaryError, clock=self.clock)
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        for _ in range(number):
            self._at(0, partial(self._begin, attempts=0))

    def run(self, seconds: float, accepts: Callable[[], bool]) -> None:
        """Simulate this many seconds on a server that accepts a request if `accepts()` is true."""
        self._accepts = accepts
        end = self.clock.now + seconds
        while self._events and self._events[0][0] <= end:
            self.clock.now, _, event = heappop(self._events)
            event()
        self.clock.now = end

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heappush(self._events, (time, next(self._numbers), event))

    def _begin(self, attempts: int) -> None:
        request = ExitStack()
        try:
            request.enter_context(self._throttle.record())
        except Throttled as early:
            self._retry(early, attempts)
            return
        self.requests += 1
        is_accepted = self._accepts()
        self._at(self.clock.now + LATENCY, partial(self._end, request, attempts, is_accepted))

    def _end(self, request: ExitStack, attempts: int, is_accepted: bool) -> None:  # noqa: FBT001 -- an event
        if is_accepted:
            request.close()
            self.accepted += 1
            return
        with pytest.raises(RateLimited), request:
            raise BUSY
        self._retry(BUSY, attempts)

    def _retry(self, error: TemporaryError, attempts: int) -> None:
        later = retry_later(error, attempts)
        self._at(self.clock.now + later.delay, partial(self._begin, attempts + 1))


def test_forty_jobs_that_are_always_refused_make_few_requests() -> None:
    jobs = Jobs(40)
    jobs.run(20, lambda: False)
    assert jobs.requests <= 60


def test_forty_jobs_make_few_requests_to_a_server_that_accepts_one_a_second() -> None:
    jobs = Jobs(40)
    taken: list[float] = []

    def accepts() -> bool:
        if taken and jobs.clock.now - taken[-1] < 1:
            return False
        taken.append(jobs.clock.now)
        return True

    jobs.run(300, accepts)
    assert jobs.accepted == 40
    assert jobs.requests <= 40 + 40 + 50  # all at once, then one for each, and some refused


def test_all_jobs_are_accepted_soon_after_the_server_recovers() -> None:
    jobs = Jobs(40)
    jobs.run(10, lambda: False)
    jobs.run(30, lambda: True)
    assert jobs.accepted == 40
