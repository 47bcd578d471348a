"""The store: each job is added once, claimed by one worker and changed only by its owner."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot import jobs, migrations, tables
from bot.database import Database
from bot.errors import Impossible, NotPossible, TemporaryError
from bot.estimates import Estimates
from bot.jobs import Job, JobError, JobState, Signal, Totals
from bot.request import Fit, InputReference
from bot.spending import LimitKind, Policy
from bot.store import Store
from bot.timings import UNREADABLE_RETRY_DELAY, Timings
from tests.support.jobs import REQUEST, make_job

pytestmark = pytest.mark.both_databases

NOW = 1_000.0
LEASE = 60.0


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = Store.open(migrated_url, lease=LEASE)
    yield store
    await store.close()


def at_most(videos: int) -> Policy:
    return Policy(limits={LimitKind.PERSON_OPEN: videos})


async def claim_one(store: Store, owner: str = "a", now: float = NOW) -> Job:
    [job] = await store.claim(owner, now=now, limit=1)
    return job


async def test_database_errors_do_not_contain_query_values(migrated_url: str) -> None:
    database = Database.open(migrated_url)
    query = sa.text("SELECT * FROM missing WHERE prompt = :prompt").bindparams(prompt="a secret")
    with pytest.raises(TemporaryError) as caught:
        await database.execute(query)
    await database.close()
    assert "missing" in str(caught.value.__cause__)
    assert "a secret" not in str(caught.value.__cause__)


async def test_expired_response_urls_are_removed_even_from_claimed_jobs(store: Store) -> None:
    url = "https://hooks.example/1"
    await store.add(make_job(1, response_url=url, created_at=NOW - 1))
    await store.add(make_job(2, response_url=url, created_at=NOW))
    await claim_one(store)
    await store.forget_response_urls(created_before=NOW)
    assert [(await store.get(f"job{n}")).response_url for n in (1, 2)] == [None, url]


async def test_a_saved_job_is_read_back_unchanged(store: Store) -> None:
    request = replace(REQUEST, prompt="Wolken ☁")
    await store.add(make_job(request=request, response_url="https://hooks.example/1"))
    job = await claim_one(store)
    job = jobs.failed(job, code="bad", message="Too bad.", now=NOW)
    await store.save(job, now=NOW)
    read = await store.get("job1")
    assert read == job
    assert (read.state, read.error) == (JobState.FAILED, JobError("bad", "Too bad."))


async def prompts_found(store: Store, words: str, limit: int = 9, offset: int = 0) -> list[str]:
    found = await store.search("U1", words, limit=limit, offset=offset)
    return [job.request.prompt for job in found]


async def test_search_finds_only_a_persons_own_prompts_that_contain_all_the_words(
    store: Store,
) -> None:
    for number, prompt in enumerate(("Clouds over a lake", "a lake of clouds", "clouds")):
        request = replace(REQUEST, prompt=prompt)
        await store.add(make_job(number, request=request, created_at=NOW + number))
    await store.add(make_job(3, request=replace(REQUEST, prompt="lake, cloud"), user_id="U2"))
    newest_first = ["a lake of clouds", "Clouds over a lake"]
    assert await prompts_found(store, "LAKE cloud") == newest_first
    assert await prompts_found(store, "lake", limit=1, offset=1) == newest_first[1:]
    assert await prompts_found(store, "rain") == []


async def test_search_treats_wildcard_characters_literally(store: Store) -> None:
    for number, prompt in enumerate(("100% rain", "1000 clouds", "a_b", "acb", "back\\slash")):
        await store.add(make_job(number, request=replace(REQUEST, prompt=prompt)))
    for words, found in (("0%", "100% rain"), ("a_b", "a_b"), ("k\\s", "back\\slash")):
        assert await prompts_found(store, words) == [found]
    assert await prompts_found(store, "\0") == []


async def test_fields_from_the_form_are_read_back_unchanged(store: Store) -> None:
    picture = InputReference(file_id="F1", user_id="U2", fit=Fit.PAD)
    request = replace(REQUEST, seconds="", size="", input_reference=picture)
    await store.add(make_job(request=request, notify=("U2", "W3")))
    mine = jobs.picture_fitted(await claim_one(store), from_size="4032x3024")
    await store.save(mine, now=NOW)
    assert await store.get("job1") == mine
    assert (mine.request, mine.notify) == (request, ("U2", "W3"))


async def test_the_same_request_key_twice_creates_one_job(store: Store) -> None:
    first = await store.add(make_job())
    again = await store.add(make_job(2, request_key=first.request_key))
    assert again.id == first.id
    assert len(await store.claim("a", now=NOW, limit=9)) == 1


async def test_a_claimed_job_cannot_be_claimed_until_its_lease_expires(store: Store) -> None:
    await store.add(make_job())
    await claim_one(store, "a")
    assert await store.claim("b", now=NOW + LEASE - 1, limit=9) == []
    assert (await claim_one(store, "b", now=NOW + LEASE)).fence == 2


async def test_a_save_renews_the_lease(store: Store) -> None:
    await store.add(make_job())
    mine = await claim_one(store)
    await store.save(mine, now=NOW + 50)
    assert await store.claim("b", now=NOW + 50 + LEASE - 1, limit=9) == []


async def test_renew_extends_all_of_an_owners_leases_and_returns_them(store: Store) -> None:
    for number in (1, 2):
        await store.add(make_job(number))
    await store.claim("a", now=NOW, limit=9)
    assert await store.renew("a", now=NOW + 50) == {("job1", 1), ("job2", 1)}
    assert await store.renew("b", now=NOW + 50) == set()
    assert await store.claim("b", now=NOW + 50 + LEASE - 1, limit=9) == []


async def test_a_postponed_job_waits_until_it_is_due_and_counts_the_attempt(store: Store) -> None:
    await store.add(make_job())
    await store.postpone(await claim_one(store), not_before=NOW + 5)
    assert await store.claim("a", now=NOW + 4, limit=9) == []
    job = await claim_one(store, now=NOW + 5)
    assert (job.attempts, job.fence) == (1, 2)


async def test_a_released_job_can_be_claimed_immediately(store: Store) -> None:
    for number in (1, 2):
        await store.add(make_job(number))
    await store.claim("a", now=NOW, limit=9)
    await store.release("a", now=NOW, only=["job1"])
    assert [job.id for job in await store.claim("b", now=NOW, limit=9)] == ["job1"]
    await store.release("a", now=NOW)
    assert [job.id for job in await store.claim("b", now=NOW, limit=9)] == ["job2"]


async def test_a_closed_job_is_never_claimed_again(store: Store) -> None:
    await store.add(make_job())
    await store.save(jobs.closed(await claim_one(store), now=NOW), now=NOW)
    assert await store.claim("b", now=NOW + 10 * LEASE, limit=9) == []


async def test_the_jobs_that_waited_longest_are_claimed_first(store: Store) -> None:
    for number in (1, 2, 3):
        await store.add(make_job(number, created_at=NOW - number))
    assert {job.id for job in await store.claim("a", now=NOW, limit=2)} == {"job3", "job2"}


async def test_a_database_without_tables_raises_a_temporary_error(database_url: str) -> None:
    store = Store.open(database_url)  # its tables are missing
    with pytest.raises(TemporaryError):
        await store.claim("a", now=NOW, limit=1)
    await store.close()


async def test_a_persons_jobs_are_listed_with_open_jobs_first_then_newest_first(
    store: Store,
) -> None:
    for number in range(5):
        await store.add(make_job(number, created_at=NOW + number))
    await store.add(make_job(9, user_id="U2"))
    for job in await store.claim("a", now=NOW + 9, limit=9):
        if job.id not in {"job0", "job3"}:
            await store.save(jobs.closed(job, now=NOW), now=NOW)
    listed = [job.id for job in await store.list_of("U1", limit=9)]
    assert listed == ["job3", "job0", "job4", "job2", "job1"]
    page = await store.list_of("U1", limit=2, offset=2)
    assert [job.id for job in page] == listed[2:4]


async def test_new_requests_do_not_wait_behind_the_workers_writes(store: Store) -> None:
    await store.add(make_job())
    mine = await claim_one(store)
    saves = [asyncio.create_task(store.save(mine, now=NOW)) for _ in range(200)]
    await asyncio.sleep(0)  # all of them have started
    await store.add(make_job(2))
    assert sum(save.done() for save in saves) < 50
    await asyncio.gather(*saves)


async def rewrite(database_url: str, job_id: str, **columns: object) -> None:
    """Change a row directly, as another version of the bot or an operator might."""

    def write() -> None:
        engine = sa.create_engine(database_url.replace("+aiosqlite", ""))
        with engine.begin() as connection:
            connection.execute(tables.jobs.update().where(tables.jobs.c.id == job_id), columns)
        engine.dispose()

    await asyncio.to_thread(write)


async def test_a_job_in_an_unknown_state_is_skipped(store: Store, database_url: str) -> None:
    await store.add(make_job(1))
    await store.add(make_job(2))
    await rewrite(database_url, "job1", state="teleporting")
    assert [job.id for job in await store.claim("a", now=NOW, limit=9)] == ["job2"]
    assert [job.id for job in await store.list_of("U1", limit=9)] == ["job2"]


async def test_an_unreadable_row_is_skipped_and_retried_later(
    store: Store, database_url: str
) -> None:
    await store.add(make_job(1))
    await store.add(make_job(2))
    await rewrite(database_url, "job1", note="a note of a newer version")
    assert [job.id for job in await store.claim("a", now=NOW, limit=9)] == ["job2"]
    assert await store.renew("a", now=NOW) == {("job2", 1)}
    assert await store.claim("a", now=NOW + 10, limit=9) == []
    await rewrite(database_url, "job1", note=None)
    later = NOW + UNREADABLE_RETRY_DELAY
    assert "job1" in {job.id for job in await store.claim("b", now=later, limit=9)}


async def test_a_persons_totals_sum_rendered_videos_requested_since_a_given_time(
    store: Store,
) -> None:
    prices = [Decimal("0.40"), Decimal("0.40"), None, Decimal("1.20")]
    for number, price in enumerate(prices):
        job = replace(make_job(number), price=price, rendered_at=NOW)
        await store.add(replace(job, created_at=NOW - 500 if number == 3 else NOW))
    await store.add(replace(make_job(8), price=Decimal(7)))
    await store.add(replace(make_job(9), price=Decimal(7), rendered_at=NOW, user_id="U2"))
    assert await store.totals("U1", since=NOW) == Totals(videos=3, seconds=Decimal(12), unpriced=1)


async def test_concurrent_queue_lookups_share_one_query(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        job = replace(make_job(number), server="s", submitted_at=NOW + number)
        await store.add(replace(job, state=JobState.RENDERING))
    queries = []

    async def counted(server: str) -> list[float]:
        queries.append(server)
        return await Store.queued(store, server)

    monkeypatch.setattr(store, "queued", counted)
    estimates = Estimates(store, Timings(), clock=lambda: NOW)
    asked = [estimates.queued_ahead("s", NOW + number) for number in range(3)]
    assert await asyncio.gather(*asked) == [0, 1, 2]
    assert queries == ["s"]


async def test_a_person_never_has_more_open_jobs_than_the_limit(store: Store) -> None:
    added = await asyncio.gather(
        *(store.add(make_job(number), at_most(3)) for number in range(20)), return_exceptions=True
    )
    refused = [error for error in added if isinstance(error, NotPossible)]
    assert len(refused) == 17
    assert {(error.reason, error.limit) for error in refused} == {(Impossible.TOO_MANY_OPEN, 3)}
    [*jobs_of_person] = await store.list_of("U1", limit=100)
    assert len(jobs_of_person) == 3
    # A redelivery returns the same job, and other people are not affected.
    assert await store.add(jobs_of_person[0], at_most(3)) == jobs_of_person[0]
    await store.add(make_job(21, user_id="U2"), at_most(3))


async def test_closing_a_job_makes_room_for_another(store: Store) -> None:
    await store.add(make_job(1), at_most(1))
    await store.save(jobs.closed(await claim_one(store), now=NOW), now=NOW)
    await store.add(make_job(2), at_most(1))


async def test_database_errors_do_not_contain_the_written_values(
    database_url: str,
) -> None:
    migrations.upgrade(database_url)
    database = Database.open(database_url)
    home = tables.homes.insert().values(user_id="planted", opened_at=None, page=0)
    with pytest.raises(IntegrityError) as caught:
        await database.execute(home)
    await database.close()
    assert "planted" not in str(caught.value).partition("DETAIL")[0]


async def test_a_job_with_a_queued_cancel_signal_is_not_postponed(store: Store) -> None:
    await store.add(make_job())
    job = await claim_one(store)
    await store.add_signal(job.id, Signal.CANCEL, "U1")
    await store.make_due(job.id, now=NOW)  # no effect on a job that is owned
    await store.postpone(job, not_before=NOW + 300)
    again = await claim_one(store)
    cancelling = await store.save(jobs.cancelling(again), now=NOW)
    await store.postpone(cancelling, not_before=NOW + 300)
    assert await store.claim("a", now=NOW + 299, limit=1) == []
