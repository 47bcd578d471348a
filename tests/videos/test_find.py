"""Reconciliation: finding the video of a create whose response was lost in the server's list."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate

import httpx
import pytest

from bot.errors import TemporaryError
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults, drop, respond_with
from bot.sandbox.videos import VideosSandbox
from bot.videos import wire
from bot.videos.client import VideosClient
from bot.videos.wire import Candidates
from tests.support.jobs import REQUEST

NOT_RECEIVED = Candidates((), complete=True)


class Server:
    """A sandbox that can create videos in the past, and a client of it."""

    def __init__(self, dialect: str) -> None:
        self.ago = 0.0
        self.began = time.time()
        self.faults = Faults()
        self.sandbox = VideosSandbox(
            Changes(), self.faults, clock=lambda: self.began - self.ago, dialect=dialect
        )
        self.request = replace(REQUEST, model=self.sandbox.dialect.models[0])

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        await self.sandbox.start()
        self.sandbox.hold()
        async with httpx.AsyncClient() as http:
            self.client = VideosClient(
                http, base_url=self.sandbox.base_url, api_key=self.sandbox.api_key
            )
            yield self
        await self.sandbox.stop()

    async def create(
        self, prompt: str = "clouds", *, size: str = "720x1280", ago: float = 0
    ) -> str:
        self.ago = ago
        return await self.client.create(replace(self.request, prompt=prompt, size=size))

    async def find(self, *known: str, ago: float = 0) -> Candidates:
        return await self.client.find_submitted(self.request, since=self.began - ago, known=known)

    @property
    def pages(self) -> int:
        return [call.operation for call in self.sandbox.calls].count("list")


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with Server(getattr(request, "param", "openai")).running() as server:
        yield server


def on(*dialects: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", dialects, indirect=True)


LISTS_PROMPTS = on("openai", "vllm_omni", "aquiles")
LISTS = on("openai", "vllm_omni", "aquiles", "sglang")


@LISTS_PROMPTS
async def test_the_video_of_a_lost_create_is_found(server: Server) -> None:
    await server.create("rain")
    ours = await server.create()
    await server.create("snow")
    assert await server.find() == Candidates((ours,), complete=True)


@LISTS_PROMPTS
async def test_a_complete_list_without_the_video_proves_it_was_not_created(server: Server) -> None:
    await server.create("rain", size="1280x720")
    assert await server.find() == NOT_RECEIVED


@on("sglang")
async def test_a_list_without_prompts_is_inconclusive_even_if_parameters_differ(
    server: Server,
) -> None:
    await server.create("rain", size="1280x720")
    assert await server.find() == Candidates((), complete=False)


@LISTS
async def test_videos_of_other_jobs_are_skipped(server: Server) -> None:
    assert await server.find(await server.create()) == NOT_RECEIVED


@LISTS
async def test_videos_older_than_the_create_are_skipped(server: Server) -> None:
    await server.create(ago=1000)
    assert await server.find() == NOT_RECEIVED


@on("sglang")
async def test_a_likely_video_in_a_list_without_prompts_is_inconclusive(server: Server) -> None:
    await server.create()
    assert await server.find() == Candidates((), complete=False)


@LISTS_PROMPTS
async def test_the_same_prompt_with_another_size_is_inconclusive(server: Server) -> None:
    await server.create(size="1280x720")
    assert await server.find() == Candidates((), complete=False)


@on("litellm")
async def test_a_server_that_cannot_list_is_inconclusive(server: Server) -> None:
    await server.create()
    assert await server.find() == Candidates((), complete=False)


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
async def test_every_error_for_a_missing_list_is_inconclusive(server: Server, status: int) -> None:
    server.faults.inject("list", respond_with(status, {"detail": "no"}))
    assert await server.find() == Candidates((), complete=False)


async def test_a_failed_list_request_is_a_temporary_error(server: Server) -> None:
    server.faults.inject("list", drop)
    server.faults.inject("list", respond_with(503, "busy"), nth=2)
    for _ in range(2):
        with pytest.raises(TemporaryError):
            await server.find()


@LISTS
async def test_a_long_list_is_read_only_back_to_the_create(server: Server) -> None:
    for number in range(270):
        size = "720x1280" if number < 150 else "1280x720"
        await server.create(f"rain {number}", size=size, ago=100_000 - 100 * number)
    await server.find(ago=100_000 - 100 * 150)
    assert server.pages == 2


async def test_a_list_that_repeats_itself_is_not_followed_forever(server: Server) -> None:
    page = {"data": [{"id": "v1"}], "has_more": True}
    server.faults.inject("list", respond_with(200, page), times=3)
    assert await server.find() == Candidates((), complete=False)
    assert server.pages == 2


async def test_a_list_in_the_wrong_order_is_read_to_its_end(server: Server) -> None:
    rows = [{"id": f"v{n}", "created_at": n, "prompt": "rain"} for n in range(100)]
    row = {"id": "ours", "created_at": server.began, "prompt": "clouds"}
    server.faults.inject("list", respond_with(200, {"data": rows, "has_more": True}))
    server.faults.inject("list", respond_with(200, {"data": [row], "has_more": False}), nth=2)
    assert await server.find() == Candidates(("ours",), complete=True)


async def test_a_server_whose_clock_is_behind_is_supported(server: Server) -> None:
    row = {"id": "ours", "created_at": server.began - 3600, "prompt": "clouds"}
    behind = formatdate(server.began - 3600, usegmt=True)
    server.faults.inject("list", respond_with(200, {"data": [row]}, Date=behind))
    assert await server.find() == Candidates(("ours",), complete=True)


@pytest.mark.parametrize("seconds", [4, 4.0, "4", "4.04", None])
def test_seconds_match_in_every_format(seconds: object) -> None:
    row = {"prompt": "clouds", "seconds": seconds}
    assert wire._is_ours(row, REQUEST) is True
    assert wire._is_ours(row | {"seconds": "8"}, REQUEST) is None
