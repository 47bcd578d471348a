"""Folders that belong to this user alone, and one for each process's temporary files."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import MisconfiguredError


def make_private(folder: Path) -> None:
    """Create the folder for this user alone.

    Others can create one with this name first where everyone may write, as in /tmp.

    Raises:
        MisconfiguredError: it belongs to someone else, or is a link.
        OSError: it can't be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise MisconfiguredError(f"{folder} belongs to another user, or is a link: remove it")
    folder.chmod(0o700)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for this process's temporary files; removes those of processes that have died.

    Each process holds a lock on its folder, which the kernel releases when it dies. Blocks for a
    few system calls.

    Raises:
        MisconfiguredError: files can't be created in the directory for temporary files.
    """
    parent = Path(tempfile.gettempdir()) / f"video-bot-{os.geteuid()}-files"
    try:
        make_private(parent)
        _remove_abandoned(parent)
        # Hidden until it is locked: another process that starts now could take it for abandoned.
        new = Path(tempfile.mkdtemp(prefix=".", dir=parent))
        lock = _lock(new)
        folder = new.rename(parent / new.name.lstrip("."))
    except OSError as error:
        raise MisconfiguredError(
            f"Temporary files can't be created in {parent}: {error.strerror}"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob("[!.]*"):
        # Locked by a process that runs, or just removed by another that starts.
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _lock(folder: Path) -> int:
    """Lock the folder until the returned descriptor is closed; child programs don't inherit it.

    Raises:
        OSError: another process holds the lock, or it is no folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
