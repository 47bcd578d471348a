"""Downloading a finished video to disk, from the server or from another host."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from bot.errors import NotAVideo, PermanentError, TemporaryError, VideoGone
from bot.sandbox.changes import Changes
from bot.sandbox.clip import tiny_clip
from bot.sandbox.faults import Faults, compressed, hang, respond_with
from bot.sandbox.videos import Filler, VideosSandbox
from bot.sandbox.videos.dialects import DIALECTS
from bot.sandbox.videos.dialects.sglang import SGLang
from bot.videos import download, public
from bot.videos.client import VideosClient
from tests.support.jobs import REQUEST

MB = 1_000_000
CLIP = tiny_clip()


class Place:
    """Another web server that has the file, and records its requests."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.answer = web.Response(body=CLIP, content_type="video/mp4")

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return self.answer

    async def stop(self) -> None:
        await self._runner.cleanup()

    def url(self, host: str = "localhost") -> str:
        return f"http://{host}:{self.port}/clip.mp4?signature=abc"


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    await place.start()
    yield place
    await place.stop()


class Server:
    """A sandbox with one finished video, and the client that downloads it."""

    def __init__(self, dialect: str, folder: Path) -> None:
        self.faults = Faults()
        self.sandbox = VideosSandbox(Changes(), self.faults, dialect=DIALECTS[dialect](), clip=CLIP)
        self.path = folder / "video.mp4"
        self.file_hosts: list[str] = []
        self.limit = 100 * MB

    async def start(self, http: httpx.AsyncClient) -> None:
        await self.sandbox.start()
        self.http = http
        model = self.sandbox.dialect.models[0]
        request = replace(REQUEST, model=model)
        self.video_id = await self.client().create(request)
        self.sandbox.finish(next(iter(self.sandbox.videos)))

    def client(self) -> VideosClient:
        return VideosClient(
            self.http,
            base_url=self.sandbox.base_url,
            api_key=self.sandbox.api_key,
            max_bytes=self.limit,
            file_hosts=self.file_hosts,
        )

    async def download(self) -> bytes:
        size = await self.client().download(self.video_id, self.path)
        data = self.path.read_bytes()
        assert len(data) == size
        return data

    def says(self, status: int, body: object, *, times: int = 1, **headers: str) -> None:
        self.faults.inject("content", respond_with(status, body, **headers), times=times)

    @property
    def ranges(self) -> list[str | None]:
        calls = [call for call in self.sandbox.calls if call.operation == "content"]
        return [call.headers.get("Range") for call in calls]


@pytest.fixture
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(getattr(request, "param", "openai"), tmp_path)
    async with httpx.AsyncClient() as http:
        await server.start(http)
        yield server
    await server.sandbox.stop()


def on(*dialects: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", dialects, indirect=True)


@on(*DIALECTS)
async def test_the_file_is_downloaded_in_every_dialect(server: Server) -> None:
    assert await server.download() == CLIP


async def test_an_interrupted_download_resumes_where_it_broke_off(server: Server) -> None:
    server.sandbox.clip = Filler(5 * MB)
    server.sandbox.cut_content_after(2 * MB, times=2)
    assert await server.download() == Filler(5 * MB).read(0, 5 * MB)
    assert server.ranges == [None, "bytes=2000000-", "bytes=4000000-"]


@on("litellm")
async def test_a_download_that_cannot_be_resumed_starts_over(server: Server) -> None:
    server.sandbox.clip = Filler(5 * MB)
    server.sandbox.cut_content_after(2 * MB)
    assert await server.download() == Filler(5 * MB).read(0, 5 * MB)
    assert server.ranges == [None, None]


async def test_an_unsatisfiable_range_restarts_the_download(server: Server) -> None:
    server.sandbox.clip = Filler(5 * MB)
    server.sandbox.cut_content_after(2 * MB)
    server.faults.inject("content", respond_with(416, ""), nth=2)
    assert await server.download() == Filler(5 * MB).read(0, 5 * MB)
    assert server.ranges == [None, "bytes=2000000-", None]


async def test_an_unsatisfiable_range_at_the_start_is_not_retried(server: Server) -> None:
    server.says(416, "", times=100)
    with pytest.raises(VideoGone):
        await server.download()
    assert len(server.ranges) == 1


async def test_a_file_that_changed_between_requests_is_downloaded_in_full(server: Server) -> None:
    server.sandbox.clip = Filler(5 * MB)
    server.sandbox.cut_content_after(2 * MB)

    async def change(_request: web.Request) -> web.Response:
        server.sandbox.clip = CLIP
        return web.Response(status=307, headers={"Location": "content"})

    server.faults.inject("content", change, nth=2)
    assert await server.download() == CLIP
    assert server.ranges[-1] == "bytes=2000000-"


async def test_an_interrupted_download_without_a_length_is_resumed(server: Server) -> None:
    server.sandbox.clip = Filler(3 * MB)
    server.sandbox.sends_length = False
    server.sandbox.cut_content_after(2 * MB)
    assert await server.download() == Filler(3 * MB).read(0, 3 * MB)


async def test_a_connection_without_new_data_is_a_temporary_error(server: Server) -> None:
    server.sandbox.cut_content_after(0, times=5)
    with pytest.raises(TemporaryError):
        await server.download()
    assert len(server.ranges) == 1


async def test_a_download_that_times_out_is_a_temporary_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", httpx.Timeout(0.1))
    server.faults.inject("content", hang)
    with pytest.raises(TemporaryError):
        await server.download()


async def test_a_download_that_is_too_slow_is_a_temporary_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_TIMEOUT", 0.2)
    server.sandbox.drip_content(1, 0.05)
    with pytest.raises(TemporaryError, match="too slow"):
        await server.download()


@pytest.mark.parametrize("sends_length", [True, False])
async def test_a_file_over_the_limit_is_not_downloaded(server: Server, sends_length: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    server.limit = 2 * MB
    server.sandbox.sends_length = sends_length
    server.sandbox.clip = Filler(300 * MB)
    with pytest.raises(PermanentError, match="larger than 2 MB") as caught:
        await server.download()
    assert caught.value.code == "too_large"
    assert server.path.stat().st_size <= server.limit


@pytest.mark.parametrize("body", ["<html>Sign in</html>", {"error": "upstream"}, ""])
async def test_content_that_is_not_a_video_is_refused(server: Server, body: object) -> None:
    server.says(200, body)
    with pytest.raises(NotAVideo):
        await server.download()


async def test_a_missing_file_raises_video_gone(server: Server) -> None:
    server.sandbox.forget(server.video_id)
    with pytest.raises(VideoGone):
        await server.download()


# Files on other hosts


async def test_a_redirect_to_another_host_is_followed_without_the_key(
    server: Server, place: Place
) -> None:
    server.file_hosts = [f"localhost:{place.port}"]
    server.says(302, "", Location=place.url())
    assert await server.download() == CLIP
    [request] = place.asked
    assert "Authorization" not in request.headers
    assert request.query == {"signature": "abc"}


async def test_configured_file_hosts_are_case_insensitive(server: Server, place: Place) -> None:
    server.file_hosts = [f"LocalHost:{place.port}"]
    server.says(302, "", Location=place.url())
    assert await server.download() == CLIP


async def test_a_redirect_within_the_server_keeps_the_key(server: Server) -> None:
    server.says(307, "", Location=f"/v1/videos/{server.video_id}/content")
    assert await server.download() == CLIP


async def test_a_url_in_json_is_followed_without_the_key(server: Server, place: Place) -> None:
    server.file_hosts = [f"localhost:{place.port}"]
    server.says(200, {"video_url": place.url()})
    assert await server.download() == CLIP
    assert "Authorization" not in place.asked[0].headers


@on("sglang")
async def test_a_file_url_in_the_video_object_is_followed(server: Server, place: Place) -> None:
    server.file_hosts = [f"localhost:{place.port}"]
    assert isinstance(server.sandbox.dialect, SGLang)
    server.sandbox.dialect.cloud = f"http://localhost:{place.port}"
    assert await server.download() == CLIP


@on("sglang")
async def test_a_refused_download_without_another_url_fails(server: Server) -> None:
    server.says(400, {"detail": "Not yet."})
    with pytest.raises(VideoGone, match="Not yet"):
        await server.download()


async def test_redirect_loops_are_stopped(server: Server) -> None:
    here = f"/v1/videos/{server.video_id}/content"
    server.says(302, "", Location=here, times=100)
    with pytest.raises(TemporaryError, match="redirects too often"):
        await server.download()
    server.says(200, {"url": here}, times=100)
    with pytest.raises(TemporaryError, match="redirects too often"):
        await server.download()


PRIVATE = [
    "localhost",
    "127.0.0.2",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "0.0.0.0",  # noqa: S104 -- an address that must not be fetched from
    # Addresses that `is_private` misses, at least in the oldest supported Python.
    "192.0.0.192",  # Oracle's metadata
    "168.63.129.16",  # Azure's
    "100.100.100.200",  # Alibaba's
    "[64:ff9b:1::a00:1]",
    "[::ffff:0:10.0.0.1]",
    "[::ffff:168.63.129.16]",
    "[::10.0.0.1]",
    "[fec0::1]",
    "[fe80::1]",
]


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("how", ["redirect", "json"])
async def test_a_private_address_is_never_requested(
    server: Server, place: Place, host: str, how: str
) -> None:
    if how == "redirect":
        server.says(302, "", Location=place.url(host))
    else:
        server.says(200, {"url": place.url(host)})
    with pytest.raises(PermanentError) as caught:
        await server.download()
    assert caught.value.code == "private_address"
    assert place.asked == []


async def test_another_port_of_the_servers_host_is_not_trusted(
    server: Server, place: Place
) -> None:
    server.says(200, {"url": place.url("127.0.0.1")})
    with pytest.raises(PermanentError) as caught:
        await server.download()
    assert caught.value.code == "private_address"
    assert place.asked == []


async def test_a_configured_host_is_trusted_on_its_own_port_only(
    server: Server, place: Place
) -> None:
    server.file_hosts = ["localhost"]
    server.says(200, {"url": place.url("localhost")})
    with pytest.raises(PermanentError):
        await server.download()
    assert place.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_expired_link_is_a_temporary_error_and_a_new_link_is_used(
    server: Server, place: Place, status: int
) -> None:
    server.file_hosts = [f"localhost:{place.port}"]
    place.answer = web.Response(status=status, text="<Error><Code>AccessDenied</Code></Error>")
    server.says(302, "", Location=place.url())
    with pytest.raises(TemporaryError, match="The link to the file has expired"):
        await server.download()
    assert await server.download() == CLIP  # with a new link from the server


async def test_error_messages_from_another_host_are_not_shown(server: Server, place: Place) -> None:
    server.file_hosts = [f"localhost:{place.port}"]
    place.answer = web.json_response({"error": {"code": "xyz", "message": "secrets"}}, status=400)
    server.says(302, "", Location=place.url())
    with pytest.raises(VideoGone) as caught:
        await server.download()
    assert (caught.value.code, caught.value.message) == (
        "http_400",
        "The server responded with HTTP 400.",
    )


async def test_an_error_instead_of_the_file_does_not_show_the_key(server: Server) -> None:
    key = server.sandbox.api_key
    server.says(400, {"error": {"message": f"{key} may not", "code": key}})
    with pytest.raises(VideoGone) as caught:
        await server.download()
    assert (caught.value.code, caught.value.message) == ("[key]", "[key] may not")


async def test_an_oversized_error_is_read_up_to_a_limit(server: Server) -> None:
    server.says(404, "x" * 10_000_000)
    with pytest.raises(VideoGone) as caught:
        await server.download()
    assert len(caught.value.message) == 4000


async def test_a_compressed_file_is_refused(server: Server) -> None:
    server.faults.inject("content", compressed(200, b"x" * MB))
    with pytest.raises(TemporaryError):
        await server.download()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/x", "data:video/mp4,x", "\x1f"]
)
async def test_only_http_urls_are_followed(server: Server, url: str) -> None:
    server.says(200, {"url": url})
    with pytest.raises(PermanentError) as caught:
        await server.download()
    assert caught.value.code == "no_web_address"


async def test_the_connection_uses_the_address_that_was_checked(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host name that would resolve differently the second time is resolved only once."""
    asked: list[str] = []

    async def look_up(host: str, port: int | None) -> list[str]:
        asked.append(f"{host}:{port}")
        return ["127.0.0.1"]

    monkeypatch.setattr(public, "_addresses", look_up)
    server.says(302, "", Location=place.url("files.example"))
    assert await server.download() == CLIP
    assert asked == [f"files.example:{place.port}"]
    assert place.asked[0].headers["Host"] == f"files.example:{place.port}"


async def test_the_next_address_of_a_host_is_tried_if_one_does_not_respond(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(_host: str, _port: int | None) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    monkeypatch.setattr(public, "_addresses", look_up)
    server.says(302, "", Location=place.url("files.example"))
    assert await server.download() == CLIP


async def test_a_host_with_any_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (ip, 80)) for ip in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(PermanentError):
        await public._addresses("files.example", 80)


async def test_an_unresolvable_host_is_a_temporary_error(server: Server) -> None:
    server.says(302, "", Location="http://files.invalid/x")
    with pytest.raises(TemporaryError):
        await server.download()


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_is_public_accepts_public_addresses(address: str) -> None:
    assert public.is_public(address)
