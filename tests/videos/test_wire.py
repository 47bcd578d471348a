"""Reading the responses of a Videos server."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import (
    BotError,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    ServerUnusable,
    TemporaryError,
    VideoGone,
)
from bot.pictures import Picture
from bot.request import VideoRequest
from bot.videos import wire
from bot.videos.wire import Completed, Failed, InProgress, VideoStatus

REQUEST = VideoRequest(prompt="<@U1> & co", model="sora-2", seconds="4", size="720x1280")
NAMES = ["id", "status", "progress", "error", "code", "message", "detail", "data", "url", "prompt"]


def retrieve(video: dict[str, Any], **headers: str) -> VideoStatus:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire.read_status(200, named, json.dumps(video).encode())


def error(status: int, code: str | None = None, message: str = "No.", **headers: str) -> BotError:
    envelope = {"error": {"message": message, "type": "t", "param": None, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire.read_error(status, named, json.dumps(envelope).encode())


def test_a_create_sends_each_field_as_a_form_part() -> None:
    assert wire.create_fields(REQUEST) == [
        ("prompt", (None, "<@U1> & co")),
        ("model", (None, "sora-2")),
        ("seconds", (None, "4")),
        ("size", (None, "720x1280")),
    ]


def test_empty_fields_are_omitted_and_a_starting_image_is_sent_as_a_file() -> None:
    request = VideoRequest(prompt="clouds", model="wan", seconds="", size="")
    assert wire.create_fields(request, Picture(b"...", "image/png", "8x8")) == [
        ("prompt", (None, "clouds")),
        ("model", (None, "wan")),
        ("input_reference", ("picture.png", b"...", "image/png")),
    ]


def test_a_running_video_has_its_progress_and_poll_hint() -> None:
    video = {"status": "in_progress", "progress": 40}
    assert retrieve(video, openai_poll_after_ms="2000") == InProgress(40, 2.0)


@pytest.mark.parametrize("progress", [None, "half", True])
def test_progress_that_is_not_a_number_is_unknown(progress: object) -> None:
    assert retrieve({"status": "queued", "progress": progress}) == InProgress(None, is_queued=True)


def test_an_unknown_status_is_read_as_in_progress() -> None:
    assert retrieve({"status": "warming_up"}) == InProgress(None)


def test_a_completed_video_is_read_as_completed() -> None:
    assert retrieve({"status": "completed"}) == Completed()


def test_a_failed_video_has_its_code_and_message() -> None:
    trouble = {"code": "moderation_blocked", "message": "No."}
    assert retrieve({"status": "failed", "error": trouble}) == Failed("moderation_blocked", "No.")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_value", RequestRefused),
        (429, "insufficient_quota", ServerUnusable),
        (402, None, ServerUnusable),
        (429, "rate_limit_exceeded", RateLimited),
        (500, "server_error", TemporaryError),
        (503, None, TemporaryError),
        (401, "invalid_api_key", ServerUnusable),
        (403, None, ServerUnusable),
        (404, None, VideoGone),
        (410, None, VideoGone),
    ],
)
def test_each_http_error_is_read_as_the_matching_exception(
    status: int, code: str | None, kind: type[BotError]
) -> None:
    assert type(error(status, code)) is kind


def test_a_rate_limit_has_its_retry_after() -> None:
    limited = error(429, "rate_limit_exceeded", retry_after="7")
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == 7


def test_a_refusal_keeps_the_servers_code_and_message() -> None:
    refused = error(400, "sentinel_block", "Hmmm.")
    assert isinstance(refused, RequestRefused)
    assert (refused.code, refused.message) == ("sentinel_block", "Hmmm.")


def test_a_create_that_may_have_been_received_has_an_unknown_outcome() -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_created(500, {}, b"")
    with pytest.raises(OutcomeUnknown):
        wire.read_created(200, {}, b"{}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text()),
    body=JSON.map(lambda content: json.dumps(content).encode()) | st.binary(),
)
def test_any_response_is_read_or_raises_a_bot_error(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    for read in (wire.read_created, wire.read_status, wire.read_models):
        with contextlib.suppress(BotError):
            read(status, headers, body)
    with contextlib.suppress(BotError):
        wire.read_page(status, headers, body, request=REQUEST)
    wire.read_file_url(body)


def test_an_excessively_nested_body_is_ignored() -> None:
    assert wire.read_status(200, {}, b"[" * 100_000) == InProgress(None)


def test_a_create_refused_with_429_or_503_is_a_temporary_error() -> None:
    for status in (429, 503):
        with pytest.raises(TemporaryError):
            wire.read_created(status, {}, b"")


@pytest.mark.parametrize("depth", [10, 500, 900, 990, 5_000])
@pytest.mark.parametrize("key", ["error", "detail", "id", "status"])
def test_a_response_of_any_depth_is_read_without_a_crash(depth: int, key: str) -> None:
    body = (f'{{"{key}": ' * depth + "[]" + "}" * depth).encode()
    assert isinstance(wire.read_error(400, {}, body), RequestRefused)
    assert isinstance(wire.read_status(200, {}, body), wire.InProgress)


def test_an_id_with_a_lone_surrogate_is_made_safe_for_urls() -> None:
    assert wire.read_created(200, {}, b'{"id": "video_\\ud800"}') == "video_?"


def test_an_error_code_is_truncated_and_keys_in_it_are_masked() -> None:
    body = json.dumps({"error": {"code": "sk-secret-key " + "x" * 5_000, "message": "No."}})
    error = wire.read_error(400, {}, body.encode())
    assert isinstance(error, RequestRefused)
    assert error.code.startswith("[key] x")
    assert len(error.code) == 100


def test_json_with_too_many_values_is_not_parsed() -> None:
    """Parsing it would block the event loop for a quarter of a second."""
    body = b'{"id": "video_1", "data": [' + b"[]," * 1_000_000 + b"0]}"
    assert wire.read_status(200, {}, body) == InProgress()
    assert wire.read_created(200, {}, body[:90_000] + b"0]}") == "video_1"
