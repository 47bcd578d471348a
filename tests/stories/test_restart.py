"""After a restart, every unfinished job resumes from any step."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.sandbox.faults import hang
from bot.sandbox.world import World
from bot.slack import ack
from tests.support.channel import shown
from tests.support.installation import RunBot
from tests.support.pictures import picture, size_of

OPERATIONS = [
    "chat.postMessage",
    "retrieve",
    "content",
    "files.getUploadURLExternal",
    "upload",
    "files.completeUploadExternal",
    "files.info",
    "chat.update",
]


def is_ready(world: World) -> bool:
    videos = world.slack.workspace.videos
    return bool(videos.messages) and "*Ready:*" in str(videos.messages[0].blocks)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_job_resumes_from_any_step_after_a_restart(
    world: World, run_bot: RunBot, operation: str
) -> None:
    reached = asyncio.Event()

    async def stuck(request: object) -> object:
        reached.set()
        return await hang(request)  # type: ignore[arg-type]  # it does not look at it

    world.faults.inject(operation, stuck)  # type: ignore[arg-type]  # it never answers
    async with run_bot():
        await world.slack.ada.command("clouds")
        await asyncio.wait_for(reached.wait(), 10)
    async with run_bot():
        await world.until(lambda: is_ready(world))
    videos = world.slack.workspace.videos
    assert len(world.videos.creates) == 1
    assert len(videos.messages) == 2
    assert len(videos.messages[1].files) == 1


@pytest.mark.parametrize("operation", ["download", "chat.postMessage", "create", "retrieve"])
async def test_a_job_with_a_starting_image_resumes_from_any_step_after_a_restart(
    world: World, run_bot: RunBot, operation: str
) -> None:
    ada, reached = world.slack.ada, asyncio.Event()

    async def stuck(request: object) -> object:
        reached.set()
        return await hang(request)  # type: ignore[arg-type]  # it does not look at it

    world.faults.inject(operation, stuck)  # type: ignore[arg-type]  # it never answers
    async with run_bot():
        await ada.command("clouds --form")
        sky = ada.upload("sky.jpg", picture("JPEG", (4032, 3024)), "image/jpeg")
        await ada.fill({"input_reference": [sky]})
        await ada.submit()
        await ada.submit()  # crop it
        await asyncio.wait_for(reached.wait(), 10)
    async with run_bot():
        await world.until(lambda: is_ready(world))
    [video] = world.videos.creates
    assert video.input_reference is not None
    assert size_of(video.input_reference.content) == ("JPEG", 720, 1280)
    card, _reply = world.slack.workspace.videos.messages
    assert "starting image cropped from 4032 × 3024" in shown(card)  # noqa: RUF001 -- the sign


async def test_a_command_is_acknowledged_in_time_while_the_database_is_locked(
    world: World, run_bot: RunBot, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ack, "ACK_TIMEOUT", 0.2)
    async with run_bot():
        lock = sqlite3.connect(Path(database_url.removeprefix("sqlite+aiosqlite:///")))
        lock.execute("BEGIN EXCLUSIVE")
        answer = await world.slack.ada.command("clouds")
        lock.rollback()
        lock.close()
    assert answer.delivered
    assert "My database isn't responding" in world.slack.ada.private[0].text
