"""A child process that takes one frame of a video: `python -m bot.decoding.poster_frame`.

The video comes as a file descriptor, because it may be larger than the memory of the process.
"""

import io
import os
from collections.abc import Sequence

import av
from PIL import Image

from bot.decoding.child import Refused, serve

_MAX_FRAMES = 150
"""Frames that are decoded after a key frame to come to the middle; enough for six seconds."""
_MAX_EDGE = 1280
_QUALITY = 85


def poster_frame(video: int, *, max_pixels: int) -> bytes:
    """A frame from about the middle of the video, as a JPEG; many videos begin in black.

    Only MP4 is read: other formats, such as playlists, may name further files to open.

    Raises:
        Refused: with the code `unreadable` or `pixels`.
    """
    os.nice(10)  # a courtesy for the bot's other work
    try:
        with os.fdopen(video, "rb") as file, av.open(file, "r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # each thread would need memory
            if stream.width * stream.height > max_pixels:
                raise Refused("pixels")
            frame = _middle_frame(container, stream)
            return _encode(frame.to_image())  # type: ignore[no-untyped-call] # PyAV has no type here
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise Refused("unreadable") from error


def _middle_frame(container: av.container.InputContainer, stream: av.VideoStream) -> av.VideoFrame:
    middle = (stream.duration or 0) // 2
    if middle:
        container.seek(middle, stream=stream)
    last = None
    for number, frame in enumerate(container.decode(stream)):
        last = frame
        if number >= _MAX_FRAMES or (frame.pts or 0) >= middle:
            break
    if last is None:
        raise Refused("unreadable")
    return last


def _encode(image: Image.Image) -> bytes:
    image.thumbnail((_MAX_EDGE, _MAX_EDGE))
    sink = io.BytesIO()
    image.convert("RGB").save(sink, "JPEG", quality=_QUALITY, optimize=True)
    return sink.getvalue()


def _decode(_content: bytes, arguments: Sequence[str]) -> tuple[Sequence[str], bytes]:
    video, max_pixels = map(int, arguments)
    return (), poster_frame(video, max_pixels=max_pixels)


if __name__ == "__main__":
    serve(_decode)
