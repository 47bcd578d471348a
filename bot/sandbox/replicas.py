"""`make demo-replicas`: three bots on one PostgreSQL; one is killed while it works."""

import asyncio
import sys
import tempfile
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from bot.config import Settings, read_settings
from bot.sandbox.clip import make_clip
from bot.sandbox.postgres import CannotStart, postgres
from bot.sandbox.replica import FAST, exit_code, spawn
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World

LEASE = 5.0
JOBS = 12
TIMEOUT = 90.0


def main() -> int:
    """Run the demo; return 0 if each command became exactly one video."""
    with tempfile.TemporaryDirectory(prefix="video-bot-replicas-") as folder:
        try:
            with postgres() as server:
                return asyncio.run(_run(Path(folder), server.new_database()))
        except CannotStart as error:
            sys.stderr.write(f"{error}\n")
            return 2


async def _run(folder: Path, url: str) -> int:
    clip = folder / "clip.mp4"
    await asyncio.to_thread(make_clip, clip, "clouds", "128x72", 1)
    async with World(render_seconds=6, poll_after_ms=500, clip=clip) as world:
        world.slack.workspace.scopes.add("channels:history")
        variables = {name.lower(): value for name, value in world.environment(url).items()}
        settings = read_settings(_env_file=None, max_open_per_person=1_000_000, **variables)
        story = _Story(world, settings, folder / "bot.log")
        try:
            return await story.run()
        finally:
            story.stop()


class _Story:
    def __init__(self, world: World, settings: Settings, log: Path) -> None:
        self._world = world
        self._replicas = [
            spawn(settings, timings=FAST, lease=LEASE, log=log.with_suffix(f".{number}"))
            for number in range(3)
        ]

    async def run(self) -> int:
        """Send commands, kill one bot, wait for the videos and count."""
        sockets = self._world.slack.sockets
        await self._world.until(lambda: sockets.connected == len(self._replicas), TIMEOUT)
        print(f"Three bots share one PostgreSQL database, with leases of {LEASE:.0f} s.")
        for number in range(JOBS):
            await self._world.slack.ada.command(f"clouds {number}")
        print(f"{JOBS} commands are acknowledged, each by whichever bot received it.")
        await self._world.until(lambda: len(self._world.videos.creates) > JOBS / 2, TIMEOUT)
        await self._kill(self._replicas[0])
        await self._world.until(lambda: len(self._ready()) == JOBS, TIMEOUT)
        return self._count()

    def stop(self) -> None:
        for process in self._replicas:
            process.kill()
            process.join()

    async def _kill(self, victim: ForkServerProcess) -> None:
        print(f"kill -9 {victim.pid}: one bot is gone, and the others take over its jobs.")
        victim.kill()
        await exit_code(victim)

    def _count(self) -> int:
        messages = self._world.slack.workspace.messages("videos")
        counts = {
            "videos created": len(self._world.videos.creates),
            "cards in the channel": len([m for m in messages if not m.is_reply]),
            "files in threads": sum(len(m.files) for m in messages if m.is_reply),
        }
        for name, number in counts.items():
            print(f"  {number:3} {name}")
        is_right = set(counts.values()) == {JOBS}
        print(
            "Nothing was lost or duplicated." if is_right else "Something was LOST OR DUPLICATED."
        )
        return 0 if is_right else 1

    def _ready(self) -> list[Message]:
        messages = self._world.slack.workspace.messages("videos")
        return [message for message in messages if "*Ready:*" in str(message.blocks)]


if __name__ == "__main__":
    sys.exit(main())
