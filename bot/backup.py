"""Copies an SQLite database while the bot uses it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from bot.errors import MisconfiguredError


def back_up(url: str, path: Path) -> None:
    """Copy the database to a new file that only this user can read, and check the copy.

    Blocks. In WAL mode a copy in one step is a single read, during which others can write
    (sqlite.org: Using the SQLite Online Backup API, Write-Ahead Logging).

    Raises:
        MisconfiguredError: the database is not SQLite, or a file cannot be read or written.
    """
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite":
        raise MisconfiguredError("Only SQLite databases: for PostgreSQL use pg_dump.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        if path.exists():
            raise MisconfiguredError(f"{path} exists already: name a new file.")
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            _copy(str(parts.database), partial)
            _check(partial)
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise MisconfiguredError(f"{path}: no backup was made: {error}") from error


def _copy(source: str, target: Path) -> None:
    address = f"file:{Path(source).absolute()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True)) as database,
        closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)
        # One file, as anybody who moves it expects.
        copy.execute("PRAGMA journal_mode=DELETE")


def _check(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as database:
        [(result,)] = database.execute("PRAGMA integrity_check")
        if result != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {result}")
        database.execute("SELECT count(*) FROM jobs").fetchall()
    with copy.open("rb") as file:
        os.fsync(file.fileno())
