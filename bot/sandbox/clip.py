"""Generate the fake server's clips: drifting clouds with the prompt as a caption."""

import functools
import io
import math
import os
import random
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FRAMES_PER_SECOND = 24
_SKIES = (
    ("#1d2b64", "#6f86c9", "#f8cdda"),
    ("#0b486b", "#3b8d99", "#f5e6ca"),
    ("#42275a", "#b06ab3", "#ffe0c7"),
    ("#134e5e", "#71b280", "#f1f8e9"),
    ("#2c3e50", "#fd746c", "#ffe8d6"),
)
_OCTAVES = ((3, 0.0), (7, 0.45), (19, 0.25))
"""For each octave of noise: samples across the picture, and its opacity over the one before."""


def make_clip(
    path: str | os.PathLike[str], prompt: str, size: str = "720x1280", seconds: float = 4
) -> None:
    """Write an H.264 mp4 of this size and duration; the same arguments make the same bytes.

    H.264 in yuv420p halves the rows and columns of colour, so odd sides become one pixel shorter.
    """
    count = max(1, round(seconds * FRAMES_PER_SECOND))
    frames = _frames(prompt, _even(size), count)
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as output:
        # One thread: x264 slices pictures by its number of threads, which changes the bytes.
        stream = output.add_stream(
            "libx264", FRAMES_PER_SECOND, {"preset": "ultrafast", "threads": "1"}
        )
        stream.width, stream.height = _even(size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, FRAMES_PER_SECOND)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call] # PyAV has no type here
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


@functools.cache
def tiny_clip() -> bytes:
    """Return a real mp4 of a few kilobytes, generated once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.mp4"
        make_clip(path, "", "64x64", 1)
        return path.read_bytes()


def make_thumbnail(prompt: str, size: str) -> bytes:
    """Return the clip's first frame as WebP."""
    return _saved(next(_frames(prompt, _even(size), 1)), "WEBP")


def make_spritesheet(prompt: str, size: str) -> bytes:
    """Return frames from the whole clip, side by side, as JPEG."""
    width, height = (side // 4 for side in _even(size))
    sheet = Image.new("RGB", (4 * width, height))
    for column, image in enumerate(_frames(prompt, _even(size), 4)):
        sheet.paste(image.resize((width, height)), (column * width, 0))
    return _saved(sheet, "JPEG")


def _even(size: str) -> tuple[int, int]:
    width, height = (max(2, int(side) // 2 * 2) for side in size.split("x"))
    return width, height


def _saved(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _frames(prompt: str, size: tuple[int, int], count: int) -> Iterator[Image.Image]:
    """Pan over a wide sky, there and back, so that the clip can loop."""
    width, height = size
    sky = _sky(prompt, (width + width // 2, height))
    caption, position = _caption(prompt, size)
    for number in range(count):
        left = round((sky.width - width) * (1 - math.cos(2 * math.pi * number / count)) / 2)
        image = sky.crop((left, 0, left + width, height))
        image.paste("white", position, caption)
        yield image


def _sky(prompt: str, size: tuple[int, int]) -> Image.Image:
    """Paint clouds: layers of noise, coarse to fine, smoothly enlarged, then coloured."""
    noise = random.Random(prompt.encode(errors="replace"))  # noqa: S311 -- a picture, not a secret
    clouds = Image.new("L", size)
    for across, opacity in _OCTAVES:
        down = max(2, across * size[1] // size[0])
        samples = Image.frombytes("L", (across, down), noise.randbytes(across * down))
        layer = samples.resize(size, Image.Resampling.BICUBIC)
        clouds = Image.blend(clouds, layer, opacity) if opacity else layer
    low, middle, high = noise.choice(_SKIES)
    sky = ImageOps.colorize(ImageOps.autocontrast(clouds), low, high, middle)
    return ImageChops.multiply(sky, _dusk(size))


def _dusk(size: tuple[int, int]) -> Image.Image:
    """Darken towards the bottom, so that a white caption is readable on bright clouds."""
    shade = Image.linear_gradient("L").point([255 - level * 3 // 5 for level in range(256)])
    return shade.resize(size).convert("RGB")


def _caption(prompt: str, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """Return the caption as a mask, and its position in the lower third."""
    width, height = size
    margin = width // 12
    font = ImageFont.load_default(max(8, min(size) // 18))
    mask = Image.new("L", (max(1, width - 2 * margin), max(1, height // 3)))
    text = "\n".join(_wrapped(prompt, font, mask.size))
    ImageDraw.Draw(mask).multiline_text((0, 0), text, 255, font)
    return mask, (margin, height * 3 // 5)


def _wrapped(prompt: str, font: Font, box: tuple[int, int]) -> list[str]:
    """Break the prompt into lines that fit the box, and cut the rest."""
    max_lines = max(1, int(box[1] / font.getbbox("Ég")[3] / 1.3))
    lines = [""]
    for piece, separator in _pieces(prompt, font, box[0]):
        longer = f"{lines[-1]}{separator}{piece}" if lines[-1] else piece
        if font.getlength(longer) <= box[0]:
            lines[-1] = longer
        elif len(lines) < max_lines:
            lines.append(piece)
        else:
            return [*lines[:-1], f"{lines[-1]}…"]
    return lines


def _pieces(prompt: str, font: Font, width: int) -> Iterator[tuple[str, str]]:
    """Split into words, and words wider than a line into letters, each with its separator."""
    letters = "".join(letter if letter.isprintable() else " " for letter in prompt)
    for word in letters.split():
        if font.getlength(word) <= width:
            yield word, " "
        else:
            yield word[0], " "
            yield from ((letter, "") for letter in word[1:])
