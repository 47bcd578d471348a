"""Stored jobs: queries, claims, and saves that only the job's owner can make.

Each claim increments the row's *fence*, and every write says `WHERE fence = :mine`. A process
that has lost its lease can therefore change nothing.
"""

import contextlib
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Self

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from bot import audit, ledger
from bot.database import Database, Priority, Rows, Transaction
from bot.drafts import SavedDraft
from bot.errors import LeaseLost, NotPossible, Source, TemporaryError, VideoTaken
from bot.jobs import (
    CANCELLABLE,
    FIRST_PAGE,
    Decision,
    HomePage,
    Job,
    JobError,
    JobState,
    Note,
    OpenJobs,
    Question,
    Signal,
    Totals,
    Verdict,
)
from bot.outage_store import OutageStore
from bot.request import Draft, Fit, InputReference, VideoRequest
from bot.spending import (
    BillLine,
    By,
    Charge,
    LimitKind,
    LimitsChange,
    Policy,
    SetLimit,
    Used,
    micros,
)
from bot.tables import OPEN, RENDERED, decisions, drafts, homes, jobs, signals
from bot.timings import LEASE, UNREADABLE_RETRY_DELAY

log = structlog.get_logger()

NO_LIMITS = Policy()


class Store:
    """The jobs and what belongs to them. Times are arguments, in seconds since 1970.

    Every method raises TemporaryError while the database does not respond.
    """

    def __init__(self, database: Database, *, lease: float = LEASE) -> None:
        self._database = database
        self.lease = lease
        self.outages = OutageStore(database)
        self._unreadable: set[str] = set()

    @classmethod
    def open(cls, url: str, *, lease: float = LEASE) -> Self:
        """A store in this database, whose tables must be up to date (`bot.migrations`)."""
        return cls(Database.open(url), lease=lease)

    @property
    def database(self) -> Database:
        """The database, for what is no job's business."""
        return self._database

    async def close(self) -> None:
        """Close the database; writes that it does not accept within a second are given up."""
        await self._database.close()

    async def ping(self) -> None:
        """Check that the database responds."""
        await self._database.execute(sa.select(1), Priority.PERSON)

    async def revision(self) -> str:
        """The revision that the database was migrated to."""
        query = sa.text("SELECT version_num FROM alembic_version")
        [row] = await self._database.execute(query, Priority.PERSON)
        return str(row["version_num"])

    async def add(self, job: Job, policy: Policy = NO_LIMITS) -> Job:
        """Insert the job; if its request key is already used, return the existing job instead.

        Raises:
            LimitReached: a limit does not allow it.
            NotPossible: this person has too many unfinished videos.
        """
        row = _row(job) | {"lease_until": job.created_at}

        async def insert(transaction: Transaction) -> None:
            is_proposed = job.state is JobState.PROPOSED
            await ledger.reserve(transaction, job, policy, past_soft=is_proposed)
            await transaction.execute(jobs.insert().values(row))

        try:
            await self._database.transact(insert, Priority.PERSON)
        except (IntegrityError, NotPossible):
            # A repeated delivery is no further job.
            if (existing := await self.find(job.request_key)) is None:
                raise
            return existing
        return job

    async def check(self, job: Job, policy: Policy, *, past_soft: bool) -> None:
        """Check that the limits would allow this job now, without reserving anything.

        `past_soft`: except for soft limits.

        Raises:
            NotPossible: as `add` says.
        """

        async def check(transaction: Transaction) -> None:
            await ledger.reserve(transaction, job, policy, past_soft=past_soft)

        await self._database.transact(check, Priority.PERSON)

    async def bill(self, by: By, *, since: float, before: float) -> list[BillLine]:
        """What the videos requested in this time cost, the highest amounts first."""
        rows = await self._database.execute(ledger.bill(by, since=since, before=before))
        return [*map(ledger.bill_line, rows)]

    async def limits(self) -> tuple[list[SetLimit], frozenset[str]]:
        """What admins have set: limits, and the channels and people that may use the bot."""
        return ledger.read_limits(
            await self._database.execute(ledger.all_limits(), Priority.PERSON)
        )

    async def change_limits(self, change: LimitsChange, *, actor: str, team_id: str) -> None:
        """Replace what is set for a person, a channel or everyone; the audit log says by whom."""

        async def work(transaction: Transaction) -> None:
            await ledger.change_limits(transaction, change, actor=actor, team_id=team_id)

        await self._database.transact(work, Priority.PERSON)

    async def settle(self, job_id: str) -> None:
        """Count an uncertain job as spent, because the person has decided about it."""
        await self._database.execute(ledger.settle(job_id=job_id), Priority.PERSON)

    async def settle_undecided(self, *, closed_before: float) -> None:
        """The same for all uncertain jobs that nobody has decided about since then."""
        await self._database.execute(ledger.settle(closed_before=closed_before))

    async def get(self, job_id: str) -> Job:
        """The job with this id, as last saved.

        Raises:
            LookupError: there is none.
        """
        return await self._one(jobs.c.id == job_id)

    async def find(self, request_key: str) -> Job | None:
        """The job with this request key."""
        try:
            return await self._one(jobs.c.request_key == request_key)
        except LookupError:
            return None

    async def has_key(self, request_key: str) -> bool:
        """Whether a job has this request key."""
        found = sa.select(1).where(jobs.c.request_key == request_key)
        return bool(await self._database.execute(found))

    async def video_ids(self, *, submitted_since: float) -> set[str]:
        """The videos of all jobs submitted since then."""
        known = sa.select(jobs.c.video_id).where(
            jobs.c.video_id.is_not(None), jobs.c.submitted_at >= submitted_since
        )
        return {row["video_id"] for row in await self._database.execute(known)}

    async def list_of(
        self,
        user_id: str,
        *,
        limit: int,
        offset: int = 0,
        priority: Priority = Priority.PERSON,
    ) -> list[Job]:
        """This person's jobs: open ones first, then the newest."""
        theirs = (
            sa.select(jobs)
            .where(jobs.c.user_id == user_id)
            .order_by(jobs.c.closed_at.is_not(None), jobs.c.created_at.desc())
        )
        page = theirs.limit(limit).offset(offset)
        return self._readable(await self._database.execute(page, priority))

    async def search(
        self,
        user_id: str,
        words: str,
        *,
        limit: int,
        offset: int = 0,
        priority: Priority = Priority.PERSON,
    ) -> list[Job]:
        """This person's jobs whose prompts contain each of the words, newest first.

        Case does not matter; on SQLite that is so for ASCII letters only.
        """
        contained = [
            jobs.c.prompt.icontains(_storable(word), autoescape=True) for word in words.split()
        ]
        found = sa.select(jobs).where(jobs.c.user_id == user_id, *contained)
        page = found.order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit).offset(offset)
        return self._readable(await self._database.execute(page, priority))

    async def delivered_in(self, channel_id: str, thread_ts: str) -> Job | None:
        """The newest job whose finished video is in this thread."""
        query = (
            sa.select(jobs)
            .where(
                sa.or_(jobs.c.card_ts == thread_ts, jobs.c.thread_ts == thread_ts),
                jobs.c.channel_id == channel_id,
                jobs.c.state == JobState.DELIVERED,
            )
            .order_by(jobs.c.created_at.desc())
            .limit(1)
        )
        rows = self._readable(await self._database.execute(query, Priority.PERSON))
        return next(iter(rows), None)

    async def totals(
        self, user_id: str, *, since: float, priority: Priority = Priority.PERSON
    ) -> Totals:
        """What was rendered for this person since then."""
        grouped = (
            sa.select(jobs.c.seconds, jobs.c.price, sa.func.count().label("videos"))
            .where(jobs.c.user_id == user_id, jobs.c.created_at >= since, RENDERED)
            .group_by(jobs.c.seconds, jobs.c.price)
        )
        rows = await self._database.execute(grouped, priority)
        return Totals(
            videos=sum(row["videos"] for row in rows),
            seconds=sum((Decimal(row["seconds"] or 0) * row["videos"] for row in rows), Decimal()),
            unpriced=sum(row["videos"] for row in rows if row["price"] is None),
        )

    async def open_jobs(self) -> list[OpenJobs]:
        """The open jobs, counted by state."""
        count, oldest = sa.func.count().label("count"), sa.func.min(jobs.c.created_at)
        counted = sa.select(jobs.c.state, count, oldest.label("oldest")).where(OPEN)
        grouped = counted.group_by(jobs.c.state)
        return [OpenJobs(**row) for row in await self._database.execute(grouped)]

    async def usage(
        self, policy: Policy, *, user_id: str, now: float, priority: Priority = Priority.PERSON
    ) -> dict[LimitKind, Used]:
        """What this person and the workspace have used of each limit but those of channels."""

        async def read(transaction: Transaction) -> dict[LimitKind, Used]:
            return await ledger.usage(transaction, policy, user_id=user_id, at=now)

        return await self._database.transact(read, priority)

    async def proposals(self, *, priority: Priority = Priority.PERSON) -> list[Job]:
        """The jobs that wait for an admin's decision, oldest first."""
        undecided = sa.not_(sa.exists().where(decisions.c.job_id == jobs.c.id))
        waiting = sa.select(jobs).where(OPEN, jobs.c.state == JobState.PROPOSED, undecided)
        query = waiting.order_by(jobs.c.created_at)
        return self._readable(await self._database.execute(query, priority))

    async def render_times(self, server: str, request: VideoRequest, *, limit: int) -> list[float]:
        """Seconds that this server took for each of the latest similar videos."""
        similar = (
            sa.select((jobs.c.rendered_at - jobs.c.submitted_at).label("took"))
            .where(
                jobs.c.server == server,
                jobs.c.model == request.model,
                jobs.c.seconds == request.seconds,
                jobs.c.size == request.size,
                RENDERED,
            )
            .order_by(jobs.c.rendered_at.desc())
            .limit(limit)
        )
        return [row["took"] for row in await self._database.execute(similar)]

    async def queued(self, server: str) -> list[float]:
        """When each video that shows no progress yet was submitted to this server, in order."""
        queued = (
            sa.select(jobs.c.submitted_at)
            .where(
                OPEN,
                jobs.c.state == JobState.RENDERING,
                jobs.c.server == server,
                sa.func.coalesce(jobs.c.progress, 0) == 0,
            )
            .order_by(jobs.c.submitted_at)
        )
        return [row["submitted_at"] for row in await self._database.execute(queued)]

    async def add_signal(
        self, job_id: str, kind: Signal, user_id: str, *records: sa.Executable
    ) -> None:
        """Record a person's signal to a job, once, with these records of the audit log.

        It has a table of its own, because only the job's owner writes the job's row.
        """
        row = {"job_id": job_id, "kind": kind, "user_id": user_id}
        added = signals.insert().values(row)
        with contextlib.suppress(IntegrityError):  # already recorded
            await self._database.execute_together(added, *records, priority=Priority.PERSON)

    async def signals(
        self, job_id: str, *, priority: Priority = Priority.WORKER
    ) -> set[tuple[Signal, str]]:
        """The signals to a job, each with the user who sent it."""
        return (await self.signals_of([job_id], priority=priority)).get(job_id, set())

    async def signals_of(
        self, job_ids: Collection[str], *, priority: Priority = Priority.WORKER
    ) -> dict[str, set[tuple[Signal, str]]]:
        """The signals to each of these jobs that has any."""
        received = sa.select(signals).where(signals.c.job_id.in_(job_ids))
        found: dict[str, set[tuple[Signal, str]]] = {}
        for row in await self._database.execute(received, priority):
            found.setdefault(row["job_id"], set()).add((Signal(row["kind"]), row["user_id"]))
        return found

    async def audit_log(self, *, since: float) -> list[audit.Entry]:
        """The audit log since then, oldest first."""
        rows = await self._database.execute(audit.entries(since=since))
        return [*map(audit.entry, rows)]

    async def decide(
        self, job: Job, decision: Decision, policy: Policy, *records: sa.Executable
    ) -> Decision:
        """Store the decision, with these records of the audit log, unless there is one already.

        An approved job's price is reserved in the same transaction, and the job can be claimed at
        once. Returns the decision that holds.

        Raises:
            LimitReached: a limit that isn't soft does not allow an approved job.
            NotPossible: the requester has too many unfinished videos.
        """
        row = asdict(decision) | {"reason": _storable(decision.reason)}
        approved = jobs.update().where(jobs.c.id == job.id, jobs.c.state == JobState.PROPOSED)

        async def decide(transaction: Transaction) -> None:
            await transaction.execute(decisions.insert().values(job_id=job.id, **row))
            if decision.verdict is Verdict.APPROVED:
                await ledger.reserve(transaction, job, policy, past_soft=True)
                await transaction.execute(approved.values(charge=Charge.HELD))
            for statement in (_make_due(job.id, now=decision.at), *records):
                await transaction.execute(statement)

        with contextlib.suppress(IntegrityError):  # someone else was faster
            await self._database.transact(decide, Priority.PERSON)
        held = await self.decision(job.id)
        if held is None:
            raise TemporaryError("The decision was not stored.")
        return held

    async def decision(self, job_id: str) -> Decision | None:
        """What was decided about a proposed job."""
        query = sa.select(decisions).where(decisions.c.job_id == job_id)
        rows = await self._database.execute(query, Priority.PERSON)
        return next((_decision(row) for row in rows), None)

    async def delete(self, job_id: str, user_id: str, *records: sa.Executable, now: float) -> None:
        """Record that this person wants the video of a closed job deleted, and reopen the job.

        Both in one transaction, or upkeep could remove the signal to a job that is still closed.
        """
        await self.add_signal(job_id, Signal.DELETE, user_id, _reopened(job_id, now), *records)
        await self.reopen(job_id, now=now)

    async def reopen(self, job_id: str, *, now: float) -> None:
        """Make a closed job claimable again, for a signal that came after its end."""
        await self._database.execute(_reopened(job_id, now), Priority.PERSON)

    async def forget_response_urls(self, *, created_before: float) -> None:
        """Remove the response URLs of older jobs, whoever runs them: they are secrets.

        A runner that still has one removes it from its job at the next save.
        """
        old = jobs.update().where(
            OPEN, jobs.c.created_at < created_before, jobs.c.response_url.is_not(None)
        )
        await self._database.execute(old.values(response_url=None))

    async def make_due(self, job_id: str, *, now: float) -> None:
        """Make a postponed job claimable now, because of a signal to it."""
        await self._database.execute(_make_due(job_id, now=now), Priority.PERSON)

    async def cancel_requested(self, owner: str) -> set[str]:
        """The ids of this owner's jobs that someone wants to cancel."""
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
        rows = await self._database.execute(unwanted, Priority.WORKER)
        return {row["id"] for row in rows}

    async def home_opened(self, user_id: str, *, now: float, page: HomePage = FIRST_PAGE) -> None:
        """Record which page of the Home tab this person has opened."""
        opened = {"opened_at": now, "page": page.number, "words": _storable(page.words)}
        again = homes.update().where(homes.c.user_id == user_id).values(opened)
        if not await self._database.execute(again.returning(homes.c.user_id), Priority.PERSON):
            with contextlib.suppress(IntegrityError):  # another process was faster
                new = homes.insert().values(user_id=user_id, **opened)
                await self._database.execute(new, Priority.PERSON)

    async def homes_since(self, moment: float) -> dict[str, HomePage]:
        """Who has opened the Home tab since then, and which page."""
        opened = sa.select(homes).where(homes.c.opened_at >= moment)
        rows = await self._database.execute(opened)
        return {row["user_id"]: HomePage(row["page"], row["words"] or "") for row in rows}

    async def keep_draft(self, saved: SavedDraft) -> None:
        """Store the draft, once."""
        with contextlib.suppress(IntegrityError):  # a repeated delivery
            new = drafts.insert().values(_draft_row(saved))
            await self._database.execute(new, Priority.PERSON)

    async def draft(self, draft_id: str, *, since: float) -> SavedDraft:
        """The draft with this id, if it was created since then.

        Raises:
            LookupError: there is none.
        """
        query = sa.select(drafts).where(drafts.c.id == draft_id, drafts.c.created_at >= since)
        rows = await self._database.execute(query, Priority.PERSON)
        if not rows:
            raise LookupError("no such draft")
        return _saved_draft(rows[0])

    async def delete_drafts(self, *, before: float) -> None:
        """Delete the drafts that were created before then."""
        await self._database.execute(drafts.delete().where(drafts.c.created_at < before))

    async def claim(self, owner: str, *, now: float, limit: int) -> list[Job]:
        """Claim up to `limit` open jobs that nobody owns, those that waited longest first.

        On PostgreSQL, `FOR UPDATE` makes the claim correct when two processes compete: a row
        that changed since the statement began is checked again once it is locked (its docs, "Read
        Committed Isolation Level"). `SKIP LOCKED` only makes it fast. The SELECT is a CTE because
        a subquery may be run again for each row, each time with the next rows, and so claim more
        than `limit`. SQLite runs one writing statement at a time.
        """
        if self._database.has_pending_writes:
            # A job's last write must reach its row before the job is claimed again.
            await self._wait_for_writes()
        # A state that a newer version of the bot added is left to that version.
        free = sa.and_(OPEN, jobs.c.lease_until <= now, jobs.c.state.in_(list(JobState)))
        waiting = (
            sa.select(jobs.c.id)
            .where(free)
            .order_by(jobs.c.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("waiting")
        )
        claim = (
            jobs.update()
            .where(jobs.c.id.in_(sa.select(waiting.c.id)))
            .values(owner=owner, fence=jobs.c.fence + 1, lease_until=now + self.lease)
            .returning(*jobs.c)
        )
        began = time.monotonic()
        rows = await self._database.execute(claim, Priority.WORKER)
        if time.monotonic() - began > self.lease / 2:
            raise TemporaryError("A claim took the database more than half a lease.")
        claimed = self._readable(rows)
        if len(claimed) < len(rows):
            unreadable = {row["id"] for row in rows} - {job.id for job in claimed}
            await self.release(owner, now=now + UNREADABLE_RETRY_DELAY, only=unreadable)
        return claimed

    async def save(self, job: Job, *, now: float) -> Job:
        """Write the job and renew its lease, retrying until the database responds.

        The new facts cannot be learned again, so the write goes on even if the database is down
        for a while or the caller is cancelled. This is always safe: a write that comes too late
        has the wrong fence.

        Raises:
            LeaseLost: another process owns the job now, or the write took so long that the rest
                of the lease is too short for the side effect that follows.
            VideoTaken: another job has this video; nothing was written.
        """
        began = time.monotonic()
        values = _row(job) | {"lease_until": now + self.lease}
        if job.state is JobState.PROPOSED:
            del values["charge"]  # `decide` writes it
        write = _with_fence(job, values)
        try:
            written = await self._database.execute_until_done(
                write, min_delay=self.lease / 120, max_delay=self.lease / 12
            )
        except IntegrityError as error:
            raise VideoTaken(f"job {job.id}: another job has its video") from error
        _check_owned(job, written)
        if time.monotonic() - began > self.lease / 2:
            raise LeaseLost(f"job {job.id}: the save took more than half a lease")
        return job

    async def postpone(self, job: Job, *, not_before: float) -> None:
        """Release the job and count an attempt; it can't be claimed before the given time.

        If someone has cancelled it or decided about it meanwhile, it can be claimed at once, unless
        that is already being done: whoever did so found the job owned, and could not make it due.

        Raises:
            LeaseLost: another process owns it now.
        """
        attempts = jobs.c.attempts + 1
        cancelled = sa.exists().where(
            signals.c.job_id == job.id,
            signals.c.kind == Signal.CANCEL,
            sa.func.coalesce(jobs.c.note, "") != Note.CANCELLING,
        )
        decided = sa.and_(
            jobs.c.state == JobState.PROPOSED, sa.exists().where(decisions.c.job_id == job.id)
        )
        due = sa.case((sa.or_(cancelled, decided), 0.0), else_=not_before)
        freed = {"owner": None, "lease_until": due, "attempts": attempts}
        _check_owned(job, await self._database.execute(_with_fence(job, freed)))

    async def renew(self, owner: str, *, now: float) -> set[tuple[str, int]]:
        """Renew all leases of this owner; returns the (id, fence) pairs that it still owns."""
        owned = (
            jobs.update()
            .where(jobs.c.owner == owner, OPEN)
            .values(lease_until=now + self.lease)
            .returning(jobs.c.id, jobs.c.fence)
        )
        rows = await self._database.execute(owned, Priority.WORKER)
        return {(row["id"], row["fence"]) for row in rows}

    async def release(self, owner: str, *, now: float, only: Collection[str] | None = None) -> None:
        """Release all jobs of this owner (or `only` these ids), so that anyone can claim them."""
        await self._wait_for_writes()
        owned = jobs.update().where(jobs.c.owner == owner, OPEN)
        if only is not None:
            owned = owned.where(jobs.c.id.in_(only))
        await self._database.execute(owned.values(owner=None, lease_until=now))

    async def _one(self, condition: sa.ColumnElement[bool]) -> Job:
        rows = await self._database.execute(sa.select(jobs).where(condition), Priority.PERSON)
        if not rows:
            raise LookupError("no such job")
        return _job(rows[0])

    def _readable(self, rows: Rows) -> list[Job]:
        """The jobs in these rows; one that can't be read must not stop the others."""
        read = []
        for row in rows:
            try:
                read.append(_job(row))
            except (ValueError, ArithmeticError, TypeError) as error:
                if row["id"] not in self._unreadable:
                    self._unreadable.add(row["id"])
                    log.error("job row can't be read", job=row["id"], reason=type(error).__name__)  # noqa: TRY400 -- a traceback says no more
        return read

    async def _wait_for_writes(self) -> None:
        await self._database.wait(self.lease / 24)


def _make_due(job_id: str, *, now: float) -> sa.Executable:
    postponed = jobs.update().where(
        jobs.c.id == job_id, OPEN, jobs.c.owner.is_(None), jobs.c.lease_until > now
    )
    return postponed.values(lease_until=now)


def _reopened(job_id: str, now: float) -> sa.Executable:
    closed = jobs.update().where(jobs.c.id == job_id, sa.not_(OPEN))
    return closed.values(closed_at=None, owner=None, lease_until=now)


def _with_fence(job: Job, values: Mapping[str, Any]) -> sa.Executable:
    mine = jobs.update().where(jobs.c.id == job.id, jobs.c.fence == job.fence)
    return mine.values(values).returning(jobs.c.id)


def _check_owned(job: Job, written: Rows) -> None:
    if not written:
        raise LeaseLost(f"job {job.id}: another process owns it")


def _row(job: Job) -> dict[str, Any]:
    row = asdict(job)
    row |= row.pop("request")
    row["price"] = None if row["price"] is None else str(row["price"])
    row["micros"] = micros(job.price)
    row["notify"] = " ".join(row["notify"]) or None
    row["questions"] = json.dumps(row["questions"]) if row["questions"] else None
    reference = row.pop("input_reference") or dict.fromkeys(_REFERENCE)
    row |= {f"reference_{name}": reference[name] for name in _REFERENCE}
    error = row.pop("error") or dict.fromkeys(("code", "message", "source"))
    row |= {f"error_{name}": value for name, value in error.items()}
    return {
        name: _storable(value) if isinstance(value, str) else value for name, value in row.items()
    }


def _storable(text: str) -> str:
    """The text without what PostgreSQL refuses (NUL) and UTF-8 lacks (lone surrogates)."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _job(row: Mapping[str, Any]) -> Job:
    values = {name: value for name, value in row.items() if name not in _ONLY_IN_ROWS}
    code, message = values.pop("error_code"), values.pop("error_message")
    source = Source(values.pop("error_source") or Source.VIDEOS)
    reference = {name: values.pop(f"reference_{name}") for name in _REFERENCE}
    request = {name: values.pop(name) for name in ("prompt", "model", "seconds", "size")}
    return Job(
        **values
        | {
            "state": JobState(values["state"]),
            "price": Decimal(values["price"]) if values["price"] else None,
            "charge": Charge(values["charge"] or Charge.HELD),
            "note": Note(values["note"]) if values["note"] else None,
            "request": VideoRequest(**request, input_reference=_reference(**reference)),
            "notify": tuple((values["notify"] or "").split()),
            "questions": tuple(
                Question(**each) for each in json.loads(values["questions"] or "[]")
            ),
            "error": None if code is None else JobError(code, message, source),
        }
    )


_ONLY_IN_ROWS = {"owner", "lease_until", "micros"}


def _decision(row: Mapping[str, Any]) -> Decision:
    return Decision(
        verdict=Verdict(row["verdict"]),
        user_id=row["user_id"],
        reason=row["reason"],
        at=row["at"],
    )


def _draft_row(saved: SavedDraft) -> dict[str, Any]:
    row = asdict(saved)
    options = row.pop("draft") | {name: row.pop(name) for name in _DRAFT_OPTIONS}
    prompt = _storable(options.pop("prompt"))
    return row | {"prompt": prompt, "options": json.dumps(options, default=str)}


def _saved_draft(row: Mapping[str, Any]) -> SavedDraft:
    values = {name: value for name, value in row.items() if name not in {"prompt", "options"}}
    options = json.loads(row["options"])
    reference = options.pop("input_reference")
    given = None if reference is None else _reference(**reference)
    # A draft from before an update lacks what was added since.
    more = {name: options.pop(name) for name in _DRAFT_OPTIONS if options.get(name) is not None}
    chosen = {name: options[name] for name in ("model", "seconds", "size")}
    draft = Draft(prompt=row["prompt"], **chosen, input_reference=given)
    return SavedDraft(
        **values,
        draft=draft,
        remix_of=more.get("remix_of"),
        notify=tuple(more.get("notify", ())),
        note=Note(more["note"]) if "note" in more else None,
        starts=more.get("starts"),
        price=Decimal(more["price"]) if "price" in more else None,
    )


_DRAFT_OPTIONS = ("remix_of", "notify", "note", "starts", "price")
_REFERENCE = ("file_id", "user_id", "fit")


def _reference(*, file_id: str | None, user_id: str, fit: str) -> InputReference | None:
    if file_id is None:
        return None
    return InputReference(file_id=file_id, user_id=user_id, fit=Fit(fit))
