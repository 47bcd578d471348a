"""The content of downloads, readable in chunks."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

_PATTERN = bytes(range(251)) * 261
"""The pattern varies by offset, so that a download resumed at a wrong offset is noticed."""


@dataclass(frozen=True)
class Filler:
    """A file of any size that uses no memory: an mp4 header, then a repeating pattern."""

    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from start to stop, exclusive."""
        stop = min(stop, self.size)
        head = self._head()[start:stop]
        start += len(head)
        first = start % 251
        needed = stop - start
        return head + (_PATTERN * (needed // len(_PATTERN) + 2))[first : first + needed]

    def _head(self) -> bytes:
        """Return a file type box, and the header of a media data box for the rest."""
        brands = struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp42")
        return (brands + struct.pack(">I4sQ", 1, b"mdat", max(16, self.size - 24)))[: self.size]


Clip = Path | bytes | Filler
"""A video file: a path, its bytes, or filler."""


@dataclass(frozen=True)
class Content:
    """A clip or an image, ready to be sent."""

    clip: Clip
    mime: str

    @property
    def size(self) -> int:
        """The size in bytes."""
        match self.clip:
            case Path():
                return self.clip.stat().st_size
            case bytes():
                return len(self.clip)
            case Filler():
                return self.clip.size

    @property
    def etag(self) -> str:
        """An ETag of these bytes."""
        digest = hashlib.sha256(self.read(0, 65536)).hexdigest()[:16]
        return f'"{digest}-{self.size}"'

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from start to stop, exclusive."""
        match self.clip:
            case Path():
                with self.clip.open("rb") as file:
                    file.seek(start)
                    return file.read(stop - start)
            case bytes():
                return self.clip[start:stop]
            case Filler():
                return self.clip.read(start, stop)
