"""After a SIGKILL, the next process continues immediately instead of waiting for the lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from bot.config import read_settings
from bot.sandbox.faults import hang
from bot.sandbox.replica import FAST, exit_code, spawn
from bot.sandbox.world import World
from tests.support.channel import Thread

LEASE = 3600.0
"""Seconds; so long that a test that waits for it fails."""


@asynccontextmanager
async def bot(world: World, folder: Path) -> AsyncIterator[ForkServerProcess]:
    url = f"sqlite:///{folder / 'jobs.db'}"
    variables = {name.lower(): value for name, value in world.environment(url).items()}
    settings = read_settings(_env_file=None, poster=False, **variables)
    process = spawn(settings, timings=FAST, lease=LEASE, log=folder / "log")
    try:
        yield process
    finally:
        process.kill()
        await exit_code(process)


@pytest.mark.parametrize("operation", ["chat.postMessage", "retrieve", "content", "upload"])
async def test_a_new_process_takes_over_immediately_from_a_killed_one(
    world: World, tmp_path: Path, operation: str
) -> None:
    reached = asyncio.Event()

    async def stuck(request: object) -> object:
        reached.set()
        return await hang(request)  # type: ignore[arg-type]  # it ignores its argument

    world.faults.inject(operation, stuck)  # type: ignore[arg-type]  # it never responds
    async with bot(world, tmp_path):
        await world.until(lambda: world.slack.sockets.connected)
        await world.slack.ada.command("clouds")
        await asyncio.wait_for(reached.wait(), 30)
    thread = Thread(world)
    async with bot(world, tmp_path):
        await world.until(lambda: thread.says("*Ready:*"))
    assert len(world.videos.creates) == 1
