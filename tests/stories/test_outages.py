"""A server that refuses everyone: each admin is told when it begins and when it is over, once."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot import outages
from bot.config import Settings
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.replica import FAST
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World
from bot.timings import Timings
from bot.videos import circuit_breaker
from tests.support.channel import Thread, ready, shown, start_rendering
from tests.support.installation import RunBot

REVOKED = respond_with(
    401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
)
BEGAN = "isn't accepting requests"
OVER = "is accepting requests again"


@pytest.fixture
def timings() -> Timings:
    """Outages are looked for often."""
    return replace(FAST, outage_interval=0.05)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "CIRCUIT_RESET_TIMEOUT", 0.05)
    monkeypatch.setattr(outages, "OUTAGE_LEASE", 0.1)


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@pytest.fixture
def admin(world: World) -> Person:
    return world.slack.grace


@pytest.fixture
def with_admin(settings: Settings, admin: Person) -> Settings:
    return settings.model_copy(update={"admin_users": [admin.id]})


def told(world: World, person: Person) -> list[str]:
    """The kinds of messages in this person's direct message, in order."""
    return [BEGAN if BEGAN in shown(each) else OVER for each in direct(world, person)]


def direct(world: World, person: Person) -> list[Message]:
    workspace = world.slack.workspace
    return workspace.messages(workspace.direct_message(person.user))


def refuse(world: World) -> str:
    """Refuse everyone's creates until the key that is returned is set again."""
    key, world.videos.api_key = world.videos.api_key, "another"
    world.faults.inject("models", REVOKED, times=10_000)
    return key


async def pause(world: World, thread: Thread, *prompts: str) -> None:
    for prompt in prompts:
        await world.slack.ada.command(prompt)
    await world.until(
        lambda: (
            len(thread.cards) == len(prompts)
            and all("*Paused:*" in shown(card) for card in thread.cards)
        )
    )


async def test_each_admin_is_told_once_of_an_outage_and_once_of_its_end(
    world: World, run_bot: RunBot, settings: Settings, thread: Thread
) -> None:
    admins = [world.slack.grace, world.slack.ada]
    both = settings.model_copy(update={"admin_users": [admin.id for admin in admins]})
    key = refuse(world)
    async with run_bot(settings=both):
        await pause(world, thread, "clouds", "rain")
        await world.until(lambda: all(told(world, admin) for admin in admins))
        world.videos.api_key = key
        await world.until(lambda: all("*Ready:*" in shown(card) for card in thread.cards))
        await world.until(lambda: all(len(told(world, admin)) == 2 for admin in admins))
    assert [told(world, admin) for admin in admins] == [[BEGAN, OVER]] * 2


async def test_the_admin_reads_the_code_how_many_wait_since_when_and_the_remedy(
    world: World, run_bot: RunBot, with_admin: Settings, settings: Settings, thread: Thread
) -> None:
    refuse(world)
    async with run_bot(settings=settings):
        await pause(world, thread, "clouds", "rain")
    async with run_bot(settings=with_admin):
        [message] = await world.until(lambda: direct(world, world.slack.grace))
    for words in ("invalid_api_key", "2 videos are waiting", "since <!date^", "`OPENAI_API_KEY`"):
        assert words in shown(message)
        assert words in message.text


async def test_two_processes_tell_an_admin_once(
    world: World, run_bot: RunBot, with_admin: Settings, thread: Thread, admin: Person
) -> None:
    key = refuse(world)
    async with run_bot(settings=with_admin), run_bot(settings=with_admin):
        await pause(world, thread, "clouds")
        await world.until(lambda: told(world, admin))
        world.videos.api_key = key
        await world.until(lambda: len(told(world, admin)) == 2)
    assert told(world, admin) == [BEGAN, OVER]


async def test_a_message_whose_response_was_lost_is_there_once(
    world: World, run_bot: RunBot, settings: Settings, with_admin: Settings, thread: Thread
) -> None:
    key = refuse(world)
    async with run_bot(settings=settings):
        await pause(world, thread, "clouds")
    world.faults.inject("chat.postMessage", drop, when="after")
    async with run_bot(settings=with_admin):
        await world.until(lambda: world.slack.calls_of("chat.delete"))
        assert told(world, world.slack.grace) == [BEGAN]
        world.videos.api_key = key
        await world.until(lambda: len(told(world, world.slack.grace)) == 2)
    assert told(world, world.slack.grace) == [BEGAN, OVER]


async def test_an_outage_is_not_over_because_all_that_waited_were_cancelled(
    world: World, run_bot: RunBot, with_admin: Settings, thread: Thread, admin: Person
) -> None:
    key = refuse(world)
    async with run_bot(settings=with_admin):
        await pause(world, thread, "clouds")
        await world.until(lambda: told(world, admin))
        await world.slack.ada.click(thread.card, "cancel")
        await world.until(lambda: thread.says("*Cancelled:*"))
        await world.slack.ada.command("rain")
        await world.until(lambda: "*Paused:*" in shown(thread.cards[-1]))
        assert told(world, admin) == [BEGAN]
        world.videos.api_key = key
        await world.until(lambda: "*Ready:*" in shown(thread.cards[-1]))
        await world.until(lambda: len(told(world, admin)) == 2)
    assert told(world, admin) == [BEGAN, OVER]


async def test_polls_that_are_refused_are_an_outage_too(
    world: World, run_bot: RunBot, with_admin: Settings, thread: Thread, admin: Person
) -> None:
    async with run_bot(settings=with_admin):
        video = await start_rendering(world)
        world.faults.inject("retrieve", REVOKED, times=5)
        await world.until(lambda: told(world, admin))
        world.videos.finish(video.id)
        await world.until(ready(thread))
        await world.until(lambda: len(told(world, admin)) == 2)
    assert told(world, admin) == [BEGAN, OVER]


async def test_used_up_credit_pauses_videos_and_the_admin_is_told_to_add_some(
    world: World, run_bot: RunBot, with_admin: Settings, thread: Thread, admin: Person
) -> None:
    async with run_bot(settings=with_admin):
        await pause(world, thread, "a quota at dawn")
        [message] = await world.until(lambda: direct(world, admin))
    assert "insufficient_quota" in shown(message)
    assert "Add credit" in shown(message)


async def test_the_card_claims_that_an_admin_knows_only_if_there_is_one(
    world: World, run_bot: RunBot, settings: Settings, with_admin: Settings, thread: Thread
) -> None:
    refuse(world)
    async with run_bot(settings=settings):
        await pause(world, thread, "clouds")
    assert "will start by itself when it does" in shown(thread.card)
    assert "notified" not in shown(thread.card)
    async with run_bot(settings=with_admin):
        await world.slack.ada.command("rain")
        await world.until(lambda: len(thread.cards) == 2 and "*Paused:*" in shown(thread.cards[1]))
    assert "your admin has been notified" in shown(thread.cards[-1])
    assert "your admin has been notified" in thread.cards[-1].text


async def test_an_admin_who_cannot_be_told_is_not_tried_forever(
    world: World, run_bot: RunBot, settings: Settings, thread: Thread, tmp_path: Path
) -> None:
    refuse(world)
    stranger = settings.model_copy(update={"admin_users": ["U0STRANGER"]})
    async with run_bot(settings=stranger):
        await pause(world, thread, "clouds")
        with closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
            query = "SELECT 1 FROM outages WHERE notified_at IS NOT NULL"
            await world.until(lambda: database.execute(query).fetchall())
        asked = len(world.videos.calls)
        await world.until(lambda: len(world.videos.calls) > asked + 6)
    refused = [call for call in world.slack.calls_of("chat.postMessage") if not call.ok]
    assert len(refused) == 1
