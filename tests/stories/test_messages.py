"""Messages to the bot: mentions in channels and threads, and direct messages."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bot.sandbox.faults import When, drop, respond_with
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World
from bot.slack.text import typed, without_mention
from bot.ui import drafts
from tests.support.channel import Thread, shown
from tests.support.installation import OPTIONAL_SCOPES, RunBot
from tests.support.pictures import picture

SLOWER = respond_with(429, {"ok": False, "error": "ratelimited"}, Retry_After="0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rain &amp; &lt;wind&gt;", "rain & <wind>"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("as on <http://example.com|example.com>", "as on example.com"),
        ("as on <https://example.com/?a=1&amp;b=2>", "as on https://example.com/?a=1&b=2"),
        ("write to <mailto:a@example.com|a@example.com>", "write to a@example.com"),
        ("<@U0GRACE> in <#C0VIDEOS|videos>", "@U0GRACE in #videos"),
        ("<@U0GRACE|grace> and <!here>, <!subteam^S1|@team>", "@grace and @here, @team"),
        ("1 &lt; 2 > 0 | a", "1 < 2 > 0 | a"),
        ("", ""),
    ],
)
def test_a_messages_markup_is_converted_to_what_was_typed(text: str, expected: str) -> None:
    assert typed(text) == expected


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<@UBOT> clouds", "clouds"),
        ("clouds <@UBOT>", "clouds"),
        ("make <@UBOT|video> clouds\n<@UBOT>", "make clouds"),
        ("<@UBOT2> clouds", "<@UBOT2> clouds"),
        ("<@UBOT>", ""),
    ],
)
def test_the_mention_of_the_bot_is_removed_from_the_prompt(text: str, rest: str) -> None:
    assert without_mention(text, "UBOT") == rest


def in_thread_of(world: World, root: Message) -> list[Message]:
    return world.slack.workspace.replies(root.channel, root.ts)


def is_delivered(messages: list[Message]) -> bool:
    return any("*Ready:*" in shown(message) for message in messages)


def with_file(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.files]


async def acknowledged(answer: Ack | None) -> Ack:
    assert answer is not None
    assert answer.delivered
    return answer


# Mentions


@pytest.mark.usefixtures("bot")
async def test_a_mention_in_another_persons_thread_posts_the_video_there(
    world: World, clip: bytes
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    root = grace.post("shall we?")
    await acknowledged(await ada.mention("a timelapse of clouds --seconds 8", thread_ts=root.ts))
    await world.until(lambda: is_delivered(in_thread_of(world, root)))

    [video] = world.videos.creates
    assert (video.prompt, video.seconds) == ("a timelapse of clouds", "8")
    _, card, reply = in_thread_of(world, root)
    assert "a timelapse of clouds" in shown(card)
    assert [file.data for file in reply.files] == [clip]
    assert reply.mentions == {ada.id}
    assert world.slack.workspace.videos.messages == [root, *in_thread_of(world, root)]
    assert "thread_ts=" in shown(card), "the link leads into the thread"


@pytest.mark.usefixtures("bot")
async def test_a_mention_in_a_channel_posts_the_video_in_its_thread(world: World) -> None:
    ada = world.slack.ada
    await acknowledged(await ada.mention("clouds at dusk, slowly"))
    [mention] = Thread(world).cards
    await world.until(lambda: is_delivered(in_thread_of(world, mention)))
    assert len(with_file(in_thread_of(world, mention))) == 1
    assert Thread(world).cards == [mention]


@pytest.mark.usefixtures("bot")
async def test_a_failure_is_explained_in_the_thread_of_the_mention(world: World) -> None:
    root = world.slack.grace.post("shall we?")
    await world.slack.ada.mention("something forbidden at night", thread_ts=root.ts)
    await world.until(lambda: "*Failed:*" in "".join(map(shown, in_thread_of(world, root))))
    reply = in_thread_of(world, root)[-1]
    assert "moderation_blocked" in shown(reply)
    assert reply.mentions == {world.slack.ada.id}


@pytest.mark.usefixtures("bot")
async def test_asking_again_posts_the_new_video_in_the_same_thread(world: World) -> None:
    ada, root = world.slack.ada, world.slack.grace.post("shall we?")
    world.faults.inject("create", drop, when="after")
    world.faults.inject("list", respond_with(404, {"detail": "Not Found"}), times=100)
    await ada.mention("clouds over the sea", thread_ts=root.ts)
    unclear = await world.until(
        lambda: next((m for m in in_thread_of(world, root) if "can't tell" in shown(m)), None)
    )
    await ada.click(unclear, "ask_again")
    await world.until(lambda: is_delivered(in_thread_of(world, root)))
    assert Thread(world).cards == [root]


@pytest.mark.usefixtures("bot")
async def test_two_videos_in_one_thread_have_two_cards_and_two_files(world: World) -> None:
    root = world.slack.grace.post("shall we?")
    world.videos.hold()
    await world.slack.ada.mention("clouds over the sea", thread_ts=root.ts)
    await world.slack.grace.mention("rain on the sea", thread_ts=root.ts)
    for video in await world.until(lambda: world.videos.creates[1:] and world.videos.creates):
        world.videos.finish(video.id)
    await world.until(lambda: len(with_file(in_thread_of(world, root))) == 2)
    cards = [each for each in in_thread_of(world, root) if each.bot_id and not each.files]
    assert len(cards) == 2
    for prompt in ("clouds over the sea", "rain on the sea"):
        assert [prompt in shown(card) for card in cards].count(True) == 1
    people = [message.mentions for message in with_file(in_thread_of(world, root))]
    assert {frozenset({world.slack.ada.id}), frozenset({world.slack.grace.id})} == {*people}


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["chat.postMessage", "files.completeUploadExternal"])
async def test_a_lost_response_causes_no_duplicates_in_a_long_thread(
    world: World, operation: str, when: When
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    root = world.slack.grace.post("shall we?")
    for number in range(120):
        world.slack.grace.post(f"{number}", thread_ts=root.ts)
    world.faults.inject(operation, drop, when=when)
    await world.slack.ada.mention("clouds over the sea", thread_ts=root.ts)
    await world.until(lambda: is_delivered(in_thread_of(world, root)))
    _, card, reply = in_thread_of(world, root)[120:]
    assert "clouds" in shown(card)
    assert len(reply.files) == len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_the_prompt_of_a_mention_reaches_the_server_as_typed(world: World) -> None:
    prompt = "rain & <wind> <!channel> &lt;b&gt; *bold* `code` @everyone"
    await world.slack.ada.mention(prompt)
    await world.until(lambda: world.videos.creates)
    assert world.videos.creates[0].prompt == prompt
    [mention] = Thread(world).cards
    await world.until(lambda: is_delivered(in_thread_of(world, mention)))
    named = set[str]().union(*(message.mentions for message in in_thread_of(world, mention)))
    assert named <= {world.slack.ada.id}


@pytest.mark.usefixtures("bot")
async def test_an_image_attached_to_a_mention_becomes_the_starting_image(world: World) -> None:
    ada = world.slack.ada
    cat = ada.upload("cat.jpg", picture("JPEG", (720, 1280)), "image/jpeg")
    await ada.mention("the cat wakes up", files=[cat])
    [video] = await world.until(lambda: world.videos.creates)
    assert video.input_reference is not None


@pytest.mark.usefixtures("bot")
async def test_a_redelivered_event_creates_one_video(world: World) -> None:
    heard = await acknowledged(await world.slack.ada.mention("clouds at dusk, slowly"))
    again = await world.slack.redeliver(heard.envelope)
    assert again.delivered
    [mention] = Thread(world).cards
    await world.until(lambda: is_delivered(in_thread_of(world, mention)))
    assert len(world.videos.creates) == 1
    assert len(in_thread_of(world, mention)) == 2


async def test_an_acknowledged_mention_survives_a_restart(world: World, run_bot: RunBot) -> None:
    async with run_bot():
        await acknowledged(await world.slack.ada.mention("clouds at dusk, slowly"))
    async with run_bot():
        [mention] = Thread(world).cards
        await world.until(lambda: is_delivered(in_thread_of(world, mention)))
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "--seconds"),
        ("help", "--seconds"),
        ("clouds --seconds 5", "4, 8 or 12"),
        ("x" * 32_001, "32,001"),
        ("list", "haven't made a video yet"),
        ("cancel 0123456789", "don't know this video"),
    ],
)
async def test_a_mention_that_is_not_a_request_gets_a_private_reply_in_its_thread(
    world: World, text: str, hint: str
) -> None:
    ada, root = world.slack.ada, world.slack.grace.post("shall we?")
    await ada.mention(text, thread_ts=root.ts)
    [told] = await world.until(lambda: ada.private)
    assert hint in shown(told)
    assert (told.channel, told.thread_ts) == (root.channel, root.ts)
    assert len(in_thread_of(world, root)) == 1
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
async def test_a_mention_with_the_form_option_gets_a_button_that_opens_the_form(
    world: World,
) -> None:
    ada = world.slack.ada
    await ada.mention("clouds --form --seconds 8")
    [told] = await world.until(lambda: ada.private)
    await ada.click(told, drafts.FORM)
    assert ada.view is not None
    assert '"initial_value": "clouds"' in json.dumps(ada.view.blocks)
    await ada.submit()
    [video] = await world.until(lambda: world.videos.creates)
    assert (video.prompt, video.seconds) == ("clouds", "8")


# Direct messages


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "text", ["clouds & rain --seconds 8", "<@{bot}> clouds & rain --seconds 8"]
)
async def test_a_direct_message_posts_the_video_in_the_same_conversation(
    world: World, clip: bytes, text: str
) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    written = world.slack.workspace.post(said(world, text))
    await acknowledged(await ada.send_message_event(written))
    await world.until(lambda: is_delivered(place.messages))
    _, card, reply = place.messages
    assert world.videos.creates[0].prompt == "clouds & rain"
    assert (card.thread_ts, reply.thread_ts) == (card.ts, card.ts)
    assert [file.data for file in reply.files] == [clip]


def said(world: World, text: str) -> Message:
    """A direct message from Ada, as Slack stores it."""
    place = world.slack.workspace.direct_message(world.slack.ada.user)
    kept = text.replace("&", "&amp;").format(bot=world.slack.workspace.bot_user_id)
    return Message(world.slack.workspace.new_ts(), place.id, world.slack.ada.id, kept)


@pytest.mark.usefixtures("bot")
async def test_a_direct_message_in_a_thread_posts_the_video_in_that_thread(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    root = ada.post("hm", channel=place)
    await ada.direct_message("clouds over the sea", thread_ts=root.ts)
    await world.until(lambda: is_delivered(in_thread_of(world, root)))
    assert [message for message in place.messages if not message.is_reply] == [root]


@pytest.mark.usefixtures("bot")
async def test_an_image_attached_to_a_direct_message_becomes_the_starting_image(
    world: World,
) -> None:
    ada = world.slack.ada
    cat = ada.upload("cat.jpg", picture("JPEG", (720, 1280)), "image/jpeg")
    await ada.direct_message("the cat wakes up", files=[cat])
    [video] = await world.until(lambda: world.videos.creates)
    assert video.input_reference is not None


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("text", "hint"), [("help", "--seconds"), ("clouds --seconds 5", "4, 8 or 12"), ("list", "yet")]
)
async def test_a_direct_message_that_is_not_a_request_is_answered_there(
    world: World, text: str, hint: str
) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    await ada.direct_message(text)
    _, told = await world.until(lambda: place.messages[1:] and place.messages)
    assert hint in shown(told)
    assert ada.private == []
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
async def test_editing_a_message_does_not_create_a_second_video(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    await ada.direct_message("clowds over the sea")
    heard = await ada.edit(place.messages[0], "clouds over the sea")
    await acknowledged(heard)
    await world.until(lambda: is_delivered(place.messages))
    assert [video.prompt for video in world.videos.creates] == ["clowds over the sea"]
    assert len(place.messages) == 3


# Messages that are not requests


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "changes",
    [
        {"bot_id": "B0STRANGER1"},
        {"bot_id": "B0SANDBOX01"},
        {"subtype": "bot_message", "user": None, "bot_id": "B0STRANGER1"},
        {"subtype": "channel_join"},
        {"subtype": "message_deleted", "user": None, "text": None},
        {"edited": {"user": "U1", "ts": "1.000000"}},
        {"user": None},
    ],
)
@pytest.mark.parametrize("door", ["app_mention", "message.im"])
async def test_messages_not_newly_written_by_a_person_are_ignored(
    world: World, door: str, changes: Mapping[str, Any]
) -> None:
    ada = world.slack.ada
    world.slack.workspace.scopes -= {"chat:write"}  # so that the first one has no effect
    say = ada.mention if door == "app_mention" else ada.direct_message
    heard = await acknowledged(await say("help"))
    payload = heard.envelope.payload
    payload["event_id"] = "Ev0OTHER"
    event = {**payload["event"], "text": "clouds at dusk, slowly", **changes}
    payload["event"] = {name: value for name, value in event.items() if value is not None}
    again = await world.slack.redeliver(heard.envelope)
    assert again.delivered
    await ada.command("list")
    assert "haven't made a video yet" in ada.private[-1].text


@pytest.mark.usefixtures("bot")
async def test_channel_messages_without_a_mention_are_ignored(world: World) -> None:
    ada = world.slack.ada
    heard = await acknowledged(await ada.direct_message("help"))
    payload = heard.envelope.payload
    payload["event_id"] = "Ev0OTHER"
    payload["event"] |= {"text": "clouds at dusk, slowly", "channel_type": "channel"}
    assert (await world.slack.redeliver(heard.envelope)).delivered
    await ada.command("list")
    assert "haven't made a video yet" in ada.private[-1].text


@pytest.mark.usefixtures("bot")
async def test_a_deleted_thread_costs_nothing_and_is_explained_privately(world: World) -> None:
    ada = world.slack.ada
    world.faults.inject("chat.postMessage", SLOWER, times=2)
    await ada.mention("clouds at dusk, slowly")
    [mention] = Thread(world).cards
    world.slack.workspace.delete(mention)
    place = world.slack.workspace.direct_message(ada.user)
    [told] = await world.until(lambda: place.messages)
    assert "The thread was deleted" in shown(told)
    assert "nothing was charged" in shown(told)
    assert world.videos.calls == []
    assert Thread(world).messages == []


@pytest.mark.usefixtures("bot")
async def test_deleting_the_mention_during_rendering_does_not_stop_delivery(world: World) -> None:
    world.videos.hold()
    await world.slack.ada.mention("clouds at dusk, slowly")
    [video] = await world.until(lambda: world.videos.creates)
    [mention] = Thread(world).cards
    world.slack.workspace.delete(mention)
    world.videos.finish(video.id)
    await world.until(lambda: is_delivered(in_thread_of(world, mention)))
    assert len(with_file(in_thread_of(world, mention))) == 1


@pytest.mark.usefixtures("bot")
async def test_a_channel_archived_after_a_mention_costs_nothing(world: World) -> None:
    ada = world.slack.ada
    world.faults.inject("chat.postMessage", SLOWER, times=2)
    await ada.mention("clouds at dusk, slowly")
    world.slack.workspace.videos.archived = True
    place = world.slack.workspace.direct_message(ada.user)
    [told] = await world.until(lambda: place.messages)
    assert "archived" in shown(told)
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
async def test_a_failed_ephemeral_message_does_not_affect_later_ones(world: World) -> None:
    ada = world.slack.ada
    refused = respond_with(200, {"ok": False, "error": "user_not_in_channel"})
    world.faults.inject("chat.postEphemeral", refused)
    await ada.mention("help")
    await world.until(lambda: world.slack.calls_of("chat.postEphemeral"))
    await ada.mention("help")
    await world.until(lambda: ada.private)
