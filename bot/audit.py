"""The audit log: who spent, approved, cancelled, deleted or read what belongs to others.

Rows are only added, in the transaction of the change that they report.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from bot.tables import audit

OPERATOR = "operator"
"""The actor of everything done with the command `video-bot`."""


class Act(StrEnum):
    """What is recorded."""

    LIMIT_CHANGED = "limit changed"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    """Someone else's video."""
    DELETED = "deleted"
    """Someone else's video."""
    EXPORTED = "exported"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log."""

    at: float
    actor: str
    act: str
    subject: str
    detail: str


def record(actor: str, act: Act, subject: str, detail: str = "") -> sa.Executable:
    """The statement that adds an entry, for `Database.execute_together` with the change itself.

    `actor` is a person's id or OPERATOR; `subject` is the id of the person, channel or workspace
    concerned. `detail` is a job's id or an amount: never a prompt, and never a person's id, which
    could not be replaced there when that person is forgotten.
    """
    entry = Entry(at=time.time(), actor=actor, act=act, subject=subject, detail=detail)
    return audit.insert().values(id=uuid4().hex, **_row(entry))


def entries(*, since: float) -> sa.Select[Any]:
    """The query for the entries since then, oldest first."""
    return sa.select(audit).where(audit.c.at >= since).order_by(audit.c.at, audit.c.id)


def entry(row: Mapping[str, Any]) -> Entry:
    """The entry in this row."""
    return Entry(**{name: row[name] for name in Entry.__slots__})


def _row(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__slots__}
