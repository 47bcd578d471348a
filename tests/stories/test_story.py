"""The main path, end to end: the real bot in the sandbox, over Socket Mode."""

from typing import Any

import pytest

from bot.sandbox.faults import When, drop, respond_with
from bot.sandbox.world import World
from bot.ui import replies
from tests.support.channel import Thread, created_at, failed, joined_at, ready, shown

pytestmark = pytest.mark.usefixtures("bot")

SLOWER = respond_with(429, {"ok": False, "error": "ratelimited"}, Retry_After="0")


async def test_a_prompt_becomes_a_video_in_a_thread(world: World, clip: bytes) -> None:
    thread, ada = Thread(world), world.slack.ada
    answer = await ada.command("a timelapse of clouds")
    assert answer.delivered
    assert answer.payload is None
    await world.until(ready(thread))

    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds, video.size) == (
        "a timelapse of clouds",
        "sora-2",
        "4",
        "720x1280",
    )
    [reply] = thread.replies
    assert reply.thread_ts == thread.card.ts
    [file] = reply.files
    assert file.data == clip
    assert (file.name, file.title) == ("a-timelapse-of-clouds.mp4", "a timelapse of clouds")
    assert reply.mentions == {ada.id}
    for words in (
        "a timelapse of clouds",
        "sora-2 · 4 s",
        "720",
        f"<@{ada.id}>",
        "*Ready:* made in",
    ):
        assert words in shown(thread.card)
    assert ada.private == []


async def test_options_reach_the_video_server(world: World) -> None:
    await world.slack.ada.command("clouds --seconds 8 --size 1280x720 --model sora-2-pro")
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds, video.size) == (
        "clouds",
        "sora-2-pro",
        "8",
        "1280x720",
    )


async def test_the_card_shows_the_progress_of_the_video(world: World) -> None:
    thread = Thread(world)
    world.videos.hold()
    await world.slack.ada.command("clouds")
    [video] = await world.until(lambda: world.videos.creates)
    world.videos.progress(video.id, 40)
    await world.until(lambda: thread.says("40%"))
    world.videos.progress(video.id, 75)
    await world.until(lambda: thread.says("75%"))
    world.videos.finish(video.id)
    await world.until(ready(thread))


async def test_a_failure_is_explained_and_mentions_the_requester(world: World) -> None:
    thread, ada = Thread(world), world.slack.ada
    await ada.command("something forbidden")
    await world.until(failed(thread))
    [reply] = thread.replies
    assert "moderation_blocked" in shown(reply)
    assert "Your request was blocked by our moderation system." in shown(reply)
    assert reply.mentions == {ada.id}
    assert reply.files == []


async def test_a_refused_create_shows_the_servers_code_and_message(world: World) -> None:
    thread = Thread(world)
    await world.slack.ada.command("a sentinel at dawn")
    await world.until(failed(thread))
    [reply] = thread.replies
    assert "sentinel_block" in shown(reply)
    assert "something didn't look right" in shown(reply)
    assert world.videos.creates == []


async def test_the_bot_joins_a_public_channel_before_it_creates_the_video(world: World) -> None:
    channel = world.slack.workspace.add_channel("strangers", bot_is_member=False)
    thread = Thread(world, channel)
    await world.slack.ada.command("clouds", channel=channel)
    await world.until(ready(thread))
    assert len(thread.replies[0].files) == 1
    assert joined_at(world) < created_at(world)


@pytest.mark.parametrize(
    ("channel", "hint"),
    [
        ({"private": True, "bot_is_member": False}, "/invite @videobot"),
        ({"posting": "restricted"}, "restricted"),
    ],
)
async def test_a_channel_closed_to_the_bot_costs_nothing_and_is_explained_privately(
    world: World, channel: dict[str, Any], hint: str
) -> None:
    closed = world.slack.workspace.add_channel("closed", **channel)
    ada = world.slack.ada
    await ada.command("a timelapse of clouds", channel=closed)
    [told] = await world.until(lambda: ada.private)
    assert hint in told.text
    assert "nothing was charged" in told.text
    assert "a timelapse of clouds" in shown(told)
    assert world.videos.calls == []
    assert world.slack.workspace.messages(closed) == []


async def test_a_channel_archived_after_the_command_costs_nothing(world: World) -> None:
    thread, ada = Thread(world), world.slack.ada
    world.faults.inject("chat.postMessage", SLOWER)
    await ada.command("clouds")
    thread.channel.archived = True
    [told] = await world.until(lambda: ada.private)
    assert "archived" in told.text
    assert world.videos.calls == []


async def test_a_command_in_a_direct_message_between_two_people_is_refused_privately(
    world: World,
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    place = world.slack.workspace.direct_message(ada.user, grace.user)
    await ada.command("clouds", channel=place)
    [told] = await world.until(lambda: ada.private)
    assert "can't post" in told.text
    assert world.videos.calls == []


async def test_a_redelivered_envelope_creates_one_video(world: World) -> None:
    thread = Thread(world)
    answer = await world.slack.ada.command("clouds")
    again = await world.slack.redeliver(answer.envelope)
    assert again.delivered
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


HOSTILE = [
    "<!channel> <!here> <!everyone> <@U0GRACE> <#C1|x>",
    "@here @channel @everyone look at https://evil.example/x",
    "```code``` `tick *bold* _it_ ~no~ > quote",
    "&lt;!channel&gt; &amp; \u202e right to left \u0007",
    "<https://evil.example|click me>",
]


@pytest.mark.parametrize("prompt", HOSTILE)
async def test_a_hostile_prompt_mentions_nobody_and_reaches_the_server_verbatim(
    world: World, prompt: str
) -> None:
    thread, ada = Thread(world), world.slack.ada
    await ada.command(prompt)
    await world.until(ready(thread))
    assert world.videos.creates[0].prompt == prompt
    assert thread.card.blocks[0]["elements"][0]["elements"] == [{"type": "text", "text": prompt}]
    assert set().union(*(message.mentions for message in thread.messages)) <= {ada.id}


async def test_a_hostile_error_message_mentions_nobody_but_the_requester(world: World) -> None:
    thread, ada = Thread(world), world.slack.ada
    world.videos.hold()
    await ada.command("clouds")
    [video] = await world.until(lambda: world.videos.creates)
    world.videos.fail(video.id, "<!channel>", "<!here> @everyone <@U0GRACE> " + "x" * 5000)
    await world.until(failed(thread))
    assert thread.replies[0].mentions == {ada.id}


async def test_help_shows_the_usage_privately(world: World) -> None:
    ada = world.slack.ada
    await ada.command("help")
    [told] = ada.private
    assert "--seconds" in told.text
    assert Thread(world).messages == []


async def test_invalid_options_get_a_private_reply_with_the_allowed_values(world: World) -> None:
    ada = world.slack.ada
    await ada.command("clouds --seconds 5")
    assert "4, 8 or 12" in ada.private[0].text
    await ada.command("x" * 32_001)
    await world.until(lambda: any("32,001" in message.text for message in ada.private))
    assert Thread(world).messages == []


async def test_the_longest_prompt_reaches_the_server_in_full(world: World) -> None:
    prompt = "clouds " * 4571 + "end"
    assert len(prompt) == 32_000
    await world.slack.ada.command(prompt)
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == prompt


async def test_a_command_from_another_workspace_is_refused(world: World) -> None:
    ada = world.slack.ada
    answer = await ada.command("help")
    answer.envelope.payload["team_id"] = "T0STRANGER"
    foreign = await world.slack.redeliver(answer.envelope)
    assert foreign.payload is not None
    assert foreign.payload["text"] == replies.MEMBERS_ONLY


async def test_the_bot_token_is_sent_only_to_slack(world: World) -> None:
    await world.slack.ada.command("clouds")
    await world.until(ready(Thread(world)))
    assert {call.token for call in world.slack.calls_of("upload")} == {None}
    for call in world.videos.calls:
        assert call.headers["Authorization"] == f"Bearer {world.videos.api_key}"
        assert world.slack.bot_token not in str(dict(call.headers))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "operation",
    [
        "files.getUploadURLExternal",
        "upload",
        "files.completeUploadExternal",
        "files.info",
        "chat.update",
    ],
)
async def test_a_lost_response_causes_no_duplicates(
    world: World, operation: str, when: When
) -> None:
    thread = Thread(world)
    world.faults.inject(operation, drop, when=when)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1
    assert len(thread.replies[0].files) == 1


@pytest.mark.parametrize(
    "operation", ["chat.postMessage", "chat.update", "files.getUploadURLExternal", "files.info"]
)
async def test_rate_limited_slack_calls_are_retried_without_duplicates(
    world: World, operation: str
) -> None:
    thread = Thread(world)
    world.faults.inject(operation, SLOWER, times=3)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


@pytest.mark.parametrize("operation", ["retrieve", "content"])
async def test_polls_and_downloads_are_retried_after_server_errors(
    world: World, operation: str
) -> None:
    world.faults.inject(operation, respond_with(500, "oops"), times=2)
    world.faults.inject(operation, drop, nth=3)
    await world.slack.ada.command("clouds")
    await world.until(ready(Thread(world)))
    assert len(world.videos.creates) == 1


async def test_a_create_is_retried_while_the_server_is_busy(world: World) -> None:
    world.faults.inject("create", respond_with(503, {"detail": "busy"}), times=2)
    await world.slack.ada.command("clouds")
    await world.until(ready(Thread(world)))
    assert len(world.videos.creates) == 1


async def test_a_json_error_in_place_of_the_file_is_not_posted_as_a_video(world: World) -> None:
    thread = Thread(world)
    world.faults.inject("content", respond_with(200, {"error": "upstream"}))
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert thread.replies[0].files[0].data[4:8] == b"ftyp"


async def test_twenty_requests_at_once_each_get_their_own_video(world: World) -> None:
    thread = Thread(world)
    for number in range(20):
        await (world.slack.ada, world.slack.grace)[number % 2].command(f"clouds {number}")
    await world.until(lambda: len(thread.replies) == 20)
    for card in thread.cards:
        [reply] = [reply for reply in thread.replies if reply.thread_ts == card.ts]
        assert [f"<@{person}>" in shown(card) for person in reply.mentions] == [True]
    assert len(world.videos.creates) == 20
