"""Only the bot's user can read its files, and temporary files are removed after a crash."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot import migrations
from bot.errors import MisconfiguredError
from bot.folders import make_private, temporary_folder
from bot.sandbox.faults import hang
from bot.sandbox.world import World
from tests.support.installation import RunBot

HOLDER = """
import sys
from bot.folders import temporary_folder

with temporary_folder() as folder:
    (folder / "video.mp4").write_bytes(b"half a video")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files of this process."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@contextmanager
def another_process(tmpdir: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={"TMPDIR": str(tmpdir)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "video.mp4").exists()
        try:
            yield process, folder
        finally:
            process.kill()


def test_the_files_of_a_killed_process_are_removed_at_the_next_start(tmpdir: Path) -> None:
    with another_process(tmpdir) as (process, folder):
        process.kill()
        process.wait()
    assert (folder / "video.mp4").exists()
    with temporary_folder() as mine:
        assert [*mine.parent.iterdir()] == [mine]


def test_the_files_of_a_running_process_are_kept(tmpdir: Path) -> None:
    with another_process(tmpdir) as (_, folder), temporary_folder() as mine:
        assert (folder / "video.mp4").exists()
        assert mine != folder


def test_other_users_cannot_read_temporary_files() -> None:
    with temporary_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert [*folder.parent.iterdir()] == []


def test_a_symlink_instead_of_the_folder_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "mine").mkdir(parents=True)
    with temporary_folder() as folder:
        parent = folder.parent
    parent.rmdir()
    parent.symlink_to(victim)
    with pytest.raises(MisconfiguredError, match="is a link"), temporary_folder():
        pass
    assert (victim / "mine").exists()


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(MisconfiguredError, match="another user"):
        make_private(tmp_path)


async def test_a_downloaded_video_is_kept_in_the_temporary_folder_and_removed(
    world: World, run_bot: RunBot, tmpdir: Path
) -> None:
    world.faults.inject("upload", hang)
    async with run_bot():
        await world.slack.ada.command("clouds")
        [file] = await world.until(lambda: [*tmpdir.rglob("*.mp4")])
        assert file.parents[2].name.startswith("video-bot-")
        assert file.parents[2].parent == tmpdir
    assert [each for each in tmpdir.rglob("*") if each.is_file()] == []


async def test_other_users_cannot_read_the_database(
    world: World, database_url: str, run_bot: RunBot
) -> None:
    database = Path(database_url.partition("///")[2])
    database.chmod(0o644)  # as earlier versions created it
    async with run_bot():
        await world.slack.ada.command("list")
        files = [*database.parent.glob(f"{database.name}*")]
        assert len(files) > 2  # with the write-ahead log
        assert {file.name: file.stat().st_mode & 0o077 for file in files} == {
            file.name: 0 for file in files
        }


def test_a_new_database_is_not_readable_by_other_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # which would be a moment too late
    migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
