"""`make chaos`: hundreds of jobs while processes are killed and frozen at random.

Nothing may be doubled and nothing lost: for each press that was acknowledged one create, one
card, one share, and a card that says so; for a press that was not, at most that. Only one double
is foreseen, docs/operations.md names it: a process that was frozen for longer than its lease,
between its last proof of ownership and the call that followed. Such doubles are counted apart.
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
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import sqlalchemy as sa

from bot.config import Settings, read_settings
from bot.jobs import JobState
from bot.sandbox.clip import make_clip
from bot.sandbox.postgres import postgres
from bot.sandbox.replica import FAST, spawn
from bot.sandbox.slack.sockets import Ack
from bot.sandbox.slack.state import Message
from bot.sandbox.videos.state import Video
from bot.sandbox.world import World
from bot.tables import jobs

LEASE = 4.0
PACE = replace(
    FAST,
    claim_interval=0.5,
    home_interval=0.5,
    poll_interval=0.3,
    min_poll_interval=0.3,
    max_poll_interval=0.5,
    card_interval=0.5,
    share_poll_interval=0.2,
)
PATIENCE = 120.0
"""Seconds for the rest, when the last harm was done."""
WAKING = 1.0
"""Seconds after a long freeze in which what was begun before it may still be sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and how bad."""

    press: int
    replicas: int
    seed: int
    pressing: float
    """Seconds over which the presses are spread."""
    longest_freeze: float = 1.5 * LEASE


@dataclass(slots=True)
class Harm:
    """What was done to the processes."""

    kills: int = 0
    freezes: int = 0
    past_lease: list[tuple[float, float]] = field(default_factory=list)
    """From when to when somebody was frozen for so long that their lease may have run out."""


@dataclass(slots=True)
class Outcome:
    """What came of it all."""

    pressed: int
    acknowledged: int
    harm: Harm
    seconds: float
    ends: Counter[str]
    wrong: list[str]
    foreseen: list[str]

    def __str__(self) -> str:
        ends = ", ".join(f"{number} {state}" for state, number in sorted(self.ends.items()))
        return (
            f"  {self.pressed} presses, {self.acknowledged} acknowledged at once; "
            f"{self.harm.kills} SIGKILL, {self.harm.freezes} SIGSTOP "
            f"({len(self.harm.past_lease)} past a lease); {self.seconds:.0f} s\n"
            f"  ends: {ends}\n"
            f"  doubled or lost: {len(self.wrong)}; "
            f"doubles of a process frozen past its lease: {len(self.foreseen)}"
        )


class Chaos:
    """One world, its replicas, and the harm that is done to them."""

    def __init__(self, world: World, settings: Settings, plan: Plan, folder: Path) -> None:
        self._world = world
        self._settings = settings
        self._plan = plan
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311 -- chance, no secret
        self._harm = Harm()
        self._answers: dict[str, Ack] = {}
        self._replicas: list[ForkServerProcess] = []
        self._engine = sa.create_engine(settings.database_url.replace("+aiosqlite", ""))

    async def run(self) -> Outcome:
        """Press, harm, wait for the end of it all, and count."""
        began = time.monotonic()
        self._replicas = [self._spawn() for _ in range(self._plan.replicas)]
        try:
            await self._world.until(lambda: self._world.slack.sockets.connected, 60)
            async with asyncio.TaskGroup() as group:
                pressing = group.create_task(self._press())
                while not pressing.done():
                    await self._do_harm(group)
            await self._rest()
            return await self._outcome(time.monotonic() - began)
        finally:
            self._end()

    # Presses

    async def _press(self) -> None:
        """Everybody presses when they like; nobody waits for anybody."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._plan.press):
                group.create_task(self._press_once(f"clouds {number:04}"))
                await asyncio.sleep(self._plan.pressing / self._plan.press)

    async def _press_once(self, prompt: str) -> None:
        person = self._random.choice([self._world.slack.ada, self._world.slack.grace])
        self._answers[prompt] = await person.command(prompt)

    # Harm

    def _spawn(self) -> ForkServerProcess:
        return spawn(self._settings, timings=PACE, lease=LEASE, log=self._folder / "bot.log")

    async def _do_harm(self, group: asyncio.TaskGroup) -> None:
        """Wait a little, then kill or freeze one; several may be frozen at a time."""
        await asyncio.sleep(self._random.uniform(0.3, 3.0) / self._plan.replicas)
        number = self._random.randrange(len(self._replicas))
        if self._random.random() < 0.5:
            await self._kill(number)
        else:
            group.create_task(self._freeze(self._replicas[number]))

    async def _kill(self, number: int) -> None:
        self._replicas[number].kill()
        await asyncio.to_thread(self._replicas[number].join)
        self._harm.kills += 1
        self._replicas[number] = self._spawn()

    async def _freeze(self, process: ForkServerProcess) -> None:
        seconds = self._random.uniform(0.1, self._plan.longest_freeze)
        _send(process, signal.SIGSTOP)
        began = time.time()
        await asyncio.sleep(seconds)
        _send(process, signal.SIGCONT)
        self._harm.freezes += 1
        if seconds > LEASE * 2 / 3:  # a heartbeat renews it every third
            self._harm.past_lease.append((began, time.time()))

    def _end(self) -> None:
        for process in self._replicas:
            process.kill()
            process.join()
        self._engine.dispose()

    # The count

    async def _rest(self) -> None:
        """Let the jobs come to their ends, now that nothing is done to anybody."""
        give_up_at = time.monotonic() + PATIENCE
        while await asyncio.to_thread(self._unfinished) and time.monotonic() < give_up_at:  # noqa: ASYNC110 -- rows in a database announce nothing
            await asyncio.sleep(0.2)

    def _unfinished(self) -> int:
        count = sa.select(sa.func.count()).where(jobs.c.closed_at.is_(None))
        with self._engine.connect() as connection:
            return int(connection.execute(count).scalar_one())

    async def _outcome(self, seconds: float) -> Outcome:
        states = await asyncio.to_thread(self._states)
        problems = [each for prompt in self._answers for each in self._problems(prompt, states)]
        acknowledged = [answer for answer in self._answers.values() if _is_promise(answer)]
        return Outcome(
            pressed=len(self._answers),
            acknowledged=len(acknowledged),
            harm=self._harm,
            seconds=seconds,
            ends=Counter(states.values()),
            wrong=[what for what, foreseen in problems if not foreseen],
            foreseen=[what for what, foreseen in problems if foreseen],
        )

    def _states(self) -> dict[str, str]:
        """How each prompt's job stands; a prompt is pressed once."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(jobs.c.prompt, jobs.c.state, jobs.c.closed_at))
            return {row.prompt: row.state if row.closed_at else "unfinished" for row in rows}

    def _problems(self, prompt: str, states: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """What is not as it should be with this press, and whether that was foreseen."""
        state = states.get(prompt)
        if state is None:
            if _is_promise(self._answers[prompt]):
                yield f"{prompt}: acknowledged, and forgotten", False
            return
        if state != JobState.DELIVERED:
            yield f"{prompt}: {state}", False
        creates = [video.created_at for video in self._creates(prompt)]
        cards = self._cards(prompt)
        posted = [float(card.ts) for card in cards]
        files = [file for card in cards for reply in self._replies(card) for file in reply.files]
        for what, times in (("creates", creates), ("cards", posted)):
            if len(times) != 1:
                yield f"{prompt}: {len(times)} {what}", self._is_foreseen(times)
        if len(files) != 1:
            yield f"{prompt}: {len(files)} files", False
        if len(cards) == 1 and "*Ready*" not in str(cards[0].blocks):
            edits = self._world.slack.calls_of("chat.update")
            last = [call.at for call in edits if call.args["ts"] == cards[0].ts][-1:]
            yield f"{prompt}: its card does not say that it is ready", self._is_foreseen(last)

    def _is_foreseen(self, times: list[float]) -> bool:
        """Whether somebody who had just woken did it, after another had taken the job over."""
        return self._plan.replicas > 1 and any(
            woke <= max(times) < woke + WAKING and began < min(times)
            for began, woke in self._harm.past_lease
            if times
        )

    def _creates(self, prompt: str) -> list[Video]:
        return [video for video in self._world.videos.creates if video.prompt == prompt]

    def _cards(self, prompt: str) -> list[Message]:
        messages = self._world.slack.workspace.messages("videos")
        return [m for m in messages if not m.is_reply and prompt in str(m.blocks)]

    def _replies(self, card: Message) -> list[Message]:
        return self._world.slack.workspace.replies("videos", card.ts)


def _is_promise(answer: Ack) -> bool:
    """Acknowledged, and without a private word that the bot cannot take it."""
    return answer.delivered and not answer.payload


def _send(process: ForkServerProcess, number: signal.Signals) -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, number)


async def run(url: str, plan: Plan, folder: Path) -> Outcome:
    """One run on this database, which is empty."""
    clip = folder / "clip.mp4"
    await asyncio.to_thread(make_clip, clip, "clouds", "128x72", 1)
    async with World(render_seconds=1.0, poll_after_ms=300, clip=clip) as world:
        # With it the bot can look for what it may have said (the manifest's optional scope).
        world.slack.workspace.scopes.add("channels:history")
        variables = {name.lower(): value for name, value in world.environment(url).items()}
        settings = read_settings(_env_file=None, **variables)
        return await Chaos(world, settings, plan, folder).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run on SQLite with one process, then on PostgreSQL with three; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--jobs", type=int, default=400, help="presses on each database")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 -- chance, no secret
    options = parser.parse_args(arguments)
    print(f"The seed is {options.seed}: make chaos SEED={options.seed} chooses the same harm.")
    one = Plan(options.jobs, 1, options.seed, pressing=options.jobs / 5)
    folder = Path(tempfile.mkdtemp(prefix="video-bot-chaos-"))
    with postgres() as server:
        places = {
            "SQLite, one process": (f"sqlite:///{folder / 'jobs.db'}", one),
            "PostgreSQL, three processes": (server.new_database(), replace(one, replicas=3)),
        }
        wrong = [line for name, place in places.items() for line in _show(name, *place, folder)]
    if wrong:
        print("\n".join([*wrong, f"The bots' log: {folder / 'bot.log'}"]))
        return 1
    shutil.rmtree(folder)
    return 0


def _show(name: str, url: str, plan: Plan, folder: Path) -> list[str]:
    print(f"\n{name}", flush=True)
    outcome = asyncio.run(run(url, plan, folder))
    print(outcome, flush=True)
    return outcome.wrong


if __name__ == "__main__":
    sys.exit(main())
