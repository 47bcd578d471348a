"""Image files for tests."""

import io
from typing import Any

from PIL import Image


def picture(kind: str, size: tuple[int, int], *, mode: str = "RGB", **options: Any) -> bytes:  # noqa: ANN401 -- Pillow's own
    """An image file of this kind; in RGB, its left half is red and its right half blue."""
    image = Image.new(mode, size)
    if mode == "RGB":
        image.paste("red", (0, 0, size[0] // 2, size[1]))
        image.paste("blue", (size[0] // 2, 0, *size))
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def opened(content: bytes) -> Image.Image:
    """The decoded image."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def size_of(content: bytes) -> tuple[str, int, int]:
    """The format, width and height of the image."""
    image = opened(content)
    return str(image.format), image.width, image.height
