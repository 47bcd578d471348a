"""What a Videos server says, in our words; no I/O.

Each reader is a function of (status, headers, body). The shapes are OpenAI's OpenAPI spec 2.3.0;
where a server speaks otherwise, a comment names it.
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
    TemporaryError,
    VideoGone,
)
from bot.pictures import Picture
from bot.request import VideoRequest

DONE = frozenset({"completed", "succeeded", "success", "done", "finished"})
QUEUED = frozenset({"queued", "pending", "submitted", "not_start", "preparing"})
BROKEN = frozenset({"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"})
MAX_MESSAGE_LENGTH = 4000
"""Characters of a server's message that are kept."""
MAX_CODE_LENGTH = 100
"""Characters of a server's error code that are kept."""

_NO_SUCH_PLACE = re.compile(r"^Not Found$|invalid url|cannot (post|delete)|HTTP 404", re.IGNORECASE)

_WORD = re.compile(r"[a-zA-Z][\w.-]*")

# Codes and messages: aquiles-image has no codes, and LiteLLM's says nothing.
_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing.hard.limit", re.IGNORECASE
)
_KEY = re.compile(r"invalid_api_key|no_db_connection|auth_error")  # LiteLLM: also with 400
_PROMPT = re.compile(r"moderation_blocked|content_policy|sentinel_block")
_MODEL = re.compile(
    r"model_not_found|\bmodels?\b|\bdeployment\b", re.IGNORECASE
)  # Azure: deployment


_NO_OPERATION = {404, 405, 501}
"""Statuses that may say that the server has no such operation."""

_FILE_URLS: tuple[tuple[str | int, ...], ...] = (
    ("url",),  # SGLang-Diffusion with a cloud store; AnyFast in place of the file
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
_INSIDES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Traceback \(most recent call last\).*", re.DOTALL), "…"),
    (re.compile(r"\bsk-[\w*.-]{4,}|\bBearer\s+\S+"), "[key]"),
    # A word that holds three asterisks; read once, from its beginning.
    (re.compile(r"(?<!\S)(?:[^\s*]|\*{1,2}(?!\*))*+\*{3,}\S*"), "[key]"),
    (re.compile(r"\bhttps?://[^\s'\"]+"), _without_secrets),
    (re.compile(r"(?<![\w/:.<])/(?!v\d)(?:[\w.-]+/)+[\w.-]+|\b[A-Z]:\\\S+"), "[path]"),
)
"""What is taken out of a server's words: stack traces, keys, queries of URLs, its own paths."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Not finished yet; `percent` where the server says it, `poll_after` seconds if it asks."""

    percent: int | None = None
    poll_after: float | None = None
    is_queued: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """The file can be fetched."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The server gave up on this video."""

    code: str
    message: str


VideoStatus = InProgress | Completed | Failed
"""What a look at a video may find."""


@dataclass(frozen=True, slots=True)
class Candidates:
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

    def search(self, begin: float, known: Collection[str]) -> Candidates:
        """What the request left on this page since `begin`, but for what is known already."""
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
        """Whether all that may follow this page was certainly created before this moment.

        Only a page that is visibly in order, the newest first, says anything about the next.
        """
        times = [video.created_at for video in self.videos if video.created_at is not None]
        in_order = times == sorted(times, reverse=True) and len(times) == len(self.videos)
        return in_order and bool(times) and times[0] > times[-1] and times[-1] < moment


FormPart = tuple[None, str] | tuple[str, bytes, str]


def create_fields(
    request: VideoRequest, reference: Picture | None = None
) -> list[tuple[str, FormPart]]:
    """The multipart fields of a create, for httpx `files=`; what is empty is not sent.

    As plain `data=` httpx sends them urlencoded, which SGLang and aquiles-image refuse.
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
"""Videos a page: the most that OpenAI and SGLang-Diffusion give."""


def list_query(after: str | None) -> dict[str, str]:
    """The query of one page, the newest first where the server knows orders."""
    query = {"limit": str(MAX_PAGE_SIZE), "order": "desc"}
    return query if after is None else query | {"after": after}


def read_created(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The id of the new video, which names it for ever: LiteLLM calls it otherwise later.

    Raises:
        RequestRefused: the server does not want this request.
        TemporaryError: it certainly did not take it, but may later.
        OutcomeUnknown: it may have taken it.
        ServerUnusable: it would not take anybody's.
    """
    if not _is_success(status):
        raise _not_created(status, headers, body)
    video_id = _id(_object(body))
    if not video_id:
        raise OutcomeUnknown("The server accepted the request but gave no id.")
    return video_id


def read_remixed(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """The id of the new video; None: the server cannot do it, or no longer has the old one.

    Raises:
        As `read_created`.
    """
    return None if status in _NO_OPERATION else read_created(status, headers, body)


def read_deleted(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the video is gone from the server and nothing works on it any more.

    SGLang-Diffusion answers with the video, "deleted", and goes on working on it.

    Raises:
        TemporaryError, MisconfiguredError: it could not be asked.
    """
    if _is_success(status):
        return _object(body).get("deleted") is True
    check_responds(status, headers, body)
    return False  # OpenAI refuses to delete what is not finished, LiteLLM deletes nothing


def read_status(status: int, headers: Mapping[str, str], body: bytes) -> VideoStatus:
    """How far the video is; a state that nobody knows is one on the way.

    Raises:
        TemporaryError, VideoGone, ServerUnusable: no look was had.
    """
    video = _object(body)
    state = _text(video.get("status")).strip().lower()
    if not _is_success(status):
        # vLLM-Omni answers for a failed video with the status of its error, LiteLLM with 500.
        if state in BROKEN and _id(video):
            return _broke(video, state)
        raise _not_there(read_error(status, headers, body))
    if state in DONE:
        return Completed()
    if state in BROKEN:
        return _broke(video, state)
    # Without openai-poll-after-ms a Retry-After says the same.
    poll_after = _milliseconds(headers.get("openai-poll-after-ms"))
    return InProgress(
        _percent(video.get("progress")),
        _retry_after(headers) if poll_after is None else poll_after,
        is_queued=state in QUEUED,
    )


def read_page(
    status: int, headers: Mapping[str, str], body: bytes, *, request: VideoRequest
) -> Page | None:
    """One page of the list, with each video held against a request; None: there is no list.

    Raises:
        TemporaryError, MisconfiguredError: it could not be asked.
    """
    if not _is_success(status):
        check_responds(status, headers, body)
        # LiteLLM: 400, it wants to be told which server's list; others: 404, 405, 501.
        return None
    content = _object(body)
    rows = content.get("data")
    if not isinstance(rows, list):
        return None
    videos = tuple(_listed(row, request) for row in rows if isinstance(row, Mapping))
    # FastVideo never says that there is more; so a full page means that there may be.
    has_more = content.get("has_more") is True or len(rows) >= MAX_PAGE_SIZE
    after = videos[-1].id if videos and has_more else None
    return Page(videos, after, _date(headers.get("date")))


def read_file_url(body: bytes) -> str | None:
    """Where a server keeps the file, if it says so in place of sending it, or in its Video."""
    content = _json(body)
    for path in _FILE_URLS:
        found = reduce(_member, path, content)
        if isinstance(found, str) and found:
            return found
    return None


def read_models(status: int, headers: Mapping[str, str], body: bytes) -> list[str] | None:
    """The names of the server's models; None: it has no such list.

    Raises:
        TemporaryError, ServerUnusable: it could not be asked.
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
    """See whether the server deals with requests, also if it has not this one.

    Raises:
        TemporaryError, ServerUnusable: it does not.
    """
    error = None if _is_success(status) else read_error(status, headers, body)
    if isinstance(error, TemporaryError | MisconfiguredError) and status not in _NO_OPERATION:
        raise error


def read_ability(status: int, headers: Mapping[str, str], body: bytes) -> bool | None:
    """Whether the server has an operation, which was asked for a video that does not exist.

    None: its answer does not tell. LiteLLM sends such a request on to nowhere, and answers 500.
    """
    if _is_success(status):
        return True
    error = read_error(status, headers, body)
    if status == 404:  # noqa: PLR2004 -- the number is the name
        # In words of its own it misses the video; otherwise the web server misses the place.
        return isinstance(error, VideoGone) and _NO_SUCH_PLACE.search(error.message) is None
    return False if status in {*_NO_OPERATION, 400, 410} else None


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    """The error that an answer other than 2xx means."""
    code, message = _code_and_message(status, body)
    words = f"{code} {message}"
    if _is_refusal(status) and (_QUOTA.search(words) or _PROMPT.search(words)):
        return RequestRefused(message, code=code)
    if status in {401, 403} or (_is_refusal(status) and _KEY.search(words)):
        return ServerUnusable(message, code=code)
    if 300 <= status < 400:  # noqa: PLR2004 -- the number is the name
        return ServerUnusable(f"It has moved to {_shown(headers.get('location', '?'))}.", code=code)
    if status in {404, 410}:
        return VideoGone(message, code=code)
    if status == 429:  # noqa: PLR2004 -- the number is the name
        return RateLimited(message, retry_after=_retry_after(headers))
    if status in {408, 409, 425} or status >= 500:  # noqa: PLR2004 -- the number is the name
        return TemporaryError(message, retry_after=_retry_after(headers))
    return RequestRefused(message, code=code)


def read_content_error(status: int, headers: Mapping[str, str], body: bytes) -> BotError:
    """The error that an answer other than 2xx means where the file of a finished video should be.

    OpenAI: 403 "Files [...] are not accessible" although it is completed, for a while.
    """
    error = read_error(status, headers, body)
    if isinstance(error, ServerUnusable) and "not accessible" in error.message:
        return VideoGone(error.message, code=error.code)
    return _not_there(error)


def _not_there(error: BotError) -> BotError:
    """A refusal of what was accepted before: it is not there, perhaps only not yet.

    Unsloth, new-api and LiteLLM's adapters answer 400 for a while, others 404.
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
        # 409 is Unsloth's way to be busy, 503 aquiles-image's.
        case TemporaryError() if status not in {409, 425, 429, 503}:
            return OutcomeUnknown(error.message)
        case _:
            return error


def _listed(row: Mapping[str, Any], request: VideoRequest) -> Listed:
    created_at = _number(_text(row.get("created_at"))) or None  # LiteLLM: 0 or null
    return Listed(_text(row.get("id")), created_at, _is_ours(row, request))


def _is_ours(row: Mapping[str, Any], request: VideoRequest) -> bool | None:
    """A prompt decides; SGLang-Diffusion shows none, so there only a contradiction does.

    A server may write model, size or seconds differently from how they were asked.
    """
    same_order = (
        row.get("model") in (None, "", request.model)
        and ("" in (request.size, row.get("size", "")) or row.get("size") == request.size)
        and _same_seconds(row.get("seconds"), request.seconds)
    )
    if not isinstance(prompt := row.get("prompt"), str):
        return None if same_order else False
    if prompt != request.prompt:
        return False
    return True if same_order else None


def _same_seconds(theirs: object, ours: str) -> bool:
    """Bifrost says an integer, Unsloth "5.04" where 5 was asked."""
    number, asked = _number(_text(theirs)), _number(ours)
    return number is None or asked is None or round(number) == round(asked)


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 -- the number is the name


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500  # noqa: PLR2004 -- the number is the name


def _id(video: Mapping[str, Any]) -> str:
    return _text(video.get("id") or video.get("task_id"))  # new-api: task_id


def _broke(video: Mapping[str, Any], state: str) -> Failed:
    code, message = _said(video.get("error"))
    return Failed(_shown_code(code) or state, _shown(message) or "The server gave no reason.")


def _json(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content


def _object(body: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer; of a proxy's answer, that of the server behind it."""
    content = _json(body)
    while (inner := _quoted(content)) is not None:
        content = inner
    return content if isinstance(content, Mapping) else {}


def _quoted(content: object) -> Mapping[str, Any] | None:
    """LiteLLM: "litellm.BadRequestError: OpenAIException - {...}", with the real answer inside."""
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
    code, message = _said(_object(body))
    if not code and not message:
        text = body.decode(errors="replace").strip()
        message = "" if text.startswith(("<", "{", "[")) else text  # HTML, JSON that says nothing
    return (
        _shown_code(code) or f"http_{status}",
        _shown(message) or f"The server answered HTTP {status}.",
    )


def _said(content: Any) -> tuple[str, str]:  # noqa: ANN401 -- any JSON value
    """Code and message, in whichever shape they come; what is not said is empty."""
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
    """The object that says something, of those that only hold another."""
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
    """A word if there is one; vLLM-Omni and LiteLLM put the HTTP status in its place."""
    words = [error.get("code"), error.get("type")]
    named = [word for word in words if isinstance(word, str) and _WORD.fullmatch(word)]
    return named[0] if named else _text(error.get("code") or "")


def _shown(message: str) -> str:
    """A server's words without its insides.

    Cut first, so that their length costs nothing, and once more after: what is taken out must
    not be cut in the middle, where it could no longer be told.
    """
    message = message[: 2 * MAX_MESSAGE_LENGTH]
    for pattern, instead in _INSIDES:
        message = pattern.sub(instead, message)
    return message.strip()[:MAX_MESSAGE_LENGTH]


def _shown_code(code: str) -> str:
    return _shown(code)[:MAX_CODE_LENGTH]


def _text(value: object) -> str:
    """A text or a number as text; anything else is nothing, however deep it is nested."""
    text = str(value) if isinstance(value, str | int | float) else ""
    # Half of a surrogate pair can be written in JSON, but not sent in an address.
    return text.encode("utf-8", "replace").decode()


def _percent(progress: object) -> int | None:
    number = _number(_text(progress))  # Bifrost: a float; LiteLLM: null
    return None if number is None else max(0, min(int(number), 100))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from whichever header names them; LiteLLM passes them on under names of its own."""
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
