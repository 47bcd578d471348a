"""The audit log: written with what it reports, and never changed afterwards."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import IntegrityError

from bot import cli
from bot.audit import OPERATOR, Act, record
from bot.database import Database
from bot.errors import TemporaryError
from bot.jobs import Signal
from bot.store import Store
from bot.tables import audit, signals

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    database = Database.open(migrated_url)
    yield database
    await database.close()


async def logged(database: Database) -> list[tuple[str, str, str, str]]:
    entries = await Store(database).audit_log(since=0)
    return [(entry.actor, entry.act, entry.subject, entry.detail) for entry in entries]


async def test_a_press_and_its_record_are_one_change(database: Database) -> None:
    store = Store(database)
    for _ in range(2):
        entry = record("UADMIN", Act.CANCELLED, "U1", "job1")
        await store.add_signal("job1", Signal.CANCEL, "UADMIN", entry)
    assert await store.signals("job1") == {(Signal.CANCEL, "UADMIN")}
    assert await logged(database) == [("UADMIN", "cancelled", "U1", "job1")]


async def test_a_change_that_fails_leaves_no_record(database: Database) -> None:
    signal = signals.insert().values(job_id="job1", kind=Signal.CANCEL, user_id="U1")
    await database.execute(signal)
    with pytest.raises(IntegrityError):
        await database.execute_together(record("U1", Act.CANCELLED, "U2"), signal)
    assert await logged(database) == []
    await database.execute_together(record("U1", Act.CANCELLED, "U2"))
    assert len(await logged(database)) == 1


@pytest.mark.parametrize("change", ["at", "act", "detail", "id"])
async def test_the_database_refuses_to_change_or_delete_an_entry(
    database: Database, change: str
) -> None:
    await database.execute(record(OPERATOR, Act.EXPORTED, "U1"))
    for statement in (audit.delete(), audit.update().values({change: "1"})):
        with pytest.raises((IntegrityError, TemporaryError)):
            await database.execute(statement)
    assert await logged(database) == [(OPERATOR, "exported", "U1", "")]


async def test_the_command_prints_the_entries_since_a_date(
    database: Database,
    migrated_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = audit.insert().values(id="1", at=0.0, actor="U9", act="x", subject="U8", detail="")
    await database.execute_together(old, record(OPERATOR, Act.EXPORTED, "U1"))
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    options = cli._parser().parse_args(["audit", "--since", "2026-01-01"])
    await cli._print_audit_log(options)
    [line] = capsys.readouterr().out.splitlines()
    at, *rest = line.split("\t")
    assert at.endswith("+00:00")
    assert rest == [OPERATOR, "exported", "U1", ""]
