"""A child process that fits a picture: `python -m bot.decoding.fit_picture`.

Servers want `input_reference` in exactly the size of the video, as JPEG, PNG or WebP.
"""

import io
import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

# The plug-ins by name: otherwise Pillow imports all of its fifty to find that of a WebP.
from PIL import (
    ExifTags,
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401 -- registers itself
    MpoImagePlugin,  # noqa: F401 -- registers itself
    PngImagePlugin,  # noqa: F401 -- registers itself
    WebPImagePlugin,  # noqa: F401 -- registers itself
)

from bot.decoding.child import Refused, serve

FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What is taken, by Pillow's names. MPO is what phones make: a JPEG with more behind it."""

_MAX_EDGE = 2048
"""Where the server decides about the size, it needs no more than this."""
_BORDER = "black"
_BEHIND_TRANSPARENCY = "white"
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, OverflowError)
"""What Pillow's decoders raise at damaged files."""


class Fitted(NamedTuple):
    """A picture in the video's size."""

    content: bytes
    mime: str
    from_size: str
    """What size it had, upright, before it was fitted."""


def fit_picture(content: bytes, *, size: str, fit: str, max_pixels: int) -> Fitted:
    """The picture in the video's size, never squashed, without metadata.

    With an empty size it keeps its own, within reason. Of an animation it is the first frame.
    `fit` is `crop` or `pad`.

    Raises:
        Refused: with the code `unreadable` or `pixels`.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > max_pixels:
                raise Refused("pixels")
            mime, from_size = FORMATS[image.format or ""], _upright_size(image)
            _shrink(image, size)
            ImageOps.exif_transpose(image, in_place=True)
            picture = _shape(_in_rgb(image), size, fit)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("pixels") from error
    except _BROKEN as error:
        raise Refused("unreadable") from error
    return Fitted(_encode(picture, mime), mime, from_size)


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


def _shape(image: Image.Image, size: str, fit: str) -> Image.Image:
    if not size:
        return image
    width, height = map(int, size.split("x"))
    if image.size == (width, height):
        return image
    if fit == "pad":
        return ImageOps.pad(image, (width, height), Image.Resampling.LANCZOS, color=_BORDER)
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


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


def _decode(content: bytes, arguments: Sequence[str]) -> tuple[Sequence[str], bytes]:
    size, fit, max_pixels = arguments
    fitted = fit_picture(content, size=size, fit=fit, max_pixels=int(max_pixels))
    return (fitted.mime, fitted.from_size), fitted.content


if __name__ == "__main__":
    serve(_decode)
