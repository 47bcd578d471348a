"""Upkeep: what need not be kept is removed, and the figures stay."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from bot import upkeep
from bot.database import Database, Priority
from bot.errors import Source
from bot.jobs import Job, JobError, JobState, Signal
from bot.request import Fit, InputReference, VideoRequest
from bot.store import Store
from bot.timings import DAY, DRAFT_LIFETIME, HOME_REFRESH_WINDOW
from bot.upkeep import Upkeep
from tests.store.test_drafts import SAVED
from tests.support.jobs import REQUEST, make_job

pytestmark = pytest.mark.both_databases

NOW = 100 * DAY
PICTURE = InputReference(file_id="F1", user_id="U2", fit=Fit.PAD)
ENDED = {
    "state": JobState.DELIVERED,
    "request": replace(REQUEST, input_reference=PICTURE),
    "reference_size": "9x9",
    "notify": ("U3",),
    "permalink": "https://slack.example/p1",
    "price": Decimal("0.4"),
    "file_id": "F9",
    "submitted_at": 1010.0,
    "rendered_at": 1020.0,
    "finished_at": 1030.0,
    "error": JobError("late", "the words of a server", Source.VIDEOS),
}


@pytest.fixture
async def store(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(upkeep, "PRUNE_PAUSE", 0.0)
    store = Store.open(migrated_url)
    yield store
    await store.close()


async def add(store: Store, number: int, *, closed_at: float | None, **changes: object) -> Job:
    """Add a job as it was when it ended."""
    job = await store.add(make_job(number, **changes))
    [claimed] = await store.claim("me", now=2000.0, limit=1)
    await store.save(replace(claimed, closed_at=closed_at), now=2000.0)
    return job


async def test_an_old_job_keeps_its_figures_and_loses_its_contents(store: Store) -> None:
    await add(store, 1, closed_at=NOW - 31 * DAY, **ENDED)
    before = await store.totals("U1", since=0.0)
    kept = await store.get("job1")
    await Upkeep(store.database).empty_jobs(closed_before=NOW - 30 * DAY)
    job = await store.get("job1")
    assert job.is_emptied
    assert job == replace(
        kept,
        request=VideoRequest(prompt="", model="sora-2", seconds="4", size="720x1280"),
        reference_size=None,
        notify=(),
        permalink=None,
        error=JobError("late", "", Source.VIDEOS),
    )
    assert await store.totals("U1", since=0.0) == before


async def test_newer_and_open_jobs_are_left_alone(store: Store) -> None:
    for number, closed_at in enumerate((NOW - 29 * DAY, None)):
        await add(store, number, closed_at=closed_at, **ENDED)
    jobs = [await store.get(f"job{number}") for number in range(2)]
    await Upkeep(store.database).empty_jobs(closed_before=NOW - 30 * DAY)
    assert [await store.get(f"job{number}") for number in range(2)] == jobs


async def test_all_old_jobs_are_emptied_a_few_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    changed: list[int] = []

    async def execute(
        self: Database, statement: sa.Executable, priority: Priority = Priority.JOB
    ) -> object:
        rows = await original(self, statement, priority)
        changed.append(len(rows))
        return rows

    for number in range(5):
        await add(store, number, closed_at=1.0)
    original = Database.execute
    monkeypatch.setattr(Database, "execute", execute)
    await Upkeep(store.database).empty_jobs(closed_before=NOW)
    assert changed == [2, 2, 1, 0]


async def test_signals_are_deleted_a_day_after_the_job_was_closed(store: Store) -> None:
    for number, closed_at in enumerate((NOW - 2 * DAY, NOW - 60, None)):
        await add(store, number, closed_at=closed_at)
        await store.add_signal(f"job{number}", Signal.NOTIFY, "U2")
    await store.add_signal("deleted by the operator", Signal.NOTIFY, "U2")
    await Upkeep(store.database).delete_leftovers(now=NOW)
    jobs = ["job0", "job1", "job2", "deleted by the operator"]
    assert (await store.signals_of(jobs)).keys() == {"job1", "job2"}


async def test_a_request_to_delete_a_video_is_never_a_leftover(store: Store) -> None:
    await add(store, 1, closed_at=NOW - 2 * DAY)
    await store.delete("job1", "U1", now=NOW)
    await Upkeep(store.database).delete_leftovers(now=NOW)
    assert await store.signals("job1") == {(Signal.DELETE, "U1")}
    assert [job.id for job in await store.claim("me", now=NOW + 1, limit=9)] == ["job1"]


async def test_closed_home_tabs_and_expired_drafts_are_deleted(store: Store) -> None:
    await store.home_opened("U1", now=NOW - HOME_REFRESH_WINDOW - 1)
    await store.home_opened("U2", now=NOW)
    for name, age in (("old", DRAFT_LIFETIME + 1), ("new", 1)):
        await store.keep_draft(replace(SAVED, id=name, created_at=NOW - age))
    await Upkeep(store.database).delete_leftovers(now=NOW)
    await store.delete_drafts(before=NOW - DRAFT_LIFETIME)
    assert (await store.homes_since(0.0)).keys() == {"U2"}
    assert (await store.draft("new", since=0.0)).id == "new"
    with pytest.raises(LookupError):
        await store.draft("old", since=0.0)
