"""Replicas: the bot processes that other tests start and kill."""

import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox import replica
from bot.sandbox.world import World


@pytest.fixture
async def process(world: World, database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    process = await replica.start(
        world.environment(database_url), lease=2.0, log=tmp_path / "bot.log"
    )
    await world.until(lambda: world.slack.sockets.connected, 30)
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_a_replica_creates_videos_and_stops_on_sigterm(
    world: World, process: Process
) -> None:
    answer = await world.slack.ada.command("clouds")
    assert answer.delivered
    videos = world.slack.workspace.videos
    await world.until(lambda: any(message.is_reply for message in videos.messages), 30)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_replica_finishes_the_job_of_a_killed_one(
    world: World, process: Process, database_url: str, tmp_path: Path
) -> None:
    world.videos.hold()
    await world.slack.ada.command("clouds")
    await world.until(lambda: any(call.operation == "retrieve" for call in world.videos.calls))
    process.kill()
    await process.wait()
    world.videos.release()
    environment = world.environment(database_url)
    other = await replica.start(environment, lease=2.0, log=tmp_path / "bot.log")
    videos = world.slack.workspace.videos
    try:
        await world.until(lambda: any(message.is_reply for message in videos.messages), 30)
        assert len(world.videos.creates) == 1
        assert [len(message.files) for message in videos.messages if message.is_reply] == [1]
    finally:
        other.terminate()
        await other.wait()
