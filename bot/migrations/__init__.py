"""The database schema's versions (Alembic); `upgrade` migrates to the newest."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.database import engine_options, make_private
from bot.errors import MisconfiguredError
from bot.tables import compatibility, jobs
from bot.timings import MIGRATION_TIMEOUT

_NO_DRIVER = "PostgreSQL needs a driver that is not installed: pip install '.[postgres]'"

_LOCK = 0x76696465  # "vide": any number that nothing else in this database uses


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate this database, and check that it is writable.

    A database of a later version is left as it is if this version can use it, so that one can
    return to the previous release.

    Processes that start together migrate one after the other. Blocks, so call it before the
    event loop starts or in a thread.

    Raises:
        MisconfiguredError: the database cannot be used; the message says why in one line.
    """
    try:
        with _exclusively(url) as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = connection
            if not _is_used_by_later_version(connection):
                command.upgrade(config, revision)
            # Changes no row, but fails like any other write if the database is read-only.
            connection.execute(jobs.update().where(sa.false()).values(fence=0))
    except ImportError as error:
        raise MisconfiguredError(_NO_DRIVER) from error
    except (SQLAlchemyError, OSError) as error:
        raise MisconfiguredError(f"DATABASE_URL cannot be used: {_reason(error, url)}") from error


def revisions(url: str) -> tuple[str | None, str]:
    """The database's current revision (None: empty or missing) and the newest one.

    Changes nothing; blocks like `upgrade`.

    Raises:
        MisconfiguredError: the database cannot be used; the message says why in one line.
    """
    head = _newest_revision()
    parts = sa.make_url(url)
    if parts.get_backend_name() == "sqlite" and not Path(parts.database or "").exists():
        folder = Path(parts.database or "").absolute().parent
        if not os.access(folder, os.W_OK):
            raise MisconfiguredError(
                f"DATABASE_URL cannot be used: {folder} does not exist or is read-only"
            )
        return None, head
    try:
        with _engine(url) as engine, engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except ImportError as error:
        raise MisconfiguredError(_NO_DRIVER) from error
    except (SQLAlchemyError, OSError) as error:
        raise MisconfiguredError(f"DATABASE_URL cannot be used: {_reason(error, url)}") from error
    return current, head


def _is_used_by_later_version(connection: sa.Connection) -> bool:
    """Whether a later version has migrated it, in a way that this version can live with.

    Raises:
        MisconfiguredError: this version cannot use it.
    """
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None or current in _earlier_revisions() or current == _newest_revision():
        return False
    oldest = None
    if sa.inspect(connection).has_table(compatibility.name):
        oldest = connection.execute(sa.select(compatibility.c.oldest)).scalar()
    if oldest is None or oldest > _newest_revision():
        raise MisconfiguredError(
            "DATABASE_URL cannot be used: its tables were migrated by a newer version of this bot"
        )
    return True


def is_outdated(revision: str) -> bool:
    """Whether this version needs a newer one; unknown revisions are those of later versions."""
    return revision in _earlier_revisions()


@cache
def _newest_revision() -> str:
    return ScriptDirectory(str(Path(__file__).parent)).get_current_head() or ""


@cache
def _earlier_revisions() -> frozenset[str]:
    _head, *earlier = ScriptDirectory(str(Path(__file__).parent)).walk_revisions()
    return frozenset(script.revision for script in earlier)


@contextmanager
def _exclusively(url: str) -> Iterator[sa.Connection]:
    """A transaction that excludes every other process's migration."""
    make_private(url)
    with _engine(url) as engine:
        if engine.dialect.name == "sqlite":
            _begin_by_locking(engine)
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # Both end with the transaction, so they also work through PgBouncer.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_TIMEOUT:.0f}s'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    """An engine without asyncio, whose connections are closed at the end."""
    engine = sa.create_engine(
        url.replace("+aiosqlite", ""), hide_parameters=True, **engine_options(url)
    )
    try:
        yield engine
    finally:
        engine.dispose()


def _begin_by_locking(engine: sa.Engine) -> None:
    """Lock at once: Python's driver begins a transaction only at the first write, not for DDL."""

    @sa.event.listens_for(engine, "connect")
    def _disable_driver_transactions(connection: Any, _record: object) -> None:  # noqa: ANN401 -- a DBAPI connection
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={MIGRATION_TIMEOUT * 1000:.0f}")
        _enable_wal(connection)

    @sa.event.listens_for(engine, "begin")
    def _lock(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _enable_wal(connection: Any) -> None:  # noqa: ANN401 -- a DBAPI connection
    """Switch to write-ahead logging; `busy_timeout` does not apply to this one lock."""
    give_up_at = time.monotonic() + MIGRATION_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


def _reason(error: SQLAlchemyError | OSError, url: str) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    line, password = str(cause).partition("\n")[0], sa.make_url(url).password
    return line.replace(str(password), "[password]") if password else line
