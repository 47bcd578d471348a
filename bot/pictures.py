"""Starting images: what is accepted, and what is sent."""

from dataclasses import dataclass

MAX_BYTES = 20_000_000
PIXELS_PER_PIXEL = 32
"""Pixels that an image may have for each pixel of the video ..."""
MIN_MAX_PIXELS = 25_000_000
"""... but at least as many as a phone's camera produces ..."""
MAX_PIXELS = 40_000_000
"""... and at most this many."""

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
"""The accepted MIME types, with their file extensions."""
FILE_TYPES = ["jpg", "jpeg", "png", "webp"]
"""What Slack lets people choose in a form."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that can be sent."""

    content: bytes
    mime: str
    from_size: str
    """Its upright size before it was fitted."""

    @property
    def filename(self) -> str:
        """A file name with the right extension."""
        return f"picture.{EXTENSIONS[self.mime]}"


def max_pixels(size: str) -> int:
    """How many pixels a picture may have for a video of this size."""
    if not size:
        return MIN_MAX_PIXELS
    width, height = map(int, size.split("x"))
    return min(max(PIXELS_PER_PIXEL * width * height, MIN_MAX_PIXELS), MAX_PIXELS)
