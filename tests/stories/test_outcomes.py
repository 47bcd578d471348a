"""Signals and lost responses: each takes effect, and the card shows the outcome."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import make_url

from bot.config import Settings
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults, drop, respond_with
from bot.sandbox.replica import FAST
from bot.sandbox.slack.state import Message
from bot.sandbox.videos import VideosSandbox
from bot.sandbox.world import World
from bot.timings import Timings
from bot.videos import circuit_breaker
from tests.support.channel import Thread, failed, ready, shown, start_rendering
from tests.support.installation import RunBot

IMPATIENT = replace(FAST, retry_scale=0.001)
PATIENT = replace(FAST, retry_scale=1.0)
"""Retries are delayed as in production, so that a test which waits for one fails."""

NOT_FOUND = respond_with(404, {"error": {"message": "Video not found.", "code": None}})
BROKEN = respond_with(500, {"error": {"message": "Oh dear.", "code": "server_error"}})
FORBIDDEN = respond_with(403, {"error": {"message": "Not allowed.", "code": "forbidden"}})


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


async def delivered(world: World, thread: Thread) -> Message:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    return thread.card


def calls(world: World, operation: str) -> int:
    return len([call for call in world.videos.calls if call.operation == operation])


def states_shown(world: World, thread: Thread) -> str:
    """All blocks that the card has ever shown."""
    edits = world.slack.calls_of("chat.update")
    return str([call.args["blocks"] for call in edits if call.args["ts"] == thread.card.ts])


# A video that is not found


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("timings", [IMPATIENT])
async def test_server_errors_and_one_not_found_do_not_fail_a_video(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    world.faults.inject("retrieve", BROKEN, times=20)
    world.faults.inject("retrieve", NOT_FOUND, nth=21)
    world.faults.inject("retrieve", BROKEN, nth=22, times=5)
    seen = calls(world, "retrieve")
    await world.until(lambda: calls(world, "retrieve") > seen + 30)
    world.videos.finish(video.id)
    await world.until(ready(thread))


@pytest.mark.usefixtures("bot")
async def test_a_video_that_is_repeatedly_not_found_fails(world: World, thread: Thread) -> None:
    await start_rendering(world)
    world.faults.inject("retrieve", NOT_FOUND, times=1000)
    await world.until(failed(thread))


# Updates of the card


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("code", ["edit_window_closed", "cant_update_message", "is_inactive"])
async def test_a_failed_card_update_does_not_end_the_job(
    world: World, thread: Thread, code: str
) -> None:
    world.faults.inject("chat.update", respond_with(200, {"ok": False, "error": code}), times=1000)
    await world.slack.ada.command("clouds")
    [reply] = await world.until(lambda: thread.replies)
    assert len(reply.files) == 1


@pytest.mark.usefixtures("bot")
async def test_the_card_shows_that_a_finished_video_is_being_delivered(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    world.videos.finish(video.id)
    await world.until(ready(thread))
    assert "uploading to Slack" in states_shown(world, thread)


# A create whose response is lost or late


async def test_a_create_with_a_lost_response_is_reconciled_immediately(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("create", drop, when="after")
    async with run_bot(replace(FAST, create_timeout=3600.0)):
        await world.slack.ada.command("clouds")
        await world.until(ready(thread))
    assert len(world.videos.creates) == 1


async def test_a_create_with_an_error_response_is_reconciled_immediately(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("create", BROKEN, when="after")
    async with run_bot(replace(FAST, create_timeout=3600.0)):
        await world.slack.ada.command("clouds")
        await world.until(ready(thread))
    assert len(world.videos.creates) == 1


class SlowCreate:
    """A create that the server accepts immediately but confirms only once `confirm` is set."""

    def __init__(self, world: World) -> None:
        self.taken = asyncio.Event()
        self.confirm = asyncio.Event()
        world.faults.inject("create", self._respond, when="after")
        self._world = world

    async def _respond(self, _request: web.Request) -> web.StreamResponse:
        self.taken.set()
        await self.confirm.wait()
        [video] = self._world.videos.creates
        return web.json_response({"id": video.id, "object": "video", "status": "queued"})


@pytest.mark.usefixtures("bot")
async def test_cancelling_during_a_create_deletes_the_created_video(
    world: World, thread: Thread
) -> None:
    create = SlowCreate(world)
    world.videos.hold()
    await world.slack.ada.command("clouds")
    await create.taken.wait()
    await world.slack.ada.click(thread.card, "cancel")
    create.confirm.set()
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert calls(world, "delete") == 1


async def test_stopping_the_bot_during_a_create_waits_for_its_response(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    create = SlowCreate(world)
    async with run_bot(replace(FAST, create_grace=30.0)):
        await world.slack.ada.command("clouds")
        await create.taken.wait()
        asyncio.get_running_loop().call_soon(create.confirm.set)
    async with run_bot():
        await world.until(ready(thread))
    assert calls(world, "list") == 0
    assert len(world.videos.creates) == 1


async def test_a_list_that_keeps_failing_leaves_a_create_uncertain(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("create", drop, when="after")
    world.faults.inject("list", BROKEN, times=1000)
    async with run_bot(replace(FAST, give_up_after=0.5)):
        await world.slack.ada.command("clouds")
        await world.until(lambda: thread.says("*Unclear:*"))
        [reply] = await world.until(lambda: thread.replies)
    assert "May have been charged" in shown(reply)


async def test_an_uncertain_job_is_explained_even_if_it_was_paused_before(
    world: World, thread: Thread, run_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "CIRCUIT_RESET_TIMEOUT", 0.1)
    world.faults.inject("create", FORBIDDEN)
    world.faults.inject("models", FORBIDDEN)
    world.faults.inject("create", drop, nth=2, when="after")
    world.faults.inject("list", respond_with(405, {"detail": "Method Not Allowed"}), times=99)
    async with run_bot():
        await world.slack.ada.command("clouds")
        await world.until(lambda: len(thread.replies) == 1)
        await world.until(lambda: len(thread.replies) == 2)
    assert "can't tell whether the video server received" in shown(thread.replies[1])


# Cancelling and deleting while the server refuses


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("refusal", [FORBIDDEN, BROKEN])
async def test_a_failing_cancellation_is_attempted_three_times(
    world: World, thread: Thread, refusal: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    video = await start_rendering(world)
    world.faults.inject("delete", refusal, times=1000)
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert "didn't stop it" in shown(thread.card)
    assert "may have been charged" in shown(thread.card)
    assert calls(world, "delete") == 3
    world.videos.finish(video.id)
    assert thread.replies == []


async def test_the_attempts_to_cancel_a_video_span_about_half_a_minute() -> None:
    assert 20 <= sum(Timings().stop_retries) <= 40


async def test_an_old_video_is_deleted_from_slack_even_if_the_server_fails(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    async with run_bot():
        card = await delivered(world, thread)
    world.faults.inject("delete", BROKEN, times=1000)
    async with run_bot(replace(FAST, give_up_after=0.0)):
        await world.slack.ada.click(card, "delete")
        await world.until(lambda: thread.says("*Deleted"))
    assert "may have kept a copy" in shown(thread.card)
    assert not any(reply.files for reply in thread.replies)


@pytest.mark.usefixtures("bot")
async def test_a_delete_clicked_while_the_job_is_closing_is_not_lost(
    world: World, thread: Thread
) -> None:
    pressed = asyncio.Event()

    async def delete_meanwhile(request: web.Request) -> web.StreamResponse:
        if "Ready" in str(await request.text()) and not pressed.is_set():
            pressed.set()
            await world.slack.ada.click(thread.card, "delete")
        return web.json_response({"ok": True, "ts": thread.card.ts, "channel": thread.channel.id})

    video = await start_rendering(world)
    world.faults.inject("chat.update", delete_meanwhile, times=3, when="after")
    world.videos.finish(video.id)
    await pressed.wait()
    await world.until(lambda: thread.says("*Deleted"))


async def test_cancelling_a_postponed_job_takes_effect_at_once(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("create", respond_with(503, {"detail": "busy"}, Retry_After="300"))
    async with run_bot(PATIENT):
        await world.slack.ada.command("clouds")
        await world.until(lambda: calls(world, "create") == 1 and thread.says("Cancel"))
        await world.slack.ada.click(thread.card, "cancel")
        await world.until(lambda: thread.says("*Cancelled:*"))


@pytest.mark.usefixtures("bot")
async def test_the_card_shows_immediately_that_a_job_is_being_cancelled(
    world: World, thread: Thread
) -> None:
    release = asyncio.Event()

    async def slowly(_request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({"deleted": True})

    await start_rendering(world)
    world.faults.inject("delete", slowly)
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("Cancelling"))
    assert "Notify me too" not in shown(thread.card)
    release.set()
    await world.until(lambda: thread.says("the video server stopped it"))


async def test_cancelling_during_delivery_says_that_the_video_is_charged(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("content", BROKEN, times=1000)
    async with run_bot(PATIENT):
        await world.slack.ada.command("clouds")
        await world.until(lambda: thread.says("uploading to Slack"))
        await world.slack.ada.click(thread.card, "cancel")
        await world.until(lambda: thread.says("*Cancelled:*"))
    assert "it was already finished · charged" in shown(thread.card)


# An overdue video


async def test_asking_again_for_an_overdue_video_closes_its_card(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings
) -> None:
    world.videos.hold()
    impatient = settings.model_copy(update={"job_timeout_minutes": 0.002})
    async with run_bot(settings=impatient):
        await world.slack.ada.command("clouds")
        await world.until(lambda: thread.says("*Late:*"))
        first = thread.card
        await world.until(lambda: thread.replies)
        await world.slack.ada.click(thread.replies[0], "ask_again")
        await world.until(lambda: "*Failed:*" in shown(first))
    assert "Asked again" in shown(first)
    assert "Cancel" not in shown(first)
    assert "Try again" not in shown(first)


# Remixes


async def remixed(world: World, thread: Thread, prompt: str) -> tuple[Message, Message]:
    """The cards of a delivered video and of its remix."""
    original = await delivered(world, thread)
    await world.slack.ada.click(original, "remix")
    await world.until(lambda: world.slack.ada.view)
    await world.slack.ada.fill({"prompt": prompt})
    await world.slack.ada.submit()
    await world.until(lambda: len(thread.cards) == 2)
    return original, thread.cards[1]


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("action", ["ask_again", "make_again"])
async def test_repeating_a_remix_creates_a_remix(world: World, thread: Thread, action: str) -> None:
    prompt = "clouds, but a crash" if action == "ask_again" else "clouds at night"
    _, remix = await remixed(world, thread, prompt)
    await world.until(lambda: "*Failed:*" in shown(remix) or "*Ready:*" in shown(remix))
    message = thread.replies[-1] if action == "ask_again" else remix
    await world.slack.ada.click(message, action)
    await world.until(lambda: len(world.videos.creates) == 3)
    sources = [video.remixed_from_video_id for video in world.videos.creates]
    assert sources == [None, world.videos.creates[0].id, world.videos.creates[0].id]


@pytest.mark.usefixtures("bot")
async def test_editing_and_retrying_a_remix_creates_a_remix(world: World, thread: Thread) -> None:
    await remixed(world, thread, "clouds, but something forbidden")
    await world.until(lambda: "edit_and_try_again" in shown(thread.replies[-1]))
    ada = world.slack.ada
    await ada.click(thread.replies[-1], "edit_and_try_again")
    view = await world.until(lambda: ada.view)
    assert "something forbidden" in str(view.blocks)
    await ada.fill({"prompt": "clouds, but something allowed"})
    await ada.submit()
    await world.until(lambda: len(world.videos.creates) == 3)
    assert world.videos.creates[2].remixed_from_video_id == world.videos.creates[0].id


@pytest.mark.usefixtures("bot")
async def test_a_remix_of_a_missing_original_becomes_a_new_video_and_says_so(
    world: World, thread: Thread, settings: Settings
) -> None:
    original = await delivered(world, thread)
    await world.slack.ada.click(original, "remix")
    await world.until(lambda: world.slack.ada.view)
    await world.slack.ada.fill({"prompt": "clouds at night"})

    async def forget(_request: web.Request) -> web.StreamResponse:
        path = str(make_url(settings.database_url.get_secret_value()).database)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DELETE FROM jobs WHERE remix_of IS NULL")
        return web.Response(status=503)

    world.faults.inject("chat.postMessage", forget)
    await world.slack.ada.submit()
    await world.until(lambda: len(thread.cards) == 2 and "*Ready:*" in shown(thread.cards[1]))
    assert "The original video is gone, so this is a new video" in shown(thread.cards[1])
    assert world.videos.creates[1].remixed_from_video_id is None


# Refusals, expired links and content that is not a video


@pytest.mark.usefixtures("bot")
async def test_a_refused_model_does_not_affect_other_requests(world: World, thread: Thread) -> None:
    denied = {"error": {"message": "No access to this model.", "code": "key_model_access_denied"}}
    world.faults.inject("create", respond_with(401, denied))
    await world.slack.ada.command("clouds --model sora-2-pro")
    await world.until(failed(thread))
    [reply] = await world.until(lambda: thread.replies)
    assert "key_model_access_denied" in shown(reply)
    await world.slack.grace.command("rain")
    await world.until(lambda: "*Ready:*" in str([card.blocks for card in thread.cards]))


HTML = respond_with(200, "<html>Bad gateway at https://user:pass@host/x?key=1</html>")


async def test_content_that_is_not_a_video_is_reported_and_can_be_fetched_again(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.faults.inject("content", HTML, times=8)
    async with run_bot(replace(IMPATIENT, content_interval=3600.0)):
        await world.slack.ada.command("clouds")
        [reply] = await world.until(lambda: thread.replies)
        assert "text/plain: <html>Bad gateway" in shown(reply)
        assert "pass" not in shown(reply)
        await world.until(lambda: calls(world, "content") == 8)
        await world.slack.ada.click(reply, "fetch_again")
        await world.until(ready(thread))
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_only_the_requester_can_fetch_the_file_again(world: World, thread: Thread) -> None:
    world.faults.inject("content", HTML, times=1000)
    await world.slack.ada.command("clouds")
    [reply] = await world.until(lambda: thread.replies)
    await world.slack.grace.click(reply, "fetch_again")
    [told] = await world.until(lambda: world.slack.grace.private)
    assert f"Only <@{world.slack.ada.id}>" in told.text


# A change of servers


async def test_a_job_stays_on_the_server_that_renders_it(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings, clip: bytes
) -> None:
    new = VideosSandbox(Changes(), Faults(), clip=clip)
    await new.start()
    changed = settings.model_copy(
        update={"openai_base_url": new.base_url, "openai_api_key": SecretStr(new.api_key)}
    )
    async with run_bot():
        video = await start_rendering(world)
    async with run_bot(settings=changed):
        [reply] = await world.until(lambda: thread.replies)
        assert "isn't accepting requests" in shown(reply)
    previous = {
        "openai_previous_base_url": world.videos.base_url,
        "openai_previous_api_key": SecretStr(world.videos.api_key),
    }
    async with run_bot(settings=changed.model_copy(update=previous)):
        world.videos.finish(video.id)
        await world.until(ready(thread))
    assert new.creates == []
    assert not [call for call in new.calls if video.id in call.path]
    await new.stop()
