"""The store: drafts, and the finished videos of a thread."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.drafts import SavedDraft, draft_id
from bot.jobs import JobState, Note
from bot.request import Draft, Fit, InputReference
from bot.store import Store
from tests.support.jobs import make_job

pytestmark = pytest.mark.both_databases

NOW = 1_000.0
PICTURE = InputReference(file_id="F1", user_id="U1", fit=Fit.PAD)
SAVED = SavedDraft(
    id=draft_id("event:1"),
    team_id="T1",
    user_id="U1",
    channel_id="C1",
    thread_ts="1.2",
    draft=Draft(prompt="Wolken ☁ 'n' \"rain\"", seconds="8", input_reference=PICTURE),
    remix_of="0123456789",
    created_at=NOW,
)


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = Store.open(migrated_url)
    yield store
    await store.close()


async def test_a_saved_draft_is_read_back_unchanged(store: Store) -> None:
    plain = replace(SAVED, id="2", thread_ts=None, draft=Draft(prompt="rain"), remix_of=None)
    waiting = replace(
        SAVED,
        id="3",
        notify=("U2", "U3"),
        note=Note.WITHOUT_PICTURE,
        starts="command:1",
        price=Decimal("3.60"),
    )
    for saved in (SAVED, plain, waiting):
        await store.keep_draft(saved)
        assert await store.draft(saved.id, since=NOW) == saved


async def test_a_redelivery_does_not_overwrite_the_draft(store: Store) -> None:
    await store.keep_draft(SAVED)
    await store.keep_draft(replace(SAVED, created_at=NOW + 60))
    assert await store.draft(SAVED.id, since=0) == SAVED


async def test_characters_that_the_database_cannot_store_are_replaced(store: Store) -> None:
    await store.keep_draft(replace(SAVED, draft=Draft(prompt="a\0b\ud800", size="\0\ud800")))
    draft = (await store.draft(SAVED.id, since=0)).draft
    assert (draft.prompt, draft.size) == ("a\ufffdb?", "\0\ud800")


async def test_an_expired_draft_is_not_found_and_can_be_deleted(store: Store) -> None:
    await store.keep_draft(SAVED)
    with pytest.raises(LookupError):
        await store.draft(SAVED.id, since=NOW + 1)
    await store.delete_drafts(before=NOW)
    assert await store.draft(SAVED.id, since=0) == SAVED
    await store.delete_drafts(before=NOW + 1)
    with pytest.raises(LookupError):
        await store.draft(SAVED.id, since=0)


async def test_the_newest_finished_video_of_a_thread_is_found(store: Store) -> None:
    finished = {"state": JobState.DELIVERED, "channel_id": "C1"}
    own = make_job(1, **finished, card_ts="1.1", created_at=1.0)
    late = make_job(2, **finished, thread_ts="1.1", card_ts="1.5", created_at=2.0)
    others = [
        make_job(3, **finished, card_ts="1.3"),
        make_job(4, state=JobState.DELIVERED, channel_id="C2", card_ts="1.1"),
        make_job(5, state=JobState.RENDERING, channel_id="C1", thread_ts="1.1", created_at=3.0),
    ]
    for job in (own, *others):
        await store.add(job)
    found = await store.delivered_in("C1", "1.1")
    assert found is not None
    assert found.id == own.id
    await store.add(late)
    found = await store.delivered_in("C1", "1.1")
    assert found is not None
    assert found.id == late.id
    assert await store.delivered_in("C1", "1.9") is None
