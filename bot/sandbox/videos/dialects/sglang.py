"""SGLang-Diffusion 0.5.23: no key, bare UUIDs, FastAPI's errors, and no prompts in responses."""

import re
import uuid
from collections.abc import Iterable
from typing import Any

from bot.sandbox.videos.call import Call, Refused, Upload
from bot.sandbox.videos.dialects.checks import from_data_url, picture_size
from bot.sandbox.videos.dialects.openai import NO_CHANGES, OpenAI, Response
from bot.sandbox.videos.state import Video, VideoParams

_SERVED = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"


class SGLang(OpenAI):
    """Keeps its videos in memory, and never aborts one."""

    models = (_SERVED,)
    sends_poll_hint = False
    missing_operations = NO_CHANGES
    unknown_cursor = "nothing"
    cloud: str | None = None
    """The URL of a bucket that stores finished files; the server then sends none itself."""

    def authenticate(self, call: Call, api_key: str) -> None:
        """Accept everyone."""

    def read_create(self, call: Call) -> VideoParams:
        """Check a form or JSON; any other body counts as empty.

        An invalid size becomes the model's default.
        """
        fields = call.fields if call.body_kind in ("json", "multipart") else {}
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Refused(400, "prompt is required")
        size, model = _text(call, "size"), _text(call, "model")
        if re.fullmatch(r"[1-9]\d*x[1-9]\d*", size, re.ASCII) is None:
            size = "720x1280"
        return VideoParams(prompt, model or _SERVED, size, _seconds(call), _reference(call))

    def new_id(self) -> str:
        """Return a new video id."""
        return str(uuid.uuid4())

    def missing_video(self, _video_id: str) -> Refused:
        """Return the refusal of an unknown id."""
        return Refused(404, "Video not found")

    def video(self, video: Video) -> dict[str, Any]:
        """Return the video object, without a prompt; errors have no code."""
        described = super().video(video)
        del described["prompt"]
        path = f"/opt/sglang/outputs/{video.id}.mp4"
        return described | {
            "expires_at": None,
            "error": video.error and {"message": video.error.message},
            "quality": "standard",
            "url": self._url(video),
            "urls": None,
            "file_path": path,
            "file_paths": [path] if video.status == "completed" else None,
            "num_outputs": 1 if video.status == "completed" else None,
            "peak_memory_mb": None,
            "inference_time_s": 1.0 if video.status == "completed" else None,
        }

    def page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list, of at least one video."""
        limit = call.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise _unprocessable("query", "limit", "Input should be from 1 to 100", limit)
        return self.any_page(call, videos)

    def check_delete(self, video: Video) -> None:
        """Always allow it; an unfinished video keeps rendering."""

    def deleted(self, video: Video) -> Response:
        """Respond to a delete with the video object."""
        return Response(self.video(video) | {"status": "deleted"})

    def variant(self, call: Call) -> str:
        """Return the number of an output, which is what a variant means here."""
        return call.query.get("variant", "0")

    def check_content(self, video: Video, variant: str, _now: float) -> None:
        """Allow downloading output 0 of a completed video."""
        if not video.is_finished:
            raise Refused(404, "Generation is still in-progress")
        if variant != "0" or video.status == "failed":
            raise Refused(404, f"Video variant {variant} not found")
        if (url := self._url(video)) is not None:
            raise Refused(400, f"Video has been uploaded to cloud storage: {url}")

    def refusal(self, refused: Refused) -> Response:
        """Return the error as FastAPI words it."""
        return Response({"detail": refused.message}, refused.status, refused.headers)

    def _url(self, video: Video) -> str | None:
        if self.cloud is None or video.status != "completed":
            return None
        return f"{self.cloud}/{video.id}.mp4"


def _seconds(call: Call) -> str:
    """Return an integer, which JSON may send as a string."""
    value = call.fields.get("seconds")
    if value is None:
        return "4"
    if not str(value).isdigit() or int(value) == 0:
        message = "Input should be a valid integer, unable to parse string as an integer"
        if call.body_kind == "json":
            raise Refused(400, f"Invalid request body: seconds: {message}")
        raise _unprocessable("body", "seconds", message, value)
    return str(value)


def _reference(call: Call) -> Upload | None:
    """Return an image of any size, from a file or a data URL."""
    upload = call.files.get("input_reference")
    url = _text(call, "input_reference") or _text(call, "reference_url")
    if upload is None and url:
        upload = from_data_url("reference_url", url)
    if upload is not None:
        picture_size(upload)
    return upload


def _text(call: Call, name: str) -> str:
    match call.fields.get(name):
        case None:
            return ""
        case str(text):
            return text
        case _:
            raise Refused(400, f"Invalid request body: {name}: Input should be a valid string")


def _unprocessable(where: str, name: str, message: str, value: object) -> Refused:
    problem = {"type": "int_parsing", "loc": [where, name], "msg": message, "input": value}
    return Refused(422, message, body={"detail": [problem]})
