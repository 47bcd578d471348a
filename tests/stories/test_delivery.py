"""Delivery to Slack: rate limits, and the translation of each error."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import httpx
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import jobs
from bot.delivery import RESERVED_UPDATES, UPDATES_PER_MINUTE, Delivery, Installation, MessageKind
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
from bot.sandbox.world import World
from bot.slack_errors import translate
from bot.ui import failures
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


CONSEQUENCES: dict[type[BotError], str] = {
    RateLimited: "ratelimited rate_limited message_limit_exceeded",
    TemporaryError: """internal_error fatal_error service_unavailable request_timeout
        team_added_to_org file_update_failed""",
    TokenRefused: "invalid_auth not_authed account_inactive token_revoked token_expired",
    MisconfiguredError: """missing_scope no_permission org_login_required accesslimited
        two_factor_setup_required team_access_not_granted enterprise_is_restricted
        not_allowed_token_type""",
    CannotPost: """channel_not_found not_in_channel is_archived is_inactive
        restricted_action restricted_action_read_only_channel
        restricted_action_thread_only_channel restricted_action_non_threadable_channel
        restricted_action_thread_locked posting_to_channel_denied access_denied
        thread_not_found cannot_reply_to_message cannot_dm_bot messages_tab_disabled
        ekm_access_denied file_uploads_disabled file_type_not_allowed
        file_uploads_except_images_disabled storage_limit_reached""",
    PermanentError: """message_not_found edit_window_closed cant_update_message block_mismatch
        msg_too_long msg_blocks_too_long no_text invalid_blocks invalid_arguments
        metadata_too_large file_not_found file_deleted
        file_upload_size_restricted cant_delete_file invalid_channel user_not_found
        method_not_supported_for_channel_type hash_conflict not_found expired_trigger_id
        a_code_of_next_year""",
}
"""The documented errors of the methods that the bot calls (docs.slack.dev)."""


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code, kind) for kind, codes in CONSEQUENCES.items() for code in codes.split()],
)
def test_each_slack_error_code_is_translated_to_the_right_error(
    code: str, kind: type[BotError]
) -> None:
    assert type(translate(refused(code))) is kind


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/json"])
async def test_an_error_response_without_json_keeps_its_retry_after(
    world: World, status: int, content_type: str
) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        headers = {"Retry-After": "30"}
        return web.Response(status=status, text="Slow", headers=headers, content_type=content_type)

    world.faults.inject("chat.postMessage", refuse)
    async with delivering(world) as delivery:
        with pytest.raises(TemporaryError) as raised:
            await announced(delivery, world)
    assert raised.value.retry_after == 30


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/json"])
async def test_a_success_response_without_valid_json_is_an_unknown_outcome(
    world: World, content_type: str
) -> None:
    async def confuse(_request: web.Request) -> web.Response:
        return web.Response(text="Welcome", content_type=content_type)

    world.faults.inject("chat.postMessage", confuse)
    async with delivering(world) as delivery:
        with pytest.raises(OutcomeUnknown):
            await announced(delivery, world)


def test_a_rate_limit_error_keeps_its_retry_after() -> None:
    meaning = translate(refused("ratelimited", 429, Retry_After="30"))
    assert isinstance(meaning, RateLimited)
    assert meaning.retry_after == 30


def test_a_slack_server_error_is_temporary() -> None:
    assert isinstance(translate(refused("unknown", 503)), TemporaryError)


def test_a_lost_response_is_an_unknown_outcome() -> None:
    for error in (aiohttp.ServerDisconnectedError(), TimeoutError()):
        assert type(translate(error)) is OutcomeUnknown


def test_the_invite_hint_names_the_bot() -> None:
    error = translate(refused("not_in_channel"), bot_name="clips")
    assert isinstance(error, CannotPost)
    assert "/invite @clips" in failures.describe(error)


async def test_progress_updates_leave_capacity_for_required_updates(world: World) -> None:
    async with delivering(world) as delivery:
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


@asynccontextmanager
async def delivering(world: World) -> AsyncIterator[Delivery]:
    async with httpx.AsyncClient() as http, aiohttp.ClientSession() as session:
        slack = AsyncWebClient(
            world.slack.bot_token,
            base_url=world.slack.api_url,
            session=session,
            retry_handlers=[],
        )
        app = Installation(bot_id=world.slack.workspace.bot_id, bot_name="video")
        yield Delivery(slack, http, app)


async def test_only_the_bots_own_messages_are_found_again(world: World) -> None:
    world.slack.workspace.scopes.add("channels:history")
    async with delivering(world) as delivery:
        job = await announced(delivery, world)
        job = replace(job, card_ts=None, created_at=0)
        [card] = world.slack.workspace.videos.messages
        forged = replace(card, ts=world.slack.workspace.new_ts(), bot_id="B0OTHER")
        world.slack.workspace.post(forged)
        found = await delivery.find_message(job, MessageKind.CARD)
        assert found is not None
        assert found.ts == card.ts
        world.slack.workspace.delete(card)
        assert await delivery.find_message(job, MessageKind.CARD) is None


async def announced(delivery: Delivery, world: World) -> Job:
    job = make_job(
        team_id=world.slack.workspace.team_id,
        user_id=world.slack.ada.id,
        channel_id=world.slack.workspace.videos.id,
    )
    card = await delivery.announce(job)
    job = jobs.announced(job, channel_id=card.channel_id, card_ts=card.ts)
    return jobs.accepted(job, video_id="video_1")
