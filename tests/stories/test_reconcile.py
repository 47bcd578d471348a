"""Reconciliation after a lost response: nothing is created or posted twice."""

import json
from collections.abc import Callable

import pytest
from aiohttp import web

from bot.config import Settings
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World
from bot.spending import Charge
from bot.store import Store
from tests.support.channel import Thread, failed, ready, shown, until_idle
from tests.support.installation import RunBot
from tests.support.rows import until_rows

HISTORY = {"channels:history", "groups:history"}


def unclear(thread: Thread) -> Callable[[], bool]:
    return lambda: thread.says("*Unclear:*")


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@pytest.mark.usefixtures("bot")
async def test_a_received_create_is_adopted_from_the_servers_list(
    world: World, thread: Thread
) -> None:
    world.faults.inject("create", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


@pytest.mark.usefixtures("bot")
async def test_a_create_that_was_not_received_is_sent_again(world: World, thread: Thread) -> None:
    world.faults.inject("create", drop, when="before")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len([call for call in world.videos.calls if call.operation == "create"]) == 2
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


@pytest.mark.usefixtures("bot")
async def test_a_video_of_another_job_is_not_adopted(world: World, thread: Thread) -> None:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    world.faults.inject("create", drop, when="before")
    await world.slack.ada.command("clouds")
    await world.until(lambda: str([card.blocks for card in thread.cards]).count("*Ready:*") == 2)
    assert len(world.videos.creates) == 2


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_create_is_unclear_if_the_server_cannot_list_videos(
    world: World, thread: Thread, when: str
) -> None:
    ada = world.slack.ada
    world.faults.inject("create", drop, when="before" if when == "before" else "after")
    world.faults.inject("list", respond_with(405, {"detail": "Method Not Allowed"}), times=99)
    await ada.command("clouds")
    await world.until(unclear(thread))
    [reply] = thread.replies
    assert "can't tell whether the video server received" in shown(reply)
    assert "May have been charged" in shown(reply)
    assert reply.mentions == {ada.id}
    assert len([call for call in world.videos.calls if call.operation == "create"]) == 1


@pytest.mark.usefixtures("bot")
async def test_two_indistinguishable_videos_leave_both_jobs_unclear(
    world: World, thread: Thread
) -> None:
    async def until_both_exist(_request: web.Request) -> web.StreamResponse:
        await world.until(lambda: len(world.videos.creates) == 2)
        return web.Response(status=503)

    world.faults.inject("create", drop, times=2, when="after")
    world.faults.inject("list", until_both_exist, times=2)
    await world.slack.ada.command("clouds")
    await world.slack.ada.command("clouds")
    await world.until(lambda: str([c.blocks for c in thread.cards]).count("*Unclear:*") == 2)
    assert len(world.videos.creates) == 2


async def uncertain(world: World, thread: Thread) -> None:
    world.faults.inject("create", drop, when="after")
    world.faults.inject("list", respond_with(405, {"detail": "Method Not Allowed"}), times=99)
    await world.slack.ada.command("clouds")
    await world.until(unclear(thread))


@pytest.mark.usefixtures("bot")
async def test_clicking_ask_again_twice_creates_one_new_job(world: World, thread: Thread) -> None:
    await uncertain(world, thread)
    [reply] = thread.replies
    pressed = await world.slack.ada.click(reply, "ask_again")
    await world.slack.redeliver(pressed.envelope)
    await world.until(lambda: "*Ready:*" in str([card.blocks for card in thread.cards]))
    assert len(thread.cards) == 2
    await world.until(lambda: "asked again" in shown(reply))
    assert "actions" not in [block["type"] for block in reply.blocks]


@pytest.mark.usefixtures("bot")
async def test_clicking_dismiss_creates_no_other_video(world: World, thread: Thread) -> None:
    await uncertain(world, thread)
    [reply] = thread.replies
    await world.slack.ada.click(reply, "dismiss")
    await world.until(lambda: "chose not to ask again" in shown(reply))
    assert len(world.videos.creates) == len(thread.cards) == 1


@pytest.mark.parametrize("decision", ["ask_again", "dismiss"])
@pytest.mark.usefixtures("bot")
async def test_an_unclear_job_is_counted_as_paid_for_once_the_person_has_decided(
    world: World, thread: Thread, migrated_url: str, decision: str
) -> None:
    await uncertain(world, thread)
    [reply] = thread.replies
    store = Store.open(migrated_url)
    [job] = await store.list_of(world.slack.ada.id, limit=2)
    assert job.charge is Charge.HELD

    async def is_closed() -> bool:
        return (await store.get(job.id)).closed_at is not None

    await until_rows(is_closed)
    await world.slack.ada.click(reply, decision)
    await world.until(lambda: "actions" not in [block["type"] for block in reply.blocks])
    assert (await store.get(job.id)).charge is Charge.SPENT
    await store.close()


@pytest.mark.usefixtures("bot")
async def test_only_the_requester_can_resolve_an_unclear_job(world: World, thread: Thread) -> None:
    await uncertain(world, thread)
    [reply] = thread.replies
    grace = world.slack.grace
    await grace.click(reply, "ask_again")
    [told] = await world.until(lambda: grace.private)
    assert f"Only <@{world.slack.ada.id}>" in told.text
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_lost_response_to_posting_the_card_leaves_one_card(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= HISTORY
    world.faults.inject("chat.postMessage", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_another_apps_message_with_the_same_metadata_is_not_the_card(
    world: World, thread: Thread
) -> None:
    workspace = world.slack.workspace
    workspace.scopes |= HISTORY

    async def imitate(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        imitation = Message(workspace.new_ts(), workspace.videos.id, "U0OTHER", bot_id="B0OTHER")
        imitation.text, imitation.metadata = "not the card", json.loads(str(form["metadata"]))
        workspace.post(imitation)
        return await drop(request)

    world.faults.inject("chat.postMessage", imitate)
    await world.slack.ada.command("clouds")
    await world.until(lambda: any("*Ready:*" in shown(card) for card in thread.cards))
    assert len(thread.cards) == 2


@pytest.mark.usefixtures("bot")
async def test_a_lost_response_to_posting_the_failure_leaves_one_reply(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= HISTORY
    world.faults.inject("chat.postMessage", drop, nth=2, when="after")
    await world.slack.ada.command("forbidden")
    await world.until(failed(thread))
    assert len(thread.replies) == 1


@pytest.mark.usefixtures("bot")
async def test_a_video_forgotten_by_the_server_fails_with_its_id(
    world: World, thread: Thread
) -> None:
    world.videos.hold()
    await world.slack.ada.command("clouds")
    [video] = await world.until(lambda: world.videos.creates)
    world.videos.forget(video.id)
    await world.until(failed(thread))
    assert video.id in shown(thread.replies[0])


@pytest.mark.usefixtures("bot")
async def test_a_video_that_is_briefly_missing_is_not_given_up(
    world: World, thread: Thread
) -> None:
    missing = respond_with(404, {"error": {"message": "not found", "code": None}})
    world.faults.inject("retrieve", missing, times=4)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))


async def test_an_overdue_video_is_still_delivered(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings
) -> None:
    impatient = settings.model_copy(update={"job_timeout_minutes": 0.002})
    world.videos.hold()
    async with run_bot(settings=impatient):
        await world.slack.ada.command("clouds")
        [video] = await world.until(lambda: world.videos.creates)
        await world.until(lambda: thread.says("*Late:*"))
        assert "keep checking for a day" in shown(thread.replies[0])
        world.videos.finish(video.id)
        await world.until(ready(thread))
    assert [len(reply.files) for reply in thread.replies] == [0, 1]


async def test_an_overdue_video_is_not_delivered_once_the_person_asks_again(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings
) -> None:
    impatient = settings.model_copy(update={"job_timeout_minutes": 0.002})
    world.videos.hold()
    async with run_bot(settings=impatient):
        await world.slack.ada.command("clouds")
        [late] = await world.until(lambda: world.videos.creates)
        await world.until(lambda: thread.says("*Late:*"))
        await world.slack.ada.click(thread.replies[0], "ask_again")
        [_, second] = await world.until(
            lambda: world.videos.creates if len(world.videos.creates) == 2 else None
        )
        world.videos.finish(second.id)
        await world.until(lambda: "*Ready:*" in str([card.blocks for card in thread.cards]))
        await until_idle()
        world.videos.finish(late.id)
        await world.slack.ada.command("and another")
        await world.until(lambda: len(world.videos.creates) == 3)
    assert sum(len(reply.files) for reply in thread.replies) == 1
