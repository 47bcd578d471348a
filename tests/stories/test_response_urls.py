"""Response URLs are secrets: they are deleted once Slack no longer accepts them."""

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from bot import jobs
from bot.sandbox.world import World
from bot.store import Store
from bot.timings import RESPONSE_URL_LIFETIME
from tests.support.channel import start_rendering
from tests.support.installation import RunBot
from tests.support.jobs import make_job


def stored(database_url: str, column: str = "response_url") -> object:
    """A column of the only row."""
    with closing(sqlite3.connect(database_url.partition("///")[2])) as database:
        [(value,)] = database.execute(f"SELECT {column} FROM jobs").fetchall()  # noqa: S608 -- a name from below
    return value


async def test_the_bot_removes_expired_response_urls_of_postponed_jobs(
    run_bot: RunBot, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    created_at = time.time() - RESPONSE_URL_LIFETIME - 1
    store = Store.open(migrated_url)
    await store.add(make_job(response_url="https://hooks.example/1", created_at=created_at))
    [job] = await store.claim("another process", now=time.time(), limit=1)
    await store.postpone(job, not_before=time.time() + 3600)
    forgotten = asyncio.Event()
    forget = Store.forget_response_urls

    async def watched(store: Store, *, created_before: float) -> None:
        await forget(store, created_before=created_before)
        forgotten.set()

    monkeypatch.setattr(Store, "forget_response_urls", watched)
    async with run_bot():
        await asyncio.wait_for(forgotten.wait(), 10)
    assert (await store.get(job.id)).response_url is None
    await store.close()


async def test_a_running_job_does_not_write_its_expired_response_url_again(
    world: World, run_bot: RunBot, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_bot():
        video = await start_rendering(world)
        assert stored(database_url) is not None
        monkeypatch.setattr(jobs, "RESPONSE_URL_LIFETIME", 0.0)
        store = Store.open(database_url)
        await store.forget_response_urls(created_before=time.time())
        await store.close()
        assert stored(database_url) is None
        world.videos.progress(video.id, 50)
        await world.until(lambda: stored(database_url, "progress") == 50)
        assert stored(database_url) is None
