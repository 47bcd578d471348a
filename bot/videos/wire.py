"""What a Videos server says, in our words; no I/O.

Each reader is a function of (status, headers, body). The shapes are OpenAI's OpenAPI spec 2.3.0.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
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
_NOT_IMPLEMENTED = 501
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a create may have left behind.

    `complete`: the list goes back to before the create, and each video in it either matches or
    is certainly another's. So nothing found and complete means that nobody heard the create.
    """

    matches: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A video as a list shows it, held against a request."""

    id: str
    created_at: float | None
    is_ours: bool | None
    """Whether it is what the request asked for; None: the server does not say enough."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `after` is where the next one begins, None: this is the last."""

    videos: tuple[Listed, ...]
    after: str | None
    server_time: float | None
    """What the server's clock said, by which `created_at` was set."""

    def search(self, begin: float, known: Collection[str]) -> Found:
        """What the request left on this page since `begin`, but for what is known already."""
        candidates = [
            video
            for video in self.videos
            if video.is_ours is not False
            and video.id not in known
            and (video.created_at is None or video.created_at >= begin)
        ]
        matches = tuple(video.id for video in candidates if video.is_ours)
        return Found(matches, complete=len(matches) == len(candidates))

    def ends_before(self, moment: float) -> bool:
        """Whether all that may follow this page was certainly created before this moment.

        Only a page that is visibly in order, the newest first, says anything about the next.
        """
        times = [video.created_at for video in self.videos if video.created_at is not None]
        in_order = times == sorted(times, reverse=True) and len(times) == len(self.videos)
        return in_order and bool(times) and times[0] > times[-1] and times[-1] < moment


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


LIST_LIMIT = 100
"""Videos a page: the most that OpenAI and SGLang-Diffusion give."""


def list_query(after: str | None) -> dict[str, str]:
    """The query of one page, the newest first where the server knows orders."""
    query = {"limit": str(LIST_LIMIT), "order": "desc"}
    return query if after is None else query | {"after": after}


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


def read_page(
    status: int, headers: Mapping[str, str], body: bytes, *, request: VideoRequest
) -> Page | None:
    """One page of the list, with each video held against a request; None: there is no list.

    Raises:
        TemporaryError, MisconfiguredError: it could not be asked.
    """
    if not _is_success(status):
        error = read_error(status, headers, body)
        if isinstance(error, TemporaryError | MisconfiguredError) and status != _NOT_IMPLEMENTED:
            raise error
        # LiteLLM: 400, it wants to be told which server's list; others: 404, 405, 501.
        return None
    content = _object(body)
    rows = content.get("data")
    if not isinstance(rows, list):
        return None
    videos = tuple(_listed(row, request) for row in rows if isinstance(row, Mapping))
    # FastVideo never says that there is more; so a full page means that there may be.
    has_more = content.get("has_more") is True or len(rows) >= LIST_LIMIT
    after = videos[-1].id if videos and has_more else None
    return Page(videos, after, _date(headers.get("date")))


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


def _listed(row: Mapping[str, Any], request: VideoRequest) -> Listed:
    created_at = _number(str(row.get("created_at"))) or None  # LiteLLM: 0 or null
    return Listed(str(row.get("id") or ""), created_at, _is_ours(row, request))


def _is_ours(row: Mapping[str, Any], request: VideoRequest) -> bool | None:
    """A prompt decides; SGLang-Diffusion shows none, so there only a contradiction does.

    A server may write model, size or seconds differently from how they were asked.
    """
    same_order = (
        row.get("model") in (None, "", request.model)
        and row.get("size") in (None, "", request.size)
        and _same_seconds(row.get("seconds"), request.seconds)
    )
    if not isinstance(prompt := row.get("prompt"), str):
        return None if same_order else False
    if prompt != request.prompt:
        return False
    return True if same_order else None


def _same_seconds(theirs: object, ours: str) -> bool:
    """Bifrost says an integer, Unsloth "5.04" where 5 was asked."""
    number, asked = _number(str(theirs)), _number(ours)
    return number is None or asked is None or round(number) == round(asked)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


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
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
