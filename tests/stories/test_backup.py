"""A backup of the running bot, and what happens after it was restored."""

import asyncio
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from bot import cli
from bot.backup import back_up
from bot.config import Settings
from bot.errors import MisconfiguredError
from bot.sandbox.faults import drop
from bot.sandbox.world import World
from bot.store import Store
from tests.support.channel import Thread, start_rendering
from tests.support.installation import RunBot
from tests.support.rows import until_rows

LEASE = 2.0
"""Seconds: a backup has the leases of that moment, which have to expire after it was restored."""


def url_of(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


async def has_none(store: Store) -> bool:
    return not await store.open_jobs()


async def until_closed(settings: Settings) -> None:
    """Wait for the only job in the database, also if Slack shows that it was delivered before."""
    store = Store.open(url_of(settings))
    try:
        await until_rows(lambda: has_none(store))
    finally:
        await store.close()


def restore(settings: Settings, copy: Path) -> None:
    """As the runbook says: stop the bot, remove the database's files, put the copy in place."""
    database = Path(url_of(settings).partition("///")[2])
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy, database)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


async def test_a_restored_bot_continues_what_was_rendering(
    world: World, run_bot: RunBot, settings: Settings, copy: Path
) -> None:
    thread = Thread(world)
    async with run_bot(lease=LEASE):
        video = await start_rendering(world)
        await asyncio.to_thread(back_up, url_of(settings), copy)
    restore(settings, copy)
    world.videos.finish(video.id)
    async with run_bot(lease=LEASE):
        await until_closed(settings)
    assert len(world.videos.creates) == len(thread.cards) == 1
    assert [len(reply.files) for reply in thread.replies] == [1]


async def test_a_create_in_flight_during_the_backup_is_paid_for_once(
    world: World, run_bot: RunBot, settings: Settings, copy: Path
) -> None:
    async def back_up_then_drop(request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(back_up, url_of(settings), copy)
        return await drop(request)

    thread = Thread(world)
    world.faults.inject("create", back_up_then_drop, when="after")
    async with run_bot(lease=LEASE):
        await world.slack.ada.command("clouds")
        await world.until(copy.exists)
    restore(settings, copy)
    async with run_bot(lease=LEASE):
        await until_closed(settings)
    assert len(world.videos.creates) == len(thread.cards) == 1
    assert [len(reply.files) for reply in thread.replies] == [1]


def test_only_the_user_can_read_the_copy(migrated_url: str, copy: Path) -> None:
    back_up(migrated_url, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in copy.parent.glob("copy*")] == ["copy.db"]


def test_an_existing_file_is_not_overwritten(
    migrated_url: str,
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy.write_text("another backup")
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    assert cli.main(["backup", str(copy)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert copy.read_text() == "another backup"


def test_a_damaged_database_makes_no_backup(migrated_url: str, copy: Path) -> None:
    file = Path(migrated_url.partition("///")[2])
    content = bytearray(file.read_bytes())
    content[8192:12288] = bytes(4096)
    file.write_bytes(content)
    with pytest.raises(MisconfiguredError, match="no backup was made"):
        back_up(migrated_url, copy)
    assert not [*copy.parent.glob("copy*")]


def test_postgresql_is_left_to_its_own_tools(copy: Path) -> None:
    with pytest.raises(MisconfiguredError, match="pg_dump"):
        back_up("postgresql+psycopg://user@host/name", copy)
