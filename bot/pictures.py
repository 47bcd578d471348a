"""Reference pictures: checked, set upright and fitted to the video's size. Slow: use a thread.

Servers want `input_reference` in exactly the size of the video, as JPEG, PNG or WebP.
"""

import io
import math
import struct
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps

from bot.errors import FileRefused
from bot.request import Fit

MAX_BYTES = 20_000_000
MAX_PIXELS = 40_000_000
"""A phone's picture has 12 to 24 million; each takes up to 4 bytes of memory."""

FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What is taken, by Pillow's names. MPO is what phones make: a JPEG with more behind it."""

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
_MAX_EDGE = 2048
"""Where the server decides about the size, it needs no more than this."""
_BORDER = "black"
_BEHIND_TRANSPARENCY = "white"
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, OverflowError)
"""What Pillow's decoders raise at damaged files."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be sent."""

    content: bytes
    mime: str
    from_size: str
    """What size it had, upright, before it was fitted."""

    @property
    def filename(self) -> str:
        """A name that fits its type."""
        return f"picture.{_EXTENSIONS[self.mime]}"


def fitted(content: bytes, *, size: str, fit: Fit) -> Picture:
    """The picture in the video's size, never squashed, without metadata.

    With an empty size it keeps its own, within reason. Of an animation it is the first frame.

    Raises:
        FileRefused: it is no such picture, or too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            _check_pixels(image)
            mime, from_size = FORMATS[image.format or ""], _upright_size(image)
            _shrink(image, size)
            ImageOps.exif_transpose(image, in_place=True)
            picture = _shape(_in_rgb(image), size, fit)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except _BROKEN as error:
        raise FileRefused(
            "The picture cannot be read. Please choose a JPG, PNG or WebP file."
        ) from error
    return Picture(_encode(picture, mime), mime, from_size)


def _check_pixels(image: Image.Image) -> None:
    """Before a single one is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> FileRefused:
    return FileRefused(
        f"The picture has too many pixels: {MAX_PIXELS // 1_000_000} megapixels are the most. "
        "Please choose a smaller one."
    )


def _upright_size(image: Image.Image) -> str:
    on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) in {5, 6, 7, 8}
    width, height = reversed(image.size) if on_its_side else image.size
    return f"{width}x{height}"


def _shrink(image: Image.Image, size: str) -> None:
    """Take away what is far too much, so that the steps behind need little memory.

    A JPEG is not even decoded whole. Palettes cannot be blended, so they come later.
    """
    if image.mode not in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return
    if not size:
        image.thumbnail((_MAX_EDGE, _MAX_EDGE))
    elif (scale := max(map(int, size.split("x"))) / min(image.size)) < 1:
        image.thumbnail((math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits of grey, which `convert` would clip to white.
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGB", layer.size, _BEHIND_TRANSPARENCY)
        ground.paste(layer, mask=layer)
        return ground
    return image.convert("RGB")


def _shape(image: Image.Image, size: str, fit: Fit) -> Image.Image:
    if not size:
        return image
    width, height = map(int, size.split("x"))
    if image.size == (width, height):
        return image
    match fit:
        case Fit.CROP:
            return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        case Fit.PAD:
            return ImageOps.pad(image, (width, height), Image.Resampling.LANCZOS, color=_BORDER)


def _encode(image: Image.Image, mime: str) -> bytes:
    clean = Image.new("RGB", image.size)  # nothing but pixels: Pillow would keep profiles
    clean.paste(image)
    sink = io.BytesIO()
    match mime:
        case "image/png":
            clean.save(sink, "PNG")
        case "image/webp":
            clean.save(sink, "WEBP", quality=95)
        case _:
            clean.save(sink, "JPEG", quality=95)
    return sink.getvalue()
