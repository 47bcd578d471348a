"""Recorded responses of each server, and how they must be read: `tests/videos/servers/*.json`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.errors import BotError
from bot.videos import wire
from tests.support.jobs import REQUEST

ANSWERS = [
    pytest.param(answer, id=f"{path.stem}: {name}")
    for path in sorted((Path(__file__).parent / "servers").glob("*.json"))
    for name, answer in json.loads(path.read_text())["answers"].items()
]


def means(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Read the response with the reader of its operation, and describe the result."""
    body = answer["body"]
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    said = (answer["status"], httpx.Headers(answer.get("headers", {})), content)
    try:
        return read(answer["asked"], said)
    except BotError as error:
        return described(error)


def read(asked: str, said: tuple[int, httpx.Headers, bytes]) -> dict[str, Any] | None:
    match asked:
        case "create":
            return {"id": wire.read_created(*said)}
        case "retrieve":
            status = wire.read_status(*said)
            return {type(status).__name__: asdict(status)}
        case "list":
            page = wire.read_page(*said, request=REQUEST)
            return None if page is None else asdict(page)
        case "content" if said[0] != 200:
            raise wire.read_content_error(*said)
        case _:
            return {"url": wire.read_file_url(said[2])}


def described(error: BotError) -> dict[str, Any]:
    names = ("code", "message", "retry_after")
    return {type(error).__name__: {n: getattr(error, n) for n in names if hasattr(error, n)}}


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_recorded_response_is_read_as_expected(answer: dict[str, Any]) -> None:
    assert means(answer) == answer["means"]
