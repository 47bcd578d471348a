"""Poster frames of finished videos, taken in a child process."""

from typing import BinaryIO

from bot.decoding.process import Limits, decode
from bot.errors import DecoderDied

_LIMITS = Limits(reply=2_000_000)
_MAX_PIXELS = 9_000_000
"""Of a frame; 4K has 8.3 million."""
_JPEG = b"\xff\xd8\xff"


async def poster_of(video: BinaryIO, limits: Limits = _LIMITS) -> bytes | None:
    """A frame from the middle of an MP4 file, as a JPEG; None if it can't be had.

    The child reads the open file by itself, so it may already be deleted.

    Raises:
        DecoderDied: the child did not respond within its limits.
    """
    program = ("bot.decoding.poster_frame", str(video.fileno()), str(_MAX_PIXELS))
    words, frame = await decode(*program, limits=limits, files=(video.fileno(),))
    if words[0] == "refused":
        return None
    if words != ["done"] or not frame.startswith(_JPEG):
        raise DecoderDied("The decoder gave a response that makes no sense.")
    return frame
