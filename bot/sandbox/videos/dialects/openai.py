"""The reference: OpenAI's OpenAPI spec 2.3.0, and the wording of its live errors.

Assumed, because no public source shows it: the errors of a refused delete, remix, page or variant,
and that unknown query parameters are refused like unknown fields.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.sandbox.videos.call import Call, Refused, Upload
from bot.sandbox.videos.dialects.checks import (
    IMAGE_TYPES,
    choice,
    from_data_url,
    invalid_value,
    missing,
    page_of,
    picture_size,
    read_body,
    read_prompt,
    refuse_unknown,
    refuse_unknown_query,
    unsupported_type,
    whole_number,
    whole_seconds,
    wrong_type,
)
from bot.sandbox.videos.state import Video, VideoParams

_BIG_SIZES = ("1024x1792", "1792x1024")
_NOT_READY = "Video is not ready yet, use GET /v1/videos/{video_id} to check status."
NO_CHANGES: Mapping[str, int] = {"remix": 404, "edit": 405}
"""Statuses of servers that can create videos but not change them."""


@dataclass(frozen=True)
class Response:
    """A JSON response; a string is sent as plain text."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class OpenAI:
    """OpenAI's own behaviour, which the other dialects override."""

    models: Sequence[str] = (
        "sora-2",
        "sora-2-pro",
        "sora-2-2025-10-06",
        "sora-2-pro-2025-10-06",
        "sora-2-2025-12-08",
    )
    sizes: Sequence[str] = ("720x1280", "1280x720", *_BIG_SIZES)
    pro_sizes: Sequence[str] = _BIG_SIZES
    """Only sora-2-pro makes these, though the spec has one list for all models."""
    seconds: Sequence[str] = ("4", "8", "12")
    supports_ranges = True
    """Whether downloads can be resumed."""
    sends_poll_hint = True
    """Whether responses about unfinished videos have openai-poll-after-ms."""
    missing_operations: Mapping[str, int] = {}
    """Operations that this server lacks, with the status it sends instead."""
    page_size: int | None = 20
    """The default number of videos on a page of the list; None for all."""
    supports_order = True
    """Whether the list can be sorted oldest first."""
    unknown_cursor: Literal["refuse", "nothing", "everything"] = "refuse"
    """What the list returns for an unknown `after`."""

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        """Images by file_id."""

    # Authentication

    def authenticate(self, call: Call, api_key: str) -> None:
        """Check the key."""
        word, _, key = call.headers.get("Authorization", "").partition(" ")
        if word != "Bearer" or not key:
            raise Refused(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if key != api_key:
            raise Refused(
                401,
                f"Incorrect API key provided: {key[:3]}{'*' * max(0, len(key) - 7)}{key[-4:]}. You "
                "can find your API key at https://platform.openai.com/account/api-keys.",
                "invalid_api_key",
            )

    # Requests

    def read_create(self, call: Call) -> VideoParams:
        """Check a create, and return its parameters."""
        read_body(call)
        refuse_unknown(call, ("prompt", "model", "seconds", "size", "input_reference"))
        prompt = read_prompt(call)
        model = choice(call, "model", self.models, "sora-2")
        seconds = choice(call, "seconds", self.seconds, "4")
        size = choice(call, "size", self.sizes, "720x1280")
        if size in self.pro_sizes and "pro" not in model:
            small = [size for size in self.sizes if size not in self.pro_sizes]
            raise invalid_value("size", size, small)
        return VideoParams(prompt, model, size, seconds, self._reference(call, size))

    def read_change(self, call: Call, source: Video) -> VideoParams:
        """Check a remix or an edit, and return the new video's parameters."""
        if source.status != "completed":
            raise Refused(400, f"Video '{source.id}' is not completed.", param="video")
        prompt = read_prompt(call)
        return VideoParams(
            prompt, source.model, source.size, source.seconds, None, remixed_from_video_id=source.id
        )

    def check_remix(self, call: Call) -> None:
        """Check the fields of a remix."""
        read_body(call)
        refuse_unknown(call, ("prompt",))

    def read_edit(self, call: Call) -> str:
        """Check the fields of an edit, and return the id of the video to change."""
        read_body(call)
        refuse_unknown(call, ("prompt", "video"))
        match call.fields.get("video"):
            case {"id": str(video_id)}:
                return video_id
            case _:
                raise missing("video")

    # Responses

    def new_id(self) -> str:
        """Return a new video id."""
        return f"video_{secrets.token_hex(24)}"

    def find(self, video_id: str, videos: Mapping[str, Video]) -> Video | None:
        """Find a video by an id that this server issued."""
        return videos.get(video_id)

    def missing_video(self, video_id: str) -> Refused:
        """Return the refusal of an unknown id."""
        return Refused(404, f"Video with id '{video_id}' not found.")

    def video(self, video: Video) -> dict[str, Any]:
        """Return the video object, with every key that the spec requires."""
        error = video.error and {"code": video.error.code, "message": video.error.message}
        return {
            "id": video.id,
            "object": "video",
            "model": video.model,
            "status": video.status,
            "progress": video.progress,
            "created_at": int(video.created_at),
            "completed_at": whole_seconds(video.completed_at),
            "expires_at": whole_seconds(video.expires_at),
            "prompt": video.prompt,
            "size": video.size,
            "seconds": video.seconds,
            "remixed_from_video_id": video.remixed_from_video_id,
            "error": error,
        }

    def created(self, video: Video) -> Response:
        """Respond to a create."""
        return Response(self.video(video))

    def changed(self, video: Video) -> Response:
        """Respond to a remix or an edit."""
        return self.created(video)

    def retrieved(self, video: Video) -> Response:
        """Respond to a retrieve."""
        return Response(self.video(video))

    def page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list, newest first unless `order` says otherwise."""
        refuse_unknown_query(call, ("limit", "order", "after"))
        return self.any_page(call, videos)

    def any_page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list, ignoring unknown query parameters."""
        order = call.query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise invalid_value("order", order, ("asc", "desc"))
        rows = list(videos) if order == "asc" and self.supports_order else list(videos)[::-1]
        rows = self._after(call.query.get("after"), rows)
        limit = whole_number(call, "limit", 0, 100, self.page_size or len(rows))
        return Response(page_of([self.listed(video) for video in rows[:limit]], len(rows) > limit))

    def listed(self, video: Video) -> dict[str, Any]:
        """Return the video object of the list."""
        return self.video(video)

    def check_delete(self, video: Video) -> None:
        """Allow deleting completed and failed videos only, as the spec says.

        Refuse with 400, not 409, which OpenAI's own SDK would retry.
        """
        if not video.is_finished:
            raise Refused(400, f"Video '{video.id}' is not completed or failed yet.")

    def deleted(self, video: Video) -> Response:
        """Respond to a delete."""
        return Response({"id": video.id, "object": "video.deleted", "deleted": True})

    def variant(self, call: Call) -> str:
        """Return the requested variant."""
        refuse_unknown_query(call, ("variant",))
        variant = call.query.get("variant", "video")
        if variant not in ("video", "thumbnail", "spritesheet"):
            raise invalid_value("variant", variant, ("video", "thumbnail", "spritesheet"))
        return variant

    def check_content(self, video: Video, _variant: str, now: float) -> None:
        """Allow downloading a completed video for an hour."""
        if video.status != "completed":
            raise Refused(404, _NOT_READY)
        if video.expires_at is not None and now >= video.expires_at:
            raise Refused(404, f"The content of video '{video.id}' has expired.")

    def model_list(self) -> Response:
        """Return the list of models."""
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in self.models
        ]
        return Response({"object": "list", "data": rows})

    def busy(self) -> Refused:
        """Return the refusal of a server under load."""
        return Refused(
            429,
            "Rate limit reached for sora-2 on requests per min (RPM). Please try again later.",
            "rate_limit_exceeded",
            type="requests",
            headers={"Retry-After": "2"},
        )

    def refusal(self, refused: Refused) -> Response:
        """Return the error object, always with all four keys."""
        body = {
            "message": refused.message,
            "type": refused.type,
            "param": refused.param,
            "code": refused.code,
        }
        return Response({"error": body}, refused.status, refused.headers)

    def _reference(self, call: Call, size: str) -> Upload | None:
        name = "input_reference"
        if name in call.files:
            upload = call.files[name]
            if upload.mime not in IMAGE_TYPES:
                raise unsupported_type(name, upload.mime)
        elif name in call.fields:
            expected = "a file" if call.body_kind == "multipart" else "an object"
            upload = self._named_reference(name, call.fields[name], expected)
        else:
            return None
        if picture_size(upload) != size:
            raise Refused(400, "Inpaint image must match the requested width and height")
        return upload

    def _named_reference(self, name: str, value: object, expected: str) -> Upload:
        match value:
            case {"image_url": str(url), **rest} if not rest:
                return from_data_url(name, url)
            case {"file_id": str(file_id), **rest} if not rest:
                if file_id not in self.uploads:
                    raise Refused(404, f"No such File object: {file_id}", param="id")
                return Upload(file_id, "image/*", self.uploads[file_id])
            case {}:
                raise Refused(400, f"'{name}' must have exactly one of image_url and file_id.")
            case _:
                raise wrong_type(name, expected, value)

    def _after(self, cursor: str | None, rows: list[Video]) -> list[Video]:
        if cursor is None:
            return rows
        for position, video in enumerate(rows):
            if self.listed(video)["id"] == cursor:
                return rows[position + 1 :]
        match self.unknown_cursor:
            case "refuse":
                raise self.missing_video(cursor)
            case "nothing":
                return []
            case "everything":
                return rows


class OpenAIGuide(OpenAI):
    """What OpenAI's video guide of 2026 offers beyond the spec."""

    sizes = (*OpenAI.sizes, "1920x1080", "1080x1920")
    pro_sizes = (*OpenAI.pro_sizes, "1920x1080", "1080x1920")
    seconds = (*OpenAI.seconds, "16", "20")
