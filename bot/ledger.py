"""Limits against what is held or spent: totals that the database keeps of the jobs' rows."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from bot.audit import Act, record
from bot.database import Rows, Transaction
from bot.jobs import Job, JobState, pseudonym
from bot.spending import (
    ALLOWED,
    BillLine,
    By,
    Charge,
    Limit,
    LimitKind,
    LimitsChange,
    Period,
    Policy,
    Scope,
    SetLimit,
    Used,
    check_allowed,
    first_broken,
    in_dollars,
    limits_in_force,
    micros,
    period_name,
)
from bot.tables import COUNTED, OPEN, jobs, limits, totals


async def reserve(
    transaction: Transaction, job: Job, policy: Policy, *, past_soft: bool = False
) -> None:
    """Check that all limits allow this job; the transaction must then write its row as held.

    Nobody else can reserve in the same workspace, channel or for the same person, as far as a
    limit applies to it, before the transaction has ended. `past_soft`: soft limits don't apply,
    because an admin decides about the job, or has approved it. A proposed job is only checked: its
    row is written as free.

    Raises:
        LimitReached: a limit does not allow it.
        NotPossible: this person has too many unfinished videos.
    """
    if job.charge is Charge.FREE and job.state is not JobState.PROPOSED:
        return
    applying, allowed = await _limits_for(transaction, job, policy)
    check_allowed(allowed, user_id=job.user_id, channel_id=job.channel_id)
    if past_soft:
        applying = [limit for limit in applying if not limit.is_soft]
    scopes = {limit.kind.scope for limit in applying}
    for scope in (scope for scope in Scope if scope in scopes):
        await transaction.lock(f"spending: {scope.name} {_subject(scope, job)}")
    broken = first_broken(
        applying,
        await _used(transaction, [limit.kind for limit in applying], job),
        price=micros(job.price),
        at=job.created_at,
        allows_unpriced=policy.allows_unpriced,
    )
    if broken is not None:
        raise broken


def bill(by: By, *, since: float, before: float) -> sa.Select[Any]:
    """The query for the lines of the bill of this time, the highest amounts first."""
    names = {By.PERSON: jobs.c.user_id, By.CHANNEL: jobs.c.channel_id, By.MODEL: jobs.c.model}
    name = names[by]
    spent, held = (
        sa.func.coalesce(sa.func.sum(sa.case((jobs.c.charge == charge, jobs.c.micros))), 0)
        for charge in (Charge.SPENT, Charge.HELD)
    )
    return (
        sa.select(
            name.label("name"),
            sa.func.count().label("videos"),
            spent.label("spent"),
            held.label("held"),
            (sa.func.count() - sa.func.count(jobs.c.micros)).label("unpriced"),
        )
        .where(COUNTED, jobs.c.created_at >= since, jobs.c.created_at < before)
        .group_by(name)
        .order_by(sa.desc("spent"), sa.desc("held"), name)
    )


def bill_line(row: Mapping[str, Any]) -> BillLine:
    """The line in this row."""
    return BillLine(
        **{name: row[name] for name in ("name", "videos", "unpriced")},
        spent=int(row["spent"]),
        held=int(row["held"]),
    )


def settle(*, job_id: str | None = None, closed_before: float | None = None) -> sa.Executable:
    """Count as spent what a person has decided about, or has not within a day.

    Only closed jobs, which nobody else writes.
    """
    undecided = jobs.update().where(
        jobs.c.state == JobState.UNCERTAIN, jobs.c.charge == Charge.HELD, sa.not_(OPEN)
    )
    if job_id is not None:
        undecided = undecided.where(jobs.c.id == job_id)
    if closed_before is not None:
        undecided = undecided.where(jobs.c.closed_at < closed_before)
    return undecided.values(charge=Charge.SPENT)


async def usage(
    transaction: Transaction, policy: Policy, *, user_id: str, at: float
) -> dict[LimitKind, Used]:
    """What this person and the workspace have used of each limit but those of channels."""
    person = _Person(user_id=user_id, created_at=at)
    applying, _allowed = await _limits_for(transaction, person, policy)
    amounts = {limit.kind: limit.amount for limit in applying}
    kinds = [kind for kind in LimitKind if kind.scope is not Scope.CHANNEL]
    used = await _used(transaction, kinds, person)
    return {kind: Used(used=used[kind], limit=amounts.get(kind)) for kind in kinds}


class _Counted(Protocol):
    """Whose videos count: a job's requester and channel, or only a person."""

    @property
    def id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def channel_id(self) -> str: ...
    @property
    def created_at(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    id: str = ""
    user_id: str
    channel_id: str = ""
    created_at: float


async def _limits_for(
    transaction: Transaction, job: _Counted, policy: Policy
) -> tuple[list[Limit], frozenset[str]]:
    """The limits that apply, and the channels and people that may use the bot."""
    forgotten = pseudonym(job.user_id)
    subjects = ("", job.user_id, forgotten, job.channel_id)
    applying = sa.or_(limits.c.subject.in_(subjects), limits.c.kind == ALLOWED)
    rows = await transaction.execute(sa.select(limits).where(applying))
    theirs = [
        {**row, "subject": job.user_id} if row["subject"] == forgotten else row for row in rows
    ]
    changes, allowed = read_limits(theirs)
    in_force = limits_in_force(policy, changes, user_id=job.user_id, channel_id=job.channel_id)
    return in_force, allowed


def all_limits() -> sa.Select[Any]:
    """The query for everything that admins have set, which `read_limits` reads."""
    return sa.select(limits).order_by(limits.c.kind, limits.c.subject)


def read_limits(rows: Rows) -> tuple[list[SetLimit], frozenset[str]]:
    """What admins have set: limits, and the channels and people that may use the bot."""
    changes = [
        SetLimit(
            kind=LimitKind(row["kind"]),
            subject=row["subject"],
            amount=row["amount"],
            is_soft=row["is_soft"],
        )
        for row in rows
        if row["kind"] != ALLOWED
    ]
    return changes, frozenset(row["subject"] for row in rows if row["kind"] == ALLOWED)


async def change_limits(
    transaction: Transaction, change: LimitsChange, *, actor: str, team_id: str
) -> None:
    """Replace what is set for the subject of the change, and record each difference."""
    await transaction.lock("limits")
    changes, allowed = read_limits(await transaction.execute(all_limits()))
    before = {each.kind: each for each in changes if each.subject == change.subject}
    after = {each.kind: each for each in change.limits}
    subject = change.subject or team_id
    for kind in LimitKind:
        if before.get(kind) == after.get(kind):
            continue
        this = sa.and_(limits.c.kind == kind, limits.c.subject == change.subject)
        await transaction.execute(limits.delete().where(this))
        if kind in after:
            await transaction.execute(limits.insert().values(asdict(after[kind])))
        words = f"{kind}: {_told(before.get(kind))} -> {_told(after.get(kind))}"
        await transaction.execute(record(actor, Act.LIMIT_CHANGED, subject, words))
    if change.allowed is not None:
        await _change_allowed(transaction, allowed, change.allowed, actor)


async def _change_allowed(
    transaction: Transaction, before: frozenset[str], after: frozenset[str], actor: str
) -> None:
    for subject in sorted(before ^ after):
        is_new = subject in after
        row = {"kind": ALLOWED, "subject": subject, "is_soft": False}
        this = sa.and_(limits.c.kind == ALLOWED, limits.c.subject == subject)
        await transaction.execute(
            limits.insert().values(row) if is_new else limits.delete().where(this)
        )
        words = "may use the bot: added" if is_new else "may use the bot: removed"
        await transaction.execute(record(actor, Act.LIMIT_CHANGED, subject, words))


def _told(limit: SetLimit | None) -> str:
    """A limit in the audit log, in dollars or videos."""
    if limit is None:
        return "not set"
    if limit.amount is None:
        return "none"
    amount = f"${in_dollars(limit.amount):f}" if limit.kind.is_money else str(limit.amount)
    return f"{amount}, soft" if limit.is_soft else amount


async def _used(
    transaction: Transaction, kinds: Collection[LimitKind], job: _Counted
) -> dict[LimitKind, int]:
    """What is held or spent within the scope and period of each kind of limit.

    A statement of its own: it must see what was committed before the locks were taken.
    """
    if not kinds:
        return {}
    sums = [_sum(kind, job).label(kind) for kind in kinds]
    [row] = await transaction.execute(sa.select(*sums))
    return {kind: int(row[kind]) for kind in kinds}


def _sum(kind: LimitKind, job: _Counted) -> sa.ScalarSelect[int]:
    if kind.period is Period.OPEN:
        people = (job.user_id, pseudonym(job.user_id))
        theirs = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.user_id.in_(people))
        return theirs.where(OPEN, jobs.c.id != job.id).scalar_subquery()
    amount = totals.c.micros if kind.is_money else totals.c.videos
    within = totals.c.scope.in_(_total_scopes(kind, job))
    query = sa.select(sa.func.coalesce(sa.func.sum(amount), 0)).where(within)
    return query.where(
        totals.c.period == period_name(kind.period, job.created_at)
    ).scalar_subquery()


def _total_scopes(kind: LimitKind, job: _Counted) -> list[str]:
    match kind.scope:
        case Scope.PERSON:
            return [f"person {each}" for each in (job.user_id, pseudonym(job.user_id))]
        case Scope.CHANNEL:
            return [f"channel {job.channel_id}"]
        case Scope.WORKSPACE:
            return ["workspace"]


def _subject(scope: Scope, job: Job) -> str:
    match scope:
        case Scope.WORKSPACE:
            return ""
        case Scope.CHANNEL:
            return job.channel_id
        case Scope.PERSON:
            return job.user_id
