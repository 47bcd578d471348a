"""Limits: what is held or spent never exceeds one, whoever asks at the same time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bot import cli, jobs, tables
from bot.database import Database
from bot.errors import NotPossible
from bot.jobs import Job, JobState
from bot.spending import MICROS, BillLine, By, Charge, LimitKind, LimitReached, Policy
from bot.store import Store
from tests.support.jobs import make_job

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = Store.open(migrated_url)
    yield store
    await store.close()


def priced(number: int = 1, price: str | None = "0.40", **changes: Any) -> Job:  # noqa: ANN401 -- any field of a job
    changes = {"created_at": NOW} | changes
    return make_job(number, price=None if price is None else Decimal(price), **changes)


def policy(kind: LimitKind, amount: str, **changes: Any) -> Policy:  # noqa: ANN401 -- any field of a policy
    factor = MICROS if kind.is_money else 1
    return Policy(limits={kind: int(Decimal(amount) * factor)}, **changes)


ROOM_FOR_3 = {
    LimitKind.MONTH_USD: "1.50",
    LimitKind.DAY_USD: "1.20",
    LimitKind.CHANNEL_MONTH_USD: "1.59",
    LimitKind.PERSON_MONTH_USD: "1.20",
    LimitKind.PERSON_DAY_USD: "1.20",
    LimitKind.PERSON_DAY_VIDEOS: "3",
    LimitKind.PERSON_OPEN: "3",
}


@pytest.mark.parametrize("kind", LimitKind)
async def test_of_many_requests_at_once_exactly_as_many_start_as_the_limit_has_room_for(
    store: Store, migrated_url: str, kind: LimitKind
) -> None:
    other = Store.open(migrated_url)
    limit = policy(kind, ROOM_FOR_3[kind])
    requests = [(store, other)[n % 2].add(priced(n), limit) for n in range(12)]
    added = await asyncio.gather(*requests, return_exceptions=True)
    await other.close()
    assert sum(isinstance(each, Job) for each in added) == 3
    assert sum(isinstance(each, NotPossible) for each in added) == 9


async def test_a_repeated_delivery_is_the_same_job_when_nothing_is_left(store: Store) -> None:
    limit = policy(LimitKind.DAY_USD, "0.40")
    first = await store.add(priced(1), limit)
    assert await store.add(priced(2, request_key=first.request_key), limit) == first


async def test_a_refusal_says_which_limit_what_is_left_and_when_it_renews(store: Store) -> None:
    limit = policy(LimitKind.MONTH_USD, "1")
    await store.add(priced(1), limit)
    with pytest.raises(LimitReached) as caught:
        await store.add(priced(2, price="0.80"), limit)
    refused = caught.value
    assert refused.reached.kind is LimitKind.MONTH_USD
    assert (refused.left, refused.price) == (600_000, 800_000)
    assert refused.renews_at == datetime(2026, 12, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("kind", "last_second", "first_second"),
    [
        (LimitKind.MONTH_USD, datetime(2026, 12, 31, 23, 59, 59), datetime(2027, 1, 1)),  # noqa: DTZ001 -- in UTC below
        (LimitKind.PERSON_DAY_USD, datetime(2026, 2, 28, 23, 59, 59), datetime(2026, 3, 1)),  # noqa: DTZ001 -- in UTC below
    ],
)
async def test_a_new_period_in_utc_has_room_again(
    store: Store, kind: LimitKind, last_second: datetime, first_second: datetime
) -> None:
    limit = policy(kind, "0.40")
    last = last_second.replace(tzinfo=UTC).timestamp()
    await store.add(priced(1, created_at=last), limit)
    with pytest.raises(LimitReached) as caught:
        await store.add(priced(2, created_at=last), limit)
    renews_at = first_second.replace(tzinfo=UTC).timestamp()
    assert caught.value.renews_at == renews_at
    await store.add(priced(3, created_at=renews_at), limit)


async def test_limits_count_only_their_own_person_or_channel(store: Store) -> None:
    person = policy(LimitKind.PERSON_MONTH_USD, "0.40")
    await store.add(priced(1), person)
    await store.add(priced(2, user_id="U2"), person)
    channel = policy(LimitKind.CHANNEL_MONTH_USD, "0.80")
    with pytest.raises(LimitReached):
        await store.add(priced(3), channel)
    await store.add(priced(4, channel_id="C2"), channel)
    # A direct message is nobody's budget but the person's.
    for number in (5, 6, 7):
        await store.add(priced(number, channel_id="D1"), channel)


async def test_what_turned_out_to_be_free_makes_room(store: Store) -> None:
    limit = policy(LimitKind.MONTH_USD, "0.40")
    await store.add(priced(1), limit)
    [job] = await store.claim("a", now=NOW, limit=1)
    await store.save(jobs.failed(job, code="refused", message="No.", now=NOW), now=NOW)
    await store.add(priced(2), limit)
    [job] = await store.claim("a", now=NOW, limit=1)
    job = jobs.rendered(jobs.accepted(job, video_id="v1"), now=NOW)
    await store.save(job, now=NOW)
    assert (await store.get("job2")).charge is Charge.SPENT
    with pytest.raises(LimitReached):
        await store.add(priced(3), limit)


async def test_an_unknown_price_counts_as_a_video_and_is_refused_under_a_limit_of_money(
    store: Store,
) -> None:
    videos = policy(LimitKind.PERSON_DAY_VIDEOS, "1")
    await store.add(priced(1, price=None), videos)
    with pytest.raises(LimitReached):
        await store.add(priced(2, price=None), videos)
    with pytest.raises(LimitReached) as caught:
        await store.add(priced(3, price=None), policy(LimitKind.MONTH_USD, "100"))
    assert caught.value.price is None
    await store.add(priced(4, price=None), policy(LimitKind.MONTH_USD, "100", allows_unpriced=True))


async def set_limit(url: str, kind: LimitKind, amount: int | None, subject: str = "") -> None:
    database = Database.open(url)
    row = {"kind": kind, "subject": subject, "amount": amount, "is_soft": False}
    await database.execute(tables.limits.insert().values(row))
    await database.close()


async def test_stored_limits_override_the_environment_and_exceptions_override_both(
    store: Store, migrated_url: str
) -> None:
    environment = policy(LimitKind.PERSON_DAY_VIDEOS, "0")
    await set_limit(migrated_url, LimitKind.PERSON_DAY_VIDEOS, 1)
    await set_limit(migrated_url, LimitKind.PERSON_DAY_VIDEOS, 2, subject="U2")
    await set_limit(migrated_url, LimitKind.PERSON_DAY_VIDEOS, None, subject="U3")
    granted = dict.fromkeys(("U1", "U2", "U3"), 0)
    for number in range(12):
        user_id = f"U{1 + number % 3}"
        try:
            await store.add(priced(number, user_id=user_id), environment)
        except LimitReached:
            continue
        granted[user_id] += 1
    assert granted == {"U1": 1, "U2": 2, "U3": 4}


async def test_a_job_that_reserves_nothing_is_not_limited_and_does_not_count(store: Store) -> None:
    limit = policy(LimitKind.MONTH_USD, "0.40")
    await store.add(priced(1, charge=Charge.FREE), limit)
    await store.add(priced(2), limit)
    await store.add(priced(3, charge=Charge.FREE), limit)
    with pytest.raises(LimitReached):
        await store.add(replace(priced(4)), limit)


NOVEMBER = {
    "since": datetime(2026, 11, 1, tzinfo=UTC).timestamp(),
    "before": datetime(2026, 12, 1, tzinfo=UTC).timestamp(),
}


async def add_each_kind(store: Store) -> None:
    spent, held, free = Charge.SPENT, Charge.HELD, Charge.FREE
    await store.add(priced(1, user_id="U2", charge=spent, price="1.205"))
    await store.add(priced(2, user_id="U2", charge=spent, price=None))
    await store.add(priced(3, charge=spent))
    await store.add(priced(4, charge=held))
    await store.add(priced(5, charge=free))
    await store.add(priced(6, charge=spent, created_at=NOVEMBER["before"]))
    await store.add(priced(7, charge=spent, created_at=NOVEMBER["since"] - 1))


async def test_a_bill_adds_up_the_month(store: Store) -> None:
    await add_each_kind(store)
    assert await store.bill(By.PERSON, **NOVEMBER) == [
        BillLine(name="U2", videos=2, spent=1_205_000, held=0, unpriced=1),
        BillLine(name="U1", videos=2, spent=400_000, held=400_000, unpriced=0),
    ]
    [line] = await store.bill(By.MODEL, **NOVEMBER)
    assert (line.name, line.videos, line.spent) == ("sora-2", 4, 1_605_000)


async def test_the_command_bill_prints_a_table_or_comma_separated_values(
    store: Store,
    migrated_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    await add_each_kind(store)
    month = ["bill", "--month", "2026-11"]
    assert await asyncio.to_thread(cli.main, month) == 0
    assert capsys.readouterr().out == (
        "person  videos   cost\n"
        "U2           2  $1.20\n"
        "U1           2  $0.40\n"
        "reserved, not in the total  $0.40\n"
        "videos at an unknown price  1\n"
        "total  $1.60\n"
    )
    assert await asyncio.to_thread(cli.main, [*month, "--by", "channel", "--csv"]) == 0
    assert capsys.readouterr().out == (
        "channel,videos,spent_usd,reserved_usd,unpriced_videos\nC1,4,1.605,0.4,1\n"
    )
    assert await asyncio.to_thread(cli.main, ["bill", "--month", "2026-10"]) == 0
    assert capsys.readouterr().out.endswith("total  $0.40\n")


async def leave_uncertain(store: Store, number: int, *, closed_at: float | None) -> None:
    job = priced(number, state=JobState.UNCERTAIN, closed_at=closed_at)
    await store.add(job)


async def charges(store: Store) -> list[Charge]:
    return [(await store.get(f"job{number}")).charge for number in (1, 2, 3)]


async def test_an_uncertain_job_is_spent_once_somebody_has_decided(store: Store) -> None:
    for number in (1, 2, 3):
        await leave_uncertain(store, number, closed_at=None if number == 3 else NOW)
    await store.settle("job1")
    await store.settle("job3")  # its runner still writes the row
    assert await charges(store) == [Charge.SPENT, Charge.HELD, Charge.HELD]


async def test_an_uncertain_job_that_nobody_decides_about_is_not_held_forever(
    store: Store,
) -> None:
    for number in (1, 2, 3):
        await leave_uncertain(store, number, closed_at=NOW + number)
    await store.settle_undecided(closed_before=NOW + 3)
    assert await charges(store) == [Charge.SPENT, Charge.SPENT, Charge.HELD]
