"""Waiting for something to become true, without sleeping."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes whoever waits each time something in the sandbox changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.count = 0
        """How many changes there were."""

    def happened(self) -> None:
        """Say that something changed."""
        self.count += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], T | None], seconds: float = 30) -> T:
        """Return the condition's first true value.

        Raises:
            TimeoutError: it did not become true in time.
        """
        async with asyncio.timeout(seconds):
            while not (value := condition()):
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                await future
            return value
