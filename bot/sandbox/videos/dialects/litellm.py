"""LiteLLM 1.109 (ids as in 1.106): a proxy that wraps the errors of the server behind it.

The upstream here is OpenAI. One video has three ids: that of the create, which works; that of a
retrieve, a remix or an edit, which has lost its deployment and resolves to nothing; and that of the
list, which names the upstream model instead. Only those of the create and the list can be used.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.sandbox.videos.call import Call, Refused
from bot.sandbox.videos.dialects.openai import OpenAI, Response
from bot.sandbox.videos.state import Video, VideoParams

_DEPLOYMENT = "1f0c5e1b7d3a4c28" * 4
_ERRORS = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "auth_error"),
    404: ("NotFoundError", "invalid_request_error"),
    429: ("RateLimitError", "throttling_error"),
}


class LiteLLM(OpenAI):
    """Stateless: an id contains its own route."""

    supports_ranges = False
    sends_poll_hint = False
    missing_operations: Mapping[str, int] = {"delete": 405}

    def authenticate(self, call: Call, api_key: str) -> None:
        """Check the key; without a database, a wrong one can't even be looked up."""
        key = call.headers.get("Authorization", "").removeprefix("Bearer ")
        if not key:
            raise _proxy_error(401, "Authentication Error, No api key passed in.", "auth_error")
        if key != api_key:
            raise _proxy_error(400, "No connected db.", "no_db_connection")

    def read_create(self, call: Call) -> VideoParams:
        """Check what the proxy checks, then what OpenAI checks."""
        if call.body_kind in ("json", "multipart") and "model" not in call.fields:
            raise _proxy_error(400, "video_generation: Invalid model name passed in model=None")
        if isinstance(call.fields.get("input_reference"), dict):
            message = "litellm.APIConnectionError: AttributeError: 'dict' has no attribute 'read'"
            raise _proxy_error(400, message)
        return super().read_create(call)

    def new_id(self) -> str:
        """Wrap a new upstream id."""
        return _wrapped(_DEPLOYMENT, super().new_id(), ";requested_model:video")

    def find(self, video_id: str, videos: Mapping[str, Video]) -> Video | None:
        """Find a video by the id from its create or from the list."""
        route = _route(video_id)
        if route is None or not route[0]:
            return None
        return next((v for v in videos.values() if _upstream_id(v) == route[1]), None)

    def missing_video(self, video_id: str) -> Refused:
        """Return the refusal of an id with no route, half of one, or a full one."""
        match _route(video_id):
            case None:
                return _proxy_error(
                    500, "litellm.InternalServerError: Connection error.", "api_error"
                )
            case "", _:
                return Refused(401, "Incorrect API key provided: None.", "invalid_api_key")
            case _, upstream_id:
                return super().missing_video(upstream_id)

    def created(self, video: Video) -> Response:
        """Respond to a create; LiteLLM drops `prompt`, which it doesn't know."""
        return Response(_forwarded(self.video(video)) | {"created_at": 0, "usage": {}})

    def changed(self, video: Video) -> Response:
        """Respond to a remix, under an id that cannot be polled."""
        return Response(self.created(video).body | {"id": _wrapped("", _upstream_id(video))})

    def retrieved(self, video: Video) -> Response:
        """Respond to a retrieve, under another id; a failed video looks like a server error."""
        upstream = self.video(video) | {"id": _upstream_id(video)}
        if video.status == "failed":
            return Response(_envelope(500, json.dumps(upstream)), 500)
        return Response(_forwarded(upstream) | {"id": _wrapped("", _upstream_id(video))})

    def page(self, call: Call, videos: Iterable[Video]) -> Response:
        """Return one page of the list of a provider, which must be named."""
        if "custom_llm_provider" not in call.query:
            raise _proxy_error(400, "avideo_list: Invalid model name passed in model=None")
        return self.any_page(call, videos)

    def listed(self, video: Video) -> dict[str, Any]:
        """Return the upstream's video object, under an id with the upstream model."""
        return self.video(video) | {"id": _wrapped(video.model, _upstream_id(video))}

    def variant(self, _call: Call) -> str:
        """Return `video`, whatever was requested."""
        return "video"

    def refusal(self, refused: Refused) -> Response:
        """Embed the upstream's error in a message, and rename its headers."""
        if refused.status == 405:
            return Response({"detail": "Method Not Allowed"}, 405)
        upstream = json.dumps(super().refusal(refused).body, indent=2)
        headers = {f"llm_provider-{name.lower()}": text for name, text in refused.headers.items()}
        return Response(_envelope(refused.status, upstream), refused.status, headers)


def _wrapped(model_id: str, upstream_id: str, more: str = "") -> str:
    text = f"litellm:custom_llm_provider:openai;model_id:{model_id};video_id:{upstream_id}{more}"
    return f"video_{base64.b64encode(text.encode()).decode()}"


def _route(video_id: str) -> tuple[str, str] | None:
    """Return the deployment and the upstream id inside an id."""
    try:
        parts = base64.b64decode(video_id.removeprefix("video_"), validate=True).decode().split(";")
    except ValueError:
        return None
    if len(parts) < 3:
        return None
    return parts[1].removeprefix("model_id:"), parts[2].removeprefix("video_id:")


def _upstream_id(video: Video) -> str:
    route = _route(video.id)
    return video.id if route is None else route[1]


def _forwarded(described: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in described.items() if name != "prompt"}
    return rest | {"progress": None, "created_at": None}


def _envelope(status: int, upstream: str) -> dict[str, Any]:
    name, kind = _ERRORS.get(status, ("InternalServerError", "api_error"))
    message = f"litellm.{name}: OpenAIException - {upstream}\n\nLiteLLM: model group=video"
    return {"error": {"message": message, "type": kind, "param": None, "code": str(status)}}


def _proxy_error(status: int, message: str, kind: str = "invalid_request_error") -> Refused:
    body = {"message": message, "type": kind, "param": None, "code": str(status)}
    return Refused(status, message, body={"error": body})
