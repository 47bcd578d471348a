"""Which of the bot's processes have died: each holds a file lock that the kernel releases.

A frozen process keeps its lock, so a lock that can be taken proves death. That proof lets
another process take over the jobs at once instead of waiting until their leases expire.
"""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from bot.errors import MisconfiguredError
from bot.folders import make_private


def lock_folder(database_url: str) -> Path:
    """Where the processes of one database on one host keep their lock files.

    Beside an SQLite database, otherwise in the host's folder for temporary files.
    """
    url = sa.make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return Path(f"{url.database}-locks")
    name = hashlib.sha256(database_url.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"video-bot-{os.geteuid()}-{name}"


class ProcessLock:
    """This process's lock file, in a folder that the processes share.

    The methods block for a few system calls.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self.owner = owner
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Create and lock the file.

        Raises:
            MisconfiguredError: the folder can't be written, or belongs to another user.
        """
        try:
            make_private(self._folder)
            # Not inherited by child programs, which would hold the lock after our death (PEP 446).
            self._fd = os.open(self._path(self.owner), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MisconfiguredError(
                f"Lock files can't be created in {self._folder}: {error.strerror}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the file, which counts as dead from here on, as after a crash.

        A process that stops gracefully has released its jobs, unless the database was down.
        """
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def dead_owners(self) -> list[str]:
        """The processes that have certainly died and whose jobs nobody has taken over yet.

        A process on another host has no lock file here, so it is never listed.
        """
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        return [name for name in names if name != self.owner and self._is_free(name)]

    def forget(self, owner: str) -> None:
        """Remove the lock file of a process whose jobs have been taken over."""
        self._path(owner).unlink(missing_ok=True)

    def _is_free(self, owner: str) -> bool:
        try:
            fd = os.open(self._path(owner), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _path(self, owner: str) -> Path:
        return self._folder / owner
