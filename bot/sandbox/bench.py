"""`make bench`: performance figures, each beside its goal or a baseline.

Times are compared within one run, so that the speed of the machine does not matter.
"""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import sqlalchemy as sa

from bot import migrations
from bot.jobs import Job
from bot.request import VideoRequest
from bot.sandbox.clip import make_clip
from bot.sandbox.postgres import Postgres, postgres
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Message
from bot.sandbox.videos.content import Filler
from bot.sandbox.videos.state import VideoParams
from bot.sandbox.world import World
from bot.store import Store
from bot.tables import jobs as table
from bot.tables import totals
from bot.timings import DAY

MB = 1_000_000
POST_CALLS = ("chat.postMessage", "conversations.history", "conversations.join")
BASES = ("rates", "none", "many", "old", "emptied", "spending")
LIMITS = (
    "LIMIT_MONTH_USD",
    "LIMIT_DAY_USD",
    "LIMIT_CHANNEL_MONTH_USD",
    "LIMIT_PERSON_MONTH_USD",
    "LIMIT_PERSON_DAY_USD",
    "LIMIT_PERSON_DAY_VIDEOS",
)
OLD_JOBS = 200_000
START_TIMEOUT = 60.0
"""Seconds for a process to connect."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    name: str
    value: str
    goal: str = ""
    is_met: bool = True

    def __str__(self) -> str:
        result = "" if not self.goal else ("  ok" if self.is_met else "  MISSED")
        return f"  {self.name:<58} {self.value:>22}   {self.goal:<16}{result}"


# Building blocks


@asynccontextmanager
async def process_of(
    world: World, url: str, module: str, folder: Path, **variables: str
) -> AsyncIterator[Process]:
    """Run this module as a process in the world, and wait until it is connected."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *module.split()),
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "LOG_LEVEL": "WARNING",
                "MAX_OPEN_PER_PERSON": "1000000",
                "POSTER": "false",  # each takes a process
                **world.environment(url),
                **variables,
            },
            stderr=log,
            stdout=log,
        )
    try:
        await world.until(lambda: world.slack.sockets.connected, START_TIMEOUT)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def bot(
    world: World, url: str, folder: Path, **variables: str
) -> AbstractAsyncContextManager[Process]:
    """Run the bot itself."""
    return process_of(world, url, "bot run", folder, **variables)


async def send_commands(world: World, number: int, seconds: float) -> list[Ack]:
    """Send commands evenly over this many seconds, without waiting for their acknowledgements."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    people = (world.slack.ada, world.slack.grace)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for each in range(number):
            await asyncio.sleep(began + each * seconds / number - loop.time())
            tasks.append(group.create_task(people[each % 2].command(f"clouds {each}")))
    return [task.result() for task in tasks]


def ack_latency(acks: Sequence[Ack]) -> tuple[float, float]:
    """Return the median and 99th percentile of the acknowledgements, in milliseconds."""
    return percentiles([ack.took for ack in acks])


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and 99th percentile, in milliseconds."""
    cuts = quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def durable_writes(path: Path) -> tuple[float, float]:
    """Measure writing a page to disk with fsync, which every acknowledgement has to wait for."""
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(500):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return percentiles(took)


def in_ms(latency: tuple[float, float]) -> str:
    """Format a median and a 99th percentile."""
    return f"{latency[0]:.1f} / {latency[1]:.1f} ms"


def multiply(url: str, number: int) -> None:
    """Copy the only job this many times, as unclaimed jobs."""
    first = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    numbers = first.union_all(sa.select(first.c.n + 1).where(first.c.n < number))
    text = sa.cast(numbers.c.n, sa.Text)
    changed: dict[str, sa.ColumnElement[Any]] = {
        "id": sa.literal("copy") + text,
        "request_key": sa.literal("request") + text,
        "video_id": sa.literal("video") + text,
        "lease_until": sa.literal(0.0),
    }
    columns = [changed.get(column.name, column) for column in table.c]
    copies = sa.select(*columns).select_from(table.join(numbers, sa.true()))
    engine = sa.create_engine(url.replace("+aiosqlite", ""))
    insert = table.insert().from_select([*table.c], copies)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(insert)
        else:
            # Triggers that change one row this often in one transaction would take minutes.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.execute(insert)
            factor = number + 1
            changed_totals = {name: totals.c[name] * factor for name in ("micros", "videos")}
            connection.execute(totals.update().values(changed_totals))
    engine.dispose()


def age(url: str, seconds: float) -> None:
    """Make all closed jobs older."""
    engine = sa.create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        connection.execute(table.update().values(closed_at=table.c.closed_at - seconds))
    engine.dispose()


def emptied(url: str) -> int:
    """Return how many jobs have lost their contents."""
    engine = sa.create_engine(url.replace("+aiosqlite", ""))
    query = sa.select(sa.func.count()).select_from(table).where(table.c.prompt == "")
    with engine.connect() as connection:
        number = int(connection.execute(query).scalar_one())
    engine.dispose()
    return number


async def deliver(world: World, number: int = 1) -> None:
    """Send commands, and wait until their cards say Ready."""
    before = len(finished(world))
    await send_commands(world, number, number / 20)
    await world.until(lambda: len(finished(world)) == before + number, 120)


def finished(world: World) -> list[Message]:
    """Return the cards that say Ready."""
    return [m for m in world.slack.workspace.messages("videos") if "*Ready:*" in str(m.blocks)]


# The measurements


async def burst(clip: Path, folder: Path) -> AsyncIterator[Figure]:
    """Measure 500 commands in 10 seconds, against an app that only acknowledges."""
    url = f"sqlite+aiosqlite:///{folder / 'burst.db'}"
    async with World(clip=clip) as world, process_of(world, url, "bot.sandbox.baseline", folder):
        await send_commands(world, 20, 1)
        baseline = ack_latency(await send_commands(world, 500, 10))
    async with (
        World(clip=clip, render_seconds=30, poll_after_ms=5000) as world,
        bot(world, url, folder),
    ):
        await send_commands(world, 20, 1)
        acks = await send_commands(world, 500, 10)
        refused = sum(not ack.delivered or ack.payload is not None for ack in acks)
    latency = ack_latency(acks)
    disk = await asyncio.to_thread(durable_writes, folder / "write")
    ratio = latency[1] / baseline[1]
    yield Figure("500 commands in 10 s: ack p50 / p99, app that only acks", in_ms(baseline))
    yield Figure("    this bot", in_ms(latency))
    yield Figure("    one fsynced write to this disk, p50 / p99", in_ms(disk))
    yield Figure("    p99, this bot relative to the other", f"{ratio:.2f} x", "< 3 x", ratio < 3)
    yield Figure("    not acknowledged, or refused", str(refused), "0", refused == 0)


async def cards(clip: Path, folder: Path) -> AsyncIterator[Figure]:
    """Measure 100 cards in one channel, within Slack's rate limits."""
    url, number = f"sqlite+aiosqlite:///{folder / 'cards.db'}", 100
    async with World(clip=clip, limits=True) as world, bot(world, url, folder):
        world.videos.hold()
        began = time.monotonic()
        people = (world.slack.ada, world.slack.grace)
        sent = [people[each % 2].command(f"clouds {each}") for each in range(number)]
        await asyncio.gather(*sent)
        await world.until(lambda: len(world.slack.workspace.messages("videos")) == number, 300)
        took = time.monotonic() - began
        calls = sum(len(world.slack.calls_of(each)) for each in POST_CALLS) / number
    yield Figure(f"{number} cards in one channel", f"{took:.0f} s", "<= 110 s", took <= 110)
    yield Figure("    calls of Slack for each card", f"{calls:.2f}", "<= 1.1", calls <= 1.1)


async def waiting(clip: Path, folder: Path) -> AsyncIterator[Figure]:
    """Measure one process with 10,000 unfinished jobs."""
    number, url = 10_000, f"sqlite+aiosqlite:///{folder / 'waiting.db'}"
    async with World(clip=clip) as world:
        world.videos.hold()
        async with bot(world, url, folder):
            await send_commands(world, 1, 0)
            await world.until(lambda: [c for c in world.videos.calls if c.operation == "retrieve"])
        multiply(url, number)
        params = VideoParams("clouds", "sora-2", "720x1280", "4")
        for each in range(1, number + 1):
            world.videos.create(f"video{each}", params)
        world.videos.poll_after_ms = None
        async with bot(world, url, folder) as process:
            seen = len(world.videos.calls)
            await world.until(lambda: len(world.videos.calls) - seen > 1000, 300)
            watched, seen = psutil.Process(process.pid), len(world.videos.calls)
            before = sum(watched.cpu_times()[:2])
            await asyncio.sleep(30)
            cpu = (sum(watched.cpu_times()[:2]) - before) / 30
            polls = (len(world.videos.calls) - seen) / 30
            memory = watched.memory_info().rss / MB
            latency = ack_latency(await send_commands(world, 100, 10))
    yield Figure(
        f"{number:,} unfinished jobs: memory", f"{memory:.0f} MB", "< 300 MB", memory < 300
    )
    yield Figure("    CPU, of one core", f"{cpu:.0%}")
    yield Figure("    polls of the video server", f"{polls:.0f} / s")
    yield Figure("    ack p50 / p99 meanwhile", in_ms(latency))


async def rates(name: str, url: str) -> AsyncIterator[Figure]:
    """Measure inserts, claims and saves per second."""
    migrations.upgrade(url)
    store, number = Store.open(url), 2000
    now = time.time()
    added = await rate(number, [store.add(new_job(each, now)) for each in range(number)])
    claimed: list[Job] = []
    began = time.monotonic()
    while found := await store.claim("bench", now=now, limit=100):
        claimed += found
    claims = number / (time.monotonic() - began)
    saved = await rate(number, [store.save(job, now=now) for job in claimed])
    await store.release("bench", now=now)
    single = await rate(300, [store.claim("bench", now=now, limit=1) for _ in range(300)])
    await store.close()
    yield Figure(f"{name}: inserts", f"{added:,.0f} / s")
    yield Figure("    claims in batches of 100", f"{claims:,.0f} / s")
    yield Figure("    single claims", f"{single:,.0f} / s")
    yield Figure("    saves", f"{saved:,.0f} / s")


async def rate(number: int, work: Sequence[Awaitable[object]]) -> float:
    """Return how many of these are done per second, all started at once."""
    began = time.monotonic()
    await asyncio.gather(*work)
    return number / (time.monotonic() - began)


def new_job(number: int, now: float) -> Job:
    """Return a job that was just requested."""
    request = VideoRequest(prompt="clouds", model="sora-2", seconds="4", size="720x1280")
    return Job(
        id=f"job{number}",
        request_key=f"request{number}",
        team_id="T1",
        user_id="U1",
        channel_id="C1",
        request=request,
        created_at=now,
    )


async def history(
    clip: Path, folder: Path, name: str, urls: Sequence[str]
) -> AsyncIterator[Figure]:
    """Compare ack latency with 100,000 finished jobs and with none: two bots at the same time."""
    async with AsyncExitStack() as stack:
        worlds = []
        for number, url in enumerate(urls):
            world = await stack.enter_async_context(World(clip=clip, render_seconds=1))
            async with bot(world, url, folder):
                await deliver(world)
            if number:
                multiply(url, 100_000)
            await stack.enter_async_context(bot(world, url, folder))
            await send_commands(world, 10, 1)
            worlds.append(world)
        runs = await asyncio.gather(*(send_commands(world, 400, 20) for world in worlds))
    none, many = map(ack_latency, runs)
    ratio = many[0] / none[0]
    yield Figure(f"{name}, no finished jobs: ack p50 / p99", in_ms(none))
    yield Figure("    100,000 finished jobs", in_ms(many))
    yield Figure("    p50 with them relative to without", f"{ratio:.2f} x", "< 1.2 x", ratio < 1.2)


async def spending(clip: Path, folder: Path, name: str, url: str) -> AsyncIterator[Figure]:
    """Measure 20 commands a second under every limit, after 100,000 videos in the month."""
    variables = dict.fromkeys(LIMITS, "1000000")
    async with World(clip=clip) as world, process_of(world, url, "bot.sandbox.baseline", folder):
        await send_commands(world, 20, 1)
        bare = ack_latency(await send_commands(world, 400, 20))
    async with World(clip=clip, render_seconds=1) as world, bot(world, url, folder):
        await deliver(world)
    await asyncio.to_thread(multiply, url, 100_000)
    async with (
        World(clip=clip, render_seconds=30, poll_after_ms=5000) as world,
        bot(world, url, folder, **variables),
    ):
        await send_commands(world, 20, 1)
        acks = await send_commands(world, 400, 20)
    refused = sum(not ack.delivered or ack.payload is not None for ack in acks)
    latency = ack_latency(acks)
    ratio = latency[1] / bare[1]
    yield Figure("20 commands/s: ack p50 / p99, app that only acks", in_ms(bare))
    yield Figure(f"    {name}, limits on, 100,000 videos this month", in_ms(latency))
    yield Figure("    p99, this bot relative to the other", f"{ratio:.2f} x", "<= 2 x", ratio <= 2)
    yield Figure("    not acknowledged, or refused", str(refused), "0", refused == 0)


async def pruning(
    clip: Path, folder: Path, name: str, urls: Sequence[str]
) -> AsyncIterator[Figure]:
    """Compare ack latency while old jobs are emptied and while not: two bots at the same time."""
    async with AsyncExitStack() as stack:
        worlds = []
        for number, url in enumerate(urls):
            world = await stack.enter_async_context(World(clip=clip, render_seconds=1))
            async with bot(world, url, folder):
                await deliver(world)
            multiply(url, OLD_JOBS)
            age(url, 2 * DAY)
            variables = {"KEEP_DAYS": "1"} if number else {}
            await stack.enter_async_context(bot(world, url, folder, **variables))
            worlds.append(world)
        before = emptied(urls[1])
        runs = await asyncio.gather(*(send_commands(world, 400, 20) for world in worlds))
        pruned = emptied(urls[1]) - before
    idle, busy = map(ack_latency, runs)
    ratio = busy[1] / idle[1]
    yield Figure(f"{name}, {OLD_JOBS:,} old jobs: ack p50 / p99", in_ms(idle))
    yield Figure("    while they are emptied", in_ms(busy))
    yield Figure("    emptied meanwhile", f"{pruned:,}", "> 10,000", pruned > 10_000)
    yield Figure("    p99 meanwhile relative to otherwise", f"{ratio:.2f} x", "< 3 x", ratio < 3)


async def big_clip(clip: Path, folder: Path) -> AsyncIterator[Figure]:
    """Measure memory while a video of 500 MB is delivered."""
    url = f"sqlite+aiosqlite:///{folder / 'big.db'}"
    async with World(clip=clip, render_seconds=0.5) as world, bot(world, url, folder) as process:
        await deliver(world, 3)
        watched = psutil.Process(process.pid)
        before = watched.memory_info().rss
        world.videos.clip = Filler(500 * MB)
        delivery = asyncio.create_task(deliver(world))
        peak = before
        while not delivery.done():
            await asyncio.sleep(0.05)
            peak = max(peak, watched.memory_info().rss)
        await delivery
    growth = (peak - before) / MB
    yield Figure("500 MB video: memory growth", f"{growth:.1f} MB", "< 30 MB", growth < 30)


async def measure(folder: Path, server: Postgres) -> bool:
    """Print each figure as it is measured; return whether all goals are met."""
    clip = folder / "clip.mp4"
    await asyncio.to_thread(make_clip, clip, "clouds", "128x72", 1)
    names = [f"sqlite+aiosqlite:///{folder / f'{name}.db'}" for name in BASES]
    postgres_urls = [with_driver(server.new_database()) for _ in BASES]
    met = True
    for figures in (
        burst(clip, folder),
        cards(clip, folder),
        waiting(clip, folder),
        rates("SQLite", names[0]),
        rates("PostgreSQL", postgres_urls[0]),
        history(clip, folder, "SQLite", names[1:3]),
        history(clip, folder, "PostgreSQL", postgres_urls[1:3]),
        pruning(clip, folder, "SQLite", names[3:5]),
        pruning(clip, folder, "PostgreSQL", postgres_urls[3:5]),
        spending(clip, folder, "SQLite", names[5]),
        spending(clip, folder, "PostgreSQL", postgres_urls[5]),
        big_clip(clip, folder),
    ):
        async for figure in figures:
            print(figure, flush=True)
            met = met and figure.is_met
    return met


def with_driver(url: str) -> str:
    """Return the URL with the bot's driver."""
    return url.replace("postgresql:", "postgresql+psycopg:")


def main() -> int:
    """Measure everything; return 0 if every goal is met."""
    with tempfile.TemporaryDirectory(prefix="video-bot-bench-") as folder, postgres() as server:
        return 0 if asyncio.run(measure(Path(folder), server)) else 1


if __name__ == "__main__":
    sys.exit(main())
