"""A decoder that misbehaves as its first argument specifies, for tests of the limits."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bot.decoding.child import serve


def misbehave(_content: bytes, arguments: Sequence[str]) -> tuple[Sequence[str], bytes]:
    """Misbehave in the way that the arguments name."""
    match arguments:
        case ["spin"]:
            while True:
                pass
        case ["sleep"]:
            time.sleep(60)
        case ["crash"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case ["exit"]:
            os._exit(0)
        case ["babble"]:
            while True:
                sys.stdout.buffer.write(b"x" * 65536)
        case ["lie"]:
            sys.stdout.buffer.write(b"\xff\xfe" * 300)
            os._exit(0)
        case ["raise"]:
            raise KeyError
        case ["environment"]:
            return (), repr(dict(os.environ)).encode()
        case ["write", path]:
            Path(path).write_bytes(b"x")
        case _:
            raise ValueError(arguments)
    return (), b""


if __name__ == "__main__":
    if sys.argv[-1] == "deaf":
        time.sleep(60)
    serve(misbehave)
