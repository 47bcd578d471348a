"""vLLM-Omni 0.30.0: forms only, numeric error codes, and failed videos as HTTP errors."""

import json
import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from bot.sandbox.videos.call import Call, Refused, Upload
from bot.sandbox.videos.dialects.checks import from_data_url, picture_size
from bot.sandbox.videos.dialects.openai import NO_CHANGES, OpenAI, Response
from bot.sandbox.videos.state import Failure, Video, VideoParams

_STATUSES = {"moderation_blocked": 400}
"""The status of a failed video's GET, by OpenAI's error code."""


class VllmOmni(OpenAI):
    """Keeps its videos in memory: `restart()` imitates its restart."""

    models = ("Wan-AI/Wan2.2-T2V-A14B-Diffusers",)
    sends_poll_hint = False
    missing_operations = NO_CHANGES
    page_size = None
    unknown_cursor = "nothing"

    def authenticate(self, call: Call, api_key: str) -> None:
        """Check the key; everything else gets the same short error."""
        if call.headers.get("Authorization") != f"Bearer {api_key}":
            raise Refused(401, "Unauthorized", body={"error": "Unauthorized"})

    def read_create(self, call: Call) -> VideoParams:
        """Check a form; unknown fields are ignored."""
        if call.body_kind not in ("multipart", "urlencoded"):
            raise _required("prompt")
        fields = {name: value for name, value in call.fields.items() if value != ""}
        if "prompt" not in fields:
            raise _required("prompt")
        served = self.models[0]
        if (model := fields.get("model", served)) != served:
            raise Refused(
                400,
                f"Model mismatch: request specifies '{model}' but server is running '{served}'.",
            )
        seconds = _matching(fields, "seconds", r"[1-9]\d*", "4")
        size = _matching(fields, "size", r"\d+x\d+", "1280x720")
        return VideoParams(fields["prompt"], served, size, seconds, _reference(call))

    def new_id(self) -> str:
        """Return a new video id."""
        return f"video_gen_{secrets.token_hex(16)}"

    def missing_video(self, _video_id: str) -> Refused:
        """Return the refusal of an unknown id."""
        return Refused(404, "Video not found")

    def video(self, video: Video) -> dict[str, Any]:
        """Return the video object: no progress before the end, and more keys than the spec."""
        is_completed = video.status == "completed"
        error = video.error and {"code": _code(video.error), "message": video.error.message}
        return super().video(video) | {
            "progress": 100 if is_completed else 0,
            "expires_at": None,
            "error": error,
            "quality": "default",
            "media_type": "video/mp4",
            "file_name": f"{video.id}.mp4" if is_completed else None,
            "inference_time_s": 1.0 if is_completed else None,
            "fps": 24,
            "num_frames": 24 * int(video.seconds),
            "duration_s": float(video.seconds),
            "stage_durations": {},
            "peak_memory_mb": 0.0,
        }

    def retrieved(self, video: Video) -> Response:
        """Respond to a retrieve; a failure becomes the response's status."""
        status = 200 if video.error is None else _code(video.error)
        return Response(self.video(video), status)

    def page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list; unknown query parameters are ignored."""
        return self.any_page(call, videos)

    def check_delete(self, video: Video) -> None:
        """Always allow it; an unfinished video is aborted."""

    def variant(self, _call: Call) -> str:
        """Return `video`, whatever was requested."""
        return "video"

    def check_content(self, video: Video, _variant: str, _now: float) -> None:
        """Allow downloading a completed video forever."""
        if video.status == "failed":
            raise Refused(422, "Video generation failed. Check job status for error details.")
        if video.status != "completed":
            raise Refused(404, "Generation is still in-progress")

    def refusal(self, refused: Refused) -> Response:
        """Return the error object, with the status as its code."""
        body = {
            "message": refused.message,
            "type": HTTPStatus(refused.status).phrase,
            "param": refused.param,
            "code": refused.status,
        }
        return Response({"error": body}, refused.status, refused.headers)


def _required(name: str) -> Refused:
    problem = {"type": "missing", "loc": ("body", name), "msg": "Field required", "input": None}
    return Refused(400, str([problem]), param=name)


def _matching(fields: dict[str, Any], name: str, pattern: str, default: str) -> str:
    value = str(fields.get(name, default))
    if re.fullmatch(pattern, value, re.ASCII) is None:
        raise Refused(400, f"String should match pattern '^{pattern}$': {value!r}", param=name)
    return value


def _reference(call: Call) -> Upload | None:
    """Return an image of any size; its content decides the type, not its header."""
    upload = call.files.get("input_reference")
    if "input_reference" in call.fields:
        raise Refused(400, "Value error, Expected UploadFile", param="input_reference")
    if "image_reference" in call.fields:
        upload = _linked(call.fields["image_reference"])
    if upload is not None:
        picture_size(upload)
    return upload


def _linked(text: str) -> Upload:
    try:
        reference = json.loads(text)
    except ValueError:
        raise Refused(400, "Invalid JSON in image_reference.") from None
    match reference:
        case {"image_url": str(url)}:
            return from_data_url("image_reference", url)
        case _:
            raise Refused(400, "image_reference.file_id is not supported.")


def _code(failure: Failure) -> int:
    if isinstance(failure.code, int):
        return failure.code
    return _STATUSES.get(failure.code or "", 500)
