"""The card of a finished video shows a frame of it, at no risk for the video."""

from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings
from bot.decoding.posters import poster_of
from bot.decoding.process import Limits
from bot.errors import DecoderDied
from bot.sandbox.clip import make_clip
from bot.sandbox.faults import drop, hang, respond_with
from bot.sandbox.slack.state import File, Message
from bot.sandbox.slack.web_api import chat
from bot.sandbox.world import World
from bot.ui import cards
from tests.support.channel import Thread, ready, shown, until_idle
from tests.support.installation import RunBot
from tests.support.pictures import size_of

NOT_VIDEOS = {
    "empty": b"",
    "junk": b"junk" * 1000,
    "cut": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 3000,
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    make_clip(path, "clouds", size="1792x1024", seconds=2)
    return path


async def test_a_frame_is_taken_of_a_file_that_is_already_deleted(film: Path) -> None:
    with film.open("rb") as file:
        film.unlink()
        frame = await poster_of(file)
    assert frame is not None
    assert size_of(frame) == ("JPEG", 1280, 731)


@pytest.mark.parametrize("content", NOT_VIDEOS.values(), ids=NOT_VIDEOS)
async def test_what_is_no_video_has_no_frame(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert await poster_of(file) is None


async def test_only_the_beginning_of_a_video_has_no_frame(film: Path) -> None:
    film.write_bytes(film.read_bytes()[:2000])
    with film.open("rb") as file:
        assert await poster_of(file) is None


async def test_a_frame_takes_no_longer_than_a_child_may_run(film: Path) -> None:
    with film.open("rb") as file, pytest.raises(DecoderDied):
        await poster_of(file, Limits(wall=0.01))


@pytest.fixture
def with_posters(settings: Settings) -> Settings:
    return settings.model_copy(update={"poster": True})


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


def images(card: Message) -> list[Any]:
    return [block for block in card.blocks if block["type"] == "image"]


def posters(world: World) -> list[File]:
    """All frames that were ever uploaded."""
    return [file for file in world.slack.workspace.files.values() if file.name.endswith(".jpg")]


async def posted(world: World, thread: Thread) -> Any:  # noqa: ANN401 -- a block
    [image] = await world.until(lambda: thread.cards and images(thread.card))
    return image


async def deliver_unprocessed(world: World, thread: Thread) -> File:
    """Request a video; return its frame, which is uploaded but which Slack does not process."""
    await world.slack.ada.command("a timelapse of clouds")
    await world.until(lambda: thread.replies)
    world.slack.workspace.shares.hold()
    await world.until(lambda: [each for each in posters(world) if each.stage == "complete"])
    [frame] = posters(world)
    return frame


async def test_the_card_shows_a_frame_of_the_video(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    async with run_bot(settings=with_posters):
        await world.slack.ada.command("a timelapse of clouds")
        image = await posted(world, thread)
    [frame] = posters(world)
    assert image["slack_file"] == {"id": frame.id}
    assert image["alt_text"] == frame.alt_txt == "A frame of the video: a timelapse of clouds"
    assert (frame.name, frame.title) == ("a-timelapse-of-clouds.jpg", "a timelapse of clouds")
    assert size_of(frame.data)[0] == "JPEG"
    assert frame.shares == []
    assert "in the thread" in shown(thread.card)
    assert len(thread.messages) == 2


async def test_the_video_and_its_card_come_before_the_frame(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    async with run_bot(settings=with_posters):
        frame = await deliver_unprocessed(world, thread)
        assert ready(thread)()
        assert len(thread.replies) == 1
        assert images(thread.card) == []
        world.slack.workspace.shares.release()
        assert (await posted(world, thread))["slack_file"]["id"] == frame.id


async def test_poster_false_uploads_no_frame(
    world: World, thread: Thread, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot(settings=settings):
        await world.slack.ada.command("clouds")
        await world.until(ready(thread))
        await until_idle()
    assert (posters(world), images(thread.card)) == ([], [])


async def test_a_frame_that_slack_refuses_leaves_the_card_as_it_is(
    world: World,
    thread: Thread,
    run_bot: RunBot,
    with_posters: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat, "DRAWN_TYPES", {"image/png"})
    async with run_bot(settings=with_posters):
        await world.slack.ada.command("clouds")
        [frame] = await world.until(lambda: posters(world))
        await world.until(lambda: frame.stage == "deleted")
        await until_idle()
    assert ready(thread)()
    assert images(thread.card) == []
    assert [call.error for call in world.slack.calls_of("chat.update")].count("invalid_blocks") == 1


async def test_a_frame_that_slack_never_processes_is_given_up(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    async with run_bot(settings=with_posters):
        frame = await deliver_unprocessed(world, thread)
        await world.until(lambda: frame.stage == "deleted")
        await until_idle()
    assert images(thread.card) == []


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_an_error_while_the_frame_is_uploaded_costs_the_frame_alone(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings, method: str
) -> None:
    async with run_bot(settings=with_posters):
        world.videos.hold()
        await world.slack.ada.command("clouds")
        await world.until(lambda: world.videos.creates)
        world.faults.inject(method, respond_with(500, "broken"), nth=2)
        world.videos.release()
        await world.until(ready(thread))
        await until_idle()
    assert images(thread.card) == []
    assert len(thread.replies) == 1
    assert [frame.stage for frame in posters(world)] in ([], ["uploaded"])


async def test_a_video_without_a_frame_is_delivered_all_the_same(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    world.videos.clip = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 3000
    async with run_bot(settings=with_posters):
        await world.slack.ada.command("clouds")
        await world.until(ready(thread))
        await until_idle()
    assert (posters(world), images(thread.card)) == ([], [])


@pytest.mark.parametrize("operation", ["chat.update", "files.info"])
async def test_a_lost_response_shows_the_frame_once(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings, operation: str
) -> None:
    async with run_bot(settings=with_posters):
        await deliver_unprocessed(world, thread)
        world.faults.inject(operation, drop, when="after")
        world.slack.workspace.shares.release()
        await posted(world, thread)
        await until_idle()
    assert len(images(thread.card)) == 1
    assert len(posters(world)) == 1


async def test_after_a_restart_the_same_frame_is_shown(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    async with run_bot(settings=with_posters):
        frame = await deliver_unprocessed(world, thread)
    world.slack.workspace.shares.release()
    async with run_bot(settings=with_posters):
        assert (await posted(world, thread))["slack_file"]["id"] == frame.id
    assert posters(world) == [frame]
    assert len(thread.replies) == 1


async def test_a_restart_before_the_frames_bytes_were_sent_gives_it_up(
    world: World, thread: Thread, run_bot: RunBot, with_posters: Settings
) -> None:
    async with run_bot(settings=with_posters):
        world.videos.hold()
        await world.slack.ada.command("clouds")
        await world.until(lambda: world.videos.creates)
        world.faults.inject("upload", hang, nth=2)
        world.videos.release()
        [frame] = await world.until(lambda: posters(world))
        await world.until(lambda: len(world.slack.calls_of("upload")) == 2)
    checked = len(world.slack.calls_of("files.info"))
    async with run_bot(settings=with_posters):
        await world.until(lambda: len(world.slack.calls_of("files.info")) > checked)
        await until_idle()
    assert ready(thread)()
    assert images(thread.card) == []
    assert posters(world) == [frame]


@pytest.mark.parametrize("is_shown", [True, False])
async def test_deleting_the_video_deletes_its_frame(
    world: World,
    thread: Thread,
    run_bot: RunBot,
    with_posters: Settings,
    is_shown: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    async with run_bot(settings=with_posters):
        frame = await deliver_unprocessed(world, thread)
        if is_shown:
            world.slack.workspace.shares.release()
            await posted(world, thread)
        await world.slack.ada.click(thread.card, cards.DELETE)
        await world.until(lambda: thread.says("*Deleted"))
    assert frame.stage == "deleted"
    assert images(thread.card) == []
