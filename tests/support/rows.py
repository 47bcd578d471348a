"""Waits for what only the database shows."""

import asyncio
from collections.abc import Awaitable, Callable


async def until_rows(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until the database is so: rows announce no change."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)
