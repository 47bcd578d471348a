"""The child's side: a process that limits itself, decodes one file and answers.

It starts anew for each file, so it imports as little as possible, and nothing of the bot.

Arguments: bytes of memory, seconds of CPU time, then the decoder's own. Standard input: 8 bytes
with the length of the file, and the file; it stays open as long as the parent lives. Standard
output: a line of words, `done ...`, `refused CODE` or `broke TYPE`, and the decoder's result.
"""

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Callable, Sequence

ADDRESS_SPACE = 512_000_000
"""Bytes, beyond the memory: libraries, and address space that is reserved but not used."""

Decoder = Callable[[bytes, Sequence[str]], tuple[Sequence[str], bytes]]
"""Makes words and a result of a file and the arguments."""


class Refused(Exception):
    """The file cannot be used; the code is one word, for the parent to explain."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def serve(decode: Decoder) -> None:
    """Be the child."""
    memory, cpu, *arguments = sys.argv[1:]
    limit(memory=int(memory), cpu=int(cpu))
    try:
        words, result = decode(_receive(), arguments)
        words = ("done", *words)
    except Refused as refusal:
        words, result = ("refused", refusal.code), b""
    except MemoryError:
        words, result = ("refused", "memory"), b""
    except Exception as error:  # noqa: BLE001 -- the parent logs it
        words, result = ("broke", type(error).__name__), b""
    sys.stdout.buffer.write(" ".join(words).encode() + b"\n" + result)
    sys.stdout.buffer.flush()


def limit(*, memory: int, cpu: int) -> None:
    """Give up the right to more memory and CPU time, to files and to core dumps.

    On Linux all of it is enforced. macOS ignores limits of memory or refuses to set them: there
    only the number of pixels and the CPU time are limited.
    """
    for kind, soft, hard in (
        (resource.RLIMIT_DATA, memory, memory),
        (resource.RLIMIT_AS, memory + ADDRESS_SPACE, memory + ADDRESS_SPACE),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS
            resource.setrlimit(kind, (soft, hard))


def _receive() -> bytes:
    length = int.from_bytes(sys.stdin.buffer.read(8), "big")
    content = sys.stdin.buffer.read(length)
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    return content


def _die_with_the_parent() -> None:
    """Standard input ends when the parent does, however it ends."""
    os.read(0, 1)  # without the lock of `sys.stdin`, which Python needs at its own end
    os._exit(1)
