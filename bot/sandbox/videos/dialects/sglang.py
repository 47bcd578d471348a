"""SGLang-Diffusion 0.5.23: no key, bare UUIDs, FastAPI's errors, and a Video without a prompt."""

import re
import uuid
from collections.abc import Iterable
from typing import Any

from bot.sandbox.videos.call import Call, Refused, Upload
from bot.sandbox.videos.dialects.checks import from_data_url, picture_size
from bot.sandbox.videos.dialects.openai import NO_CHANGES, Answer, OpenAI
from bot.sandbox.videos.state import Order, Video

_SERVED = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"


class SGLang(OpenAI):
    """Keeps its jobs in memory, and ends none of them before its time."""

    models = (_SERVED,)
    hints_at_polling = False
    missing_operations = NO_CHANGES
    unknown_cursor = "nothing"
    cloud: str | None = None
    """Where finished files are kept instead, as with a bucket; then none is sent from here."""

    def admit(self, call: Call, api_key: str) -> None:
        """Let in everybody."""

    def order(self, call: Call) -> Order:
        """Check a form or JSON; anything else reads as if nothing had been said.

        A size that is none is the model's own.
        """
        fields = call.fields if call.body_kind in ("json", "multipart") else {}
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Refused(400, "prompt is required")
        size, model = _text(call, "size"), _text(call, "model")
        if re.fullmatch(r"[1-9]\d*x[1-9]\d*", size, re.ASCII) is None:
            size = "720x1280"
        return Order(prompt, model or _SERVED, size, _seconds(call), _reference(call))

    def new_id(self) -> str:
        """Name a new job."""
        return str(uuid.uuid4())

    def missing_video(self, _video_id: str) -> Refused:
        """Say that there is no such job."""
        return Refused(404, "Video not found")

    def video(self, video: Video) -> dict[str, Any]:
        """Describe a job: without its prompt, and an error has no code."""
        described = super().video(video)
        del described["prompt"]
        path = f"/opt/sglang/outputs/{video.id}.mp4"
        return described | {
            "expires_at": None,
            "error": video.error and {"message": video.error.message},
            "quality": "standard",
            "url": self._place(video),
            "urls": None,
            "file_path": path,
            "file_paths": [path] if video.status == "completed" else None,
            "num_outputs": 1 if video.status == "completed" else None,
            "peak_memory_mb": None,
            "inference_time_s": 1.0 if video.status == "completed" else None,
        }

    def page(self, call: Call, videos: Iterable[Video]) -> Answer:
        """Answer with one page of the list, of at least one video."""
        limit = call.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise _unprocessable("query", "limit", "Input should be from 1 to 100", limit)
        return self.any_page(call, videos)

    def check_delete(self, video: Video) -> None:
        """Allow it always; a running job runs on unseen."""

    def deleted(self, video: Video) -> Answer:
        """Answer a delete with the video itself."""
        return Answer(self.video(video) | {"status": "deleted"})

    def variant(self, call: Call) -> str:
        """Return the number of an output: that is what a variant means here."""
        return call.query.get("variant", "0")

    def check_content(self, video: Video, variant: str, _now: float) -> None:
        """Allow the download of output 0 as soon as the job is over; a failed one has none."""
        if not video.is_over:
            raise Refused(404, "Generation is still in-progress")
        if variant != "0" or video.status == "failed":
            raise Refused(404, f"Video variant {variant} not found")
        if (url := self._place(video)) is not None:
            raise Refused(400, f"Video has been uploaded to cloud storage: {url}")

    def _place(self, video: Video) -> str | None:
        if self.cloud is None or video.status != "completed":
            return None
        return f"{self.cloud}/{video.id}.mp4"

    def refusal(self, refused: Refused) -> Answer:
        """Say it as FastAPI does."""
        return Answer({"detail": refused.message}, refused.status, refused.headers)


def _seconds(call: Call) -> str:
    """Return a whole number; also a JSON string of one will do."""
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
    """Take a picture of any size, or its address."""
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
