"""Jobs at rest: rows and Jobs, the claim, and saves that only the owner can make.

A claim hands out a *fence*, a number that grows with every claim of a row; every write says
`WHERE fence = :mine`, so a process that lost its lease cannot change anything any more.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Self

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.errors import LeaseLost, TemporaryError, VideoTaken
from bot.jobs import CANCELLABLE, Job, JobError, JobState, Note, Signal
from bot.request import Fit, InputReference, VideoRequest
from bot.timings import CLOSE_TIMEOUT, LEASE

log = structlog.get_logger()

CONNECTIONS = 5
"""To PostgreSQL, for one process: small databases of hosts allow about twenty in all."""

_Rows = list[Mapping[str, Any]]

metadata = sa.MetaData()
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("request_key", sa.Text, nullable=False, unique=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("channel_id", sa.Text, nullable=False),
    sa.Column("response_url", sa.Text),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("seconds", sa.Text, nullable=False),
    sa.Column("size", sa.Text, nullable=False),
    sa.Column("reference_file_id", sa.Text),
    sa.Column("reference_user_id", sa.Text),
    sa.Column("reference_fit", sa.Text),
    sa.Column("reference_size", sa.Text),
    sa.Column("notify", sa.Text),
    sa.Column("remix_of", sa.Text),
    sa.Column("thread_ts", sa.Text),
    sa.Column("server", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("permalink", sa.Text),
    sa.Column("price", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("card_ts", sa.Text),
    sa.Column("video_id", sa.Text, unique=True),
    sa.Column("progress", sa.Integer),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("file_id", sa.Text),
    sa.Column("reply_ts", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("submitted_at", sa.Double),
    sa.Column("rendered_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("closed_at", sa.Double),
    sa.Column("owner", sa.Text),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),
)
OPEN = jobs.c.closed_at.is_(None)
sa.Index("jobs_of_user", jobs.c.user_id, jobs.c.created_at)
_RENDERED = jobs.c.rendered_at.is_not(None)
sa.Index(
    "jobs_alike",
    *(jobs.c[name] for name in ("server", "model", "seconds", "size", "rendered_at")),
    sqlite_where=_RENDERED,
    postgresql_where=_RENDERED,
)
signals = sa.Table(
    "signals",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
)
homes = sa.Table(
    "homes",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
)
sa.Index("jobs_open", jobs.c.lease_until, sqlite_where=OPEN, postgresql_where=OPEN)


class Store:
    """The jobs table. Times are passed in, as seconds since 1970.

    Every method raises TemporaryError while the database does not answer.
    """

    def __init__(self, engine: AsyncEngine, *, connections: int, lease: float = LEASE) -> None:
        self._engine = engine
        self.lease = lease
        # Three queues, each of which leaves the next turn, or a connection, to the one before:
        # people, who are given seconds; the worker's turn; and whatever the jobs in hand want.
        self._behind_people = asyncio.Semaphore(max(1, connections - 1))
        self._behind_the_turn = asyncio.Semaphore(max(1, connections - 2))
        self._overdue_writes = 0
        self._running: set[asyncio.Task[_Rows]] = set()

    @classmethod
    def open(cls, url: str, *, lease: float = LEASE) -> Self:
        """A store on this database, whose tables are up to date (`bot.migrations`)."""
        # More would only contend for SQLite's one write lock.
        connections = 1 if url.startswith("sqlite") else CONNECTIONS
        return cls(_engine(url, connections), connections=connections, lease=lease)

    async def close(self) -> None:
        """Give the connections back; what the database does not take now is given up."""
        await asyncio.wait([asyncio.create_task(self._settled())], timeout=CLOSE_TIMEOUT)
        for statement in self._running:
            statement.cancel()
        for task in self._running:
            task.cancel()
        await self._engine.dispose()

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        await self._execute_at_once(sa.select(1))

    async def add(self, job: Job) -> Job:
        """Write the job down, once: the same request key again returns the row that is there."""
        row = _row(job) | {"lease_until": job.created_at}
        try:
            await self._execute_at_once(jobs.insert().values(row))
        except IntegrityError:
            return await self._one(jobs.c.request_key == job.request_key)
        return job

    async def get(self, job_id: str) -> Job:
        """The job with this id, as it is at rest."""
        return await self._one(jobs.c.id == job_id)

    async def has_key(self, request_key: str) -> bool:
        """Whether there is a job of this request key."""
        return bool(await self._execute(sa.select(1).where(jobs.c.request_key == request_key)))

    async def video_ids(self, *, submitted_since: float) -> set[str]:
        """The videos that jobs have, of those submitted since then."""
        known = sa.select(jobs.c.video_id).where(
            jobs.c.video_id.is_not(None), jobs.c.submitted_at >= submitted_since
        )
        return {row["video_id"] for row in await self._execute(known)}

    async def list_of(self, user_id: str, *, limit: int, offset: int = 0) -> list[Job]:
        """This person's jobs: the open ones first, then the latest."""
        theirs = (
            sa.select(jobs)
            .where(jobs.c.user_id == user_id)
            .order_by(jobs.c.closed_at.is_not(None), jobs.c.created_at.desc())
        )
        return [_job(row) for row in await self._execute(theirs.limit(limit).offset(offset))]

    async def delivered_since(self, user_id: str, *, since: float) -> list[Job]:
        """What this person got since then, for the totals."""
        got = sa.select(jobs).where(
            jobs.c.user_id == user_id,
            jobs.c.created_at >= since,
            jobs.c.rendered_at.is_not(None),
        )
        return [_job(row) for row in await self._execute(got)]

    async def render_times(self, server: str, request: VideoRequest, *, limit: int) -> list[float]:
        """How many seconds this server took for the last videos of this kind."""
        alike = (
            sa.select((jobs.c.rendered_at - jobs.c.submitted_at).label("took"))
            .where(
                jobs.c.server == server,
                jobs.c.model == request.model,
                jobs.c.seconds == request.seconds,
                jobs.c.size == request.size,
                _RENDERED,
            )
            .order_by(jobs.c.rendered_at.desc())
            .limit(limit)
        )
        return [row["took"] for row in await self._execute(alike)]

    async def waiting_before(self, server: str, submitted_at: float) -> int:
        """How many videos were asked of this server earlier and show no progress yet."""
        waiting = sa.select(sa.func.count().label("n")).where(
            OPEN,
            jobs.c.state == JobState.RENDERING,
            jobs.c.server == server,
            jobs.c.submitted_at < submitted_at,
            sa.func.coalesce(jobs.c.progress, 0) == 0,
        )
        return int((await self._execute(waiting))[0]["n"])

    async def add_signal(self, job_id: str, kind: Signal, user_id: str) -> None:
        """Write down what somebody wants of a job, once.

        A table of its own, since the job's row is written by whoever carries it.
        """
        row = {"job_id": job_id, "kind": kind, "user_id": user_id}
        with contextlib.suppress(IntegrityError):  # it is there already
            await self._execute(signals.insert().values(row))

    async def signals(self, job_id: str) -> set[tuple[Signal, str]]:
        """What is wanted of a job, and by whom."""
        wanted = sa.select(signals).where(signals.c.job_id == job_id)
        return {(Signal(row["kind"]), row["user_id"]) for row in await self._execute(wanted)}

    async def reopen(self, job_id: str, *, now: float) -> None:
        """Let a closed job be carried once more, for a wish that came after its end."""
        closed = jobs.update().where(jobs.c.id == job_id, sa.not_(OPEN))
        await self._execute(closed.values(closed_at=None, owner=None, lease_until=now))

    async def to_be_cancelled(self, owner: str) -> set[str]:
        """The jobs that this owner carries although they are no longer wanted."""
        unwanted = (
            sa.select(jobs.c.id)
            .join(signals, signals.c.job_id == jobs.c.id)
            .where(
                jobs.c.owner == owner,
                OPEN,
                signals.c.kind == Signal.CANCEL,
                jobs.c.state.in_(CANCELLABLE),
            )
        )
        return {row["id"] for row in await self._execute_soon(unwanted)}

    async def home_opened(self, user_id: str, *, now: float, page: int = 0) -> None:
        """Remember that this person looks at this page of the Home tab."""
        seen = {"opened_at": now, "page": page}
        again = homes.update().where(homes.c.user_id == user_id).values(seen)
        if not await self._execute(again.returning(homes.c.user_id)):
            with contextlib.suppress(IntegrityError):  # another process was faster
                await self._execute(homes.insert().values(user_id=user_id, **seen))

    async def homes_since(self, moment: float) -> dict[str, int]:
        """Who opened the Home tab since then, and at which page they look."""
        looking = sa.select(homes.c.user_id, homes.c.page).where(homes.c.opened_at >= moment)
        return {row["user_id"]: row["page"] for row in await self._execute(looking)}

    async def claim(self, owner: str, *, now: float, limit: int) -> list[Job]:
        """Take up to `limit` open jobs that nobody holds, the longest waiting first.

        The guard stands in the inner and in the outer WHERE: the outer makes the claim right
        where two processes meet, `FOR UPDATE SKIP LOCKED` only makes it fast. The inner one is
        a CTE because PostgreSQL may run a subquery again for each row, each time with the next
        rows, and so take more than `limit`. What was learned about a job is written before it
        is taken again.
        """
        if self._overdue_writes:
            await self._settled()
        free = sa.and_(OPEN, jobs.c.lease_until <= now)
        waiting = (
            sa.select(jobs.c.id)
            .where(free)
            .order_by(jobs.c.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("waiting")
        )
        taken = (
            jobs.update()
            .where(jobs.c.id.in_(sa.select(waiting.c.id)), free)
            .values(owner=owner, fence=jobs.c.fence + 1, lease_until=now + self.lease)
            .returning(*jobs.c)
        )
        began = time.monotonic()
        claimed = [_job(row) for row in await self._execute_soon(taken)]
        if time.monotonic() - began > self.lease / 2:
            raise TemporaryError("the database took over half a lease for a claim")
        return claimed

    async def save(self, job: Job, *, now: float) -> Job:
        """Write the job down and renew its lease, however long it takes.

        What was learned cannot be learned again, so it is also written when the database was
        away meanwhile or the caller is cancelled. That is safe at any time: a write that comes
        too late has the wrong fence.

        Raises:
            LeaseLost: it is no longer ours, or the write took so long that too little of the
                lease is left for the effect that follows.
            VideoTaken: another job has this video; nothing was written.
        """
        began = time.monotonic()
        saved = _with_fence(job, _row(job) | {"lease_until": now + self.lease})
        try:
            _check_owned(job, await self._to_the_end(self._run_until_done(saved)))
        except IntegrityError as error:
            raise VideoTaken(f"job {job.id}: another job has its video") from error
        if time.monotonic() - began > self.lease / 2:
            raise LeaseLost(f"job {job.id}: the database took over half a lease")
        return job

    async def postpone(self, job: Job, *, not_before: float) -> None:
        """Let go of the job, and count one more attempt; nobody takes it before the time given.

        Raises:
            LeaseLost: it is no longer ours.
        """
        attempts = jobs.c.attempts + 1
        freed = {"owner": None, "lease_until": not_before, "attempts": attempts}
        _check_owned(job, await self._execute(_with_fence(job, freed)))

    async def renew(self, owner: str, *, now: float) -> set[tuple[str, int]]:
        """Renew all that this owner holds; returns the (id, fence) pairs that are still his."""
        owned = (
            jobs.update()
            .where(jobs.c.owner == owner, OPEN)
            .values(lease_until=now + self.lease)
            .returning(jobs.c.id, jobs.c.fence)
        )
        return {(row["id"], row["fence"]) for row in await self._execute_soon(owned)}

    async def release(self, owner: str, *, now: float, only: Collection[str] | None = None) -> None:
        """Let go of all that this owner holds (or `only` those ids), for whoever comes next."""
        await self._settled()
        owned = jobs.update().where(jobs.c.owner == owner, OPEN)
        if only is not None:
            owned = owned.where(jobs.c.id.in_(only))
        await self._execute(owned.values(owner=None, lease_until=now))

    async def _one(self, condition: sa.ColumnElement[bool]) -> Job:
        rows = await self._execute_at_once(sa.select(jobs).where(condition))
        if not rows:
            raise LookupError("no such job")
        return _job(rows[0])

    async def _execute_at_once(self, statement: sa.Executable) -> _Rows:
        return await self._to_the_end(self._run(statement))

    async def _execute_soon(self, statement: sa.Executable) -> _Rows:
        return await self._to_the_end(self._run_behind_people(statement))

    async def _execute(self, statement: sa.Executable) -> _Rows:
        return await self._to_the_end(self._run_behind_the_turn(statement))

    async def _to_the_end(self, work: Coroutine[None, None, _Rows]) -> _Rows:
        """Do this work also when the caller is cancelled.

        Half an `UPDATE ... RETURNING` would keep SQLite's write lock.
        """
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, task: asyncio.Task[_Rows]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen here, because a cancelled caller no longer looks

    async def _run_until_done(self, statement: sa.Executable) -> _Rows:
        try:
            return await self._run_behind_the_turn(statement)
        except TemporaryError as error:
            log.warning("a write waits", reason=error.message)
        self._overdue_writes += 1
        try:
            return await self._run_again_and_again(statement)
        finally:
            self._overdue_writes -= 1

    async def _run_again_and_again(self, statement: sa.Executable) -> _Rows:
        delay = self.lease / 120
        while True:
            await asyncio.sleep(delay)
            with contextlib.suppress(TemporaryError):
                return await self._run_behind_the_turn(statement)
            delay = min(2 * delay, self.lease / 12)

    async def _run_behind_the_turn(self, statement: sa.Executable) -> _Rows:
        async with self._behind_the_turn:
            return await self._run_behind_people(statement)

    async def _run_behind_people(self, statement: sa.Executable) -> _Rows:
        async with self._behind_people:
            return await self._run(statement)

    async def _run(self, statement: sa.Executable) -> _Rows:
        try:
            return await self._run_on_a_live_connection(statement)
        except (IntegrityError, DataError):
            raise
        except (DBAPIError, sa.exc.TimeoutError, OSError) as error:
            raise TemporaryError(
                f"the database does not answer ({type(error).__name__})"
            ) from error

    async def _run_on_a_live_connection(self, statement: sa.Executable) -> _Rows:
        """Once more if the connection was dead, as all are after a restart of the server.

        It may have been heard before: no statement here does harm when it is run twice.
        """
        try:
            return await self._run_once(statement)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._run_once(statement)

    async def _run_once(self, statement: sa.Executable) -> _Rows:
        async with self._engine.connect() as connection:
            result = await connection.execute(statement)
            return [*map(dict, result.mappings())] if result.returns_rows else []

    async def _settled(self) -> None:
        """Wait a while for the statements that are under way, also of callers who went away."""
        if self._running:
            await asyncio.wait(self._running, timeout=self.lease / 24)


def engine_options(url: str) -> dict[str, Any]:
    """What both kinds of engine, with and without asyncio, need for this database."""
    if url.startswith("sqlite"):
        return {}
    options = {
        "connect_timeout": 5,
        # A server that is gone without a word is noticed in seconds, not in hours.
        "tcp_user_timeout": 15_000,
        "keepalives_idle": 15,
        # No prepared statements: PgBouncer's transaction mode gives each transaction another
        # connection, where they are unknown (psycopg's docs: prepared statements).
        "prepare_threshold": None,
    }
    given = sa.make_url(url).query
    return {"connect_args": {name: options[name] for name in options.keys() - given.keys()}}


def _engine(url: str, connections: int) -> AsyncEngine:
    """AUTOCOMMIT: every statement here is a transaction of its own."""
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        **engine_options(url),
    )
    if engine.dialect.name != "sqlite":
        return engine

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _durable(connection: Any, _record: object) -> None:  # noqa: ANN401 -- a DBAPI connection
        cursor = connection.cursor()
        # FULL: the table records money, so a row survives a power cut once it is committed.
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _with_fence(job: Job, values: Mapping[str, Any]) -> sa.Executable:
    mine = jobs.update().where(jobs.c.id == job.id, jobs.c.fence == job.fence)
    return mine.values(values).returning(jobs.c.id)


def _check_owned(job: Job, written: _Rows) -> None:
    if not written:
        raise LeaseLost(f"job {job.id}: another process has it")


def _row(job: Job) -> dict[str, Any]:
    row = asdict(job)
    row |= row.pop("request")
    row["price"] = None if row["price"] is None else str(row["price"])
    row["notify"] = " ".join(row["notify"]) or None
    reference = row.pop("input_reference") or dict.fromkeys(_REFERENCE)
    row |= {f"reference_{name}": reference[name] for name in _REFERENCE}
    error = row.pop("error") or {"code": None, "message": None}
    row |= {"error_code": error["code"], "error_message": error["message"]}
    return {
        name: _storable(value) if isinstance(value, str) else value for name, value in row.items()
    }


def _storable(text: str) -> str:
    """The text without what PostgreSQL refuses (NUL) and what no encoding has (half a pair)."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _job(row: Mapping[str, Any]) -> Job:
    values = {name: value for name, value in row.items() if name not in {"owner", "lease_until"}}
    code, message = values.pop("error_code"), values.pop("error_message")
    reference = {name: values.pop(f"reference_{name}") for name in _REFERENCE}
    request = {name: values.pop(name) for name in ("prompt", "model", "seconds", "size")}
    return Job(
        **values
        | {
            "state": JobState(values["state"]),
            "price": Decimal(values["price"]) if values["price"] else None,
            "note": Note(values["note"]) if values["note"] else None,
            "request": VideoRequest(**request, input_reference=_reference(**reference)),
            "notify": tuple((values["notify"] or "").split()),
            "error": None if code is None else JobError(code, message),
        }
    )


_REFERENCE = ("file_id", "user_id", "fit")


def _reference(*, file_id: str | None, user_id: str, fit: str) -> InputReference | None:
    if file_id is None:
        return None
    return InputReference(file_id=file_id, user_id=user_id, fit=Fit(fit))
