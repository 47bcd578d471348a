"""Many jobs at once: Slack's and the server's limits are met without losing or repeating work."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
from aiohttp import web

from bot.app import Bot
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.world import World
from tests.support.channel import Thread, failed, ready, shown
from tests.support.installation import OPTIONAL_SCOPES, RunBot

BUSY = respond_with(429, {"error": {"message": "busy"}}, Retry_After="1")


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


def creates(world: World) -> int:
    return [call.operation for call in world.videos.calls].count("create")


# Slack's limits


@pytest.mark.usefixtures("bot")
async def test_a_rate_limited_post_is_repeated_without_reading_the_history(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    limited = respond_with(429, {"ok": False, "error": "ratelimited"}, Retry_After="1")
    world.faults.inject("chat.postMessage", limited, times=3)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert world.slack.calls_of("conversations.history") == []
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_post_whose_response_was_lost_is_looked_for(world: World, thread: Thread) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    world.faults.inject("chat.postMessage", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.slack.calls_of("conversations.history")) == 1
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_missing_history_scope_is_asked_for_once(world: World, thread: Thread) -> None:
    for _ in range(2):
        world.faults.inject("chat.postMessage", drop)
        await world.slack.ada.command("clouds")
        await world.until(lambda: "*Ready*" in str([card.blocks for card in thread.cards][-1:]))
    assert len(world.slack.calls_of("conversations.history")) == 1


# A busy video server


@pytest.mark.usefixtures("bot")
async def test_jobs_that_a_busy_server_refused_do_not_all_ask_again(world: World) -> None:
    world.faults.inject("create", BUSY, times=20)
    for number in range(20):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: len(world.videos.creates) == 20)
    assert creates(world) <= 20 + 20 + 10


# What can't be delivered is not paid for


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("code", ["file_uploads_disabled", "storage_limit_reached"])
async def test_a_workspace_that_takes_no_files_costs_nothing(
    world: World, thread: Thread, code: str
) -> None:
    refusal = respond_with(200, {"ok": False, "error": code})
    world.faults.inject("files.getUploadURLExternal", refusal)
    await world.slack.ada.command("clouds")
    await world.until(failed(thread))
    [reply] = await world.until(lambda: thread.replies)
    assert code in shown(reply)
    assert "not charged" in shown(reply)
    assert creates(world) == 0


async def test_a_token_that_may_not_upload_costs_nothing(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes -= {"files:write"}
    async with run_bot():
        await world.slack.ada.command("clouds")
        await world.until(failed(thread))
    assert creates(world) == 0


async def test_a_bot_that_may_post_anywhere_joins_before_anything_is_paid(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes |= {"chat:write.public"}
    async with run_bot():
        await world.slack.ada.command("clouds")
        await world.until(lambda: world.videos.creates)
        assert world.slack.workspace.bot_user_id in thread.channel.members
        await world.until(ready(thread))


async def test_a_bot_that_may_post_anywhere_but_not_join_pays_nothing(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes |= {"chat:write.public"}
    world.slack.workspace.scopes -= {"channels:join"}
    async with run_bot():
        await world.slack.ada.command("clouds")
        await world.until(failed(thread))
    assert creates(world) == 0


@pytest.mark.usefixtures("bot")
async def test_permission_to_upload_is_checked_once_for_many(world: World, thread: Thread) -> None:
    for number in range(3):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: str([c.blocks for c in thread.cards]).count("*Ready*") == 3)
    uploads = world.slack.calls_of("files.getUploadURLExternal")
    assert len([call for call in uploads if call.args["filename"] == "check.mp4"]) <= 3
    assert len(uploads) <= 6


# A token that stops working


async def test_a_revoked_token_is_reported_once_and_jobs_wait_for_it(
    world: World, thread: Thread, run_bot: RunBot, logs: list[structlog.typing.EventDict]
) -> None:
    revoked = respond_with(200, {"ok": False, "error": "token_revoked"})
    async with run_bot() as bot:
        assert (await bot.health())["slack"]
        world.faults.inject("chat.postMessage", revoked, times=5)
        await world.slack.ada.command("clouds")
        await world.until(lambda: [line for line in logs if line["log_level"] == "error"])
        await world.until(ready(thread))
        assert (await bot.health())["slack"]
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert "SLACK_BOT_TOKEN" in line["event"]


async def test_health_fails_while_slack_refuses_the_token(world: World, bot: Bot) -> None:
    delivery = bot._delivery
    world.faults.inject("auth.test", respond_with(200, {"ok": False, "error": "account_inactive"}))
    await delivery.check_token()
    assert not (await bot.health())["slack"]
    await delivery.check_token()
    assert (await bot.health())["slack"]


# Fairness


@pytest.mark.usefixtures("bot")
async def test_a_backlog_does_not_keep_another_persons_file_waiting(
    world: World, thread: Thread
) -> None:
    gate = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await respond_with(503, "later")(request)

    def downloads() -> list[str]:
        return [call.path for call in world.videos.calls if call.operation == "content"]

    world.faults.inject("content", late, times=4)
    for number in range(12):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: len(downloads()) == 4)
    await world.slack.grace.command("rain")
    [rain] = await world.until(lambda: [v for v in world.videos.creates if v.prompt == "rain"])
    await world.until(
        lambda: (
            "bringing the file here" in str([c.blocks for c in thread.cards if "rain" in shown(c)])
        )
    )
    gate.set()
    await world.until(lambda: str([c.blocks for c in thread.cards]).count("*Ready*") == 13)
    position = next(n for n, path in enumerate(downloads()) if rain.id in path)
    assert position <= 5
