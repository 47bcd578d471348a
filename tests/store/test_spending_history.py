"""Limits hold in every history, whatever is requested, ends and in how many processes."""

import asyncio
import multiprocessing.synchronize
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import jobs
from bot.database import Database
from bot.errors import NotPossible
from bot.jobs import Job, JobState, Note
from bot.sandbox.replica import FORK
from bot.spending import MICROS, Charge, LimitKind, Policy
from bot.store import Store
from bot.tables import totals
from tests.support.jobs import make_job

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()
DAY = 86400.0
POLICY = Policy(
    limits={
        LimitKind.MONTH_USD: 5 * MICROS,
        LimitKind.DAY_USD: 3 * MICROS,
        LimitKind.CHANNEL_MONTH_USD: 4 * MICROS,
        LimitKind.PERSON_MONTH_USD: 2 * MICROS,
        LimitKind.PERSON_DAY_USD: MICROS,
        LimitKind.PERSON_DAY_VIDEOS: 2,
    },
    allows_unpriced=True,
)
ENDS = ("refused", "rendered", "render failed", "stopped", "not stopped", "late", "uncertain")

requests = st.tuples(
    st.sampled_from(["U1", "U2", "U3"]),
    st.sampled_from(["C1", "C2"]),
    st.sampled_from([None, "0.1", "0.4", "0.9", "1.2"]),
)
steps = st.one_of(requests, st.sampled_from(ENDS), st.just("next day"))


def ended(job: Job, how: str, now: float) -> Job:
    """The job after this end, which its runner has closed."""
    job = jobs.submission_started(job, server="s", now=now)
    accepted = jobs.accepted(job, video_id=f"video of {job.id}")
    match how:
        case "refused":
            job = jobs.failed(job, code="no", message="No.", now=now)
        case "rendered":
            job = jobs.rendered(accepted, now=now)
        case "render failed":
            job = jobs.render_failed(accepted, code="no", message="No.", now=now)
        case "stopped":
            job = jobs.cancelled(accepted, note=Note.STOPPED, now=now)
        case "not stopped":
            job = jobs.cancelled(accepted, note=Note.NOT_STOPPED, now=now)
        case "late":
            job = jobs.rendered(jobs.overdue(accepted, message="Late."), now=now)
        case _:
            job = jobs.left_uncertain(job, message="?", now=now)
    return jobs.closed(job, now=now)


def sums(counted: list[Job]) -> dict[tuple[str, str], tuple[int, int]]:
    """What the totals should be, by scope and period."""
    micros: Counter[tuple[str, str]] = Counter()
    videos: Counter[tuple[str, str]] = Counter()
    for job in counted:
        at = datetime.fromtimestamp(job.created_at, UTC)
        month, day = f"{at:%Y-%m}", f"{at:%Y-%m-%d}"
        person = f"person {job.user_id}"
        for key in (
            ("workspace", month),
            ("workspace", day),
            (f"channel {job.channel_id}", month),
            (person, month),
            (person, day),
        ):
            micros[key] += int((job.price or 0) * MICROS)
            videos[key] += 1
    return {key: (micros[key], videos[key]) for key in videos}


def allowed(key: tuple[str, str]) -> tuple[int, int]:
    """The most micro-dollars and videos that the limits allow for this scope and period."""
    scope, is_day = key[0].partition(" ")[0], len(key[1]) > len("2026-11")
    kinds = {
        ("workspace", False): (LimitKind.MONTH_USD, None),
        ("workspace", True): (LimitKind.DAY_USD, None),
        ("channel", False): (LimitKind.CHANNEL_MONTH_USD, None),
        ("person", False): (LimitKind.PERSON_MONTH_USD, None),
        ("person", True): (LimitKind.PERSON_DAY_USD, LimitKind.PERSON_DAY_VIDEOS),
    }
    money, videos = kinds[scope, is_day]
    return POLICY.limits[money], 10**9 if videos is None else POLICY.limits[videos]


class History:
    """One store, and the jobs that it was asked for."""

    def __init__(self, url: str) -> None:
        self._database = Database.open(url)
        self.store = Store(self._database)
        self._now = NOW
        self._number = 0
        self._added: list[str] = []

    async def take(self, step: object) -> None:
        if step == "next day":
            self._now += DAY
        elif isinstance(step, tuple):
            await self._request(*step)
        elif claimed := await self.store.claim("a", now=self._now, limit=1):
            await self.store.save(ended(claimed[0], str(step), self._now), now=self._now)

    async def _request(self, user_id: str, channel_id: str, price: str | None) -> None:
        self._number += 1
        cost = None if price is None else Decimal(price)
        job = make_job(self._number, user_id=user_id, channel_id=channel_id, price=cost)
        try:
            await self.store.add(replace(job, created_at=self._now), POLICY)
        except NotPossible:
            return
        self._added.append(job.id)

    async def check(self) -> None:
        jobs_now = [await self.store.get(job_id) for job_id in self._added]
        expected = sums([job for job in jobs_now if job.charge is not Charge.FREE])
        rows = await self._database.execute(sa.select(totals))
        kept = {(row["scope"], row["period"]): (row["micros"], row["videos"]) for row in rows}
        assert {key: each for key, each in kept.items() if each != (0, 0)} == expected
        for key, (micros, videos) in kept.items():
            assert 0 <= micros <= allowed(key)[0]
            assert 0 <= videos <= allowed(key)[1]

    async def finish(self) -> None:
        """End everything, and let a day pass: nothing may be held forever."""
        for _ in self._added:
            await self.take("rendered")
        await self.store.settle_undecided(closed_before=self._now + DAY)
        for job_id in self._added:
            job = await self.store.get(job_id)
            assert job.charge is not Charge.HELD
            assert job.state is not JobState.UNCERTAIN or job.charge is Charge.SPENT
        await self.check()
        await self.store.close()


@given(st.lists(steps, max_size=25))
@settings(max_examples=25)
def test_no_history_exceeds_a_limit_goes_below_zero_or_holds_anything_forever(
    migrated_file: Path, history: list[object]
) -> None:
    async def live(url: str) -> None:
        world = History(url)
        for step in history:
            await world.take(step)
            await world.check()
        await world.finish()

    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copy(migrated_file, folder)
        asyncio.run(live(f"sqlite+aiosqlite:///{file}"))


PROCESSES = 3
REQUESTS = 17
"""Of each process."""


def ask_at_once(barrier: multiprocessing.synchronize.Barrier, url: str, first: int) -> None:
    """Request videos for which the limit has no room; runs in a separate process."""

    async def ask() -> None:
        store = Store.open(url)
        job = make_job(price=Decimal("0.40"))
        limit = Policy(limits={LimitKind.MONTH_USD: 1_500_000})
        asked = (
            store.add(replace(job, id=f"job{n}", request_key=f"click{n}"), limit)
            for n in range(first, first + REQUESTS)
        )
        await asyncio.gather(*asked, return_exceptions=True)
        await store.close()

    barrier.wait(60)
    asyncio.run(ask())


@pytest.mark.both_databases
async def test_three_processes_grant_exactly_what_the_limit_has_room_for(migrated_url: str) -> None:
    barrier = FORK.Barrier(PROCESSES)
    processes = [
        FORK.Process(target=ask_at_once, args=(barrier, migrated_url, number * REQUESTS))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 90)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    store = Store.open(migrated_url)
    granted = await store.list_of("U1", limit=100)
    await store.close()
    assert len(granted) == 3
