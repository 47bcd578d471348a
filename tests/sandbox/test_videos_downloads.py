"""Downloads from the fake Videos server: whole, in parts, interrupted, slow and large."""

import io
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import av
import httpx
import pytest
from PIL import Image

from bot.sandbox.changes import Changes
from bot.sandbox.clip import tiny_clip
from bot.sandbox.faults import Faults
from bot.sandbox.videos import Filler, VideosSandbox


class Clock:
    """A clock that tests set."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def videos(clock: Clock) -> AsyncIterator[VideosSandbox]:
    sandbox = VideosSandbox(Changes(), Faults(), clock=clock, clip=tiny_clip())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def client(videos: VideosSandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {videos.api_key}"}
    async with httpx.AsyncClient(base_url=videos.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
async def video_id(client: httpx.AsyncClient) -> str:
    response = await client.post("/videos", json={"prompt": "clouds", "size": "1280x720"})
    return str(response.json()["id"])


@pytest.fixture
def path(video_id: str) -> str:
    return f"/videos/{video_id}/content"


async def received(client: httpx.AsyncClient, path: str) -> int:
    """Return the number of bytes received before the connection breaks or the body ends."""
    count = 0
    try:
        async with client.stream("GET", path) as response:
            async for piece in response.aiter_raw():
                count += len(piece)
    except httpx.RemoteProtocolError:
        assert not response.is_success or count
        return -count
    return count


async def test_a_video_that_is_not_ready_is_not_found(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    for _ in range(2):
        response = await client.get(path)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == (
            "Video is not ready yet, use GET /v1/videos/{video_id} to check status."
        )
        videos.fail(video_id, "server_error", "Oh dear.")


async def test_a_finished_video_is_a_clip_of_its_prompt(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.clip = None
    videos.finish(video_id)
    response = await client.get(path)
    assert response.headers["Content-Type"] == "video/mp4"
    assert int(response.headers["Content-Length"]) == len(response.content)
    with av.open(io.BytesIO(response.content), "r") as clip:
        assert (clip.streams.video[0].width, clip.streams.video[0].height) == (1280, 720)
        assert clip.duration == 4_000_000
    assert (await client.get(path)).content == response.content


async def test_a_test_can_choose_the_clip(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str, tmp_path: Path
) -> None:
    videos.finish(video_id)
    assert (await client.get(path)).content == tiny_clip()
    videos.finish(video_id, b"other bytes")
    assert (await client.get(path)).content == b"other bytes"
    (tmp_path / "clip.mp4").write_bytes(b"a file")
    videos.finish(video_id, tmp_path / "clip.mp4")
    assert (await client.get(path)).content == b"a file"


async def test_previews_are_pictures(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.finish(video_id)
    for variant, mime in (("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")):
        response = await client.get(path, params={"variant": variant})
        assert response.headers["Content-Type"] == mime
        with Image.open(io.BytesIO(response.content)) as image:
            assert image.get_format_mimetype() == mime
    assert (await client.get(path, params={"variant": "video"})).content == tiny_clip()
    assert (await client.get(path, params={"variant": "gif"})).status_code == 400


async def test_a_clip_can_be_downloaded_for_an_hour(
    client: httpx.AsyncClient, clock: Clock, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.finish(video_id)
    clock.now += 3599
    assert (await client.get(path)).status_code == 200
    clock.now += 1
    assert (await client.get(path)).status_code == 404
    assert (await client.get(f"/videos/{video_id}")).json()["status"] == "completed"


async def test_a_large_clip_is_sent_without_being_stored(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    clip = Filler(20_000_000)
    videos.finish(video_id, clip)
    received = 0
    tracemalloc.start()
    async with client.stream("GET", path) as response:
        assert response.headers["Content-Length"] == "20000000"
        async for piece in response.aiter_bytes():
            assert piece == clip.read(received, received + len(piece))
            received += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == 20_000_000
    assert peak < 10_000_000


def test_filler_has_the_same_bytes_in_every_range() -> None:
    whole = Filler(300_000).read(0, 300_000)
    assert len(whole) == 300_000
    for size in (1, 7, 24, 1000, 70_001):
        starts = range(0, 300_000, size) if size > 24 else range(0, 100, size)
        for start in starts:
            assert Filler(300_000).read(start, start + size) == whole[start : start + size]
    assert whole[1000:2000] != whole[1001:2001]


async def test_a_download_without_a_length_is_chunked(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.sends_length = False
    videos.finish(video_id, Filler(1_000_000))
    response = await client.get(path)
    assert "Content-Length" not in response.headers
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.content == Filler(1_000_000).read(0, 1_000_000)


@pytest.mark.parametrize("sends_length", [True, False])
async def test_a_download_breaks_off_as_often_as_requested(
    client: httpx.AsyncClient,
    videos: VideosSandbox,
    video_id: str,
    path: str,
    *,
    sends_length: bool,
) -> None:
    videos.sends_length = sends_length
    videos.finish(video_id, Filler(2_000_000))
    videos.cut_content_after(1_000_000, times=2)
    assert [await received(client, path) for _ in range(3)] == [-1_000_000, -1_000_000, 2_000_000]


async def test_an_interrupted_download_can_be_resumed_unless_the_file_changed(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.finish(video_id, Filler(1000))
    whole = await client.get(path)
    assert whole.headers["Accept-Ranges"] == "bytes"
    headers = {"Range": "bytes=400-", "If-Range": whole.headers["ETag"]}
    rest = await client.get(path, headers=headers)
    assert (rest.status_code, rest.headers["Content-Range"]) == (206, "bytes 400-999/1000")
    assert rest.content == whole.content[400:]
    videos.finish(video_id, Filler(1001))
    changed = await client.get(path, headers=headers)
    assert (changed.status_code, len(changed.content)) == (200, 1001)


@pytest.mark.parametrize(
    ("wanted", "status", "length"),
    [
        ("bytes=0-99", 206, 100),
        ("bytes=-10", 206, 10),
        ("bytes=990-5000", 206, 10),
        ("bytes=1000-", 416, 0),
        ("bytes=abc", 416, 0),
    ],
)
async def test_a_range_returns_a_part_of_the_file(
    client: httpx.AsyncClient,
    videos: VideosSandbox,
    video_id: str,
    path: str,
    wanted: str,
    status: int,
    length: int,
) -> None:
    videos.finish(video_id, Filler(1000))
    response = await client.get(path, headers={"Range": wanted})
    assert (response.status_code, len(response.content)) == (status, length)


async def test_a_slow_download_is_sent_piece_by_piece(
    client: httpx.AsyncClient, videos: VideosSandbox, video_id: str, path: str
) -> None:
    videos.finish(video_id, Filler(1000))
    videos.drip_content(100, pause=0.3)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(path, timeout=0.1)
    videos.drip_content(100, pause=0)
    async with client.stream("GET", path) as response:
        pieces = [piece async for piece in response.aiter_raw()]
    assert b"".join(pieces) == Filler(1000).read(0, 1000)
