"""A process that waits for a decoder, and prints the decoder's process id."""

import asyncio

import psutil

from bot.decoding.process import decode


async def main() -> None:
    """Decode until this process is killed."""
    task = asyncio.create_task(decode("tests.support.decoder", "sleep", content=b"x"))
    while not (children := psutil.Process().children()):  # noqa: ASYNC110 -- processes send no event
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)  # gives it time to read the file
    print(children[0].pid, flush=True)  # noqa: T201 -- what the test reads
    await task


if __name__ == "__main__":
    asyncio.run(main())
