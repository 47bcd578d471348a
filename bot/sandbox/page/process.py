"""The bot as a process that can be killed and started again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path

UNMODIFIED = ("bot", "run")


class BotProcess:
    """One bot at a time, in a folder with its database and its log.

    `program` is a module and its arguments.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], None] = lambda: None,
        program: Sequence[str] = UNMODIFIED,
    ) -> None:
        self.folder = folder
        self._program = program
        self.environment: dict[str, str] = {}
        """Settings of the next start."""
        self._changed = changed
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "jobs.db"

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log(self) -> Path:
        """Everything that the bot wrote, of all its starts."""
        return self.folder / "bot.log"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, unless it runs."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self._program),
                cwd=self.folder,  # where no .env is
                env={"PATH": os.environ.get("PATH", ""), **self.environment},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                # Ctrl-C is for the page's process, which then stops the bot.
                start_new_session=True,
            )
        self._watch = asyncio.create_task(self._wait(self._process))

    async def kill(self) -> None:
        """SIGKILL: the process is gone at once, with everything that it had in memory."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, as a host does; after ten seconds SIGKILL."""
        try:
            async with asyncio.timeout(10):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self.kill()

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        if self._watch is not None:
            await self._watch

    async def _wait(self, process: Process) -> None:
        await process.wait()
        self._changed()
