"""The fake server's clips are real videos."""

import threading
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops

from bot.sandbox.clip import make_clip, make_spritesheet, make_thumbnail, tiny_clip


def frames(path: Path) -> list[Image.Image]:
    with av.open(path) as clip:
        decoded = clip.decode(video=0)
        return [frame.to_image() for frame in decoded]  # type: ignore[no-untyped-call] # PyAV's


def brightest(image: Image.Image) -> int:
    return max(image.convert("L").tobytes())


def differ(one: Image.Image, other: Image.Image) -> bool:
    """Whether some pixel differs by more than compression explains."""
    return brightest(ImageChops.difference(one, other)) > 100


@pytest.mark.parametrize(
    ("size", "seconds"), [("720x1280", 4), ("1280x720", 1), ("1024x1792", 1), ("64x64", 12)]
)
def test_a_clip_has_exactly_the_requested_size_and_duration(
    tmp_path: Path, size: str, seconds: int
) -> None:
    make_clip(tmp_path / "clip.mp4", "clouds", size, seconds)
    with av.open(tmp_path / "clip.mp4") as clip:
        stream = clip.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.pix_fmt == "yuv420p"
        assert f"{stream.width}x{stream.height}" == size
        assert clip.duration == seconds * 1_000_000


def test_an_odd_size_becomes_even(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "clouds", "63x33", 1)
    assert frames(tmp_path / "clip.mp4")[0].size == (62, 32)


def test_the_frames_of_a_clip_differ(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "", "320x240", 1)
    pictures = frames(tmp_path / "clip.mp4")
    assert len({picture.tobytes() for picture in pictures}) > len(pictures) // 2


def test_the_prompt_is_drawn_in_the_clip(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "clouds", "320x240", 1)
    picture = frames(tmp_path / "clip.mp4")[0]
    words = picture.crop((0, 144, 320, 192))
    sky = picture.crop((0, 200, 320, 240))
    assert brightest(words) > 220
    assert brightest(sky) < 200


def test_different_prompts_produce_different_clips(tmp_path: Path) -> None:
    make_clip(tmp_path / "one.mp4", "clouds", "320x240", 1)
    make_clip(tmp_path / "other.mp4", "mountains", "320x240", 1)
    assert differ(frames(tmp_path / "one.mp4")[0], frames(tmp_path / "other.mp4")[0])


def test_a_clip_can_be_played_while_it_is_still_loading(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "clouds", "64x64", 1)
    content = (tmp_path / "clip.mp4").read_bytes()
    assert content[4:8] == b"ftyp"
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_prompt_produces_the_same_bytes_even_in_parallel(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(4)]
    threads = [
        threading.Thread(target=make_clip, args=(path, "clouds", "320x240", 1)) for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_bytes() for path in paths}) == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "\x00\n\t",
        "雲のタイムラプス" * 50,
        "غيوم فوق الجبال",
        "🎬👩‍👩‍👧",
        "\ud800 alone",
        "x" * 32000,
        "word " * 6000,
    ],
)
def test_any_prompt_can_be_drawn(tmp_path: Path, prompt: str) -> None:
    make_clip(tmp_path / "clip.mp4", prompt, "64x128", 0.1)
    assert frames(tmp_path / "clip.mp4")


def test_the_tiny_clip_is_a_real_video(tmp_path: Path) -> None:
    (tmp_path / "tiny.mp4").write_bytes(tiny_clip())
    assert len(frames(tmp_path / "tiny.mp4")) == 24
    assert tiny_clip() is tiny_clip()


def test_previews_have_the_expected_format_and_size(tmp_path: Path) -> None:
    (tmp_path / "thumbnail").write_bytes(make_thumbnail("clouds", "320x240"))
    (tmp_path / "spritesheet").write_bytes(make_spritesheet("clouds", "320x240"))
    with Image.open(tmp_path / "thumbnail") as image:
        assert (image.format, image.size) == ("WEBP", (320, 240))
    with Image.open(tmp_path / "spritesheet") as image:
        assert (image.format, image.size) == ("JPEG", (320, 60))
