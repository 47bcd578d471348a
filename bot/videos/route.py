"""The route in LiteLLM's video ids: which deployment has the video.

An id is `video_` and, in base64, `litellm:custom_llm_provider:…;model_id:…;video_id:…`.
"""

import base64
import re

_PREFIX = "video_"
_MODEL_ID = re.compile(r"(?<=;model_id:)[^;]*")


def with_route(video_id: str, *, original: str) -> str:
    """The id of a remix, with the original's deployment if its own is missing.

    LiteLLM 1.106.2 and 1.109.1 leave it out, so that every poll fails.
    """
    text, source = _decoded(video_id), _decoded(original)
    found, other = _MODEL_ID.search(text), _MODEL_ID.search(source)
    if found is None or found[0] or other is None or not other[0]:
        return video_id
    routed = text[: found.start()] + other[0] + text[found.end() :]
    return _PREFIX + base64.b64encode(routed.encode()).decode()


def _decoded(video_id: str) -> str:
    """The text inside an id; empty: it is not one of LiteLLM's."""
    try:
        text = base64.b64decode(video_id.removeprefix(_PREFIX), validate=True).decode()
    except ValueError:
        return ""
    return text if text.startswith("litellm:") else ""
