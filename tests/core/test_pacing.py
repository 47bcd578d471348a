"""Calls are paced: outcomes before progress, and nobody's backlog ahead of other people."""

import asyncio
from contextlib import ExitStack

import pytest

from bot.errors import RateLimited, RequestRefused, TemporaryError, Throttled
from bot.pacing import FairLimiter, FairSlots
from bot.videos.throttle import Throttle


async def order_of(turns: dict[str, asyncio.Task[None]]) -> list[str]:
    """The names of the tasks, in the order in which they end."""
    names = {task: name for name, task in turns.items()}
    order: list[str] = []
    for task in names:
        task.add_done_callback(lambda done: order.append(names[done]))
    await asyncio.gather(*names)
    return order


async def test_people_take_turns_however_many_calls_one_of_them_has() -> None:
    limiter = FairLimiter(1, 0.01)
    await limiter.acquire("first")
    turns = {
        name: asyncio.create_task(limiter.acquire(name[0])) for name in ("a1", "a2", "a3", "b1")
    }
    assert await order_of(turns) == ["a1", "b1", "a2", "a3"]


async def test_slots_are_given_to_people_in_turn() -> None:
    slots, order = FairSlots(1), list[str]()

    async def use(name: str) -> None:
        async with slots.slot(name[0]):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(name) for name in ("a1", "a2", "a3", "b1", "c1")))
    assert order == ["a1", "a2", "b1", "c1", "a3"]


async def test_a_waiter_that_gives_up_takes_nothing() -> None:
    slots = FairSlots(1)
    async with slots.slot("a"):
        waiter = asyncio.create_task(slots._acquire("b"))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait({waiter})
    async with asyncio.timeout(1), slots.slot("c"):
        pass


async def test_progress_leaves_calls_for_outcomes() -> None:
    limiter = FairLimiter(5, 3600)
    assert [limiter.acquire_spare(2) for _ in range(5)] == [True, True, True, False, False]
    await limiter.acquire("a")
    await limiter.acquire("a")
    waiting = asyncio.create_task(limiter.acquire("a"))
    await asyncio.sleep(0)
    assert not limiter.has_spare(0)
    waiting.cancel()


async def test_no_period_has_more_calls_than_allowed() -> None:
    limiter, sent = FairLimiter(3, 0.05), list[float]()
    for _ in range(10):
        await limiter.acquire("a")
        sent.append(asyncio.get_running_loop().time())
    assert all(later - earlier >= 0.049 for earlier, later in zip(sent, sent[3:], strict=False))


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


BUSY = RateLimited("busy", retry_after=1)


def attempt(throttle: Throttle, error: Exception | None = None) -> None:
    with throttle.record():
        if error is not None:
            raise error


def test_after_a_refusal_one_request_goes_first_and_the_others_follow_if_it_is_accepted() -> None:
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


def test_a_test_that_is_refused_doubles_the_delay() -> None:
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


def test_requests_refused_together_count_once() -> None:
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


def test_a_refusal_of_one_request_slows_nobody_down() -> None:
    throttle = Throttle(TemporaryError)
    with pytest.raises(RequestRefused):
        attempt(throttle, RequestRefused("no", code="x"))
    throttle.check()
