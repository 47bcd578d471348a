"""Stored outages: which admin has been notified of which outage of a Videos server.

An outage is derived from the rows of the jobs that wait for its server.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.database import Database
from bot.jobs import NOT_A_VIDEO, PAUSABLE, JobState, Outage
from bot.tables import OPEN, jobs, outages

_PAUSED = sa.and_(
    OPEN,
    jobs.c.error_code.is_not(None),
    jobs.c.error_code != NOT_A_VIDEO,
    jobs.c.state.in_(PAUSABLE | {JobState.SUBMITTING}),
)
"""A job that is just testing whether its server accepts requests again still waits."""
_IS_DUE = sa.or_(outages.c.notified_at.is_(None), outages.c.ended_at.is_not(None))


class OutageStore:
    """The outages, one row for each admin. Times are arguments, in seconds since 1970.

    Every method raises TemporaryError while the database does not respond.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self) -> dict[str, int]:
        """How many jobs wait for each server that refuses everyone's requests."""
        paused = sa.select(jobs.c.server, sa.func.count().label("waiting")).where(_PAUSED)
        rows = await self._database.execute(paused.group_by(jobs.c.server))
        return {row["server"]: row["waiting"] for row in rows if row["server"]}

    async def begin(self, server: str, admins: Collection[str], *, now: float) -> None:
        """Note the outage for each admin who has no row of it; one that had ended goes on."""
        latest = (
            sa.select(jobs.c.error_code, jobs.c.error_message)
            .where(_PAUSED, jobs.c.server == server)
            .order_by(jobs.c.created_at.desc())
            .limit(1)
        )
        goes_on = outages.update().where(outages.c.server == server).values(ended_at=None)
        known = await self._database.execute(goes_on.returning(outages.c.user_id))
        new = set(admins) - {row["user_id"] for row in known}
        for error in await self._database.execute(latest) if new else ():
            for user_id in sorted(new):
                outage = Outage(
                    server=server,
                    user_id=user_id,
                    code=error["error_code"],
                    message=error["error_message"],
                    started_at=now,
                )
                with contextlib.suppress(IntegrityError):  # another process was faster
                    await self._database.execute(outages.insert().values(asdict(outage)))

    async def end(self, *, current: str, now: float) -> None:
        """Note the end of each outage whose server, or its successor, accepts requests again.

        That nobody waits any more is no proof, because all may have been cancelled. A job that
        was accepted, or got past its pause, after the outage had begun is one.
        """
        waits = sa.exists().where(_PAUSED, jobs.c.server == outages.c.server)
        got_past = sa.exists().where(
            jobs.c.server.in_([outages.c.server, current]),
            sa.or_(
                jobs.c.resumed_at > outages.c.started_at,
                sa.and_(jobs.c.submitted_at > outages.c.started_at, jobs.c.video_id.is_not(None)),
            ),
        )
        over = outages.update().where(outages.c.ended_at.is_(None), sa.not_(waits), got_past)
        await self._database.execute(over.values(ended_at=now, attempts=0))

    async def forget(self, *, began_before: float) -> None:
        """Delete older outages for which no job waits: nobody has tried again since."""
        waits = sa.exists().where(_PAUSED, jobs.c.server == outages.c.server)
        old = outages.delete().where(
            outages.c.started_at < began_before, outages.c.ended_at.is_(None), sa.not_(waits)
        )
        await self._database.execute(old)

    async def claim(self, *, now: float, lease: float) -> list[Outage]:
        """Claim the outages whose admins have to be notified.

        Whoever competes for a row waits for its lock and then finds its lease renewed.
        """
        due = outages.update().where(_IS_DUE, outages.c.lease_until <= now)
        claim = due.values(lease_until=now + lease, attempts=outages.c.attempts + 1)
        return [_outage(row) for row in await self._database.execute(claim.returning(*outages.c))]

    async def notified(self, outage: Outage, *, now: float) -> None:
        """Record that the admin has been notified, unless another process has the row."""
        mine = sa.and_(
            outages.c.server == outage.server,
            outages.c.user_id == outage.user_id,
            outages.c.lease_until == outage.lease_until,
        )
        if outage.notified_at is None:
            notified = {"notified_at": now, "attempts": 0, "lease_until": now}
            await self._database.execute(outages.update().where(mine).values(notified))
        else:
            await self._database.execute(outages.delete().where(mine))


def _outage(row: Mapping[str, object]) -> Outage:
    return Outage(**row)  # type: ignore[arg-type]  # the columns are the fields
