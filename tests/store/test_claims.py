"""Concurrent processes: no row is claimed twice, and a worker that lost its lease cannot write."""

import asyncio
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

import pytest

from bot import jobs, migrations
from bot.errors import LeaseLost
from bot.sandbox.replica import FORK
from bot.store import Store
from tests.support.jobs import make_job

NOW = 1_000.0
LEASE = 60.0
PROCESSES = 4
CLAIMERS = 5
"""In each process, each with its own connection."""
ROWS = 1_000


start: Barrier
"""In each process: all begin at once, or the first would claim everything."""


def share(barrier: Barrier) -> None:
    global start  # noqa: PLW0603 -- a process pool gives an initializer no other way
    start = barrier


def claim_all(url: str, owner: str) -> list[str]:
    """Claim until no job is left, in a separate process; returns the ids."""
    start.wait(60)
    return asyncio.run(_claim_all(url, owner))


async def _claim_all(url: str, owner: str) -> list[str]:
    store = Store.open(url, lease=LEASE)
    claimed: list[str] = []

    async def claimer(number: int) -> None:
        misses = 0
        while misses < 20:  # rows that are being claimed by others are skipped, so try again
            found = await store.claim(f"{owner}.{number}", now=NOW, limit=7)
            claimed.extend(job.id for job in found)
            misses = 0 if found else misses + 1

    await asyncio.gather(*map(claimer, range(CLAIMERS)))
    await store.close()
    return claimed


async def test_concurrent_processes_never_claim_the_same_row(postgres_url: str) -> None:
    migrations.upgrade(postgres_url)
    store = Store.open(postgres_url)
    for first in range(0, ROWS, 100):
        await asyncio.gather(*(store.add(make_job(first + number)) for number in range(100)))
    await store.close()

    barrier = FORK.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, FORK, initializer=share, initargs=(barrier,)) as pool:
        loop = asyncio.get_running_loop()
        owners = [f"process{number}" for number in range(PROCESSES)]
        claims = await asyncio.gather(
            *(loop.run_in_executor(pool, claim_all, postgres_url, owner) for owner in owners)
        )

    handed_out = Counter(job_id for claimed in claims for job_id in claimed)
    assert len(handed_out) == ROWS
    assert {job_id: times for job_id, times in handed_out.items() if times > 1} == {}
    assert sum(map(bool, claims)) > 1, "one process had it all: nothing was proved"


async def test_concurrent_requests_with_the_same_key_create_one_job(postgres_url: str) -> None:
    migrations.upgrade(postgres_url)
    stores = [Store.open(postgres_url) for _ in range(3)]
    pressed = [make_job(number, request_key="one click") for number in range(30)]
    answers = await asyncio.gather(
        *(stores[number % 3].add(job) for number, job in enumerate(pressed))
    )
    assert len({job.id for job in answers}) == 1
    for store in stores:
        await store.close()


@pytest.mark.both_databases
async def test_a_worker_that_lost_its_lease_cannot_change_the_job(database_url: str) -> None:
    migrations.upgrade(database_url)
    store = Store.open(database_url, lease=LEASE)
    await store.add(make_job(1))
    [late] = await store.claim("late", now=NOW, limit=1)
    [mine] = await store.claim("mine", now=NOW + LEASE, limit=1)
    with pytest.raises(LeaseLost):
        await store.save(jobs.accepted(late, video_id="video1"), now=NOW + LEASE)
    with pytest.raises(LeaseLost):
        await store.postpone(late, not_before=NOW)
    assert await store.renew("late", now=NOW + LEASE) == set()
    await store.release("late", now=NOW)
    assert await store.get("job1") == mine
    await store.close()
