"""Reference pictures, fitted to the video's size in a child process."""

import re

from bot.decoding.process import Limits, decode
from bot.errors import DecoderDied, FileProblem, FileRefused
from bot.pictures import EXTENSIONS, Picture, max_pixels
from bot.request import Fit

_SIZE = re.compile(r"[0-9]{1,5}x[0-9]{1,5}")


async def fitted(content: bytes, *, size: str, fit: Fit, limits: Limits | None = None) -> Picture:
    """The picture in the video's size; see `bot.decoding.fit_picture`.

    Raises:
        FileRefused: it is no such picture, or too large.
        DecoderDied: the child did not answer within its limits.
    """
    most = max_pixels(size)
    words, result = await decode(
        *("bot.decoding.fit_picture", size, fit.value, str(most)), content=content, limits=limits
    )
    match words:
        case ["done", mime, from_size] if mime in EXTENSIONS and _SIZE.fullmatch(from_size):
            return Picture(result, mime, from_size)
        case ["refused", "unreadable"]:
            raise FileRefused(FileProblem.NOT_A_PICTURE)
        case ["refused", "pixels"]:
            raise FileRefused(FileProblem.TOO_MANY_PIXELS, limit=most)
        case ["refused", "memory"]:
            raise FileRefused(FileProblem.TOO_MUCH_MEMORY)
        case _:
            raise DecoderDied("The decoder gave an answer that makes no sense.")
