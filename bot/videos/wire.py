"""What a Videos server says, in our words; no I/O.

Each reader is a function of (status, headers, body). The shapes are OpenAI's OpenAPI spec 2.3.0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

DONE = frozenset({"completed", "succeeded", "success", "done", "finished"})
BROKEN = frozenset({"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"})
QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(frozen=True, slots=True)
class Working:
    """Not finished yet; `percent` where the server says it, `poll_after` seconds if it asks."""

    percent: int | None = None
    poll_after: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The file can be fetched."""


@dataclass(frozen=True, slots=True)
class Broke:
    """The server gave up on this video."""

    code: str
    message: str


Look = Working | Finished | Broke
"""What a look at a video may find."""


def create_fields(request: VideoRequest) -> list[tuple[str, tuple[None, str]]]:
    """The multipart fields of a create, for httpx `files=`.

    As plain `data=` httpx sends them urlencoded, which SGLang and aquiles-image refuse.
    """
    fields = {
        "prompt": request.prompt,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
    }
    return [(name, (None, value)) for name, value in fields.items()]


def read_created(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The id of the new video.

    Raises:
        RequestRefused: the server does not want this request.
        TemporaryError: it certainly did not take it, but may later.
        OutcomeUnknown: it may have taken it.
        MisconfiguredError: it would not take anybody's.
    """
    if not _is_success(status):
        error = read_error(status, headers, body)
        if isinstance(error, TemporaryError) and status not in {429, 503}:
            raise OutcomeUnknown(error.message)
        raise error
    video_id = _object(body).get("id")
    if not isinstance(video_id, str) or not video_id:
        raise OutcomeUnknown("The server accepted the request but gave no id.")
    return video_id


def read_look(status: int, headers: Mapping[str, str], body: bytes) -> Look:
    """How far the video is.

    Raises:
        TemporaryError, VideoGone, MisconfiguredError, RequestRefused: no look was had.
    """
    if not _is_success(status):
        raise read_error(status, headers, body)
    video = _object(body)
    state = str(video.get("status", "")).lower()
    if state in DONE:
        return Finished()
    if state in BROKEN:
        code, message = _code_and_message(video.get("error"))
        return Broke(code or state, message or "The server gave no reason.")
    return Working(_percent(video.get("progress")), _poll_after(headers))


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    """The error that an answer other than 2xx means."""
    content = _object(body)
    code, message = _code_and_message(content.get("error", content))
    code, message = code or f"http_{status}", message or f"The server answered HTTP {status}."
    if status in {401, 403}:
        return MisconfiguredError(f"{code}: {message}")
    if status in {404, 410}:
        return VideoGone(message, code=code)
    if status == 429 and code not in QUOTA_CODES:  # noqa: PLR2004 -- the number is the name
        return RateLimited(message, retry_after=_retry_after(headers))
    if status in {408, 409, 425} or status >= 500:  # noqa: PLR2004 -- the number is the name
        return TemporaryError(message, retry_after=_retry_after(headers))
    return RequestRefused(message, code=code)


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 -- the number is the name


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _code_and_message(error: object) -> tuple[str, str]:
    if not isinstance(error, Mapping):
        return "", error if isinstance(error, str) else ""
    return str(error.get("code") or error.get("type") or ""), str(error.get("message") or "")


def _percent(progress: object) -> int | None:
    if isinstance(progress, bool) or not isinstance(progress, int | float):
        return None
    return max(0, min(int(progress), 100))


def _poll_after(headers: Mapping[str, str]) -> float | None:
    milliseconds = _number(headers.get("openai-poll-after-ms"))
    return None if milliseconds is None else milliseconds / 1000


def _retry_after(headers: Mapping[str, str]) -> float | None:
    return _number(headers.get("retry-after"))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
