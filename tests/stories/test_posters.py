"""The card of a finished video shows a frame of it."""

from pathlib import Path

import pytest

from bot.decoding.posters import poster_of
from bot.decoding.process import Limits
from bot.errors import DecoderDied
from bot.sandbox.clip import make_clip
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
