"""Aquiles-Image 0.8.3: a status of its own, invented progress, and unauthenticated downloads."""

import secrets
from collections.abc import Iterable
from typing import Any

from bot.sandbox.videos.call import Call, Refused
from bot.sandbox.videos.dialects.openai import NO_CHANGES, OpenAI, Response
from bot.sandbox.videos.state import Video, VideoParams

_CRASH = "Internal Server Error"
_KEYS = ("id", "object", "model", "created_at", "size", "seconds", "prompt")


class Aquiles(OpenAI):
    """Keeps its videos in memory."""

    sends_poll_hint = False
    missing_operations = NO_CHANGES
    unknown_cursor = "everything"
    supports_order = False

    def authenticate(self, call: Call, api_key: str) -> None:
        """Check the key, except for downloads."""
        key = call.headers.get("Authorization", "").removeprefix("Bearer ")
        if call.operation == "content" or key == api_key:
            return
        raise Refused(403, "Invalid API key" if key else "API key missing")

    def read_create(self, call: Call) -> VideoParams:
        """Check a form or JSON; the server crashes on anything invalid."""
        prompt, size = call.fields.get("prompt"), call.fields.get("size") or "720x1280"
        seconds = call.fields.get("seconds") or "4"
        readable = call.body_kind in ("json", "multipart") and isinstance(prompt, str)
        if not readable or size not in self.sizes or not isinstance(seconds, str):
            raise _crash()
        model = call.fields.get("model") or "sora-2"
        if "input_reference" in call.files:
            raise Refused(400, f"'{model}' does not support input_reference.")
        return VideoParams(str(prompt), model, size, seconds)

    def new_id(self) -> str:
        """Return a new video id."""
        return f"video_{secrets.token_hex(6)}"

    def missing_video(self, _video_id: str) -> Refused:
        """Return the refusal of an unknown id."""
        return Refused(404, "Video not found")

    def video(self, video: Video) -> dict[str, Any]:
        """Return the video object, with fewer keys than the spec has."""
        described = super().video(video)
        return {name: described[name] for name in _KEYS} | {
            "status": "processing" if video.status == "in_progress" else video.status,
            "progress": _fake_progress(video),
            "quality": "standard",
            "error": video.error and {"code": "generation_error", "message": video.error.message},
        }

    def page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list, always newest first."""
        return self.any_page(call, videos)

    def check_delete(self, video: Video) -> None:
        """Always allow it."""

    def variant(self, _call: Call) -> str:
        """Return `video`, whatever was requested."""
        return "video"

    def check_content(self, video: Video, _variant: str, _now: float) -> None:
        """Crash if there is no file; the status is not checked."""
        if video.status != "completed":
            raise _crash()

    def busy(self) -> Refused:
        """Return the refusal of a server under load."""
        limit = "The limit of 1 concurrent tasks has been reached."
        return Refused(503, f"{limit} Please try again later.")

    def refusal(self, refused: Refused) -> Response:
        """Return the error as FastAPI words it."""
        return Response({"detail": refused.message}, refused.status, refused.headers)


def _fake_progress(video: Video) -> int:
    """Jump to 90 % soon after the start, as this server does."""
    match video.status:
        case "queued" | "failed":
            return 0
        case "in_progress":
            return min(90, video.progress * 5 // 10 * 10)
        case "completed":
            return 100


def _crash() -> Refused:
    return Refused(500, _CRASH, body=_CRASH)
