"""The bot's commands, each in its own process."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

from bot import cli
from bot.sandbox.replica import FORK, PRELOADED, exit_code

FORK.set_forkserver_preload([*PRELOADED, "bot.cli", "bot.doctor", "tests.process.test_crash"])

INHERITED = {
    name: value
    for name, value in os.environ.items()
    if name in {"PATH", "SSL_CERT_FILE"} or name.startswith("COVERAGE_")
}


class Command:
    """A command that runs in its own folder."""

    def __init__(self, process: ForkServerProcess, output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def output(self) -> str:
        """The output on stdout and stderr so far."""
        return self._output.read_text()

    @property
    def memory(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    async def end(self, signal: int | None = None) -> int | None:
        """Return the exit status, after sending the signal if one is given."""
        if signal is not None:
            os.kill(self.memory.pid, signal)
        return await exit_code(self._process)


@asynccontextmanager
async def started(
    folder: Path, *arguments: str, variables: Mapping[str, str], fresh: bool = False
) -> AsyncIterator[Command]:
    """Run `python -m bot` with these arguments and only these variables.

    Unless `fresh`, the process is forked from one that has already imported the bot, which
    saves a second of CPU time.
    """
    folder.mkdir(exist_ok=True)
    target, variables = (_execute if fresh else _main), {**INHERITED, **variables}
    process = FORK.Process(target=target, args=(folder, arguments, variables), daemon=True)
    process.start()
    try:
        yield Command(process, folder / "output")
    finally:
        process.kill()
        await exit_code(process)


def _main(folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> None:
    _enter(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.exit(cli.main(arguments))


def _execute(folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> None:
    _enter(folder)
    os.execve(sys.executable, [sys.executable, "-m", "bot", *arguments], {**variables})  # noqa: S606 -- no shell wanted


def _enter(folder: Path) -> None:
    os.chdir(folder)
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
