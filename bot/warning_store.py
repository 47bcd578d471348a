"""Stored warnings: which admin has been warned of which threshold of a limit."""

import contextlib
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.database import Database
from bot.spending import LimitKind
from bot.tables import limit_warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """One warning; another amount of the limit, or another day or month, makes it another one."""

    kind: LimitKind
    period_began: float
    amount: int
    """Of the limit, in micro-dollars."""
    percent: int
    user_id: str


class WarningStore:
    """The warnings. Every method raises TemporaryError while the database does not respond."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, warned: Warned) -> bool:
        """Whether this process is to send it: it has not been sent, and nobody else is about to."""
        known = sa.select(1).where(_same(warned))
        if await self._database.execute(known):
            return False
        with contextlib.suppress(IntegrityError):  # another process was faster
            await self._database.execute(limit_warnings.insert().values(asdict(warned)))
            return True
        return False

    async def release(self, warned: Warned) -> None:
        """It was not sent: try again later."""
        await self._database.execute(limit_warnings.delete().where(_same(warned)))

    async def forget(self, *, before: float) -> None:
        """Delete the warnings of periods that began before then."""
        old = limit_warnings.delete().where(limit_warnings.c.period_began < before)
        await self._database.execute(old)


def _same(warned: Warned) -> sa.ColumnElement[bool]:
    values = asdict(warned).items()
    return sa.and_(*(limit_warnings.c[name] == value for name, value in values))
