"""Images that exhaust memory or time end only their decoder process, and at worst their job."""

import asyncio
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from PIL import Image

from bot.claimed import MAX_DOWNLOADS
from bot.decoding import pictures, process
from bot.decoding.pictures import fitted
from bot.decoding.process import Limits, decode
from bot.errors import DecoderDied, FileRefused
from bot.request import Fit
from bot.sandbox.world import World
from bot.ui.failures import describe
from tests.support.channel import Thread, ready, shown
from tests.support.installation import RunBot
from tests.support.pictures import picture, size_of

ECHO = "tests.support.decoder"
"""A decoder that misbehaves as its arguments specify."""


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "decod" in " ".join(child.cmdline())]


async def until(condition: Callable[[], object]) -> None:
    """Poll, since processes send no event when they start or end."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the same
            await asyncio.sleep(0.02)


async def test_a_starting_image_is_fitted_to_the_size_of_the_video() -> None:
    result = await fitted(picture("PNG", (144, 256)), size="72x128", fit=Fit.CROP)
    assert size_of(result.content) == ("PNG", 72, 128)
    assert (result.mime, result.from_size) == ("image/png", "144x256")
    assert children() == []


async def refusal(content: bytes, *, size: str) -> str:
    """The sentence that the person sees about this image."""
    with pytest.raises(FileRefused) as caught:
        await fitted(content, size=size, fit=Fit.CROP)
    return describe(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces limits of memory")
async def test_a_decompression_bomb_is_refused_with_an_explanation() -> None:
    """Less than 2 KB of WebP cost 675 MB."""
    sink = io.BytesIO()
    Image.new("RGB", (6320, 6320)).save(sink, "WEBP", lossless=True)
    assert len(sink.getvalue()) < 2_000
    assert "memory" in await refusal(sink.getvalue(), size="1792x1024")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_a_24_megapixel_phone_photo_is_accepted(kind: str) -> None:
    result = await fitted(picture(kind, (5712, 4284)), size="720x1280", fit=Fit.PAD)
    assert size_of(result.content) == (kind, 720, 1280)


async def test_the_error_for_too_many_pixels_states_the_limit() -> None:
    words = await refusal(picture("PNG", (10_000, 5_000), mode="1"), size="720x1280")
    assert "The limit is 29 megapixels" in words


async def test_the_error_for_an_unreadable_image_names_the_accepted_formats() -> None:
    assert "JPG, PNG or WebP" in await refusal(b"<html>", size="720x1280")


@pytest.mark.parametrize("what", ["spin", "crash", "exit", "babble", "lie", "raise"])
async def test_a_decoder_crash_is_distinguished_from_a_refusal(what: str) -> None:
    with pytest.raises(DecoderDied):
        await decode(ECHO, what, content=b"x", limits=Limits(cpu=1, reply=1_000_000))
    assert children() == []


async def test_a_decoder_that_sleeps_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(DecoderDied, match=r"more than 0\.5 seconds"):
        await decode(ECHO, "sleep", content=b"x", limits=Limits(wall=0.5))
    assert time.monotonic() - began < 5
    assert children() == []


async def test_a_decoder_that_never_reads_its_input_is_killed() -> None:
    with pytest.raises(DecoderDied, match=r"more than 0\.5 seconds"):
        await decode(ECHO, "deaf", content=b"x" * 10_000_000, limits=Limits(wall=0.5))
    assert children() == []


async def test_a_decoder_ends_when_its_task_is_cancelled() -> None:
    task = asyncio.create_task(decode(ECHO, "sleep", content=b"x"))
    await until(children)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_a_decoder_ends_when_the_bot_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.decoder_parent"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_a_decoder_does_not_inherit_the_bots_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    words, result = await decode(ECHO, "environment", content=b"x")
    assert words == ["done"]
    assert b"PATH" in result
    assert b"secret" not in result


async def test_a_decoder_cannot_write_files(tmp_path: Path) -> None:
    with pytest.raises(DecoderDied):
        await decode(ECHO, "write", str(tmp_path / "file"), content=b"x")
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size == 0


# In the bot


async def request_with_image(world: World) -> None:
    ada = world.slack.ada
    await ada.command("")
    file = ada.upload("sky.png", picture("PNG", (72, 128)), "image/png")
    await ada.fill({"prompt": "clouds", "size": "720x1280", "input_reference": [file]})
    await ada.submit()


def told(world: World) -> Callable[[], bool]:
    """Whether the person has the reason in a direct message."""
    place = world.slack.workspace.direct_message(world.slack.ada.user)
    return lambda: "every attempt failed" in "".join(map(shown, place.messages))


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every decoder die; the list has one entry for each."""
    died: list[str] = []

    async def die(*_: object, **__: object) -> None:
        died.append("died")
        raise DecoderDied("The decoder broke.")

    monkeypatch.setattr(pictures, "decode", die)
    return died


@pytest.mark.usefixtures("bot")
async def test_a_starting_image_that_kills_three_decoders_fails_its_job(
    world: World, dying: list[str]
) -> None:
    await request_with_image(world)
    await world.until(told(world))
    assert len(dying) == 3
    assert world.videos.creates == []


async def test_a_starting_image_that_kills_the_bot_three_times_fails_its_job(
    world: World, run_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like the OOM killer: the process ends without running any cleanup."""
    decoding = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        decoding.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pictures, "decode", never)
    monkeypatch.setattr("bot.jobs.decode_cancelled", lambda job: job)
    for killed in range(3):
        async with run_bot():
            if not killed:
                await request_with_image(world)
            await asyncio.wait_for(decoding.wait(), 10)
            decoding.clear()
    async with run_bot():
        await world.until(told(world))


async def test_stopping_the_bot_during_decoding_does_not_count_against_the_image(
    world: World, run_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, decoder = asyncio.Event(), process.decode

    async def never(*_: object, **__: object) -> None:
        decoding.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pictures, "decode", never)
    for stopped in range(4):
        async with run_bot():
            if not stopped:
                await request_with_image(world)
            await asyncio.wait_for(decoding.wait(), 10)
            decoding.clear()
    monkeypatch.setattr(pictures, "decode", decoder)
    async with run_bot():
        await world.until(ready(Thread(world)))


@pytest.mark.usefixtures("bot")
async def test_starting_images_are_downloaded_and_decoded_one_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, decoder = 0, 0, process.decode

    async def counted(*arguments: str, **options: Any) -> object:  # noqa: ANN401 -- passed on
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once + len(open_downloads(world)))
        try:
            return await decoder(*arguments, **options)
        finally:
            at_once -= 1

    monkeypatch.setattr(pictures, "decode", counted)
    for _ in range(3):
        await request_with_image(world)
    thread = Thread(world)
    await world.until(lambda: sum("*Ready:*" in str(card.blocks) for card in thread.cards) == 3)
    assert most == 1


@pytest.mark.usefixtures("bot")
async def test_starting_images_do_not_wait_behind_video_downloads(world: World) -> None:
    gate, thread = asyncio.Event(), Thread(world)

    async def late(_request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response(status=503)

    def downloads() -> int:
        return [call.operation for call in world.videos.calls].count("content")

    world.faults.inject("content", late, times=MAX_DOWNLOADS)
    for _ in range(MAX_DOWNLOADS):
        await world.slack.ada.command("rain")
    await world.until(lambda: downloads() == MAX_DOWNLOADS)
    await request_with_image(world)
    await world.until(lambda: len(thread.cards) == MAX_DOWNLOADS + 1)
    gate.set()
    await world.until(lambda: str([card.blocks for card in thread.cards]).count("*Ready:*") == 5)


def open_downloads(world: World) -> list[object]:
    return [call for call in world.slack.calls_of("download") if call.error == "unanswered"]
