"""What the bot says in Slack: under Slack's limits, and what each refusal means."""

import time

import aiohttp
import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import jobs
from bot.delivery import RESERVED_UPDATES, UPDATES_PER_MINUTE, Delivery
from bot.errors import (
    BotError,
    CannotPost,
    MisconfiguredError,
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    TemporaryError,
    TokenRefused,
)
from bot.jobs import Job
from bot.sandbox.faults import respond_with
from bot.sandbox.world import World
from bot.slack_errors import translate
from bot.ui.progress import ProgressContext
from tests.support.jobs import make_job


def refused(code: str, status: int = 200, **headers: str) -> SlackApiError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = AsyncSlackResponse(
        client=AsyncWebClient(),
        http_verb="POST",
        api_url="https://slack.com/api/chat.postMessage",
        req_args={},
        data={"ok": False, "error": code},
        headers=named,
        status_code=status,
    )
    return SlackApiError("no", answer)  # type: ignore[no-untyped-call]  # slack_sdk's is not typed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, CannotPost) for code in ("channel_not_found", "not_in_channel", "is_archived")),
        *((code, CannotPost) for code in ("restricted_action", "restricted_action_read_only")),
        *((code, CannotPost) for code in ("posting_to_channel_denied", "access_denied")),
        *((code, TemporaryError) for code in ("internal_error", "fatal_error")),
        *((code, TokenRefused) for code in ("invalid_auth", "token_revoked", "account_inactive")),
        *((code, MisconfiguredError) for code in ("missing_scope", "org_login_required")),
        *((code, PermanentError) for code in ("message_not_found", "file_not_found")),
        *((code, PermanentError) for code in ("msg_too_long", "a_code_of_next_year")),
        *((code, RateLimited) for code in ("ratelimited", "rate_limited")),
        ("message_limit_exceeded", RateLimited),
        ("team_added_to_org", TemporaryError),
    ],
)
def test_every_refusal_has_its_consequence(code: str, kind: type[BotError]) -> None:
    assert type(translate(refused(code))) is kind


def test_a_rate_limit_says_how_long() -> None:
    meaning = translate(refused("ratelimited", 429, Retry_After="30"))
    assert isinstance(meaning, RateLimited)
    assert meaning.retry_after == 30


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, TemporaryError)])
async def test_a_refusal_in_plain_text_keeps_its_meaning(
    world: World, status: int, kind: type[TemporaryError]
) -> None:
    world.faults.inject("chat.postMessage", respond_with(status, "busy", Retry_After="7"))
    client = AsyncWebClient(world.slack.bot_token, base_url=world.slack.api_url)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C1", text="x")
    meaning = translate(caught.value)
    assert type(meaning) is kind
    assert meaning.retry_after == (7 if kind is RateLimited else None)


def test_a_server_error_may_pass() -> None:
    assert isinstance(translate(refused("unknown", 503)), TemporaryError)


def test_an_answer_that_was_lost_is_not_a_refusal() -> None:
    for error in (aiohttp.ServerDisconnectedError(), TimeoutError()):
        assert type(translate(error)) is OutcomeUnknown


def test_the_invitation_names_the_bot() -> None:
    assert "/invite @video" in translate(refused("not_in_channel"), bot_name="video").message


async def test_progress_leaves_room_for_what_must_be_said(world: World) -> None:
    async with httpx.AsyncClient() as http:
        slack = AsyncWebClient(world.slack.bot_token, base_url=world.slack.api_url)
        delivery = Delivery(slack, http, bot_name="video")
        job = await announced(delivery, world)
        began = time.monotonic()
        drawn = [
            await delivery.update_progress(
                jobs.progressed(job, percent=percent), ProgressContext(elapsed=1)
            )
            for percent in range(UPDATES_PER_MINUTE)
        ]
        regained = (time.monotonic() - began) * UPDATES_PER_MINUTE / 60
        assert drawn.count(True) <= UPDATES_PER_MINUTE - RESERVED_UPDATES + 1 + regained
        for _ in range(RESERVED_UPDATES - 1):
            await delivery.update_card(job)
    assert len(world.slack.calls_of("chat.update")) == drawn.count(True) + RESERVED_UPDATES - 1


async def announced(delivery: Delivery, world: World) -> Job:
    job = make_job(
        team_id=world.slack.workspace.team_id,
        user_id=world.slack.ada.id,
        channel_id=world.slack.workspace.videos.id,
    )
    card = await delivery.announce(job)
    job = jobs.announced(job, channel_id=card.channel_id, card_ts=card.ts)
    return jobs.accepted(job, video_id="video_1")
