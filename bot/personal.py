"""One person's data: all of it as JSON, or none of it any more.

Who is to be forgotten stays in the table `forgets` until that is done, so that it is continued
after a restart. Their jobs keep their figures under a pseudonym, to which limits still apply.
"""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import structlog

from bot.audit import Act, record
from bot.database import Database, Priority, Transaction
from bot.jobs import CANCELLABLE, JobState, Signal, pseudonym
from bot.tables import (
    OPEN,
    audit,
    decisions,
    forgets,
    jobs,
    limits,
    metadata,
    signals,
    totals,
)
from bot.upkeep import EMPTY

log = structlog.get_logger()

PEOPLE = frozenset({"user_id", "reference_user_id", "decided_by", "actor", "subject"})
"""The names of all columns that can contain a person's id."""

KEPT = (jobs, decisions, limits, audit)
"""Tables whose rows stay, under a pseudonym; all others lose the person's rows."""


class PersonalData:
    """Methods raise TemporaryError while the database does not respond."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def export(self, user_id: str, *, actor: str) -> dict[str, Any]:
        """Everything stored about this person, by table, and a record in the audit log.

        Other people's jobs that mention them are listed by id only. Response URLs are left out:
        they are secrets.
        """
        await self._database.execute(record(actor, Act.EXPORTED, user_id))
        found: dict[str, Any] = {"user_id": user_id}
        for table in metadata.sorted_tables:
            theirs = _of(table, user_id) if table is not jobs else jobs.c.user_id == user_id
            if theirs is not None:
                rows = await self._database.execute(sa.select(table).where(theirs))
                found[table.name] = [_without_secrets(row) for row in rows]
        elsewhere = sa.select(jobs.c.id).where(_mentions(user_id), jobs.c.user_id != user_id)
        found["mentioned_in"] = [row["id"] for row in await self._database.execute(elsewhere)]
        return found

    async def forget(self, user_id: str, *, actor: str, files: bool) -> None:
        """Begin to forget this person; `run` does it. `files`: their videos are deleted, too."""
        row = {"user_id": user_id, "files": files, "requested_at": self._clock()}

        async def begin(transaction: Transaction) -> None:
            await transaction.execute(forgets.delete().where(forgets.c.user_id == user_id))
            await transaction.execute(forgets.insert().values(row))
            await transaction.execute(record(actor, Act.FORGOTTEN, user_id))

        await self._database.transact(begin, Priority.PERSON)

    async def run(self) -> None:
        """Take the next step for everybody who is to be forgotten."""
        for row in await self._database.execute(sa.select(forgets)):
            await self._database.transact(lambda it, row=row: self._step(it, **row))  # type: ignore[misc]  # mypy infers no lambda with a default

    async def unfinished(self, user_id: str) -> int | None:
        """How many videos are waited for before this person is forgotten; None: it is done."""
        if not await self._database.execute(
            sa.select(forgets.c.user_id).where(forgets.c.user_id == user_id)
        ):
            return None
        count = sa.select(sa.func.count().label("n")).where(_holds(user_id))
        return int((await self._database.execute(count))[0]["n"])

    async def _step(
        self, transaction: Transaction, user_id: str, *, files: bool, requested_at: float
    ) -> None:
        """Cancel what is open, and forget the person once nothing is.

        A job that is open belongs to its runner, which would write the person's id again.
        """
        notify = signals.delete().where(
            signals.c.user_id == user_id, signals.c.kind == Signal.NOTIFY
        )
        await transaction.execute(notify)
        await self._cancel(transaction, user_id)
        if files:
            await self._delete(transaction, user_id)
        waiting = sa.select(sa.func.count().label("n")).where(_holds(user_id))
        [found] = await transaction.execute(waiting)
        if not found["n"]:
            await _replace(transaction, user_id)
            took = self._clock() - requested_at
            log.info("forgot a person", pseudonym=pseudonym(user_id), seconds=round(took))

    async def _cancel(self, transaction: Transaction, user_id: str) -> None:
        theirs = (jobs.c.user_id == user_id, OPEN, jobs.c.state.in_(CANCELLABLE))
        await transaction.execute(_signal(Signal.CANCEL, user_id, *theirs))
        due = jobs.update().where(*theirs, jobs.c.owner.is_(None))
        await transaction.execute(due.values(lease_until=self._clock()))

    async def _delete(self, transaction: Transaction, user_id: str) -> None:
        theirs = (
            jobs.c.user_id == user_id,
            jobs.c.state == JobState.DELIVERED,
            jobs.c.file_id.is_not(None),
        )
        await transaction.execute(_signal(Signal.DELETE, user_id, *theirs))
        closed = jobs.update().where(*theirs, sa.not_(OPEN))
        again = {"closed_at": None, "owner": None, "lease_until": self._clock()}
        await transaction.execute(closed.values(again))


def _signal(kind: Signal, user_id: str, *condition: sa.ColumnElement[bool]) -> sa.Executable:
    """Send this signal to the person's jobs that don't have it yet."""
    sent = sa.exists().where(
        signals.c.job_id == jobs.c.id, signals.c.kind == kind, signals.c.user_id == user_id
    )
    values = (jobs.c.id, sa.literal(kind.value), sa.literal(user_id))
    return signals.insert().from_select(
        ["job_id", "kind", "user_id"], sa.select(*values).where(*condition, sa.not_(sent))
    )


def _of(table: sa.Table, user_id: str) -> sa.ColumnElement[bool] | None:
    """Which rows contain this person's id; None: the table has no people."""
    columns = [column for column in table.c if column.name in PEOPLE]
    return sa.or_(*(column == user_id for column in columns)) if columns else None


def _mentions(user_id: str) -> sa.ColumnElement[bool]:
    """The jobs that contain this person's id, in any column."""
    anywhere = _of(jobs, user_id)
    assert anywhere is not None  # noqa: S101 -- for mypy
    asked = jobs.c.questions.contains(f'"{user_id}"', autoescape=True)
    return sa.or_(anywhere, _padded_notify().contains(f" {user_id} ", autoescape=True), asked)


def _holds(user_id: str) -> sa.ColumnElement[bool]:
    """The open jobs in which the person can't be replaced yet."""
    acted = sa.exists().where(signals.c.job_id == jobs.c.id, signals.c.user_id == user_id)
    return sa.and_(OPEN, sa.or_(_mentions(user_id), acted))


def _padded_notify() -> sa.ColumnElement[str]:
    return sa.literal(" ") + sa.func.coalesce(jobs.c.notify, "") + sa.literal(" ")


async def _replace(transaction: Transaction, user_id: str) -> None:
    """Replace the person in every table."""
    stand_in = pseudonym(user_id)
    await transaction.execute(jobs.update().where(jobs.c.user_id == user_id).values(EMPTY))
    others = jobs.update().where(jobs.c.reference_user_id == user_id)
    nothing = {name: None for name in EMPTY if name.startswith("reference_")}
    await transaction.execute(others.values(nothing))
    rest = sa.func.trim(sa.func.replace(_padded_notify(), f" {user_id} ", " "))
    notified = jobs.update().where(_padded_notify().contains(f" {user_id} ", autoescape=True))
    await transaction.execute(notified.values(notify=sa.func.nullif(rest, "")))
    asked = jobs.update().where(jobs.c.questions.contains(f'"{user_id}"', autoescape=True))
    await transaction.execute(asked.values(questions=None))
    reasons = decisions.update().where(
        decisions.c.job_id.in_(sa.select(jobs.c.id).where(jobs.c.user_id == user_id))
    )
    await transaction.execute(reasons.values(reason=""))
    for table in metadata.sorted_tables:
        theirs = _of(table, user_id)
        if theirs is not None and table not in KEPT:
            await transaction.execute(table.delete().where(theirs))
    # Someone who is forgotten for the second time may have a limit under each name.
    newer = sa.select(limits.c.kind).where(limits.c.subject == user_id).scalar_subquery()
    older = limits.delete().where(limits.c.subject == stand_in, limits.c.kind.in_(newer))
    await transaction.execute(older)
    for table in KEPT:
        for column in table.c:
            if column.name in PEOPLE:
                renamed = table.update().where(column == user_id)
                await transaction.execute(renamed.values({column.name: stand_in}))
    # What they spent has moved to the pseudonym with their jobs; only zeros are left.
    await transaction.execute(totals.delete().where(totals.c.scope == f"person {user_id}"))


def _without_secrets(row: Any) -> dict[str, Any]:  # noqa: ANN401 -- any table's row
    return {name: value for name, value in row.items() if name != "response_url"}
