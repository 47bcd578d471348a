"""`make chaos`: hundreds of jobs while processes are killed and frozen at random.

Nothing may be duplicated or lost: each command that was acknowledged leads to one create, one
card that says "Ready" and one shared file; one that was not, to at most that. The only duplicate to
expect (docs/operations.md) comes from a process that was frozen for longer than its lease, between
its last proof of ownership and the call that followed. Such duplicates are counted separately.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import sqlalchemy as sa

from bot.catalog import load_catalog
from bot.config import Settings, read_settings
from bot.jobs import JobState, Note
from bot.sandbox.clip import make_clip
from bot.sandbox.postgres import postgres
from bot.sandbox.replica import FAST, exit_code, spawn
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Message
from bot.sandbox.videos.state import Video, bill_for
from bot.sandbox.world import World
from bot.spending import Charge, in_dollars
from bot.tables import jobs

LEASE = 4.0
TIMINGS = replace(
    FAST,
    claim_interval=0.5,
    home_interval=0.5,
    poll_interval=0.3,
    min_poll_interval=0.3,
    max_poll_interval=0.5,
    card_interval=0.5,
    share_poll_interval=0.2,
)
FINISH_TIMEOUT = 120.0
"""Seconds for the remaining jobs, after the last disruption."""
THAW_SECONDS = 1.0
"""How long after a freeze a process may still send what it had begun before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many commands and processes, and how they are disrupted."""

    commands: int
    replicas: int
    seed: int
    duration: float
    """Seconds over which the commands are spread."""
    max_freeze: float = 1.5 * LEASE


@dataclass(slots=True)
class Disruptions:
    """What was done to the processes."""

    kills: int = 0
    freezes: int = 0
    past_lease: list[tuple[float, float]] = field(default_factory=list)
    """Start and end of each freeze that may have outlasted a lease."""


@dataclass(slots=True)
class Outcome:
    """The result of a run."""

    commands: int
    acknowledged: int
    disruptions: Disruptions
    seconds: float
    states: Counter[str]
    """Jobs by their last state."""
    problems: list[str]
    expected: list[str]
    """Problems that a freeze past the lease explains."""
    bill: "Bill"

    def __str__(self) -> str:
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        return (
            f"  {self.commands} commands, {self.acknowledged} acknowledged; "
            f"{self.disruptions.kills} SIGKILL, {self.disruptions.freezes} SIGSTOP "
            f"({len(self.disruptions.past_lease)} past a lease); {self.seconds:.0f} s\n"
            f"  jobs: {states}\n"
            f"  duplicated or lost: {len(self.problems)}; "
            f"duplicates by a process frozen past its lease: {len(self.expected)}\n"
            f"  {self.bill}"
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """What the bot counts and what the server charges, in US dollars."""

    spent: Decimal
    held: Decimal
    unconfirmed: Decimal
    """The part of `spent` for cancelled videos that the server did not confirm to have stopped."""
    server: Decimal
    duplicates: Decimal
    """The part of the server's bill for videos that it was asked for more than once."""

    @property
    def is_right(self) -> bool:
        """Whether nothing is held, and both agree about everything that can be known."""
        return not self.held and self.spent - self.unconfirmed == self.server - self.duplicates

    def __str__(self) -> str:
        return (
            f"bill: ${self.spent:.2f} spent, ${self.held:.2f} reserved; the server charges "
            f"${self.server:.2f} (${self.duplicates:.2f} for duplicates); "
            f"unconfirmed cancellations: ${self.unconfirmed:.2f}"
        )


class Chaos:
    """One world, its replicas, and their disruptions."""

    def __init__(self, world: World, settings: Settings, plan: Plan, folder: Path) -> None:
        self._world = world
        self._settings = settings
        self._plan = plan
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311 -- not a secret
        self._disruptions = Disruptions()
        self._acks: dict[str, Ack] = {}
        self._replicas: list[ForkServerProcess] = []
        self._engine = sa.create_engine(
            settings.database_url.get_secret_value().replace("+aiosqlite", "")
        )

    async def run(self) -> Outcome:
        """Send commands, disrupt the processes, wait for all jobs to end, and count."""
        began = time.monotonic()
        self._replicas = [self._spawn() for _ in range(self._plan.replicas)]
        try:
            await self._world.until(lambda: self._world.slack.sockets.connected, 60)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send_commands())
                while not sending.done():
                    await self._disrupt(group)
            await self._wait_for_jobs()
            return await self._outcome(time.monotonic() - began)
        finally:
            self._stop()

    # Commands

    async def _send_commands(self) -> None:
        """Send the commands, without waiting for their acknowledgements."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._plan.commands):
                group.create_task(self._send_command(f"clouds {number:04}"))
                await asyncio.sleep(self._plan.duration / self._plan.commands)

    async def _send_command(self, prompt: str) -> None:
        person = self._random.choice([self._world.slack.ada, self._world.slack.grace])
        self._acks[prompt] = await person.command(prompt)

    # Disruptions

    def _spawn(self) -> ForkServerProcess:
        return spawn(self._settings, timings=TIMINGS, lease=LEASE, log=self._folder / "bot.log")

    async def _disrupt(self, group: asyncio.TaskGroup) -> None:
        """Wait a little, then kill or freeze one process; several may be frozen at a time."""
        await asyncio.sleep(self._random.uniform(0.3, 3.0) / self._plan.replicas)
        number = self._random.randrange(len(self._replicas))
        if self._random.random() < 0.5 or not self._disruptions.kills:
            await self._kill(number)
        else:
            group.create_task(self._freeze(self._replicas[number]))

    async def _kill(self, number: int) -> None:
        self._replicas[number].kill()
        await exit_code(self._replicas[number])
        self._disruptions.kills += 1
        self._replicas[number] = self._spawn()

    async def _freeze(self, process: ForkServerProcess) -> None:
        seconds = self._random.uniform(0.1, self._plan.max_freeze)
        _signal(process, signal.SIGSTOP)
        began = time.time()
        await asyncio.sleep(seconds)
        _signal(process, signal.SIGCONT)
        self._disruptions.freezes += 1
        if seconds > LEASE * 2 / 3:  # a heartbeat renews it every third of it
            self._disruptions.past_lease.append((began, time.time()))

    def _stop(self) -> None:
        for process in self._replicas:
            process.kill()
            process.join()
        self._engine.dispose()

    # Counting

    async def _wait_for_jobs(self) -> None:
        """Wait until all jobs have ended, without further disruptions."""
        give_up_at = time.monotonic() + FINISH_TIMEOUT
        while await asyncio.to_thread(self._unfinished) and time.monotonic() < give_up_at:  # noqa: ASYNC110 -- nothing announces changes of rows
            await asyncio.sleep(0.2)

    def _unfinished(self) -> int:
        count = sa.select(sa.func.count()).where(jobs.c.closed_at.is_(None))
        with self._engine.connect() as connection:
            return int(connection.execute(count).scalar_one())

    async def _outcome(self, seconds: float) -> Outcome:
        states = await asyncio.to_thread(self._states)
        problems = [each for prompt in self._acks for each in self._problems(prompt, states)]
        acknowledged = [ack for ack in self._acks.values() if _is_accepted(ack)]
        bill = await asyncio.to_thread(self._bill)
        if not bill.is_right:
            problems.append((str(bill), False))
        return Outcome(
            bill=bill,
            commands=len(self._acks),
            acknowledged=len(acknowledged),
            disruptions=self._disruptions,
            seconds=seconds,
            states=Counter(states.values()),
            problems=[problem for problem, is_expected in problems if not is_expected],
            expected=[problem for problem, is_expected in problems if is_expected],
        )

    def _bill(self) -> Bill:
        catalog = load_catalog()
        videos = self._world.videos
        firsts = {video.prompt: video for video in reversed(videos.creates)}
        again = [video for video in videos.creates if video is not firsts[video.prompt]]
        return Bill(
            spent=self._sum(jobs.c.charge == Charge.SPENT),
            held=self._sum(jobs.c.charge == Charge.HELD),
            unconfirmed=self._sum(jobs.c.charge == Charge.SPENT, jobs.c.note == Note.NOT_STOPPED),
            server=videos.bill(catalog),
            duplicates=bill_for(again, catalog),
        )

    def _sum(self, *conditions: sa.ColumnElement[bool]) -> Decimal:
        total = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.micros), 0)).where(*conditions)
        with self._engine.connect() as connection:
            return in_dollars(int(connection.execute(total).scalar_one()))

    def _states(self) -> dict[str, str]:
        """Return the state of each prompt's job; every prompt is sent once."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(jobs.c.prompt, jobs.c.state, jobs.c.closed_at))
            return {row.prompt: row.state if row.closed_at else "unfinished" for row in rows}

    def _problems(self, prompt: str, states: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Yield the problems of this command, and whether each was to be expected."""
        state = states.get(prompt)
        if state is None:
            if _is_accepted(self._acks[prompt]):
                yield f"{prompt}: acknowledged but lost", False
            return
        if state != JobState.DELIVERED:
            yield f"{prompt}: {state}", False
        creates = [video.created_at for video in self._creates(prompt)]
        cards = self._cards(prompt)
        posted = [float(card.ts) for card in cards]
        files = [file for card in cards for reply in self._replies(card) for file in reply.files]
        for what, times in (("creates", creates), ("cards", posted)):
            if len(times) != 1:
                yield f"{prompt}: {len(times)} {what}", self._is_expected(times)
        if len(files) != 1:
            yield f"{prompt}: {len(files)} files", False
        if len(cards) == 1 and "*Ready:*" not in str(cards[0].blocks):
            edits = self._world.slack.calls_of("chat.update")
            last = [call.at for call in edits if call.args["ts"] == cards[0].ts][-1:]
            yield f"{prompt}: its card does not say Ready", self._is_expected(last)

    def _is_expected(self, times: list[float]) -> bool:
        """Whether a process did this just after a freeze that may have cost it its lease."""
        return self._plan.replicas > 1 and any(
            ended <= max(times) < ended + THAW_SECONDS and began < min(times)
            for began, ended in self._disruptions.past_lease
            if times
        )

    def _creates(self, prompt: str) -> list[Video]:
        return [video for video in self._world.videos.creates if video.prompt == prompt]

    def _cards(self, prompt: str) -> list[Message]:
        messages = self._world.slack.workspace.messages("videos")
        return [m for m in messages if not m.is_reply and prompt in str(m.blocks)]

    def _replies(self, card: Message) -> list[Message]:
        return self._world.slack.workspace.replies("videos", card.ts)


def _is_accepted(ack: Ack) -> bool:
    """Whether the command was acknowledged without a private refusal."""
    return ack.delivered and not ack.payload


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, number)


async def run(url: str, plan: Plan, folder: Path) -> Outcome:
    """Run the plan on this empty database."""
    clip = folder / "clip.mp4"
    await asyncio.to_thread(make_clip, clip, "clouds", "128x72", 1)
    async with World(render_seconds=1.0, poll_after_ms=300, clip=clip) as world:
        # An optional scope of the manifest: the bot can then find messages it may have posted.
        world.slack.workspace.scopes.add("channels:history")
        variables = {name.lower(): value for name, value in world.environment(url).items()}
        settings = read_settings(
            _env_file=None,
            poster=False,  # each takes a process
            max_open_per_person=1_000_000,
            **variables,
        )
        return await Chaos(world, settings, plan, folder).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run on SQLite with one process, then on PostgreSQL with three; return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--jobs", type=int, default=400, help="commands on each database")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 -- not a secret
    options = parser.parse_args(arguments)
    print(f"Seed {options.seed}; `make chaos SEED={options.seed}` repeats these disruptions.")
    one = Plan(options.jobs, 1, options.seed, duration=options.jobs / 5)
    folder = Path(tempfile.mkdtemp(prefix="video-bot-chaos-"))
    with postgres() as server:
        runs = {
            "SQLite, one process": (f"sqlite:///{folder / 'jobs.db'}", one),
            "PostgreSQL, three processes": (server.new_database(), replace(one, replicas=3)),
        }
        problems = [line for name, each in runs.items() for line in _show(name, *each, folder)]
    if problems:
        print("\n".join([*problems, f"The bots' log: {folder / 'bot.log'}"]))
        return 1
    shutil.rmtree(folder)
    return 0


def _show(name: str, url: str, plan: Plan, folder: Path) -> list[str]:
    print(f"\n{name}", flush=True)
    outcome = asyncio.run(run(url, plan, folder))
    print(outcome, flush=True)
    return outcome.problems


if __name__ == "__main__":
    sys.exit(main())
