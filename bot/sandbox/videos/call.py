"""A request to the Videos server, and a refusal of one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from aiohttp import BodyPartReader, web

BodyKind = Literal["none", "json", "multipart", "urlencoded", "other", "broken"]


class Upload(NamedTuple):
    """A file from a form or a data URL."""

    filename: str
    mime: str
    content: bytes


@dataclass
class Call:
    """A recorded request, whether served, refused or never answered."""

    operation: str
    method: str
    path: str
    headers: Mapping[str, str]
    at: float
    query: Mapping[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    body_kind: BodyKind = "none"
    status: int | None = None
    """The response's status; None until it is sent, and if the connection was dropped instead."""


@dataclass(eq=False)
class Refused(Exception):
    """The server refuses the request."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """The whole response body, where a server deviates from its usual error format."""


async def read_call(operation: str, request: web.Request, now: float) -> Call:
    """Read the whole request; the dialect validates it later."""
    call = Call(operation, request.method, request.path, request.headers, now, dict(request.query))
    try:
        await _read_body(call, request)
    except (ValueError, UnicodeDecodeError):
        call.body_kind = "broken"
    return call


async def _read_body(call: Call, request: web.Request) -> None:
    if not request.body_exists:
        return
    match request.content_type:
        case "application/json":
            call.body_kind = "json"
            call.fields = _an_object(json.loads(await request.read()))
        case "multipart/form-data":
            call.body_kind = "multipart"
            await _read_form(call, request)
        case "application/x-www-form-urlencoded":
            call.body_kind = "urlencoded"
            call.fields = dict(await request.post())
        case _:
            call.body_kind = "other"
            await request.read()


def _an_object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- handled like every other malformed body
    return body


async def _read_form(call: Call, request: web.Request) -> None:
    """Read parts with a file name as files, and all others as strings."""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ValueError("a part without a name")
        content = bytes(await part.read())
        if part.filename is None:
            call.fields[part.name] = content.decode()
        else:
            mime = part.headers.get("Content-Type", "application/octet-stream")
            call.files[part.name] = Upload(part.filename, mime, content)
