"""Wait for a condition without sleeping."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes all waiters whenever something in the sandbox changes."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.count = 0
        """How many changes there were."""

    def happened(self) -> None:
        """Announce a change."""
        self.count += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], T | None], seconds: float = 30) -> T:
        """Return the condition's first true value.

        Raises:
            TimeoutError: the condition did not become true in time.
        """
        async with asyncio.timeout(seconds):
            while not (value := condition()):
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                await future
            return value
