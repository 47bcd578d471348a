"""Starting on a database that cannot be used: one clear line, and exit code 2."""

import gc
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import cli, migrations
from bot.errors import MisconfiguredError
from bot.sandbox.postgres import Postgres
from bot.sandbox.world import World


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users of this machine can reach."""
    folder = Path(tempfile.mkdtemp(prefix="video-bot-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def migrate(monkeypatch: pytest.MonkeyPatch, url: str) -> int:
    monkeypatch.setenv("DATABASE_URL", url)
    return cli.main(["migrate"])


@contextmanager
def as_an_unprivileged_user() -> Iterator[None]:
    """Run as the user `nobody`, since root can write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.both_databases
def test_migrate_creates_the_tables(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    assert migrate(monkeypatch, database_url) == 0
    engine = sa.create_engine(database_url.replace("+aiosqlite", ""))
    assert sa.inspect(engine).has_table("jobs")
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:secret@127.0.0.1:9/d", "Connection refused"),
        ("postgresql://u:secret@host.invalid/d", "host.invalid"),
        ("postgresql://u:secret@127.0.0.1:9/d?pgbouncer=true", "pgbouncer"),
        ("sqlite:////no/such/folder/bot.db", "unable to open database file"),
        (f"sqlite:///{__file__}", "file is not a database"),
        ("oracle://u:secret@h/d", "should be an address such as"),
    ],
)
def test_an_unusable_database_prints_one_line_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    assert migrate(monkeypatch, url) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("DATABASE_URL")
    assert reason in line
    assert "secret" not in line


def test_a_missing_driver_prints_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert migrate(monkeypatch, "postgres://u:secret@127.0.0.1:9/d") == 2
    assert "pip install '.[postgres]'" in capsys.readouterr().err


@pytest.mark.parametrize("is_new", [True, False])
def test_a_read_only_postgresql_prints_one_line_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    postgres_server: Postgres,
    postgres_url: str,
    *,
    is_new: bool,
) -> None:
    if not is_new:
        migrations.upgrade(postgres_url)
    name = sa.make_url(postgres_url).database
    postgres_server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert migrate(monkeypatch, postgres_url) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "read-only" in line


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_sqlite_file_or_folder_prints_one_line_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shared_folder: Path,
    database_url: str,
    what: str,
) -> None:
    migrations.upgrade(database_url)  # imports everything before root's files become inaccessible
    file = shared_folder / "bot.db"
    if what == "file":
        migrations.upgrade(f"sqlite+aiosqlite:///{file}")
        file.chmod(0o444)
    shared_folder.chmod(0o555)
    with as_an_unprivileged_user():
        assert migrate(monkeypatch, f"sqlite:///{file}") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("DATABASE_URL cannot be used: ")
    assert {"file": "readonly", "folder": "unable to open"}[what] in line


@pytest.mark.parametrize("check", [migrations.upgrade, migrations.revisions])
def test_a_file_that_is_not_a_database_is_closed_again(
    check: Callable[[str], object], tmp_path: Path
) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear database, " * 100)
    gc.disable()  # it would close a leaked connection
    try:
        with pytest.raises(MisconfiguredError):
            check(f"sqlite+aiosqlite:///{path}")
        open_files = {os.path.realpath(entry.path) for entry in os.scandir("/dev/fd")}
    finally:
        gc.enable()
    assert str(path) not in open_files


def test_the_bot_does_not_start_with_an_unreachable_database(world: World, tmp_path: Path) -> None:
    environment = world.environment("postgres://u:secret@127.0.0.1:9/d")
    done = subprocess.run(
        [sys.executable, "-m", "bot", "run"],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    [line] = done.stderr.splitlines()
    assert "Connection refused" in line
    assert (done.returncode, world.slack.calls) == (2, [])
