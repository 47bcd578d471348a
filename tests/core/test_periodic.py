"""Scheduled work continues even if one run or another task fails."""

import asyncio
from collections.abc import Iterable

import pytest

from bot.errors import TemporaryError
from bot.periodic import PeriodicTask, run_periodically


class Script:
    """A task that raises the given failures, then succeeds and sets `succeeded`."""

    def __init__(self, failures: Iterable[Exception] = ()) -> None:
        self._failures = [*failures]
        self.succeeded = asyncio.Event()
        self.repeated = asyncio.Event()

    async def run(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        if self.succeeded.is_set():
            self.repeated.set()
        self.succeeded.set()


@pytest.mark.parametrize("failure", [TemporaryError("The database is down."), KeyError("defect")])
async def test_a_task_runs_again_after_a_failure(failure: Exception) -> None:
    script = Script([failure, failure])
    running = asyncio.create_task(run_periodically([PeriodicTask("script", 0.0, script.run)]))
    await asyncio.wait_for(script.succeeded.wait(), 5)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


async def test_each_task_runs_at_its_own_interval() -> None:
    often, seldom = Script(), Script()
    tasks = [PeriodicTask("often", 0.0, often.run), PeriodicTask("seldom", 3600.0, seldom.run)]
    running = asyncio.create_task(run_periodically(tasks))
    await asyncio.wait_for(often.repeated.wait(), 5)
    assert seldom.succeeded.is_set()
    assert not seldom.repeated.is_set()
    running.cancel()
    await asyncio.wait({running})
