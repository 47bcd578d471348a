"""Requests to a Videos server: failing connections, proxies and a custom CA."""

import asyncio
import shutil
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from bot.errors import (
    BotError,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    ServerUnusable,
    TemporaryError,
)
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Fault, Faults, compressed, drop, hang, respond_with
from bot.sandbox.videos import VideosSandbox
from bot.videos import client
from bot.videos.client import VideosClient
from bot.videos.servers import VideosServers
from bot.videos.wire import InProgress
from tests.support.jobs import REQUEST

KEY = "sk-sandbox-0123456789"


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def videos(faults: Faults) -> AsyncIterator[VideosSandbox]:
    sandbox = VideosSandbox(Changes(), faults, poll_after_ms=None)
    await sandbox.start()
    sandbox.hold()
    yield sandbox
    await sandbox.stop()


@asynccontextmanager
async def client_of(base_url: str, api_key: str = KEY) -> AsyncIterator[VideosClient]:
    async with httpx.AsyncClient() as http:
        yield VideosClient(http, base_url=base_url, api_key=api_key)


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (drop, OutcomeUnknown),
        (hang, OutcomeUnknown),
        (respond_with(408, ""), OutcomeUnknown),
        (respond_with(500, "oops"), OutcomeUnknown),
        (respond_with(502, "<html>Bad Gateway</html>"), OutcomeUnknown),
        (respond_with(504, ""), OutcomeUnknown),
        (respond_with(200, "<html>Sign in</html>"), OutcomeUnknown),
        (respond_with(409, {"detail": "busy"}), TemporaryError),
        (respond_with(429, {"detail": "slow down"}), RateLimited),
        (respond_with(503, {"detail": "busy"}), TemporaryError),
        (respond_with(400, {"detail": "no"}), RequestRefused),
        (respond_with(413, ""), RequestRefused),
        (respond_with(401, {"error": "Unauthorized"}), ServerUnusable),
        (respond_with(404, ""), ServerUnusable),
        (respond_with(410, ""), ServerUnusable),
        (respond_with(308, "", Location="https://example.com/v1/videos"), ServerUnusable),
    ],
)
async def test_a_create_is_sent_once_and_each_fault_raises_the_matching_error(
    videos: VideosSandbox,
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    meaning: type[BotError],
) -> None:
    monkeypatch.setattr(client, "_CREATE_TIMEOUT", httpx.Timeout(0.2))
    faults.inject("create", fault)
    faults.inject("models", fault)
    async with client_of(videos.base_url) as talk:
        with pytest.raises(BotError) as caught:
            await talk.create(REQUEST)
    assert type(caught.value) is meaning
    assert [call.operation for call in videos.calls].count("create") == 1


@pytest.mark.parametrize(
    "refusal",
    [
        respond_with(401, {"error": {"message": "No access.", "code": "key_model_access_denied"}}),
        respond_with(403, {"error": {"message": "The organization must be verified."}}),
        respond_with(403, "<html>Request blocked</html>"),
    ],
)
async def test_a_key_that_works_elsewhere_is_refused_for_this_request_only(
    videos: VideosSandbox, faults: Faults, refusal: Fault
) -> None:
    faults.inject("create", refusal)
    async with client_of(videos.base_url) as talk:
        with pytest.raises(RequestRefused):
            await talk.create(REQUEST)
        assert await talk.create(REQUEST)


@pytest.mark.parametrize("probe", ["models", "list"])
async def test_a_key_that_is_refused_elsewhere_makes_the_server_unusable(
    videos: VideosSandbox, faults: Faults, probe: str
) -> None:
    refusal = respond_with(401, {"error": {"message": "Wrong key.", "code": "invalid_api_key"}})
    faults.inject("create", refusal)
    faults.inject(probe, refusal)
    async with client_of(videos.base_url) as talk:
        with pytest.raises(ServerUnusable):
            await talk.create(REQUEST)


async def test_a_create_to_an_unreachable_server_is_a_temporary_error(
    videos: VideosSandbox,
) -> None:
    await videos.stop()
    async with client_of(videos.base_url) as talk:
        with pytest.raises(TemporaryError, match="cannot be reached"):
            await talk.create(REQUEST)


async def test_a_poll_that_times_out_is_a_temporary_error(
    videos: VideosSandbox, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.1))
    async with client_of(videos.base_url) as talk:
        video_id = await talk.create(REQUEST)
        faults.inject("retrieve", hang)
        with pytest.raises(TemporaryError):
            await talk.retrieve(video_id)
        assert await talk.retrieve(video_id) == InProgress(0, is_queued=True)


async def test_a_key_echoed_by_the_server_is_masked(videos: VideosSandbox, faults: Faults) -> None:
    faults.inject("create", respond_with(401, {"detail": f"{KEY} is no key"}))
    faults.inject("models", respond_with(401, {"detail": f"{KEY} is no key"}))
    faults.inject("retrieve", respond_with(500, {"detail": f"{KEY} is no key"}))
    async with client_of(videos.base_url) as talk:
        with pytest.raises(ServerUnusable, match=r"^\[key\] is no key$"):
            await talk.create(REQUEST)
        with pytest.raises(TemporaryError, match=r"^\[key\] is no key$"):
            await talk.retrieve("v1")


@pytest.mark.parametrize(
    "echo",
    [
        '{"detail": "correct\\/horse+1= is no key"}',
        '{"detail": "correct\\u002fhorse\\u002b1\\u003d is no key"}',
        '{"detail": "correct/horse\\u002B1\\u003D is no key"}',
        "Bad: correct%2Fhorse%2B1%3D is no key",
    ],
)
async def test_an_escaped_key_is_masked(videos: VideosSandbox, faults: Faults, echo: str) -> None:
    faults.inject("create", respond_with(401, echo))
    async with client_of(videos.base_url, "correct/horse+1=") as talk:
        with pytest.raises(ServerUnusable, match=r"\[key\] is no key$"):
            await talk.create(REQUEST)


async def test_a_key_in_a_header_is_masked(videos: VideosSandbox, faults: Faults) -> None:
    faults.inject("create", respond_with(302, "", Location="http://x.example/correct-horse"))
    async with client_of(videos.base_url, "correct-horse") as talk:
        with pytest.raises(ServerUnusable, match=r"http://x.example/\[key\]"):
            await talk.create(REQUEST)


async def test_no_response_is_decompressed(videos: VideosSandbox, faults: Faults) -> None:
    """400 KB of gzip can expand to 400 MB, so the bot neither requests nor reads it."""
    bomb = b'{"error": {"message": "' + b"x" * 100_000_000
    faults.inject("create", compressed(400, bomb))
    faults.inject("retrieve", compressed(500, bomb))
    faults.inject("retrieve", compressed(200, bomb), nth=2)
    async with client_of(videos.base_url) as talk:
        tracemalloc.start()
        with pytest.raises(RequestRefused, match="HTTP 400"):
            await talk.create(REQUEST)
        with pytest.raises(TemporaryError, match="HTTP 500"):
            await talk.retrieve("v1")
        with pytest.raises(TemporaryError, match="DecodingError"):
            await talk.retrieve("v1")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert videos.calls[0].headers["Accept-Encoding"] == "identity"
    assert peak < 5_000_000


async def test_an_oversized_response_is_read_up_to_a_limit(
    videos: VideosSandbox, faults: Faults
) -> None:
    faults.inject("create", respond_with(200, "x" * 10_000_000))
    faults.inject("retrieve", respond_with(500, "x" * 10_000_000))
    async with client_of(videos.base_url) as talk:
        with pytest.raises(OutcomeUnknown):
            await talk.create(REQUEST)
        with pytest.raises(TemporaryError, match=r"^x{4000}$"):
            await talk.retrieve("v1")


async def test_a_key_without_the_sk_prefix_is_masked(videos: VideosSandbox, faults: Faults) -> None:
    faults.inject("create", respond_with(401, {"detail": "correct-horse is no key"}))
    async with client_of(videos.base_url, "correct-horse") as talk:
        with pytest.raises(ServerUnusable, match=r"^\[key\] is no key"):
            await talk.create(REQUEST)


async def test_a_placeholder_key_is_not_masked_in_messages(
    videos: VideosSandbox, faults: Faults
) -> None:
    faults.inject("create", respond_with(400, {"detail": "none of these sizes"}))
    async with client_of(videos.base_url, "none") as talk:
        with pytest.raises(RequestRefused, match="none of these sizes"):
            await talk.create(REQUEST)


@pytest.mark.parametrize("dialect", ["openai", "litellm", "sglang"])
async def test_the_servers_models_can_be_listed(dialect: str) -> None:
    sandbox = VideosSandbox(Changes(), Faults(), dialect=dialect)
    await sandbox.start()
    async with client_of(sandbox.base_url) as talk:
        assert await talk.models() == [*sandbox.dialect.models]
    await sandbox.stop()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_a_model_list_is_accepted(
    videos: VideosSandbox, faults: Faults, status: int
) -> None:
    faults.inject("models", respond_with(status, ""))
    async with client_of(videos.base_url) as talk:
        assert await talk.models() is None


async def test_the_proxy_from_the_environment_is_used(
    videos: VideosSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox acts as the proxy: it receives a request for a host that does not exist."""
    monkeypatch.setenv("HTTP_PROXY", videos.base_url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with client_of("http://videos.invalid/v1") as talk:
        assert await talk.retrieve(await talk.create(REQUEST)) == InProgress(0, is_queued=True)
    assert {call.headers["Host"] for call in videos.calls} == {"videos.invalid"}


async def test_credentials_in_the_base_url_are_not_part_of_the_servers_name() -> None:
    async with client_of("https://user:planted@videos.example:8443/v1") as talk:
        assert talk.server == "videos.example:8443"
        # Earlier versions recorded them in each job.
        assert VideosServers(talk).of("user:planted@videos.example:8443") is talk


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
async def test_the_ca_from_the_environment_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    await asyncio.to_thread(_make_certificate, certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def retrieve(_request: web.Request) -> web.Response:
        return web.json_response({"id": "v1", "status": "in_progress", "progress": 7})

    app = web.Application()
    app.router.add_get("/v1/videos/v1", retrieve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    base_url = f"https://127.0.0.1:{runner.addresses[0][1]}/v1"
    async with client_of(base_url) as talk:
        with pytest.raises(TemporaryError):
            await talk.retrieve("v1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with client_of(base_url) as talk:
        assert await talk.retrieve("v1") == InProgress(7)
    await runner.cleanup()


def _make_certificate(path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-out", path, "-keyout", path],
        check=True,
        capture_output=True,
    )
