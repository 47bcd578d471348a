"""Runs SQL statements, each one to completion, and those that people wait for first."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import TemporaryError
from bot.timings import (
    CANCEL_TIMEOUT,
    CLOSE_TIMEOUT,
    CONNECT_TIMEOUT,
    LOCK_TIMEOUT,
    UNACKNOWLEDGED_TIMEOUT,
)

log = structlog.get_logger()

CONNECTIONS = 5
"""To PostgreSQL, per process: small hosted databases allow about twenty in all."""

Rows = list[Mapping[str, Any]]
T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]


class Priority(Enum):
    """Who waits for a statement. Each leaves a place free for the one above it."""

    PERSON = auto()
    """Someone who has to be answered within seconds."""
    WORKER = auto()
    """Claims and heartbeats, on which every lease depends."""
    JOB = auto()
    """A running job, or anything else that can wait its turn."""


class Transaction:
    """Statements that take effect together, or not at all."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(self, statement: sa.Executable) -> Rows:
        """Run one statement; returns its rows, if it has any."""
        return await _execute(self._connection, statement)

    async def lock(self, key: str) -> None:
        """Wait until no other transaction has locked this key, and lock it until the end.

        The next statement sees what the others have committed. On SQLite only one transaction
        runs at a time.
        """
        if self._connection.dialect.name == "postgresql":
            await self.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_id(key))))


class Database:
    """One database. A statement that has begun is never cancelled halfway.

    Methods raise TemporaryError while the database does not respond.
    """

    def __init__(self, engine: AsyncEngine, *, connections: int) -> None:
        self._engine = engine
        self._below_person = asyncio.Semaphore(max(1, connections - 1))
        self._below_worker = asyncio.Semaphore(max(1, connections - 2))
        self._pending_writes = 0
        self._closed = False
        self._running: set[asyncio.Task[Any]] = set()

    @classmethod
    def open(cls, url: str) -> Self:
        """The database at this address; connects when the first statement runs."""
        # More connections would only compete for SQLite's single write lock.
        make_private(url)
        connections = 1 if url.startswith("sqlite") else CONNECTIONS
        return cls(_make_engine(url, connections), connections=connections)

    async def close(self) -> None:
        """Close the connections, after a moment for the statements that are still running.

        Statements that come later raise TemporaryError.
        """
        self._closed = True
        await self.wait(CLOSE_TIMEOUT)
        for statement in self._running:
            statement.cancel()
        # `dispose` closes idle connections only, and nothing would close the others later.
        await self.wait(CANCEL_TIMEOUT)
        await self._engine.dispose()

    async def execute(self, statement: sa.Executable, priority: Priority = Priority.JOB) -> Rows:
        """Run one statement in a transaction of its own; returns its rows, if it has any."""
        return await self._to_completion(self._run(_only(statement), priority))

    async def execute_together(
        self, *statements: sa.Executable, priority: Priority = Priority.JOB
    ) -> Rows:
        """Run the statements in one transaction: all or none; returns the last one's rows."""

        async def each(transaction: Transaction) -> Rows:
            rows: Rows = []
            for statement in statements:
                rows = await transaction.execute(statement)
            return rows

        return await self.transact(each, priority)

    async def transact(
        self, work: Callable[[Transaction], Awaitable[T]], priority: Priority = Priority.JOB
    ) -> T:
        """Run the statements of `work` in one transaction, which an exception rolls back.

        If the connection is lost, `work` runs again, although its first run may have taken effect.
        """

        async def all_of_it(connection: AsyncConnection) -> T:
            async with _transaction(connection):
                return await work(Transaction(connection))

        return await self._to_completion(self._run(all_of_it, priority))

    async def execute_until_done(
        self, statement: sa.Executable, *, min_delay: float, max_delay: float
    ) -> Rows:
        """Retry the statement until the database responds, even if the caller is cancelled.

        Delays are in seconds and double from the least to the most.
        """
        return await self._to_completion(self._retry(_only(statement), min_delay, max_delay))

    @property
    def has_pending_writes(self) -> bool:
        """Whether `execute_until_done` is retrying a statement."""
        return self._pending_writes > 0

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 -- running out of time is no error
        """Wait for the statements in progress, including those of cancelled callers."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)

    async def _to_completion(self, work: Coroutine[None, None, T]) -> T:
        """Shield the work from cancellation of its caller.

        An interrupted `UPDATE ... RETURNING` would keep SQLite's write lock.
        """
        if self._closed:
            work.close()
            raise TemporaryError("The database is closed.")  # to connect would reopen it
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here, because a cancelled caller no longer does

    async def _retry(self, work: Work[T], delay: float, max_delay: float) -> T:
        try:
            return await self._run(work, Priority.JOB)
        except TemporaryError as error:
            log.warning("write postponed", reason=error.message)
        self._pending_writes += 1
        try:
            while True:
                await asyncio.sleep(delay)
                with contextlib.suppress(TemporaryError):
                    return await self._run(work, Priority.JOB)
                delay = min(2 * delay, max_delay)
        finally:
            self._pending_writes -= 1

    async def _run(self, work: Work[T], priority: Priority) -> T:
        match priority:
            case Priority.PERSON:
                return await self._run_translated(work)
            case Priority.WORKER:
                async with self._below_person:
                    return await self._run_translated(work)
            case Priority.JOB:
                async with self._below_worker, self._below_person:
                    return await self._run_translated(work)

    async def _run_translated(self, work: Work[T]) -> T:
        try:
            return await self._run_with_reconnect(work)
        except (IntegrityError, DataError):
            raise
        except (DBAPIError, sa.exc.TimeoutError, OSError) as error:
            raise TemporaryError(
                f"The database does not respond ({type(error).__name__})."
            ) from error

    async def _run_with_reconnect(self, work: Work[T]) -> T:
        """Try again if the connection was dead, as all are after a restart of the server.

        The first attempt may have taken effect: whatever runs here can safely run twice.
        """
        try:
            return await self._run_once(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._run_once(work)

    async def _run_once(self, work: Work[T]) -> T:
        async with self._engine.connect() as connection:
            return await work(connection)


def _only(statement: sa.Executable) -> Work[Rows]:
    return lambda connection: _execute(connection, statement)


@contextlib.asynccontextmanager
async def _transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """Writes of others are seen as soon as they are committed, or can't happen (SQLite)."""
    if connection.dialect.name == "postgresql":
        await connection.execution_options(isolation_level="READ COMMITTED")
        async with connection.begin():
            yield
        return
    # The driver's own transactions begin without the write lock, and fail where they need it.
    await connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        await connection.exec_driver_sql("ROLLBACK")
        raise
    await connection.exec_driver_sql("COMMIT")


def _lock_id(key: str) -> int:
    """A signed 64-bit number, as PostgreSQL's advisory locks need."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)


async def _execute(connection: AsyncConnection, statement: sa.Executable) -> Rows:
    result = await connection.execute(statement)
    return [*map(dict, result.mappings())] if result.returns_rows else []


def make_private(url: str) -> None:
    """Create an SQLite database's file, if need be, and let no other user of the machine read it.

    Rows contain prompts. SQLite gives the files beside it (`-wal`, `-shm`) the same permissions.
    """
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite" or parts.database is None:
        return
    try:
        os.close(os.open(parts.database, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return  # SQLite reports it better, when it opens the file
    for name in (parts.database, f"{parts.database}-wal", f"{parts.database}-shm"):
        try:
            Path(name).chmod(0o600)
        except FileNotFoundError:
            pass  # an idle database has one file
        except OSError as error:
            log.warning("others may read the database", file=name, reason=error.strerror)


def engine_options(url: str) -> dict[str, Any]:
    """Arguments that any engine for this database needs, with or without asyncio."""
    if url.startswith("sqlite"):
        return {}
    options = {
        "connect_timeout": int(CONNECT_TIMEOUT),
        # Notice within seconds, not hours, that the server has disappeared.
        "tcp_user_timeout": int(UNACKNOWLEDGED_TIMEOUT * 1000),
        "keepalives_idle": int(UNACKNOWLEDGED_TIMEOUT),
        # No prepared statements: PgBouncer's transaction mode gives each transaction another
        # connection, where they are unknown (psycopg's docs: prepared statements).
        "prepare_threshold": None,
    }
    given = sa.make_url(url).query
    return {"connect_args": {name: options[name] for name in options.keys() - given.keys()}}


def _make_engine(url: str, connections: int) -> AsyncEngine:
    """AUTOCOMMIT: every statement is a transaction of its own."""
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        **engine_options(url),
    )
    if engine.dialect.name != "sqlite":
        return engine

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _make_durable(connection: Any, _record: object) -> None:  # noqa: ANN401 -- a DBAPI connection
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT * 1000:.0f}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: the table records money, so a committed row must survive a power cut.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine
