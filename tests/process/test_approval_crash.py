"""SIGKILL while a video waits for approval: no question is lost or repeated, no decision undone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import app
from bot.config import Settings, read_settings
from bot.jobs import Decision
from bot.sandbox.faults import Fault, When, hang
from bot.sandbox.replica import FAST, FORK, exit_code
from bot.sandbox.slack.state import Conversation, Message
from bot.sandbox.world import World
from bot.store import Store
from bot.ui import approvals
from tests.support.channel import Thread, ready, shown
from tests.support.installation import OPTIONAL_SCOPES

LEASE = 1.0


def serve(settings: Settings, log: Path, dies: When | None) -> None:
    """Run the bot in this process; it may kill itself before or after it stores a decision."""
    if dies is not None:
        kill_self_around_decision(dies)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app.serve(settings, timings=FAST, lease=LEASE)


def kill_self_around_decision(when: When) -> None:
    decide = Store.decide

    async def deadly(self: Store, *arguments: Any) -> Decision:  # noqa: ANN401 -- as given
        if when == "after":
            await decide(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    Store.decide = deadly  # type: ignore[assignment, method-assign]  # in this process only, which dies of it


class Case:
    """One world with an admin, perhaps a channel for approvals, and the bot processes in it."""

    def __init__(self, world: World, folder: Path, *, in_channel: bool) -> None:
        self.world = world
        self.thread = Thread(world)
        self._folder = folder
        self._admin = world.slack.person(world.slack.workspace.add_user("alan", role="admin").id)
        workspace = world.slack.workspace
        self._channel: Conversation | None = None
        if in_channel:
            self._channel = workspace.add_channel("spending", members=[self._admin.user])

    @asynccontextmanager
    async def bot(self, dies: When | None = None) -> AsyncIterator[ForkServerProcess]:
        variables = self.world.environment(f"sqlite:///{self._folder / 'jobs.db'}")
        settings = read_settings(
            _env_file=None,
            poster=False,
            approve_above_usd=Decimal(0),
            approvals_channel=self._channel and self._channel.id,
            admin_users=[self._admin.id],
            **{name.lower(): value for name, value in variables.items()},
        )
        arguments = (settings, self._folder / "log", dies)
        process = FORK.Process(target=serve, args=arguments, daemon=True)
        process.start()
        try:
            await self.world.until(lambda: self.world.slack.sockets.connected, 120)
            yield process
        finally:
            process.kill()
            await exit_code(process)

    async def request(self) -> None:
        await self.world.slack.ada.command("clouds")

    async def request_and_approve(self) -> None:
        await self.request()
        await self.approve()

    async def approve(self) -> None:
        [question] = await self.world.until(lambda: self.questions, 120)
        await self._admin.click(question, approvals.APPROVE)

    @property
    def questions(self) -> list[Message]:
        workspace = self.world.slack.workspace
        return workspace.messages(self._channel or workspace.direct_message(self._admin.user))

    async def until_made(self) -> None:
        await self.world.until(ready(self.thread), 120)
        await self.world.until(lambda: "Approved by" in shown(self.questions[0]), 120)
        assert len(self.questions) == len(self.thread.cards) == len(self.world.videos.creates) == 1
        assert not any(block["type"] == "actions" for block in self.questions[0].blocks)


@pytest.fixture
async def case(world: World, tmp_path: Path) -> Case:
    world.slack.workspace.scopes |= OPTIONAL_SCOPES
    return Case(world, tmp_path, in_channel=True)


async def until_killed(process: ForkServerProcess, acting: asyncio.Task[None]) -> None:
    assert await exit_code(process) == -signal.SIGKILL
    acting.cancel()


def killing(process: ForkServerProcess) -> Fault:
    async def trouble(request: web.Request) -> web.StreamResponse:
        process.kill()
        return await hang(request)

    return trouble


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_the_post_of_a_question_asks_once(case: Case, when: When) -> None:
    async with case.bot() as process:
        case.world.faults.inject("chat.postMessage", killing(process), nth=2, when=when)
        acting = asyncio.create_task(case.request_and_approve())
        await until_killed(process, acting)
    async with case.bot():
        await case.approve()
        await case.until_made()


async def test_a_kill_after_the_post_of_a_direct_message_leaves_one_question(
    world: World, tmp_path: Path
) -> None:
    case = Case(world, tmp_path, in_channel=False)
    async with case.bot() as process:
        world.faults.inject("chat.postMessage", killing(process), nth=2, when="after")
        await until_killed(process, asyncio.create_task(case.request()))
    async with case.bot():
        await world.until(lambda: len(world.slack.calls_of("chat.delete")) == 1, 120)
        await case.approve()
        await case.until_made()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_a_decision_starts_one_video(case: Case, when: When) -> None:
    async with case.bot(when) as process:
        await until_killed(process, asyncio.create_task(case.request_and_approve()))
    async with case.bot():
        if when == "before":
            await case.approve()
        await case.until_made()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_the_update_of_a_question_leaves_no_buttons(
    case: Case, when: When
) -> None:
    async with case.bot() as process:
        case.world.faults.inject("chat.update", killing(process), when=when)
        await until_killed(process, asyncio.create_task(case.request_and_approve()))
    async with case.bot():
        await case.until_made()
