"""The bot as a separate process with fast timings: `python -m bot.sandbox.replica`.

The same program as `python -m bot run`, with the same environment variables.
"""

import argparse
import asyncio
import multiprocessing
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from bot import app
from bot.config import Settings, read_settings
from bot.errors import BotError
from bot.timings import Timings

FAST = Timings(
    claim_interval=0.05,
    create_grace=0.5,
    reconcile_interval=0.05,
    stop_retries=(0.02, 0.02),
    takeover_interval=0.05,
    takeover_delay=0.1,
    poll_interval=0.01,
    post_interval=0.001,
    rate_window=0.05,
    queue_cache=0.05,
    duration_cache=0.05,
    min_poll_interval=0.01,
    max_poll_interval=0.05,
    card_interval=0.0,
    share_poll_interval=0.01,
    create_timeout=1.0,
    process_clock_skew=0.1,
    home_interval=0.05,
    outage_interval=1.0,
    warning_interval=1.0,
    overdue_poll_interval=0.05,
    retry_scale=0.01,
)
"""Timings so short that a video takes a moment from command to delivery."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bot.sandbox.replica")
    parser.add_argument(
        "--lease", type=float, required=True, help="how long a claim lasts, in seconds"
    )
    lease = parser.parse_args(arguments).lease
    try:
        app.serve(read_settings(), timings=FAST, lease=lease)
    except BotError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    return 0


async def start(environment: Mapping[str, str], *, lease: float, log: Path) -> Process:
    """Start a replica with the variables of `World.environment`, appending its log to the file."""
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.sandbox.replica", "--lease", str(lease)),
            cwd=log.parent,  # a folder without .env
            env={"PATH": os.environ.get("PATH", ""), **environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=file,
        )


FORK = multiprocessing.get_context("forkserver")
# httpx and anyio import the last two only when they are first used.
PRELOADED = ["bot.app", "bot.sandbox.replica", "httpcore", "anyio._backends._asyncio"]
FORK.set_forkserver_preload(PRELOADED)


def spawn(settings: Settings, *, timings: Timings, lease: float, log: Path) -> ForkServerProcess:
    """Start a replica at once, as a fork of a process that has imported everything."""
    process = FORK.Process(target=_serve, args=(settings, timings, lease, log), daemon=True)
    process.start()
    return process


async def exit_code(process: ForkServerProcess, seconds: float = 120) -> int | None:
    """Wait until the process has ended; None if that took too long.

    Don't `join` in a thread: `start` polls all processes, and of two threads that poll the
    same one at once, the second finds no exit code and reports 255.
    """
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return None
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
    return process.exitcode


def _serve(settings: Settings, timings: Timings, lease: float, log: Path) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app.serve(settings, timings=timings, lease=lease)


if __name__ == "__main__":
    sys.exit(main())
