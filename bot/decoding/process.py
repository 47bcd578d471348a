"""The parent's side: runs a decoder in a child process with limits."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bot.errors import DecoderDied

_ROOT = Path(__file__).parent.parent.parent
"""Where the package `bot` is."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a child may know of our environment, which holds secrets."""
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use."""

    memory: int = 400_000_000
    """Bytes; enforced on Linux."""
    cpu: int = 10
    """Seconds of CPU time."""
    wall: float = 30.0
    """Seconds from the start to the end."""
    reply: int = 64_000_000
    """Bytes."""


async def decode(
    program: str,
    *arguments: str,
    content: bytes = b"",
    limits: Limits | None = None,
    files: Collection[int] = (),
) -> tuple[list[str], bytes]:
    """Let the module `program` (see `bot.decoding.child`) decode this content.

    `files` are descriptors of open files that the child may read as well, under the same numbers.

    Returns the words of its answer, and its result. Trust neither: the decoder may have been
    taken over by the file. The child ends before this does, also if it is cancelled.

    Raises:
        DecoderDied: it did not answer within its limits.
    """
    limits = limits or Limits()
    process = await _start(program, str(limits.memory), str(limits.cpu), *arguments, files=files)
    try:
        async with asyncio.timeout(limits.wall):
            await _send(process, content)
            reply = await _receive(process, limits.reply)
            code = await process.wait()
    except TimeoutError as error:
        raise DecoderDied(f"The decoder took more than {limits.wall:g} seconds.") from error
    finally:
        await _end(process)
    head, newline, result = reply.partition(b"\n")
    words = head[:200].decode("ascii", "replace").split()
    if code != 0 or not newline or not words or words[0] == "broke":
        raise DecoderDied(f"The decoder broke (exit code {code}, {words[1:] or 'no answer'}).")
    return words, result


async def _start(program: str, *arguments: str, files: Collection[int]) -> Process:
    return await asyncio.create_subprocess_exec(
        # -E and -s: nothing that the environment or a home directory adds.
        *(sys.executable, "-E", "-s", "-m", program, *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        cwd=_ROOT,
        pass_fds=files,
        process_group=0,  # Ctrl-C in a terminal is for the bot alone
    )


async def _send(process: Process, content: bytes) -> None:
    """Write the content, and leave the pipe open: its end would tell the child that we died."""
    assert process.stdin is not None  # noqa: S101 -- it is a pipe
    with contextlib.suppress(ConnectionError):  # the child died: its exit code says so
        process.stdin.write(len(content).to_bytes(8, "big"))
        process.stdin.write(content)
        await process.stdin.drain()


async def _receive(process: Process, limit: int) -> bytes:
    assert process.stdout is not None  # noqa: S101 -- it is a pipe
    reply = bytearray()
    while chunk := await process.stdout.read(_CHUNK):
        reply += chunk
        if len(reply) > limit:
            raise DecoderDied("The decoder answered without end.")
    return bytes(reply)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.communicate()  # what is left in the pipes, so that they close
