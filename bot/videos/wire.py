"""Translates a Videos server's responses into our types; no I/O.

Each reader is a function of (status, headers, body). The shapes are those of OpenAI's OpenAPI spec
2.3.0; where a server differs, a comment names it.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import reduce
from typing import Any

from bot.errors import (
    BotError,
    MisconfiguredError,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    ServerUnusable,
    Source,
    TemporaryError,
    VideoGone,
)
from bot.pictures import Picture
from bot.request import VideoRequest

COMPLETED = frozenset({"completed", "succeeded", "success", "done", "finished"})
QUEUED = frozenset({"queued", "pending", "submitted", "not_start", "preparing"})
FAILED = frozenset({"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"})
_EXCERPT_BYTES = 1000
MAX_EXCERPT = 200
"""Characters that are shown of something that should have been a video."""
MAX_MESSAGE_LENGTH = 4000
"""Characters of a server's message that are kept."""
MAX_JSON_VALUES = 200_000
"""Values, at most, in JSON that is parsed, which holds up the event loop in proportion to them."""
MAX_CODE_LENGTH = 100
"""Characters of a server's error code that are kept."""

_NO_SUCH_ROUTE = re.compile(r"^Not Found$|invalid url|cannot (post|delete)|HTTP 404", re.IGNORECASE)

_VIDEO = re.compile(r"\bvideo\b", re.IGNORECASE)
_PROMPT_MISSING = re.compile(r"\bprompt\b", re.IGNORECASE)
"""How a server objects to a remix without a prompt, if it checks that before the video."""

_WORD = re.compile(r"[a-zA-Z][\w.-]*")

# Matched in codes and messages: aquiles-image has no codes, and LiteLLM's are meaningless.
_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing.hard.limit", re.IGNORECASE
)
_KEY = re.compile(r"invalid_api_key|no_db_connection|auth_error")  # LiteLLM: also with 400
_PROMPT = re.compile(r"moderation_blocked|content_policy|sentinel_block")
_MODEL = re.compile(
    r"model_not_found|\bmodels?\b|\bdeployment\b", re.IGNORECASE
)  # Azure: deployment


_NO_OPERATION = {404, 405, 501}
"""Statuses that may mean that the server has no such operation."""

_FILE_URLS: tuple[tuple[str | int, ...], ...] = (
    ("url",),  # SGLang-Diffusion with cloud storage; AnyFast instead of the file
    ("urls", 0),
    ("video_url",),  # globalaiopc
    ("videos", 0, "url"),  # Bifrost
    ("output", "videos", 0, "url"),  # Inworld
    ("metadata", "url"),  # new-api
    ("unsigned_urls", 0),  # OpenRouter
    (),  # OpenAI's spec also declares a bare string
)


def _without_secrets(found: re.Match[str]) -> str:
    """A URL without its user and password, its query and its fragment."""
    scheme, _, rest = _QUERY.split(found[0], maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


_QUERY = re.compile(r"[?#]")
_INTERNALS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Traceback \(most recent call last\).*", re.DOTALL), "…"),
    (re.compile(r"\bsk-[\w*.-]{4,}|\bBearer\s+\S+"), "[key]"),
    # A word that holds three asterisks; read once, from its beginning.
    (re.compile(r"(?<!\S)(?:[^\s*]|\*{1,2}(?!\*))*+\*{3,}\S*"), "[key]"),
    (re.compile(r"\bhttps?://[^\s'\"]+"), _without_secrets),
    (re.compile(r"(?<![\w/:.<])/(?!v\d)(?:[\w.-]+/)+[\w.-]+|\b[A-Z]:\\\S+"), "[path]"),
)
"""Removed from a server's messages: stack traces, keys, queries of URLs, file paths."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Not finished yet. `percent` and `poll_after` (seconds) are None if the server omits them."""

    percent: int | None = None
    poll_after: float | None = None
    is_queued: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """The file can be downloaded."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The server could not render this video."""

    code: str
    message: str


VideoStatus = InProgress | Completed | Failed
"""The result of polling a video."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The listed videos that a create may have made.

    `complete`: the list goes back to before the create, and each video in it either matches or
    certainly belongs to another request. So no match in a complete list means that the server
    never received the create.
    """

    matches: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A video in the list, compared with a request."""

    id: str
    created_at: float | None
    is_ours: bool | None
    """Whether the request made it; None: the list does not show enough to tell."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list; `after` is the cursor of the next page, None: this is the last."""

    videos: tuple[Listed, ...]
    after: str | None
    server_time: float | None
    """The server's own clock, which also set `created_at`."""

    def search(self, begin: float, known: Collection[str]) -> Candidates:
        """The candidates on this page created since `begin` whose ids are not already known."""
        candidates = [
            video
            for video in self.videos
            if video.is_ours is not False
            and video.id not in known
            and (video.created_at is None or video.created_at >= begin)
        ]
        matches = tuple(video.id for video in candidates if video.is_ours)
        return Candidates(matches, complete=len(matches) == len(candidates))

    def ends_before(self, moment: float) -> bool:
        """Whether everything on later pages was certainly created before this moment.

        Only a page that is visibly sorted, newest first, tells anything about the next.
        """
        times = [video.created_at for video in self.videos if video.created_at is not None]
        in_order = times == sorted(times, reverse=True) and len(times) == len(self.videos)
        return in_order and bool(times) and times[0] > times[-1] and times[-1] < moment


FormPart = tuple[None, str] | tuple[str, bytes, str]


def create_fields(
    request: VideoRequest, reference: Picture | None = None
) -> list[tuple[str, FormPart]]:
    """The multipart fields of a create, for httpx `files=`; empty values are not sent.

    With `data=` httpx would send them urlencoded, which SGLang and aquiles-image refuse.
    """
    fields = {
        "prompt": request.prompt,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
    }
    parts: list[tuple[str, FormPart]] = [
        (name, (None, value)) for name, value in fields.items() if value
    ]
    if reference is not None:
        picture = (reference.filename, reference.content, reference.mime)
        parts.append(("input_reference", picture))
    return parts


MAX_PAGE_SIZE = 100
"""The maximum of OpenAI and SGLang-Diffusion."""


def list_query(after: str | None) -> dict[str, str]:
    """The query for one page, newest first where the server supports sorting."""
    query = {"limit": str(MAX_PAGE_SIZE), "order": "desc"}
    return query if after is None else query | {"after": after}


def read_created(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The id of the new video. Always use this one: LiteLLM shows another in later responses.

    Raises:
        RequestRefused: the server refuses this request.
        TemporaryError: it certainly did not accept the request, but may later.
        OutcomeUnknown: it may have accepted the request.
        ServerUnusable: it refuses everyone's requests.
    """
    if not _is_success(status):
        raise _not_created(status, headers, body)
    video_id = _id(_object(body))
    if not video_id:
        raise OutcomeUnknown("The server accepted the request but returned no id.")
    return video_id


def read_remixed(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """The id of the new video; None: the server cannot remix, or no longer has the original.

    Raises:
        As `read_created`.
    """
    return None if status in _NO_OPERATION else read_created(status, headers, body)


def read_deleted(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the server confirms that the video is gone and is no longer rendered.

    SGLang-Diffusion responds with the video, status "deleted", and continues to render it. A
    server that has forgotten the video, as vLLM-Omni after a restart, doesn't render it either.

    Raises:
        TemporaryError, MisconfiguredError: the server does not respond properly.
    """
    if _is_success(status):
        return _object(body).get("deleted") is True
    if says_video_missing(status, body):
        return True
    check_responds(status, headers, body)
    return False  # OpenAI refuses to delete an unfinished video, LiteLLM deletes none


def read_status(status: int, headers: Mapping[str, str], body: bytes) -> VideoStatus:
    """The status of a video; an unknown status counts as in progress.

    Raises:
        TemporaryError, VideoGone, ServerUnusable: the response has no status.
    """
    video = _object(body)
    state = _text(video.get("status")).strip().lower()
    if not _is_success(status):
        # For a failed video vLLM-Omni responds with the HTTP status of its error, LiteLLM with 500.
        if state in FAILED and _id(video):
            return _failed(video, state)
        raise _as_gone(read_error(status, headers, body))
    if state in COMPLETED:
        return Completed()
    if state in FAILED:
        return _failed(video, state)
    # Without openai-poll-after-ms, a Retry-After header means the same.
    poll_after = _milliseconds(headers.get("openai-poll-after-ms"))
    return InProgress(
        _percent(video.get("progress")),
        _retry_after(headers) if poll_after is None else poll_after,
        is_queued=state in QUEUED,
    )


def read_page(
    status: int, headers: Mapping[str, str], body: bytes, *, request: VideoRequest
) -> Page | None:
    """One page of the list, each video compared with a request; None: there is no list.

    Raises:
        TemporaryError, MisconfiguredError: the server does not respond properly.
    """
    if not _is_success(status):
        check_responds(status, headers, body)
        # LiteLLM: 400, because it wants to know which server's list; others: 404, 405, 501.
        return None
    content = _object(body)
    rows = content.get("data")
    if not isinstance(rows, list):
        return None
    videos = tuple(_listed(row, request) for row in rows if isinstance(row, Mapping))
    # FastVideo never sets has_more, so a full page means that there may be more.
    has_more = content.get("has_more") is True or len(rows) >= MAX_PAGE_SIZE
    after = videos[-1].id if videos and has_more else None
    return Page(videos, after, _date(headers.get("date")))


def read_file_url(body: bytes) -> str | None:
    """The file's URL, if the server sends it instead of the file or in its Video."""
    content = _json(body)
    for path in _FILE_URLS:
        found = reduce(_member, path, content)
        if isinstance(found, str) and found:
            return found
    return None


def read_models(status: int, headers: Mapping[str, str], body: bytes) -> list[str] | None:
    """The names of the server's models; None: it has no such list.

    Raises:
        TemporaryError, ServerUnusable: the server does not respond properly.
    """
    rows = _object(body).get("data")
    if _is_success(status):
        return (
            [_id(row) for row in rows if isinstance(row, Mapping)]
            if isinstance(rows, list)
            else None
        )
    check_responds(status, headers, body)
    return None


def check_responds(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Check that the server handles requests, even if it does not support this one.

    Raises:
        TemporaryError, ServerUnusable: it does not handle any.
    """
    error = None if _is_success(status) else read_error(status, headers, body)
    if isinstance(error, TemporaryError | MisconfiguredError) and status not in _NO_OPERATION:
        raise error


def says_video_missing(status: int, body: bytes) -> bool:
    """Whether a 404 is about the video, and not about a missing route."""
    _, message = _code_and_message(status, body)
    return (
        status == 404  # noqa: PLR2004 -- the number is the name
        and _VIDEO.search(message) is not None
        and _NO_SUCH_ROUTE.search(message) is None
    )


def read_ability(status: int, body: bytes, *, no_route: bytes) -> bool | None:
    """Whether the server has an operation that was requested for a video that does not exist.

    None: the response does not tell. LiteLLM forwards such a request to no server: status 500.

    Args:
        status: of the response.
        body: of the response, without the path of the request.
        no_route: the same for a path that can't exist.
    """
    code, message = _code_and_message(status, body)
    if status == 404:  # noqa: PLR2004 -- the number is the name
        return body != no_route and _NO_SUCH_ROUTE.search(message) is None
    if _is_success(status):
        return True
    if _is_refusal(status) and _PROMPT_MISSING.search(f"{code} {message}"):
        return True
    return False if status in {*_NO_OPERATION, 400, 410} else None


def read_excerpt(body: bytes) -> str:
    """The first words of something that should have been a video, without secrets."""
    return _clean(body[:_EXCERPT_BYTES].decode(errors="replace"))[:MAX_EXCERPT]


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    """The error that a response other than 2xx means."""
    code, message = _code_and_message(status, body)
    words = f"{code} {message}"
    if _is_refusal(status) and _PROMPT.search(words):
        return RequestRefused(message, code=code)
    if status in {401, 402, 403} or (
        _is_refusal(status) and (_KEY.search(words) or _QUOTA.search(words))
    ):
        return ServerUnusable(message, code=code)
    if 300 <= status < 400:  # noqa: PLR2004 -- the number is the name
        return ServerUnusable(f"It has moved to {_clean(headers.get('location', '?'))}.", code=code)
    if status in {404, 410}:
        return VideoGone(message, code=code)
    if status == 429:  # noqa: PLR2004 -- the number is the name
        return RateLimited(message, retry_after=_retry_after(headers), source=Source.VIDEOS)
    if status in {408, 409, 425} or status >= 500:  # noqa: PLR2004 -- the number is the name
        return TemporaryError(message, retry_after=_retry_after(headers), source=Source.VIDEOS)
    return RequestRefused(message, code=code)


def read_content_error(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    """The error that a response other than 2xx means for the file of a finished video.

    OpenAI: 403 "Files [...] are not accessible" for a while after the video is completed.
    """
    error = read_error(status, headers, body)
    if isinstance(error, ServerUnusable) and "not accessible" in error.message:
        return VideoGone(error.message, code=error.code)
    return _as_gone(error)


def _as_gone(error: BotError) -> BotError:
    """A refusal for an accepted video means that it is missing, perhaps only for now.

    Unsloth, new-api and LiteLLM's adapters respond 400 for a while, others 404.
    """
    return VideoGone(error.message, code=error.code) if isinstance(error, RequestRefused) else error


def _not_created(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    error = read_error(status, headers, body)
    match error:
        case VideoGone() if _MODEL.search(f"{error.code} {error.message}"):
            return RequestRefused(error.message, code=error.code)
        case VideoGone():
            return ServerUnusable(error.message, code=error.code)
        case _ if status in _NO_OPERATION:
            return ServerUnusable(error.message, code=f"http_{status}")
        # Unsloth responds 409 when it is busy, aquiles-image 503.
        case TemporaryError() if status not in {409, 425, 429, 503}:
            return OutcomeUnknown(error.message)
        case _:
            return error


def _listed(row: Mapping[str, Any], request: VideoRequest) -> Listed:
    created_at = _number(_text(row.get("created_at"))) or None  # LiteLLM: 0 or null
    return Listed(_text(row.get("id")), created_at, _is_ours(row, request))


def _is_ours(row: Mapping[str, Any], request: VideoRequest) -> bool | None:
    """Only a prompt proves anything, because SGLang-Diffusion lists videos without theirs.

    Servers may write the model, size or seconds differently from the request (SGLang-Diffusion
    rounds), so a difference proves nothing.
    """
    if not isinstance(prompt := row.get("prompt"), str):
        return None
    if prompt != request.prompt:
        return False
    same_parameters = (
        row.get("model") in (None, "", request.model)
        and ("" in (request.size, row.get("size", "")) or row.get("size") == request.size)
        and _same_seconds(row.get("seconds"), request.seconds)
    )
    return True if same_parameters else None


def _same_seconds(theirs: object, ours: str) -> bool:
    """Bifrost returns an integer, Unsloth "5.04" for a requested 5."""
    number, asked = _number(_text(theirs)), _number(ours)
    return number is None or asked is None or round(number) == round(asked)


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 -- the number is the name


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500  # noqa: PLR2004 -- the number is the name


def _id(video: Mapping[str, Any]) -> str:
    return _text(video.get("id") or video.get("task_id"))  # new-api: task_id


def _failed(video: Mapping[str, Any], state: str) -> Failed:
    code, message = _error_of(video.get("error"))
    return Failed(_clean_code(code) or state, _clean(message) or "The server gave no reason.")


def _json(body: bytes) -> object:
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        return None
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content


def _object(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a response; of a proxy's response, that of the server behind it."""
    content = _json(body)
    while (inner := _embedded(content)) is not None:
        content = inner
    return content if isinstance(content, Mapping) else {}


def _embedded(content: object) -> Mapping[str, Any] | None:
    """LiteLLM quotes it: "litellm.BadRequestError: OpenAIException - {...}"."""
    message = _member(_member(content, "error"), "message")
    if not isinstance(message, str) or "{" not in message:
        return None
    try:
        inner, _end = json.JSONDecoder().raw_decode(message, message.index("{"))
    except (ValueError, RecursionError):
        return None
    return inner if inner.keys() & {"error", "detail", "status"} else None


def _member(content: object, name: str | int) -> Any:  # noqa: ANN401 -- any JSON value
    if isinstance(content, Mapping):
        return content.get(name)
    return content[0] if isinstance(content, list) and content and name == 0 else None


def _code_and_message(status: int, body: bytes) -> tuple[str, str]:
    code, message = _error_of(_object(body))
    if not code and not message:
        text = body.decode(errors="replace").strip()
        message = (
            "" if text.startswith(("<", "{", "[")) else text
        )  # HTML, or JSON without a message
    return (
        _clean_code(code) or f"http_{status}",
        _clean(message) or f"The server responded with HTTP {status}.",
    )


def _error_of(content: Any) -> tuple[str, str]:  # noqa: ANN401 -- any JSON value
    """Code and message, in any of the known shapes; a missing one is empty."""
    content = _innermost(content)
    match content:
        case {"error": str(code), "message": str(message)}:
            return code, message
        case {"error": str(message)} | str(message):  # vLLM-Omni's 401, OpenRouter
            return "", message
        case {"detail": [*problems]}:  # FastAPI's 422: SGLang-Diffusion
            return "", "; ".join(map(_problem, problems))
        case {"message": str(message)} | {"detail": str(message)} | {"title": str(message)}:
            return _code(content), message
        case {"code": _} | {"type": _}:
            return _code(content), ""
        case _:
            return "", ""


def _innermost(content: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """The innermost error object; servers nest them."""
    while isinstance(content, Mapping):
        inner = [content.get("error"), content.get("detail")]
        objects = [each for each in inner if isinstance(each, Mapping)]
        if not objects:
            break
        content = objects[0]
    return content


def _problem(problem: object) -> str:
    place = _member(problem, "loc")
    name = f"{_text(place[-1])}: " if isinstance(place, list) and place else ""
    return f"{name}{_text(_member(problem, 'msg'))}"


def _code(error: Mapping[str, Any]) -> str:
    """A word if there is one; vLLM-Omni and LiteLLM send the HTTP status instead."""
    words = [error.get("code"), error.get("type")]
    named = [word for word in words if isinstance(word, str) and _WORD.fullmatch(word)]
    return named[0] if named else _text(error.get("code") or "")


def _clean(message: str) -> str:
    """A server's message without internals.

    Cut before, so that a long message costs nothing, and again after: a secret that is cut in the
    middle could no longer be recognized.
    """
    message = message[: 2 * MAX_MESSAGE_LENGTH]
    for pattern, instead in _INTERNALS:
        message = pattern.sub(instead, message)
    return message.strip()[:MAX_MESSAGE_LENGTH]


def _clean_code(code: str) -> str:
    return _clean(code)[:MAX_CODE_LENGTH]


def _text(value: object) -> str:
    """A string or number as text; anything else is an empty text."""
    text = str(value) if isinstance(value, str | int | float) else ""
    # Half of a surrogate pair can be written in JSON, but not sent in an address.
    return text.encode("utf-8", "replace").decode()


def _percent(progress: object) -> int | None:
    number = _number(_text(progress))  # Bifrost: a float; LiteLLM: null
    return None if number is None else max(0, min(int(number), 100))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from any header that has them; LiteLLM forwards headers under its own names."""
    for prefix in ("", "llm_provider-"):
        milliseconds = _milliseconds(headers.get(f"{prefix}retry-after-ms"))
        if milliseconds is not None:
            return milliseconds
        text = headers.get(f"{prefix}retry-after")
        if (seconds := _number(text)) is not None:
            return seconds
        moment, now = _date(text), _date(headers.get("date"))
        if moment is not None and now is not None:
            return moment - now
    return None


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None else number / 1000


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
