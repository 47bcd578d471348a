"""Fixtures: a sandbox world, a database and the real bot."""

import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import certifi
import hypothesis
import pytest
from pydantic import SecretStr

from bot import migrations
from bot.app import Bot, running
from bot.config import Settings, read_settings
from bot.sandbox.clip import make_clip
from bot.sandbox.postgres import CannotStart, Postgres, postgres
from bot.sandbox.replica import FAST
from bot.sandbox.world import World
from bot.slack import prompts
from bot.timings import LEASE, Timings
from tests.support.installation import RunBot, install

# The same examples on every run, so that a failure can be reproduced anywhere.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(scope="session", autouse=True)
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One certificate for every client: parsing the whole bundle takes 30 ms."""
    file = tmp_path_factory.mktemp("certificates") / "one.pem"
    end = "-----END CERTIFICATE-----\n"
    file.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(autouse=True)
def time_to_save_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second passes easily on a busy machine, and then a reply has no button."""
    monkeypatch.setattr(prompts, "DRAFT_SAVE_TIMEOUT", 2.0)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small but real video, made once."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_clip(path, "clouds", size="128x72", seconds=1)
    return path.read_bytes()


@pytest.fixture
async def world(clip: bytes) -> AsyncIterator[World]:
    async with World(render_seconds=0.1, poll_after_ms=10, clip=clip) as world:
        install(world)
        yield world
        assert world.slack.complaints == []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real server for each pytest process."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(durable=False))
        except CannotStart as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database; the URL as the settings normalize it."""
    url = postgres_server.new_database()
    yield url.replace("postgresql:", "postgresql+psycopg:")
    postgres_server.drop_database(url)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty SQLite database, or each database in turn with the mark `both_databases`."""
    if getattr(request, "param", "sqlite") == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with its tables, to copy: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "jobs.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
def migrated_url(database_url: str, migrated_file: Path) -> str:
    """The database of `database_url`, with its tables."""
    if database_url.startswith("sqlite"):
        shutil.copyfile(migrated_file, database_url.partition("///")[2])
    else:
        migrations.upgrade(database_url)
    return database_url


@pytest.fixture
def settings(world: World, migrated_url: str, tmp_path: Path) -> Settings:
    variables = world.environment(migrated_url)
    return read_settings(
        _env_file=tmp_path / "none",
        poster=False,  # each takes a process
        max_open_per_person=200,  # tests with many jobs use few people
        **{name.lower(): value for name, value in variables.items()},
    )


@pytest.fixture
def timings() -> Timings:
    """The timings of `bot` and `run_bot`; a test can parametrize them."""
    return FAST


@pytest.fixture
def run_bot(world: World, settings: Settings, timings: Timings) -> RunBot:
    """Run the real bot in the world with `async with`."""

    @asynccontextmanager
    async def run(
        timings: Timings = timings, settings: Settings = settings, lease: float = LEASE
    ) -> AsyncIterator[Bot]:
        async with running(settings, timings=timings, lease=lease) as bot:
            if settings.slack_app_token is not None:
                await world.until(lambda: world.slack.sockets.connected)
            yield bot

    return run


@pytest.fixture
async def bot(run_bot: RunBot) -> AsyncIterator[Bot]:
    async with run_bot() as bot:
        yield bot


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def http_bot(
    run_bot: RunBot, settings: Settings, world: World, port: int
) -> AsyncIterator[Bot]:
    http_mode = settings.model_copy(
        update={
            "slack_app_token": None,
            "slack_signing_secret": SecretStr(world.slack.signing_secret),
            "port": port,
        }
    )
    world.slack.deliver_by_http(f"http://127.0.0.1:{port}/slack/events")
    async with run_bot(settings=http_mode) as bot:
        yield bot
