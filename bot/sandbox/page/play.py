"""`make play`: use the bot by hand, in a sandbox Slack in the browser."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.sandbox.page.acts import BOT_NAME
from bot.sandbox.page.behind import SLOW_SECONDS, Behind
from bot.sandbox.page.feed import Feed
from bot.sandbox.page.process import UNMODIFIED, BotProcess
from bot.sandbox.page.server import PageServer
from bot.sandbox.slack.state import User, Workspace
from bot.sandbox.world import World

PORT = 8765
RENDER_SECONDS = 12.0
ROLES = {
    "admin": " (administrator)",
    "guest": " (guest)",
    "external": " (from another organization)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bot.sandbox.page")
    parser.add_argument(
        "--port", type=int, help=f"of the page (default: {PORT}, or another if that is in use)"
    )
    port = parser.parse_args(arguments).port
    with tempfile.TemporaryDirectory(prefix="video-bot-play-") as folder:
        try:
            asyncio.run(_serve(Path(folder), port))
        except PortInUse as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


class PortInUse(Exception):
    """The port that was asked for is not free."""


async def _serve(folder: Path, port: int | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Play(folder, port=port) as play:
        sys.stdout.write(f"{play.address}\n")
        sys.stdout.flush()
        await stopped.wait()


class Play:
    """The sandbox Slack with its page, and the bot in it, from `async with` to its end.

    `program` is the bot's module and its arguments.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = 0,
        render_seconds: float = RENDER_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
        program: Sequence[str] = UNMODIFIED,
    ) -> None:
        self.world = World(render_seconds=render_seconds, poll_after_ms=500)
        self.people = _populate(self.world.slack.workspace)
        self.bot = BotProcess(folder, self.world.changes.happened, program)
        self.behind = Behind(self.world, self.bot, slow_seconds=slow_seconds)
        self._server = PageServer(self.world, self.bot, self.people)
        self._server.add_stream("/behind", Feed(self.behind.parts))
        self._server.add_post("/behind", self.behind.act)
        self._watch: asyncio.Task[None] | None = None
        self._port = port

    @property
    def address(self) -> str:
        """Where the page is."""
        return self._server.address

    async def __aenter__(self) -> Self:
        await self._listen()
        try:
            await self.world.__aenter__()
            self.bot.environment = {
                **self.world.environment(f"sqlite+aiosqlite:///{self.bot.database}"),
                "ADMIN_USERS": ",".join(self._administrators()),
                "CONFIRM_ABOVE_USD": "2",
                "APPROVE_ABOVE_USD": "5",
                "LIMIT_MONTH_USD": "100",
                "UNPRICED": "allow",  # the models of other dialects have no price
            }
            await self.bot.start()
            self._watch = asyncio.create_task(self.behind.watch())
        except BaseException:
            await self._server.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await self._server.stop()
        await self.bot.stop()
        await self.world.__aexit__(kind, error, traceback)

    def _administrators(self) -> list[str]:
        people = self.world.slack.workspace.people()
        return [user.id for user in people if user.role == "admin"]

    async def _listen(self) -> None:
        """Take the port that was asked for; without one, the usual port if it is free."""
        try:
            await self._server.start(PORT if self._port is None else self._port)
        except OSError as error:
            if self._port is not None:
                taken = f"Port {self._port} is in use. Choose another: make play PORT=8766"
                raise PortInUse(taken) from error
            await self._server.start()


def _populate(workspace: Workspace) -> list[dict[str, str]]:
    """Fill the workspace with people and conversations; returns the people to choose from."""
    workspace.users[workspace.bot_user_id].name = BOT_NAME
    alan = workspace.add_user("alan", role="admin")
    mary = workspace.add_user("mary", role="guest")
    edsger = workspace.add_user("edsger", role="external")
    workspace.videos.members |= {alan.id, mary.id, edsger.id}
    staff = [workspace.ada, workspace.grace, alan]
    workspace.add_channel("random", bot_is_member=False, members=staff)
    workspace.add_channel("film-club", private=True, members=staff[:2])
    workspace.add_channel("board", private=True, bot_is_member=False, members=staff)
    workspace.add_channel("old-projects", archived=True, members=staff)
    for user in workspace.people():
        workspace.direct_message(user)
    return [_choice(user) for user in workspace.people()]


def _choice(user: User) -> dict[str, str]:
    what = ROLES.get(user.role, "")
    return {"id": user.id, "name": user.name, "label": f"{user.name.title()}{what}"}
