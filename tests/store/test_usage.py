"""What a person and the workspace have used of their limits; approvals and their reservations."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot import jobs
from bot.jobs import Decision, Job, JobState, Verdict
from bot.spending import Charge, LimitKind, LimitReached, Policy, Used
from bot.store import NO_LIMITS, Store
from tests.support.jobs import make_job

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DAY = 86_400
PRICE = Decimal("0.40")


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = Store.open(migrated_url)
    yield store
    await store.close()


def proposal(number: int = 1) -> Job:
    return jobs.proposal_of(make_job(number, price=PRICE, created_at=NOW))


def decision(verdict: Verdict, user_id: str = "U9") -> Decision:
    return Decision(verdict=verdict, user_id=user_id, at=NOW + 60)


async def test_used_is_what_is_held_or_spent_in_the_day_and_month(store: Store) -> None:
    today = make_job(1, price=PRICE, created_at=NOW)
    await store.add(today)
    await store.add(replace(make_job(2, price=PRICE, created_at=NOW - DAY), charge=Charge.SPENT))
    await store.add(replace(make_job(3, price=PRICE, created_at=NOW), charge=Charge.FREE))
    await store.add(make_job(4, price=PRICE, created_at=NOW - 40 * DAY))
    await store.add(replace(make_job(5, price=PRICE, created_at=NOW), user_id="U2"))
    policy = Policy(limits={LimitKind.PERSON_MONTH_USD: 50_000_000, LimitKind.PERSON_OPEN: 3})
    used = await store.usage(policy, user_id=today.user_id, now=NOW)
    assert used == {
        LimitKind.MONTH_USD: Used(used=1_200_000, limit=None),
        LimitKind.DAY_USD: Used(used=800_000, limit=None),
        LimitKind.PERSON_MONTH_USD: Used(used=800_000, limit=50_000_000),
        LimitKind.PERSON_DAY_USD: Used(used=400_000, limit=None),
        LimitKind.PERSON_DAY_VIDEOS: Used(used=1, limit=None),
        LimitKind.PERSON_OPEN: Used(used=4, limit=3),
    }


async def test_a_proposed_job_costs_nothing_until_it_is_approved(store: Store) -> None:
    job = await store.add(proposal())
    used = await store.usage(NO_LIMITS, user_id=job.user_id, now=NOW)
    assert used[LimitKind.MONTH_USD].used == 0
    await store.decide(job, decision(Verdict.APPROVED), NO_LIMITS)
    used = await store.usage(NO_LIMITS, user_id=job.user_id, now=NOW)
    assert used[LimitKind.MONTH_USD].used == 400_000


async def test_of_simultaneous_approvals_as_many_hold_as_the_limit_has_room_for(
    store: Store, migrated_url: str
) -> None:
    other, limit = Store.open(migrated_url), Policy(limits={LimitKind.DAY_USD: 1_200_000})
    proposals = [await store.add(proposal(number)) for number in range(8)]
    outcomes = await asyncio.gather(
        *(
            (store, other)[number % 2].decide(job, decision(Verdict.APPROVED), limit)
            for number, job in enumerate(proposals)
        ),
        return_exceptions=True,
    )
    await other.close()
    assert sum(isinstance(each, Decision) for each in outcomes) == 3
    assert sum(isinstance(each, LimitReached) for each in outcomes) == 5
    used = await store.usage(limit, user_id=proposals[0].user_id, now=NOW)
    assert used[LimitKind.DAY_USD] == Used(used=1_200_000, limit=1_200_000)
    held = [await store.decision(job.id) for job in proposals]
    assert sum(each is not None for each in held) == 3


async def test_of_simultaneous_decisions_the_first_holds_for_everyone(
    store: Store, migrated_url: str
) -> None:
    other, job = Store.open(migrated_url), await store.add(proposal())
    verdicts = [Verdict.APPROVED, Verdict.DECLINED, Verdict.EXPIRED, Verdict.WITHDRAWN] * 2
    held = await asyncio.gather(
        *(
            (store, other)[number % 2].decide(job, decision(verdict, f"U{number}"), NO_LIMITS)
            for number, verdict in enumerate(verdicts)
        )
    )
    await other.close()
    [only] = set(held)
    charge = (await store.get(job.id)).charge
    assert charge is (Charge.HELD if only.verdict is Verdict.APPROVED else Charge.FREE)


async def test_a_save_of_a_proposed_job_keeps_what_its_approval_reserved(store: Store) -> None:
    await store.add(proposal())
    [claimed] = await store.claim("me", now=NOW, limit=1)
    await store.decide(claimed, decision(Verdict.APPROVED), NO_LIMITS)
    posted = jobs.proposed(claimed, channel_id="C1", card_ts="1.2")
    await store.save(posted, now=NOW)
    assert (await store.get(claimed.id)).charge is Charge.HELD
    held = await store.decision(claimed.id)
    assert held is not None
    await store.save(jobs.decided(posted, held, now=NOW), now=NOW)
    saved = await store.get(claimed.id)
    assert (saved.state, saved.charge, saved.decided_by) == (
        JobState.REQUESTED,
        Charge.HELD,
        "U9",
    )


async def test_a_decision_during_a_claim_makes_the_job_due_once_it_is_postponed(
    store: Store,
) -> None:
    await store.add(proposal())
    [claimed] = await store.claim("me", now=NOW, limit=1)
    await store.decide(claimed, decision(Verdict.DECLINED), NO_LIMITS)
    await store.postpone(claimed, not_before=NOW + DAY)
    [again] = await store.claim("me", now=NOW, limit=1)
    assert again.id == claimed.id
