"""Reference pictures: what is taken, and what is sent."""

from dataclasses import dataclass

MAX_BYTES = 20_000_000
PIXELS_PER_PIXEL = 32
"""How many pixels a picture may have for each pixel of the video ..."""
MIN_MAX_PIXELS = 25_000_000
"""... but as many as a phone's picture has, also for the smallest video ..."""
MAX_PIXELS = 40_000_000
"""... and no more than this for the largest."""

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
"""What is taken, by MIME type."""


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
        return f"picture.{EXTENSIONS[self.mime]}"


def max_pixels(size: str) -> int:
    """How many pixels a picture may have for a video of this size."""
    if not size:
        return MIN_MAX_PIXELS
    width, height = map(int, size.split("x"))
    return min(max(PIXELS_PER_PIXEL * width * height, MIN_MAX_PIXELS), MAX_PIXELS)
