"""A database outage: work pauses, people are notified, and jobs continue afterwards."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from aiohttp import web

from bot.sandbox.postgres import Postgres
from bot.sandbox.world import World
from tests.support.channel import Thread, ready
from tests.support.installation import RunBot

CANNOT = "My database isn't responding"
LEASE = 3.0


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@contextmanager
def away(server: Postgres, url: str) -> Iterator[None]:
    server.disconnect(url)
    try:
        yield
    finally:
        server.reconnect(url)


@contextmanager
def hanging(url: str) -> Iterator[None]:
    """Block every statement that uses the table of jobs."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        engine.dispose()


def asked(world: World, operation: str) -> int:
    return len([call for call in world.videos.calls if call.operation == operation])


def all_ready(world: World, number: int) -> bool:
    cards = Thread(world).cards
    return len(cards) == number and all("*Ready:*" in str(card.blocks) for card in cards)


async def test_work_pauses_during_a_database_outage_and_resumes_afterwards(
    world: World, run_bot: RunBot, postgres_server: Postgres, database_url: str
) -> None:
    thread, ada = Thread(world), world.slack.ada
    async with run_bot() as bot:
        world.videos.hold()
        await ada.command("before")
        await world.until(lambda: asked(world, "retrieve") > 1)
        with away(postgres_server, database_url):
            refused = await ada.command("meanwhile")
            assert refused.delivered
            assert CANNOT in ada.private[0].text
            assert not (await bot.health())["database"]
        world.videos.release()
        await world.until(ready(thread))
        await ada.command("after")
        await world.until(lambda: all_ready(world, 2))
    assert [video.prompt for video in world.videos.creates] == ["before", "after"]


async def test_a_database_restart_does_not_affect_the_next_request(
    world: World, run_bot: RunBot, postgres_server: Postgres, database_url: str
) -> None:
    async with run_bot():
        await world.slack.ada.command("first")
        await world.until(lambda: all_ready(world, 1))
        with away(postgres_server, database_url):
            pass
        await world.slack.ada.command("second")
        await world.until(lambda: all_ready(world, 2))
    assert world.slack.ada.private == []


async def test_a_video_id_received_during_a_database_outage_is_saved_later(
    world: World, run_bot: RunBot, postgres_server: Postgres, database_url: str
) -> None:
    accepted = asyncio.Event()

    async def answer_without_a_database(_request: web.Request) -> web.Response:
        postgres_server.disconnect(database_url)
        accepted.set()
        return web.json_response({"id": world.videos.creates[-1].id, "status": "queued"})

    world.faults.inject("create", answer_without_a_database, when="after")
    async with run_bot():
        await world.slack.ada.command("clouds")
        await accepted.wait()
        assert CANNOT in (await private_reply(world))
        postgres_server.reconnect(database_url)
        await world.until(ready(Thread(world)), 20)
    assert len(world.videos.creates) == 1
    assert asked(world, "list") == 0, "the id was forgotten and had to be looked for"


async def private_reply(world: World) -> str:
    await world.slack.ada.command("meanwhile")
    return world.slack.ada.private[-1].text


async def test_a_hanging_database_cancels_jobs_before_their_leases_expire(
    world: World, run_bot: RunBot, database_url: str
) -> None:
    ada = world.slack.ada
    async with run_bot(lease=LEASE):
        world.videos.hold()
        await ada.command("clouds")
        await world.until(lambda: asked(world, "retrieve") > 1)
        [job] = [task for task in asyncio.all_tasks() if task.get_name().startswith("job ")]
        with hanging(database_url):
            refused = await ada.command("meanwhile")
            assert refused.delivered
            assert CANNOT in ada.private[0].text
            await asyncio.wait({job}, timeout=LEASE)
            assert job.cancelled()
        world.videos.release()
        # The second command was recorded after all; its reply says that this can happen.
        await world.until(lambda: all_ready(world, 2), 20)
    assert sorted(video.prompt for video in world.videos.creates) == ["clouds", "meanwhile"]
