"""Aquiles-Image 0.8.3: a status of its own, a progress that is made up, and open downloads."""

import secrets
from collections.abc import Iterable
from typing import Any

from bot.sandbox.videos.call import Call, Refused
from bot.sandbox.videos.dialects.openai import NO_CHANGES, Answer, OpenAI
from bot.sandbox.videos.state import Order, Video

_CRASH = "Internal Server Error"
_KEYS = ("id", "object", "model", "created_at", "size", "seconds", "prompt")


class Aquiles(OpenAI):
    """Keeps its jobs in memory."""

    hints_at_polling = False
    missing_operations = NO_CHANGES
    unknown_cursor = "everything"
    knows_order = False

    def admit(self, call: Call, api_key: str) -> None:
        """Let in who has the key, and everybody who downloads."""
        key = call.headers.get("Authorization", "").removeprefix("Bearer ")
        if call.operation == "content" or key == api_key:
            return
        raise Refused(403, "Invalid API key" if key else "API key missing")

    def order(self, call: Call) -> Order:
        """Check a form or JSON; it breaks down over what it cannot read."""
        prompt, size = call.fields.get("prompt"), call.fields.get("size") or "720x1280"
        seconds = call.fields.get("seconds") or "4"
        readable = call.body_kind in ("json", "multipart") and isinstance(prompt, str)
        if not readable or size not in self.sizes or not isinstance(seconds, str):
            raise _crash()
        model = call.fields.get("model") or "sora-2"
        if "input_reference" in call.files:
            raise Refused(400, f"'{model}' does not support input_reference.")
        return Order(str(prompt), model, size, seconds)

    def new_id(self) -> str:
        """Name a new job."""
        return f"video_{secrets.token_hex(6)}"

    def missing_video(self, _video_id: str) -> Refused:
        """Say that there is no such job."""
        return Refused(404, "Video not found")

    def video(self, video: Video) -> dict[str, Any]:
        """Describe a job, in fewer keys than the spec has."""
        described = super().video(video)
        return {name: described[name] for name in _KEYS} | {
            "status": "processing" if video.status == "in_progress" else video.status,
            "progress": _made_up(video),
            "quality": "standard",
            "error": video.error and {"code": "generation_error", "message": video.error.message},
        }

    def page(self, call: Call, videos: Iterable[Video]) -> Answer:
        """Answer with one page of the list, always the newest first."""
        return self.any_page(call, videos)

    def check_delete(self, video: Video) -> None:
        """Allow it always."""

    def variant(self, _call: Call) -> str:
        """Return the film, whatever was asked for."""
        return "video"

    def check_content(self, video: Video, _variant: str, _now: float) -> None:
        """Send the file without a look at the job: where there is none, break down."""
        if video.status != "completed":
            raise _crash()

    def busy(self) -> Refused:
        """Say that there is too much to do."""
        limit = "The limit of 1 concurrent tasks has been reached."
        return Refused(503, f"{limit} Please try again later.")

    def refusal(self, refused: Refused) -> Answer:
        """Say it as FastAPI does."""
        return Answer({"detail": refused.message}, refused.status, refused.headers)


def _made_up(video: Video) -> int:
    """Rush to 90 while the work has hardly begun."""
    match video.status:
        case "queued" | "failed":
            return 0
        case "in_progress":
            return min(90, video.progress * 5 // 10 * 10)
        case "completed":
            return 100


def _crash() -> Refused:
    return Refused(500, _CRASH, body=_CRASH)
