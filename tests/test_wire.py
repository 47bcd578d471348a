"""What a Videos server says, in our words."""

import json
from typing import Any

import pytest

from bot.errors import (
    BotError,
    MisconfiguredError,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    TemporaryError,
    VideoGone,
)
from bot.request import VideoRequest
from bot.videos import wire
from bot.videos.wire import Broke, Finished, Look, Working


def look(video: dict[str, Any], **headers: str) -> Look:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire.read_look(200, named, json.dumps(video).encode())


def error(status: int, code: str | None = None, message: str = "No.", **headers: str) -> BotError:
    envelope = {"error": {"message": message, "type": "t", "param": None, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire.read_error(status, named, json.dumps(envelope).encode())


def test_a_create_sends_each_field_as_a_part_of_its_own() -> None:
    request = VideoRequest(prompt="<@U1> & co", model="sora-2", seconds="4", size="720x1280")
    assert wire.create_fields(request) == [
        ("prompt", (None, "<@U1> & co")),
        ("model", (None, "sora-2")),
        ("seconds", (None, "4")),
        ("size", (None, "720x1280")),
    ]


def test_a_running_video_says_how_far_it_is_and_when_to_look_again() -> None:
    video = {"status": "in_progress", "progress": 40}
    assert look(video, openai_poll_after_ms="2000") == Working(40, 2.0)


@pytest.mark.parametrize("progress", [None, "half", True])
def test_progress_that_is_no_number_is_not_known(progress: object) -> None:
    assert look({"status": "queued", "progress": progress}) == Working(None)


def test_an_unknown_state_is_still_running() -> None:
    assert look({"status": "warming_up"}) == Working(None)


def test_a_finished_video_can_be_fetched() -> None:
    assert look({"status": "completed"}) == Finished()


def test_a_failed_video_brings_code_and_message() -> None:
    trouble = {"code": "moderation_blocked", "message": "No."}
    assert look({"status": "failed", "error": trouble}) == Broke("moderation_blocked", "No.")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_value", RequestRefused),
        (429, "insufficient_quota", RequestRefused),
        (429, "rate_limit_exceeded", RateLimited),
        (500, "server_error", TemporaryError),
        (503, None, TemporaryError),
        (401, "invalid_api_key", MisconfiguredError),
        (403, None, MisconfiguredError),
        (404, None, VideoGone),
        (410, None, VideoGone),
    ],
)
def test_every_class_of_error_has_its_consequence(
    status: int, code: str | None, kind: type[BotError]
) -> None:
    assert type(error(status, code)) is kind


def test_a_rate_limit_says_when_to_come_back() -> None:
    limited = error(429, "rate_limit_exceeded", retry_after="7")
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == 7


def test_a_refusal_keeps_the_servers_code_and_message() -> None:
    refused = error(400, "sentinel_block", "Hmmm.")
    assert isinstance(refused, RequestRefused)
    assert (refused.code, refused.message) == ("sentinel_block", "Hmmm.")


def test_a_create_that_may_have_been_heard_is_not_called_temporary() -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_created(500, {}, b"")
    with pytest.raises(OutcomeUnknown):
        wire.read_created(200, {}, b"{}")


def test_a_create_that_was_turned_away_may_be_sent_again() -> None:
    for status in (429, 503):
        with pytest.raises(TemporaryError):
            wire.read_created(status, {}, b"")
