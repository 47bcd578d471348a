"""Validation of requests, with OpenAI's error messages."""

import base64
import binascii
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, UnidentifiedImageError

from bot.sandbox.videos.call import Call, Refused, Upload

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "video/mp4")


def read_body(call: Call) -> None:
    """Refuse a body that is neither a form nor JSON."""
    if call.body_kind == "broken":
        raise Refused(400, "We could not parse the body of your request.")
    if call.body_kind not in ("json", "multipart"):
        kind = call.headers.get("Content-Type", "")
        raise Refused(
            400,
            f"Unsupported content type: '{kind}'. This API method only accepts 'application/json' "
            f"or 'multipart/form-data' requests.",
            "unsupported_content_type",
        )


def refuse_unknown(call: Call, known: Sequence[str]) -> None:
    """Refuse unknown fields."""
    for name in (*call.fields, *call.files):
        if name not in known:
            raise Refused(400, f"Unknown parameter: '{name}'.", "unknown_parameter", name)


def refuse_unknown_query(call: Call, known: Sequence[str]) -> None:
    """Refuse unknown query parameters."""
    for name in call.query:
        if name not in known:
            raise Refused(400, f"Unknown parameter: '{name}'.", "unknown_parameter", name)


def read_prompt(call: Call) -> str:
    """Return the prompt, which must not be empty."""
    prompt = call.fields.get("prompt")
    if prompt is None:
        raise missing("prompt")
    if not isinstance(prompt, str):
        raise wrong_type("prompt", "a string", prompt)
    if not prompt:
        message = "string too short. Expected a string with minimum length 1, but got an empty"
        raise Refused(400, f"Invalid 'prompt': {message} string.", "empty_string", "prompt")
    if len(prompt) > 32000:
        message = "string too long. Expected a string with maximum length 32000, but got a string"
        raise Refused(
            400,
            f"Invalid 'prompt': {message} with length {len(prompt)} instead.",
            "string_above_max_length",
            "prompt",
        )
    return prompt


def choice(call: Call, name: str, allowed: Sequence[str], default: str) -> str:
    """Return a string field that must be one of these values."""
    if name in call.files:
        raise wrong_type(name, "a string", call.files[name])
    value = call.fields.get(name, default)
    if not isinstance(value, str):
        raise wrong_type(name, f"one of {one_of(allowed, 'or')}", value)
    if value not in allowed:
        raise invalid_value(name, value, allowed)
    return value


def whole_number(call: Call, name: str, minimum: int, maximum: int, default: int) -> int:
    """Return an integer from the query."""
    text = call.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise Refused(400, f"Invalid '{name}': expected an integer.", "invalid_type", name)
    if not minimum <= int(text) <= maximum:
        message = f"Invalid '{name}': expected a value from {minimum} to {maximum}, but got {text}."
        raise Refused(400, message, "invalid_value", name)
    return int(text)


def from_data_url(name: str, url: str) -> Upload:
    """Decode a data URL."""
    head, comma, data = url.partition(",")
    if len(url) > 20971520 or not comma or not head.startswith("data:"):
        raise Refused(400, f"Invalid '{name}': cannot load '{url[:80]}'.", "invalid_value", name)
    mime = head.removeprefix("data:").removesuffix(";base64")
    try:
        return Upload("upload", mime, base64.b64decode(data, validate=True))
    except binascii.Error:
        raise Refused(400, f"Invalid '{name}': bad base64.", "invalid_value", name) from None


def picture_size(upload: Upload) -> str:
    """Decode the image and return its size, as in `1280x720`."""
    try:
        with Image.open(io.BytesIO(upload.content), formats=("JPEG", "PNG", "WEBP")) as image:
            image.load()
            return f"{image.width}x{image.height}"
    except (UnidentifiedImageError, OSError):
        message = "Invalid file 'input_reference': cannot be read as an image."
        raise Refused(400, message, param="input_reference") from None


def one_of(values: Sequence[str], word: str) -> str:
    """Join quoted values, with a serial comma as OpenAI writes it."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return f" {word} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {word} {quoted[-1]}"


def missing(name: str) -> Refused:
    """Return the refusal of a missing parameter."""
    message = f"Missing required parameter: '{name}'."
    return Refused(400, message, "missing_required_parameter", name)


def invalid_value(name: str, value: str, allowed: Sequence[str]) -> Refused:
    """Return the refusal of a value that is not supported."""
    message = f"Invalid value: '{value}'. Supported values are: {one_of(allowed, 'and')}."
    return Refused(400, message, "invalid_value", name)


def wrong_type(name: str, expected: str, value: object) -> Refused:
    """Return the refusal of a value of the wrong type."""
    got = _KINDS.get(type(value), "a file")
    message = f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    return Refused(400, message, "invalid_type", name)


_KINDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def unsupported_type(name: str, mime: str) -> Refused:
    """Return the refusal of a file type."""
    message = (
        f"Invalid file '{name}': unsupported mimetype ('{mime}'). "
        f"Supported file formats are {one_of(IMAGE_TYPES, 'and')}."
    )
    return Refused(400, message, "unsupported_file", name)


def whole_seconds(moment: float | None) -> int | None:
    """Truncate to whole seconds."""
    return None if moment is None else int(moment)


def page_of(rows: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:  # noqa: FBT001 -- a field
    """Return a page of the list."""
    return {
        "object": "list",
        "data": rows,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
        "has_more": has_more,
    }
