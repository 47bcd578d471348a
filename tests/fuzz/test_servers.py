"""Any response of a Videos server becomes a result or one of the bot's errors, without secrets."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.errors import BotError
from bot.request import VideoRequest
from bot.videos.client import VideosClient
from tests.support.fuzzing import Here, bounded, long_text, search, watched, words

KEY = "correct/horse+battery=staple"
SPELLINGS = [KEY, quote(KEY, safe=""), KEY.replace("/", "\\/")]
REQUEST = VideoRequest(prompt="clouds", model="sora-2", seconds="4", size="720x1280")

NAMES = ["error", "detail", "message", "code", "type", "id", "status", "data", "url", "progress"]
strings = (
    words | long_text | st.sampled_from(["completed", "failed", "queued", *SPELLINGS]).map(str)
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | strings
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | words, inner, max_size=5)
    ),
    max_leaves=15,
)
documents = values.map(lambda value: json.dumps(value).encode())
said = st.sampled_from(SPELLINGS).map(lambda key: f"Incorrect API key: {key}".encode())


@dataclass(frozen=True)
class Pumped:
    """A body that repeats one unit, with a short repr."""

    start: str
    unit: str
    times: int
    end: str

    def __bytes__(self) -> bytes:
        return (self.start + self.unit * self.times + self.end).encode()


deep = st.builds(
    Pumped,
    st.just(""),
    st.sampled_from(['{"error": ', '{"detail": ', "[", '{"id": [', '{"error": {"message": "']),
    st.sampled_from([10, 900, 5_000, 100_000]),
    st.just(""),
)
many = st.sampled_from(["[],", "{},", "1,", '"",', '{"a":[]},', "\\u0041"]).map(
    lambda unit: Pumped('{"data": [', unit, 3_900_000 // len(unit), "0]}")
)
bodies = documents | said | st.binary(max_size=200) | deep | many
headers = st.dictionaries(
    st.sampled_from(["retry-after", "openai-poll-after-ms", "date", "location", "retry-after-ms"]),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)
    | st.sampled_from(["-1", "nan", "9" * 400, "Wed, 31 Feb 0000 99:99:99 GMT", f"http://x/{KEY}"]),
)
statuses = st.sampled_from([200, 201, 206, 301, 302, 400, 401, 403, 404, 405, 409, 416, 429, 500])


async def call_every_method(status: int, headed: dict[str, str], body: bytes, path: Path) -> None:
    """Make every call of the client; neither its result nor its error contains a secret."""

    def respond(_request: httpx.Request) -> httpx.Response:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headed.items()]
        return httpx.Response(status, headers=raw, stream=httpx.ByteStream(body))

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        for call in ("create", "remix", "retrieve", "find", "delete", "models", "download"):
            client = VideosClient(http, base_url="http://videos.example/v1", api_key=KEY)
            await asyncio.sleep(0)  # as if there were a network between the calls
            try:
                result = await _ask(client, call, path)
            except BotError as error:
                result = f"{error.message} {getattr(error, 'code', '')}"
            assert [key for key in SPELLINGS if key in repr(result)] == []


def _ask(client: VideosClient, call: str, path: Path) -> Coroutine[object, object, object]:
    match call:
        case "create":
            return client.create(REQUEST)
        case "remix":
            return client.remix("video_1", "clouds")
        case "retrieve":
            return client.retrieve("video_1")
        case "find":
            return client.find_submitted(REQUEST, since=0)
        case "delete":
            return client.delete("video_1")
        case "models":
            return client.models()
        case _:
            return client.download("video_1", path)


async def test_any_server_response_is_handled_without_leaking_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test(here: Here) -> None:
        @bounded
        @example(status=200, headed={}, body=Pumped('{"data": [', "[],", 1_300_000, "0]}"))
        @example(status=400, headed={}, body=json.dumps({"error": {"message": KEY}}).encode())
        @given(status=statuses, headed=headers, body=bodies)
        def answers(status: int, headed: dict[str, str], body: bytes | Pumped) -> None:
            sent = bytes(body)
            seen.check(
                lambda: here(call_every_method(status, headed, sent, tmp_path / "video")),
                *SPELLINGS,
            )

        answers()

    with watched(caplog, monkeypatch) as seen:
        await search(test)
