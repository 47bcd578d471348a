"""Many jobs at once: Slack's and the server's limits are met without losing or repeating work."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr

from bot import delivery
from bot.app import Bot
from bot.config import Settings
from bot.delivery import (
    POST_BURST,
    RESERVED_BY_FIRST,
    RESERVED_UPDATES,
    UPDATES_PER_MINUTE,
)
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.replica import FAST
from bot.sandbox.slack.limits import Limits
from bot.sandbox.world import World
from bot.videos import circuit_breaker
from tests.support.channel import Thread, ready, shown
from tests.support.installation import OPTIONAL_SCOPES, RunBot

REVOKED = respond_with(200, {"ok": False, "error": "token_revoked"})
BUSY = respond_with(429, {"error": {"message": "busy"}}, Retry_After="1")


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


def all_ready(thread: Thread, number: int) -> bool:
    return str([card.blocks for card in thread.cards]).count("*Ready:*") == number


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
async def test_a_post_with_a_lost_response_is_looked_up_in_the_history(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    world.faults.inject("chat.postMessage", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.slack.calls_of("conversations.history")) == 1
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_the_history_is_not_requested_again_after_a_missing_scope(
    world: World, thread: Thread
) -> None:
    for _ in range(2):
        world.faults.inject("chat.postMessage", drop)
        await world.slack.ada.command("clouds")
        await world.until(lambda: "*Ready:*" in str([card.blocks for card in thread.cards][-1:]))
    assert len(world.slack.calls_of("conversations.history")) == 1


@pytest.mark.usefixtures("bot")
async def test_a_post_that_took_effect_despite_an_error_is_not_repeated(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    error = respond_with(200, {"ok": False, "error": "internal_error"})
    world.faults.inject("chat.postMessage", error, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_lost_post_is_still_looked_up_after_a_token_error(
    world: World, thread: Thread
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    world.faults.inject("chat.postMessage", drop, when="after")
    world.faults.inject("conversations.history", REVOKED)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(thread.cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_lost_direct_message_is_looked_up_without_the_channel_scope(
    world: World, thread: Thread
) -> None:
    world.faults.inject("chat.postMessage", drop)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    private = Thread(world, world.slack.workspace.direct_message(world.slack.ada.user))
    world.faults.inject("chat.postMessage", drop, when="after")
    await world.slack.ada.command("clouds", channel=private.channel)
    await world.until(ready(private))
    assert len(private.cards) == 1


async def test_posts_still_waiting_at_a_restart_are_not_looked_up(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    async with run_bot(replace(FAST, post_interval=3600.0)):
        for number in range(5):
            await world.slack.ada.command(f"clouds {number}")
        await world.until(lambda: all_ready(thread, POST_BURST))
    async with run_bot():
        await world.until(lambda: all_ready(thread, 5))
    assert world.slack.calls_of("conversations.history") == []


async def test_many_cards_in_one_channel_stay_within_slacks_limit(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    speed = 8  # faster, and a moment's delay on a busy machine would be seconds to the limit
    world.slack.web_api._limits = Limits(lambda: time.monotonic() * speed)
    world.videos.hold()
    async with run_bot(replace(FAST, post_interval=2 / speed)):
        await asyncio.gather(*(world.slack.ada.command(f"clouds {each}") for each in range(12)))
        await world.until(lambda: len(thread.cards) == 12)
    assert [call.error for call in world.slack.calls_of("chat.postMessage")] == [None] * 12
    assert world.slack.calls_of("conversations.history") == []


async def test_a_backlog_of_cards_does_not_delay_another_persons_card(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.videos.hold()
    async with run_bot(replace(FAST, post_interval=0.05)):
        await asyncio.gather(*(world.slack.ada.command(f"clouds {each}") for each in range(12)))
        await world.until(lambda: len(thread.cards) == POST_BURST)
        await world.slack.grace.command("rain")
        await world.until(lambda: "rain" in str([shown(card) for card in thread.cards]))
        assert len(thread.cards) < 12


# Edits


async def test_outcomes_are_shown_even_if_progress_has_used_up_its_edits(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.videos.hold()
    async with run_bot(replace(FAST, rate_window=3600.0)):
        for number in range(RESERVED_BY_FIRST):
            await world.slack.ada.command(f"clouds {number}")
        await world.until(lambda: len(world.slack.calls_of("chat.update")) == RESERVED_BY_FIRST)
        world.videos.release()
        await world.until(lambda: all_ready(thread, RESERVED_BY_FIRST))


async def test_a_new_card_shows_the_queue_even_if_progress_has_used_up_its_edits(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.videos.hold()
    share = UPDATES_PER_MINUTE - RESERVED_UPDATES
    async with run_bot(replace(FAST, rate_window=3600.0)):
        for number in range(share):
            await world.slack.ada.command(f"clouds {number}")
        await world.until(lambda: len(world.slack.calls_of("chat.update")) == share)
        await world.slack.ada.command("a late one")
        await world.until(lambda: "Queued" in shown(thread.cards[-1]))


async def test_paused_jobs_resume_even_if_no_edits_are_left_to_show_the_pause(
    world: World, run_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "CIRCUIT_RESET_TIMEOUT", 0.2)
    monkeypatch.setattr(delivery, "UPDATES_PER_MINUTE", 1)
    denied = respond_with(401, {"error": {"message": "No.", "code": "invalid_api_key"}})
    for operation in ("create", "models"):
        world.faults.inject(operation, denied, times=3)
    async with run_bot(replace(FAST, rate_window=3600.0)):
        for number in range(3):
            await world.slack.ada.command(f"clouds {number}")
        await world.until(lambda: len(world.videos.creates) == 3)


# A busy video server


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("timings", [replace(FAST, retry_scale=0.001)])
async def test_jobs_refused_by_a_busy_server_do_not_all_retry_at_once(world: World) -> None:
    world.faults.inject("create", BUSY, times=20)
    for number in range(20):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: len(world.videos.creates) == 20)
    assert creates(world) <= 20 + 20 + 10


# No charge for videos that cannot be delivered


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("code", ["file_uploads_disabled", "storage_limit_reached"])
async def test_a_workspace_that_accepts_no_files_costs_nothing(
    world: World, thread: Thread, code: str
) -> None:
    refusal = respond_with(200, {"ok": False, "error": code})
    world.faults.inject("files.getUploadURLExternal", refusal)
    await world.slack.ada.command("clouds")
    [told] = await world.until(lambda: world.slack.ada.private)
    assert "Ask a workspace admin" in shown(told)
    assert "nothing was charged" in shown(told)
    assert thread.cards == []
    assert creates(world) == 0


@pytest.mark.parametrize("are_scopes_known", [True, False])
async def test_a_token_without_upload_permission_costs_nothing(
    world: World,
    thread: Thread,
    run_bot: RunBot,
    monkeypatch: pytest.MonkeyPatch,
    are_scopes_known: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    world.slack.workspace.scopes -= {"files:write"}
    if not are_scopes_known:
        monkeypatch.setattr(world.slack, "_scope_headers", lambda _call: {})
    async with run_bot():
        await world.slack.ada.command("clouds")
        [told] = await world.until(lambda: world.slack.ada.private)
    assert "permission to upload files" in shown(told)
    assert thread.cards == []
    assert creates(world) == 0


async def test_a_bot_with_chat_write_public_joins_before_creating_the_video(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes |= {"chat:write.public"}
    async with run_bot():
        await world.slack.ada.command("clouds")
        await world.until(lambda: world.videos.creates)
        assert world.slack.workspace.bot_user_id in thread.channel.members
        await world.until(ready(thread))


async def test_a_bot_that_cannot_join_the_channel_creates_no_video(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    world.slack.workspace.scopes |= {"chat:write.public"}
    world.slack.workspace.scopes -= {"channels:join"}
    async with run_bot():
        await world.slack.ada.command("clouds")
        [told] = await world.until(lambda: world.slack.ada.private)
    assert "/invite" in shown(told)
    assert thread.cards == []
    assert creates(world) == 0


@pytest.mark.usefixtures("bot")
async def test_upload_permission_is_checked_once_for_many_jobs(
    world: World, thread: Thread
) -> None:
    await asyncio.gather(*(world.slack.ada.command(f"clouds {each}") for each in range(10)))
    await world.until(lambda: all_ready(thread, 10))
    uploads = world.slack.calls_of("files.getUploadURLExternal")
    assert len([call for call in uploads if call.args["filename"] == "check.mp4"]) == 1


# A token that stops working


async def test_a_revoked_token_is_logged_once_and_jobs_resume_once_it_works(
    world: World, thread: Thread, run_bot: RunBot, logs: list[structlog.typing.EventDict]
) -> None:
    async with run_bot() as bot:
        assert (await bot.health())["slack"]
        world.faults.inject("chat.postMessage", REVOKED, times=5)
        await world.slack.ada.command("clouds")
        await world.until(lambda: [line for line in logs if line["log_level"] == "error"])
        await world.until(ready(thread))
        assert (await bot.health())["slack"]
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert "SLACK_BOT_TOKEN" in line["event"]


async def test_jobs_do_not_give_up_while_the_token_is_refused(
    world: World, thread: Thread, run_bot: RunBot
) -> None:
    async with run_bot(replace(FAST, give_up_after=0.0)):
        world.slack.workspace.token_error = "token_revoked"
        await world.slack.ada.command("clouds")
        refused = world.slack.calls
        await world.until(lambda: [c.error for c in refused].count("token_revoked") > 5)
        world.slack.workspace.token_error = ""
        await world.until(ready(thread))


async def test_jobs_continue_with_a_new_token_after_a_restart(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot() as bot:
        world.slack.workspace.bot_token = "xoxb-sandbox-new-token"
        await world.slack.ada.command("clouds")
        await world.until(lambda: "invalid_auth" in [call.error for call in world.slack.calls])
        await world.until(lambda: not bot._delivery.is_authorized)
        assert not (await bot.health())["slack"]
    renewed = settings.model_copy(update={"slack_bot_token": SecretStr("xoxb-sandbox-new-token")})
    async with run_bot(settings=renewed):
        await world.until(ready(thread))


async def test_health_fails_while_slack_refuses_the_token(world: World, bot: Bot) -> None:
    world.faults.inject("auth.test", respond_with(200, {"ok": False, "error": "account_inactive"}))
    await bot._delivery.check_token()
    assert not (await bot.health())["slack"]
    await bot._delivery.check_token()
    assert (await bot.health())["slack"]


# Fairness


@pytest.mark.usefixtures("bot")
async def test_a_backlog_does_not_delay_another_persons_file(world: World, thread: Thread) -> None:
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
        lambda: "uploading to Slack" in str([c.blocks for c in thread.cards if "rain" in shown(c)])
    )
    gate.set()
    await world.until(lambda: str([c.blocks for c in thread.cards]).count("*Ready:*") == 13)
    position = next(n for n, path in enumerate(downloads()) if rain.id in path)
    assert position <= 5
