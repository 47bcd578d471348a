"""The card's buttons: what a click does, who can use them, and what the card then shows."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.sandbox.faults import respond_with
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World
from tests.support.channel import Thread, failed, ready, shown, start_rendering, until_idle
from tests.support.installation import RunBot


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


async def delivered(world: World, thread: Thread) -> Message:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    return thread.card


def other_card(thread: Thread, first: Message) -> Message | None:
    return next((card for card in thread.cards if card is not first), None)


def says(message: Message | None, words: str) -> bool:
    return message is not None and words in shown(message)


# Cancel


@pytest.mark.usefixtures("bot")
async def test_a_cancelled_card_says_when_the_server_could_not_stop_the_video(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert "didn't stop it · may have been charged · it won't be posted" in shown(thread.card)
    world.videos.finish(video.id)
    looks = len(world.videos.calls)
    await world.slack.ada.command("another")
    await world.until(lambda: len(world.videos.creates) == 2)
    assert not [c for c in world.videos.calls[looks:] if video.id in c.path]
    assert thread.replies == []


@pytest.mark.usefixtures("bot")
async def test_a_cancelled_card_says_when_the_server_stopped_the_video(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    stopped = {"id": video.id, "object": "video.deleted", "deleted": True}  # as vLLM-Omni does
    world.faults.inject("delete", respond_with(200, stopped))
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("the video server stopped it"))


@pytest.mark.usefixtures("bot")
async def test_cancelling_before_the_video_is_created_costs_nothing(
    world: World, thread: Thread
) -> None:
    busy = respond_with(503, {"detail": "busy"})
    world.faults.inject("create", busy, times=10_000)
    await world.slack.ada.command("clouds")
    await world.until(lambda: thread.says("Cancel"))
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert "not charged" in shown(thread.card)
    assert world.videos.creates == []


@pytest.mark.usefixtures("bot")
async def test_clicking_cancel_twice_cancels_once(world: World, thread: Thread) -> None:
    await start_rendering(world)
    pressed = await world.slack.ada.click(thread.card, "cancel")
    await world.slack.redeliver(pressed.envelope)
    await world.until(lambda: thread.says("*Cancelled:*"))
    deletes = [call for call in world.videos.calls if call.operation == "delete"]
    assert len(deletes) == 1


@pytest.mark.usefixtures("bot")
async def test_only_the_requester_can_cancel(world: World, thread: Thread) -> None:
    await start_rendering(world)
    await world.slack.grace.click(thread.card, "cancel")
    [told] = await world.until(lambda: world.slack.grace.private)
    assert f"Only <@{world.slack.ada.id}>" in told.text
    assert "*Cancelled:*" not in shown(thread.card)


async def test_a_cancellation_survives_a_restart(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    async with run_bot():
        await start_rendering(world)
        pressed = await world.slack.ada.click(thread.card, "cancel")
        assert pressed.delivered
    async with run_bot():
        await world.until(lambda: thread.says("*Cancelled:*"))


# Notify me too


@pytest.mark.usefixtures("bot")
async def test_a_person_who_clicks_notify_me_too_is_mentioned_once_at_the_end(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    grace = world.slack.grace
    await grace.click(thread.card, "notify_me_too")
    await grace.click(thread.card, "notify_me_too")
    await world.until(lambda: len(grace.private) == 2)
    world.videos.finish(video.id)
    await world.until(ready(thread))
    assert thread.replies[0].mentions == {world.slack.ada.id, grace.id}
    assert thread.replies[0].text.count(f"<@{grace.id}>") == 1


# Make it again


@pytest.mark.usefixtures("bot")
async def test_anyone_can_make_a_video_again_as_their_own(world: World, thread: Thread) -> None:
    first = await delivered(world, thread)
    pressed = await world.slack.grace.click(first, "make_again")
    await world.slack.redeliver(pressed.envelope)
    await world.until(lambda: says(other_card(thread, first), "*Ready:*"))
    assert [video.prompt for video in world.videos.creates] == ["clouds", "clouds"]
    assert says(other_card(thread, first), f"<@{world.slack.grace.id}>")


# Remix


@pytest.mark.usefixtures("bot")
async def test_a_remix_is_created_from_the_original_video(world: World, thread: Thread) -> None:
    first = await delivered(world, thread)
    ada = world.slack.ada
    await ada.click(first, "remix")
    view = await world.until(lambda: ada.view)
    assert "clouds" in str(view.blocks)
    await ada.fill({"prompt": "clouds at night"})
    await ada.submit()
    await world.until(lambda: says(other_card(thread, first), "*Ready:*"))
    [original, remix] = world.videos.creates
    assert (remix.prompt, remix.remixed_from_video_id) == ("clouds at night", original.id)
    assert says(other_card(thread, first), "Remix of")


@pytest.mark.usefixtures("bot")
async def test_a_server_that_cannot_remix_creates_a_new_video_and_the_card_says_so(
    world: World, thread: Thread
) -> None:
    first = await delivered(world, thread)
    for operation in ("remix", "edit"):
        world.faults.inject(operation, respond_with(405, {"detail": "Method Not Allowed"}), times=9)
    ada = world.slack.ada
    await ada.click(first, "remix")
    await world.until(lambda: ada.view)
    await ada.fill({"prompt": "clouds at night"})
    await ada.submit()
    await world.until(lambda: says(other_card(thread, first), "*Ready:*"))
    assert says(other_card(thread, first), "can't remix, so this is a new video")
    assert world.videos.creates[1].remixed_from_video_id is None


# Delete


@pytest.mark.usefixtures("bot")
async def test_deleting_a_video_removes_it_from_slack_and_the_video_server(
    world: World, thread: Thread
) -> None:
    card = await delivered(world, thread)
    [file] = thread.replies[0].files
    pressed = await world.slack.ada.click(card, "delete")
    await world.slack.redeliver(pressed.envelope)
    await world.until(lambda: thread.says("*Deleted"))
    assert file.id not in [each.id for reply in thread.replies for each in reply.files]
    assert world.videos.videos == {}


@pytest.mark.usefixtures("bot")
async def test_the_card_says_when_the_video_server_may_have_kept_its_copy(
    world: World, thread: Thread
) -> None:
    card = await delivered(world, thread)
    world.faults.inject("delete", respond_with(405, {"detail": "Method Not Allowed"}))
    await world.slack.ada.click(card, "delete")
    await world.until(lambda: thread.says("*Deleted"))
    assert "may have kept a copy" in shown(card)


@pytest.mark.usefixtures("bot")
async def test_only_the_requester_can_delete(world: World, thread: Thread) -> None:
    card = await delivered(world, thread)
    await world.slack.grace.click(card, "delete")
    await world.until(lambda: world.slack.grace.private)
    assert thread.replies[0].files


# Progress


@pytest.mark.usefixtures("bot")
async def test_progress_that_the_server_omits_is_estimated_from_earlier_videos(
    world: World, thread: Thread, database_url: str
) -> None:
    def earlier_took(seconds: float) -> None:
        with closing(sqlite3.connect(database_url.partition("///")[2])) as database, database:
            database.execute(
                "UPDATE jobs SET rendered_at = submitted_at + ? WHERE rendered_at IS NOT NULL",
                [seconds],
            )

    for number in range(3):
        await world.slack.ada.command(f"clouds {number}")

    def done() -> int:
        return str([card.blocks for card in thread.cards]).count("*Ready:*")

    await world.until(lambda: done() == 3)
    await until_idle()
    world.videos.hold()
    await asyncio.to_thread(earlier_took, 120)
    await world.slack.ada.command("the next")
    video = await world.until(lambda: world.videos.creates[3:])
    world.videos.progress(video[0].id, 0)
    await world.until(lambda: says(thread.cards[3], "(estimated, usually 2 min)"))


@pytest.mark.usefixtures("bot")
async def test_the_card_shows_the_queue_position(world: World, thread: Thread) -> None:
    world.videos.hold()
    await world.slack.ada.command("first")
    await world.slack.ada.command("second")
    await world.until(lambda: len(world.videos.creates) == 2)
    for video in world.videos.creates:
        world.videos.queue(video.id)
    # Either may have been submitted first.
    await world.until(lambda: any(says(card, "1 of our videos is ahead") for card in thread.cards))


@pytest.mark.usefixtures("bot")
async def test_the_card_says_when_the_video_server_stops_responding(
    world: World, thread: Thread
) -> None:
    await start_rendering(world)
    world.faults.inject("retrieve", respond_with(502, "bad gateway"), times=10_000)
    await world.until(lambda: thread.says("no response from the video server"))


# The prompt


@pytest.mark.usefixtures("bot")
async def test_anyone_can_read_a_long_prompt_in_full(world: World, thread: Thread) -> None:
    prompt = "clouds " * 4571 + "end"
    await world.slack.ada.command(prompt)
    await world.until(ready(thread))
    grace = world.slack.grace
    await grace.click(thread.card, "show_prompt")
    view = await world.until(lambda: grace.view)
    pieces = [block["elements"][0]["elements"][0]["text"] for block in view.blocks]
    assert "".join(pieces) == prompt


# After a failure


@pytest.mark.usefixtures("bot")
async def test_a_failed_video_can_be_tried_again_once(world: World, thread: Thread) -> None:
    await world.slack.ada.command("a crash")
    await world.until(failed(thread))
    first, [reply] = thread.card, thread.replies
    pressed = await world.slack.ada.click(reply, "ask_again")
    await world.slack.redeliver(pressed.envelope)
    await world.until(lambda: says(other_card(thread, first), "*Failed:*"))
    assert len(thread.cards) == 2
    await world.until(lambda: "asked again" in shown(reply))


@pytest.mark.usefixtures("bot")
async def test_edit_and_try_again_opens_the_form_with_the_original_request(
    world: World, thread: Thread
) -> None:
    await world.slack.ada.command("something forbidden --seconds 8 --size 1280x720")
    await world.until(failed(thread))
    first, ada = thread.card, world.slack.ada
    await ada.click(thread.replies[0], "edit_and_try_again")
    view = await world.until(lambda: ada.view)
    assert "something forbidden" in str(view.blocks)
    await ada.fill({"prompt": "something allowed"})
    await ada.submit()
    await world.until(lambda: says(other_card(thread, first), "*Ready:*"))
    video = world.videos.creates[1]
    assert (video.prompt, video.seconds, video.size) == ("something allowed", "8", "1280x720")


# A deleted card


@pytest.mark.usefixtures("bot")
async def test_a_deleted_card_does_not_lose_the_video(world: World, thread: Thread) -> None:
    video = await start_rendering(world)
    world.slack.workspace.delete(thread.card)
    world.videos.progress(video.id, 50)
    world.videos.finish(video.id)
    await world.until(ready(thread))
    assert len(world.videos.creates) == 1
    assert [len(reply.files) for reply in thread.replies] == [1]


@pytest.mark.usefixtures("bot")
async def test_a_failure_is_reported_even_if_the_card_was_deleted(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    world.slack.workspace.delete(thread.card)
    world.videos.fail(video.id, "server_error", "Oh dear.")
    [reply] = await world.until(lambda: thread.replies)
    assert "server_error" in shown(reply)


@pytest.mark.usefixtures("bot")
async def test_archiving_the_channel_during_rendering_is_reported_privately(
    world: World, thread: Thread
) -> None:
    video = await start_rendering(world)
    thread.channel.archived = True
    world.videos.finish(video.id)
    direct = world.slack.workspace.direct_message(world.slack.ada.user)
    await world.until(lambda: world.slack.workspace.messages(direct) or world.slack.ada.private)
    told = [message.blocks for message in world.slack.workspace.messages(direct)]
    told += [message.blocks for message in world.slack.ada.private]
    assert "Use another channel" in str(told)
