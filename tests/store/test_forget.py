"""Forgetting a person, on both databases: limits and others' rows."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from bot.errors import NotPossible
from bot.jobs import JobState, pseudonym
from bot.personal import PersonalData
from bot.spending import Charge, LimitKind, Policy
from bot.store import Store
from bot.tables import jobs, limit_warnings, limits, metadata
from tests.support.jobs import make_job

pytestmark = pytest.mark.both_databases

PER_DAY = Policy(limits={LimitKind.PERSON_DAY_VIDEOS: 1})


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = Store.open(migrated_url)
    yield store
    await store.close()


async def forget(store: Store) -> None:
    data = PersonalData(store.database)
    await data.forget("U1", actor="operator", files=False)
    await data.run()
    assert await data.unfinished("U1") is None


async def spend(store: Store) -> None:
    """Make the one video that the limit allows."""
    await store.add(make_job(1, price=Decimal(1)), PER_DAY)
    [job] = await store.claim("me", now=2000.0, limit=1)
    ended = replace(job, state=JobState.DELIVERED, charge=Charge.SPENT, closed_at=2000.0)
    await store.save(ended, now=2000.0)


async def test_a_forgotten_persons_limit_still_counts_what_they_spent(store: Store) -> None:
    await spend(store)
    await forget(store)
    assert (await store.get("job1")).user_id == pseudonym("U1")
    with pytest.raises(NotPossible):
        await store.add(make_job(2), PER_DAY)
    await store.add(make_job(3, user_id="U2"), PER_DAY)


async def test_a_limit_that_was_set_for_them_still_applies(store: Store) -> None:
    await spend(store)
    for subject in (pseudonym("U1"), "U1"):
        row = {"kind": LimitKind.PERSON_DAY_VIDEOS, "amount": 2, "is_soft": False}
        await store.database.execute(limits.insert().values(subject=subject, **row))
    await forget(store)
    await store.add(make_job(2, created_at=1001.0), PER_DAY)
    with pytest.raises(NotPossible):
        await store.add(make_job(3, created_at=1002.0), PER_DAY)


async def test_no_table_has_the_person_afterwards(store: Store) -> None:
    await spend(store)
    told = limit_warnings.insert().values(
        kind="day_usd", period_began=0.0, amount=1, percent=80, user_id="U1"
    )
    await store.database.execute(told)
    await store.home_opened("U1", now=1.0)
    await forget(store)
    for table in metadata.sorted_tables:
        rows = await store.database.execute(sa.select(table))
        values = [value for row in rows for value in row.values()]
        assert not {"U1", "person U1"} & {*map(str, values)}, table.name


async def test_others_jobs_lose_only_what_is_about_the_person(store: Store) -> None:
    await spend(store)
    about = {"user_id": "U2", "notify": "U11 U1 U12", "decided_by": "U1"}
    await store.database.execute(jobs.update().values(about))
    await forget(store)
    job = await store.get("job1")
    assert (job.user_id, job.notify) == ("U2", ("U11", "U12"))
    assert job.request.prompt == "clouds"
    assert "U1" not in str(job).split("'")
