"""Health checks for orchestrators and containers: `/livez`, `/readyz`, `video-bot health`."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bot import cli, web
from bot.app import Bot
from bot.config import Settings
from bot.errors import TemporaryError
from bot.jobs import Job
from bot.sandbox.faults import respond_with
from bot.sandbox.world import World
from bot.store import Store
from bot.timings import LEASE
from tests.support.installation import RunBot

READY = {"database": True, "migrations": True}


@pytest.fixture(autouse=True)
def _health_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEALTH_MAX_AGE", 0)


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def check(client: httpx.AsyncClient, path: str) -> tuple[int, dict[str, bool]]:
    response = await client.get(path)
    return response.status_code, response.json()


async def no_database(_store: Store) -> str:
    raise TemporaryError("The database does not respond (OperationalError).")


@pytest.mark.usefixtures("http_bot")
async def test_a_database_outage_fails_readiness_but_not_liveness(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await check(client, "/readyz") == (200, READY)
    monkeypatch.setattr(Store, "revision", no_database)
    monkeypatch.setattr(Store, "ping", no_database)
    assert await check(client, "/readyz") == (503, {"database": False, "migrations": False})
    assert await check(client, "/livez") == (200, {"worker": True})


async def test_a_worker_that_ended_fails_liveness_but_not_readiness(
    http_bot: Bot, client: httpx.AsyncClient
) -> None:
    http_bot.work.cancel()
    await asyncio.wait({http_bot.work})
    assert await check(client, "/livez") == (503, {"worker": False})
    assert await check(client, "/readyz") == (200, READY)


async def test_a_hanging_database_fails_liveness_only_after_a_delay(
    http_bot: Bot, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = asyncio.Event()

    async def hang(*_arguments: object, **_options: object) -> list[Job]:
        hanging.set()
        return await asyncio.Future()

    monkeypatch.setattr(Store, "claim", hang)
    await hanging.wait()
    http_bot.worker._ran_at -= LEASE / 3
    assert await check(client, "/livez") == (200, {"worker": True})
    http_bot.worker._ran_at -= LEASE / 3
    assert await check(client, "/livez") == (503, {"worker": False})


async def test_losing_the_socket_fails_readiness_but_not_liveness(
    run_bot: RunBot, settings: Settings, world: World, port: int, client: httpx.AsyncClient
) -> None:
    async with run_bot(settings=settings.model_copy(update={"port": port})):
        assert await check(client, "/readyz") == (200, READY | {"socket": True})
        trouble = respond_with(200, {"ok": False, "error": "internal_error"})
        world.faults.inject("apps.connections.open", trouble, times=99)
        await world.slack.sockets.cut()
        await world.until(lambda: not world.slack.sockets.connected)
        assert await check(client, "/readyz") == (503, READY | {"socket": False})
        assert await check(client, "/livez") == (200, {"worker": True})


@pytest.mark.usefixtures("http_bot")
@pytest.mark.parametrize(("revision", "is_ready"), [("0001", False), ("9999", True)])
async def test_an_older_schema_fails_readiness_but_a_newer_one_does_not(
    client: httpx.AsyncClient, settings: Settings, revision: str, *, is_ready: bool
) -> None:
    path = settings.database_url.get_secret_value().partition(":///")[2]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    status, parts = await check(client, "/readyz")
    assert parts == {"database": True, "migrations": is_ready}
    assert status == (200 if is_ready else 503)


async def test_the_health_command_reports_the_health_of_the_running_bot(
    http_bot: Bot,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", str(port))
    assert await asyncio.to_thread(cli.main, ["health"]) == 0
    assert capsys.readouterr().out == '{"database": true, "worker": true, "slack": true}\n'
    http_bot.work.cancel()
    await asyncio.wait({http_bot.work})
    assert await asyncio.to_thread(cli.main, ["health"]) == 1
    assert capsys.readouterr().out.endswith('{"database": true, "worker": false, "slack": true}\n')


def test_the_health_command_fails_if_no_bot_is_running(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"PORT={port}\nHOST=127.0.0.2\n")
    assert cli.main(["health"]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"PORT {port} of HOST 127.0.0.2 does not respond:")


def test_the_health_command_does_not_import_the_app(tmp_path: Path) -> None:
    """It runs every minute, next to the bot, on the same small machine."""
    code = "import sys, bot.cli; bot.cli.main(['health']); print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert {"slack_bolt", "aiohttp", "bot.app"}.isdisjoint(process.stdout.split())
