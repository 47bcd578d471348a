"""`list`, `status` and `cancel`: private, and about a person's own jobs."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.config import Settings
from bot.errors import Impossible, NotPossible
from bot.sandbox.slack.person import Person
from bot.sandbox.world import World
from bot.service import Service
from bot.store import Store
from bot.ui import cards
from tests.support.channel import Thread, failed, ready, shown, start_rendering, until_polled
from tests.support.installation import RunBot

UNKNOWN = "0123456789"


async def asked(person: Person, text: str) -> str:
    """The private reply to this command."""
    before = len(person.private)
    await person.command(text)
    [told] = person.private[before:]
    return shown(told)


def id_of(thread: Thread) -> str:
    """The job's id, as the first card's buttons have it."""
    [buttons] = [block for block in thread.cards[0].blocks if block["type"] == "actions"]
    return str(buttons["elements"][0]["value"])


async def rendering(world: World) -> str:
    await start_rendering(world)
    return id_of(Thread(world))


async def audit_log(settings: Settings) -> list[tuple[str, str, str, str]]:
    store = Store.open(settings.database_url.get_secret_value())
    entries = await store.audit_log(since=0)
    await store.close()
    return [(entry.actor, entry.act, entry.subject, entry.detail) for entry in entries]


@pytest.mark.usefixtures("bot")
async def test_a_prompt_can_begin_with_the_name_of_a_subcommand(world: World) -> None:
    await world.slack.ada.command("list of animals dancing")
    await world.slack.ada.command("status report of a robot")
    await world.until(lambda: len(world.videos.creates) == 2)
    prompts = {video.prompt for video in world.videos.creates}
    assert prompts == {"list of animals dancing", "status report of a robot"}


@pytest.mark.usefixtures("bot")
async def test_list_shows_a_persons_own_videos_with_states_links_and_ids(world: World) -> None:
    thread, ada = Thread(world), world.slack.ada
    await ada.command("a <!channel> of clouds")
    await world.until(ready(thread))
    listed = await asked(ada, "list")
    for words in (id_of(thread), "Ready", "|Watch it>", "a <!channel> of clouds", "sora-2 · 4 s"):
        assert words in listed
    assert len(thread.messages) == 2
    assert "haven't made a video yet" in await asked(world.slack.grace, "list")


@pytest.mark.usefixtures("bot")
async def test_list_shows_ten_videos_with_running_ones_first_then_the_newest(world: World) -> None:
    thread, ada = Thread(world), world.slack.ada
    world.videos.hold()
    await ada.command("the one that runs")
    [running] = await world.until(lambda: world.videos.creates)
    for number in range(11):
        await ada.command(f"clouds {number}")
    await world.until(lambda: len(world.videos.creates) == 12)
    for video in world.videos.creates[1:]:
        world.videos.finish(video.id)
    others = {task for task in asyncio.all_tasks() if task.get_name().startswith("job ")}
    await asyncio.wait({task for task in others if id_of(thread) not in task.get_name()})
    await ada.command("list")
    quotes = [block for block in ada.private[-1].blocks if block["type"] == "rich_text"]
    prompts = [quote["elements"][0]["elements"][0]["text"] for quote in quotes]
    assert prompts == ["the one that runs", *(f"clouds {n}" for n in range(10, 1, -1))]
    assert running.prompt == prompts[0]


@pytest.mark.usefixtures("bot")
async def test_the_longest_prompts_fit_into_a_list(world: World) -> None:
    ada = world.slack.ada
    world.videos.hold()
    for number in range(10):
        await ada.command(f"{number}" + "&" * 31_000)
    await world.until(lambda: len(world.videos.creates) == 10)
    await until_polled(world, world.videos.creates[0])
    assert "Rendering" in await asked(ada, "list")


@pytest.mark.usefixtures("bot")
async def test_only_the_requester_can_see_the_status_of_a_video(world: World) -> None:
    job_id = await rendering(world)
    assert "Rendering" in await asked(world.slack.ada, f"status {job_id}")
    refused = await asked(world.slack.grace, f"status {job_id}")
    assert f"Only <@{world.slack.ada.id}>" in refused
    assert "clouds" not in refused


@pytest.mark.usefixtures("bot")
async def test_the_requester_can_cancel_a_video_by_its_id(world: World) -> None:
    thread = Thread(world)
    job_id = await rendering(world)
    assert f"Only <@{world.slack.ada.id}>" in await asked(world.slack.grace, f"cancel {job_id}")
    assert job_id in await asked(world.slack.ada, f"cancel {job_id}")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert "already ended" in await asked(world.slack.ada, f"cancel {job_id}")


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("verb", ["status", "cancel"])
async def test_an_unknown_id_gets_a_reply_that_says_so(world: World, verb: str) -> None:
    assert "don't know this video" in await asked(world.slack.ada, f"{verb} {UNKNOWN}")
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
async def test_list_works_in_a_conversation_without_the_bot(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    place = world.slack.workspace.direct_message(ada.user, grace.user)
    await ada.command("list", channel=place)
    assert "haven't made a video yet" in ada.private[0].text


async def test_an_admin_can_cancel_another_persons_video(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    thread, grace = Thread(world), world.slack.grace
    async with run_bot(settings=settings.model_copy(update={"admin_users": [grace.id]})):
        job_id = await rendering(world)
        await grace.command(f"cancel {job_id}")
        await world.until(lambda: thread.says("*Cancelled:*"))
    assert await audit_log(settings) == [(grace.id, "cancelled", world.slack.ada.id, job_id)]


async def test_the_audit_log_has_others_deleted_videos_and_not_ones_own(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    thread, ada, grace = Thread(world), world.slack.ada, world.slack.grace
    async with run_bot(settings=settings.model_copy(update={"admin_users": [grace.id]})):
        for person in (ada, grace):
            earlier = len(thread.cards)
            await ada.command("clouds")
            await world.until(lambda: "*Ready:*" in str([*map(shown, thread.cards[earlier:])]))  # noqa: B023 -- awaited at once
            await person.click(thread.cards[-1], cards.DELETE)
            await world.until(lambda: "eleted" in shown(thread.cards[-1]))
    [(actor, act, subject, _job_id)] = await audit_log(settings)
    assert (actor, act, subject) == (grace.id, "deleted", ada.id)


async def test_an_admin_cannot_repeat_another_persons_request(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    thread, ada, grace = Thread(world), world.slack.ada, world.slack.grace
    async with run_bot(settings=settings.model_copy(update={"admin_users": [grace.id]})):
        await ada.command("a crash")
        await world.until(failed(thread))
        await grace.click(thread.replies[0], cards.ASK_AGAIN)
        await world.until(lambda: grace.private)
        assert ada.id in grace.private[0].text
        assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_list_asks_the_person_to_try_again_during_a_database_outage(
    world: World, database_url: str
) -> None:
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        other.execute("ALTER TABLE jobs RENAME TO gone")
        assert "Try again" in await asked(world.slack.ada, "list")
        other.execute("ALTER TABLE gone RENAME TO jobs")


@pytest.mark.usefixtures("bot")
async def test_an_error_that_prevents_a_video_from_starting_is_shown_to_the_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise NotPossible(Impossible.UNKNOWN_VIDEO)

    monkeypatch.setattr(Service, "start", refuse)
    assert "I don't know this video" in await asked(world.slack.ada, "clouds")
