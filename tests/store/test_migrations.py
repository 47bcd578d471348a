"""Migrations: they match the table definitions and keep existing rows."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot import migrations
from bot.errors import MisconfiguredError
from bot.jobs import JobState
from bot.sandbox.replica import FORK
from bot.store import Store
from bot.tables import metadata
from tests.support.jobs import REQUEST, make_job

pytestmark = pytest.mark.both_databases

ROW = {
    "id": "job1",
    "request_key": "press1",
    "team_id": "T1",
    "user_id": "U1",
    "channel_id": "C1",
    "response_url": "https://hooks.example/1",
    "prompt": "Wolken ☁",
    "model": "sora-2",
    "seconds": "4",
    "size": "720x1280",
    "state": "rendering",
    "card_ts": "1.2",
    "video_id": "video1",
    "progress": 40,
    "attempts": 1,
    "created_at": 1000.25,
    "submitted_at": 1001.5,
    "fence": 3,
    "lease_until": 1060.0,
}
"""A row as the first revision stored it."""

PROCESSES = 4


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url.replace("+aiosqlite", ""))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def revisions() -> list[str]:
    """All revisions, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    return [script.revision for script in scripts.walk_revisions()][::-1]


def test_migrations_and_tables_agree(database_url: str) -> None:
    migrations.upgrade(database_url)
    with connected(database_url) as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


async def test_upgrading_again_changes_nothing(database_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, database_url)
    store = Store.open(database_url)
    await store.add(make_job())
    [job] = await store.claim("me", now=2000.0, limit=1)
    await asyncio.to_thread(migrations.upgrade, database_url)
    assert await store.get(job.id) == job
    await store.close()


async def test_upgrading_an_older_database_keeps_its_rows(database_url: str) -> None:
    first, *later = revisions()
    await asyncio.to_thread(migrations.upgrade, database_url, first)
    names = ", ".join(ROW)
    values = ", ".join(f":{name}" for name in ROW)
    with connected(database_url) as connection:
        connection.execute(sa.text(f"INSERT INTO jobs ({names}) VALUES ({values})"), ROW)  # noqa: S608 -- names from above
    for revision in later:
        await asyncio.to_thread(migrations.upgrade, database_url, revision)
    await asyncio.to_thread(migrations.upgrade, database_url)

    store = Store.open(database_url)
    [job] = await store.claim("me", now=2000.0, limit=9)
    await store.close()
    assert job == make_job(
        request_key="press1",
        response_url="https://hooks.example/1",
        request=replace(REQUEST, prompt="Wolken ☁"),
        state=JobState.RENDERING,
        card_ts="1.2",
        video_id="video1",
        progress=40,
        attempts=1,
        created_at=1000.25,
        submitted_at=1001.5,
        fence=4,
    )


def test_a_database_from_a_newer_version_is_refused_with_a_one_line_error(
    database_url: str,
) -> None:
    migrations.upgrade(database_url)
    with connected(database_url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("UPDATE compatibility SET oldest = '9999'")
    with pytest.raises(MisconfiguredError, match="newer version") as caught:
        migrations.upgrade(database_url)
    assert "\n" not in caught.value.message


def start_at_once(barrier: Barrier, url: str) -> None:
    """Start as the bot does: migrate, then claim; runs in a separate process."""
    barrier.wait(60)
    migrations.upgrade(url)
    asyncio.run(_open(url))


async def _open(url: str) -> None:
    store = Store.open(url)
    await store.claim("somebody", now=0.0, limit=1)
    await store.close()


def test_processes_that_start_together_migrate_without_conflict(database_url: str) -> None:
    codes = in_processes(start_at_once, database_url)
    assert codes == [0] * PROCESSES
    with connected(database_url) as connection:
        versions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
    assert [tuple(row) for row in versions] == [(revisions()[-1],)]


def in_processes(work: Callable[[Barrier, str], None], url: str) -> list[int | None]:
    barrier = FORK.Barrier(PROCESSES)
    processes = [FORK.Process(target=work, args=(barrier, url)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(90)
    return [process.exitcode for process in processes]
