"""`make soak HOURS=…`: the bot at a steady rate for hours, with faults, and whether it grows.

Every minute it prints the bot's memory, open files, tasks, lag and rows. It fails if memory, files
or tasks grow, or if a job is lost or duplicated.
"""

import argparse
import asyncio
import random
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from bot.sandbox.bench import process_of
from bot.sandbox.clip import make_clip
from bot.sandbox.faults import respond_with
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World

JOBS_PER_MINUTE = 30
FAULT_INTERVAL = 20.0
"""Seconds between faults."""
OUTAGE = 3.0
"""Seconds for which nobody can write to the database."""
MAX_GROWTH = 1.05
"""Of memory, from the middle of the run to its end: imports and caches fill up before."""
MAX_MORE = 10
"""Open files and tasks, which vary with the jobs in progress."""
FINISH_TIMEOUT = 180.0
RATE_LIMITED = respond_with(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "1"})
UNAVAILABLE = respond_with(503, {"error": {"message": "overloaded"}})


@dataclass(frozen=True, slots=True)
class Sample:
    """The bot's process at one moment."""

    minutes: float
    memory: float
    """In megabytes."""
    files: int
    tasks: int
    lag: float
    """Of the event loop, in milliseconds."""
    rows: int

    def __str__(self) -> str:
        return (
            f"  {self.minutes:7.1f} min   {self.memory:6.1f} MB   {self.files:3} files   "
            f"{self.tasks:3} tasks   {self.lag:5.1f} ms lag   {self.rows:6} rows"
        )


@dataclass(slots=True)
class Run:
    """What was asked and what was disrupted."""

    accepted: set[str] = field(default_factory=set)
    """The prompts of the commands that were acknowledged without a refusal."""
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)


async def soak(hours: float, *, seed: int) -> bool:
    """Print a line every minute, then the result; return whether nothing grew or was lost."""
    with tempfile.TemporaryDirectory(prefix="video-bot-soak-") as name:
        folder = Path(name)
        await asyncio.to_thread(make_clip, folder / "clip.mp4", "clouds", "128x72", 1)
        database, port = folder / "soak.db", _free_port()
        url = f"sqlite+aiosqlite:///{database}"
        async with (
            World(clip=folder / "clip.mp4", limits=True, render_seconds=2) as world,
            process_of(world, url, "bot run", folder, METRICS_PORT=str(port)) as process,
        ):
            run, watched = Run(), psutil.Process(process.pid)
            commands = asyncio.create_task(_commands(world, run, hours * 3600))
            faults = asyncio.create_task(_faults(world, database, run, random.Random(seed)))  # noqa: S311 -- not for secrets
            samples = await _samples(watched, port, database, hours * 3600)
            faults.cancel()
            await commands
            problems = await _problems(world, run)
    problems += growth(samples)
    counted = ", ".join(f"{number} {kind}" for kind, number in sorted(run.faults.items()))
    print(f"  {len(run.accepted)} jobs, {run.refused} refused; {counted}")
    print("\n".join(f"  PROBLEM: {problem}" for problem in problems) or "  ok")
    return not problems


def growth(samples: Sequence[Sample]) -> list[str]:
    """What has grown from the middle third of the run to its last third."""
    third = max(1, len(samples) // 3)
    middle, last = samples[third : 2 * third] or samples[:1], samples[-third:]
    problems = []
    before, after = (median(sample.memory for sample in part) for part in (middle, last))
    if after > before * MAX_GROWTH:
        problems.append(f"memory grew from {before:.1f} to {after:.1f} MB")
    for name in ("files", "tasks"):
        low, high = (median(getattr(sample, name) for sample in part) for part in (middle, last))
        if high > low + MAX_MORE:
            problems.append(f"open {name} grew from {low:.0f} to {high:.0f}")
    return problems


async def _commands(world: World, run: Run, seconds: float) -> None:
    people = (world.slack.ada, world.slack.grace)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * JOBS_PER_MINUTE / 60)):
            await asyncio.sleep(began + number * 60 / JOBS_PER_MINUTE - time.monotonic())
            prompt = f"clouds {number}"
            sending = group.create_task(people[number % 2].command(prompt))
            sending.add_done_callback(partial(_note, run, prompt))


def _note(run: Run, prompt: str, sending: asyncio.Task[Ack]) -> None:
    ack = sending.result()
    if ack.delivered and ack.payload is None:
        run.accepted.add(prompt)
    else:
        run.refused += 1


async def _faults(world: World, database: Path, run: Run, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(FAULT_INTERVAL)
        kind = chance.choice(["429", "503", "reconnect", "database outage"])
        run.faults[kind] += 1
        match kind:
            case "429":
                for method in ("chat.update", "chat.postMessage"):
                    world.faults.inject(method, RATE_LIMITED, times=3)
            case "503":
                world.faults.inject("retrieve", UNAVAILABLE, times=5)
                world.faults.inject("create", UNAVAILABLE)
            case "reconnect":
                await world.slack.sockets.disconnect()
            case _:
                await asyncio.to_thread(_lock, database)


def _lock(database: Path) -> None:
    """Let nobody write for a while."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(OUTAGE)
        connection.execute("ROLLBACK")


async def _samples(
    process: psutil.Process, port: int, database: Path, seconds: float
) -> list[Sample]:
    """Print a sample every minute, or more often during a short run."""
    began, samples = time.monotonic(), list[Sample]()
    interval = min(60.0, seconds / 10)
    while (passed := time.monotonic() - began) < seconds:
        await asyncio.sleep(min(interval, seconds - passed))
        gauges = await _gauges(port)
        samples.append(
            Sample(
                minutes=(time.monotonic() - began) / 60,
                memory=process.memory_info().rss / 1_000_000,
                files=process.num_fds(),
                tasks=int(gauges["video_bot_tasks"]),
                lag=gauges["video_bot_loop_lag_seconds"] * 1000,
                rows=await asyncio.to_thread(_rows, database),
            )
        )
        print(samples[-1], flush=True)
    return samples


async def _gauges(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    families = text_string_to_metric_families(page)
    return {sample.name: sample.value for family in families for sample in family.samples}


def _rows(database: Path) -> int:
    """How many rows all tables have."""
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return sum(
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 -- a table's name
            for (name,) in tables.fetchall()
        )


async def _problems(world: World, run: Run) -> list[str]:
    """What was lost or duplicated, once every job had time to finish."""

    def cards() -> list[Message]:
        return [m for m in world.slack.workspace.messages("videos") if not m.is_reply]

    def ready() -> int:
        return sum("*Ready:*" in str(card.blocks) for card in cards())

    try:
        await world.until(lambda: ready() >= len(run.accepted), FINISH_TIMEOUT)
    except TimeoutError:
        return [f"{len(run.accepted) - ready()} of {len(run.accepted)} jobs were lost"]
    creates = Counter(video.prompt for video in world.videos.creates)
    replies = [m for m in world.slack.workspace.messages("videos") if m.is_reply]
    files = Counter(reply.thread_ts for reply in replies for _ in reply.files)
    problems = [f"{prompt}: {n} creates" for prompt, n in creates.items() if n > 1]
    problems += [f"thread {ts}: {n} files" for ts, n in files.items() if n > 1]
    if len(cards()) > len(creates):
        problems.append(f"{len(cards())} cards for {len(creates)} videos")
    return problems


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run for a while; return 0 if nothing grew, and nothing was lost or duplicated."""
    parser = argparse.ArgumentParser(prog="python -m bot.sandbox.soak")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(f"{options.hours:g} h, {JOBS_PER_MINUTE} jobs a minute, seed {options.seed}")
    return 0 if asyncio.run(soak(options.hours, seed=options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
