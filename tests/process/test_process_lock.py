"""A kernel lock distinguishes a process that died from one that is only slow."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import MisconfiguredError
from bot.process_lock import ProcessLock, lock_folder

HOLDER = """
import sys
from pathlib import Path
from bot.process_lock import ProcessLock

with ProcessLock(Path(sys.argv[1]), "other"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_process_is_immediately_reported_as_dead(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "mine") as lock:
        with another_process(tmp_path) as process:
            assert lock.dead_owners() == []
            process.kill()
            process.wait()
        assert lock.dead_owners() == ["other"]


def test_a_frozen_process_is_not_reported_as_dead(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "mine") as lock, another_process(tmp_path) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert lock.dead_owners() == []


def test_a_process_that_exited_gracefully_is_reported_as_dead(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.communicate("")
    with ProcessLock(tmp_path, "mine") as lock:
        assert lock.dead_owners() == ["other"]


def test_lock_files_are_next_to_a_sqlite_database_and_separate_for_others() -> None:
    assert lock_folder("sqlite+aiosqlite:///var/jobs.db") == Path("var/jobs.db-locks")
    one, other = (lock_folder(f"postgresql+psycopg://host/{name}") for name in ("a", "b"))
    assert one.parent == other.parent
    assert one != other


def test_a_child_program_does_not_hold_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    with ProcessLock(tmp_path, "mine") as lock:
        with ProcessLock(tmp_path, "other") as other:
            child = subprocess.Popen(["sleep", "30"], close_fds=False)  # noqa: S607 -- from PATH
            assert other._fd is not None
            os.close(other._fd)  # what the kernel does when a process dies
            try:
                assert lock.dead_owners() == ["other"]
            finally:
                child.kill()
                child.wait()
                other._fd = None
        lock.forget("other")
        assert lock.dead_owners() == []


def test_an_unusable_lock_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(MisconfiguredError, match=r"Lock files can't be created in .*file"),
        ProcessLock(tmp_path / "file", "mine"),
    ):
        pass
