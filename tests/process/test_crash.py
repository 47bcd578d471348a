"""The crash matrix: SIGKILL around every external call and every commit, then a new process.

Each cell has its own world: one bot process is killed at one point, a second one continues.
The number of creates, cards, replies and files is compared with the expected outcome.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from aiohttp import web

from bot import app
from bot.catalog import load_catalog
from bot.config import Settings, read_settings
from bot.jobs import Job, JobState
from bot.sandbox.faults import Fault, When, hang
from bot.sandbox.replica import FAST, FORK, exit_code
from bot.sandbox.slack.state import File
from bot.sandbox.world import World
from bot.spending import By, in_dollars
from bot.store import Store
from tests.support.channel import Thread
from tests.support.installation import OPTIONAL_SCOPES, install

LEASE = 1.0
FRAME_LEASE = 5.0
"""Whoever loses a lease loses the frame as well: on a busy machine, a second may pass."""
TIMINGS = replace(FAST, create_timeout=0.4)
MAX_CONCURRENT_CELLS = 10
"""They mostly wait for a lease to expire."""

DELIVERED = {"creates": 1, "cards": 1, "replies": 1, "files": 1, "frames": 0, "images": 0}
REFUSED = DELIVERED | {"files": 0}
LOST_FRAME = DELIVERED | {"frames": 1}
"""Only the process that died had its bytes."""
SHOWN_FRAME = DELIVERED | {"frames": 1, "images": 1}

EXTERNAL_CALLS = [
    ("chat.postMessage", 1),
    ("create", 1),
    ("retrieve", 1),
    ("content", 1),
    ("files.getUploadURLExternal", 1),
    ("upload", 1),
    ("files.completeUploadExternal", 1),
    ("files.info", 1),
    ("chat.update", 1),
]
COMMITS: dict[str, Callable[[Job], bool]] = {
    "announced": lambda job: job.state is JobState.ANNOUNCED,
    "submission started": lambda job: job.state is JobState.SUBMITTING,
    "accepted": lambda job: job.state is JobState.RENDERING,
    "rendered": lambda job: job.state is JobState.DELIVERING and job.file_id is None,
    "upload started": lambda job: job.file_id is not None,
    "delivered": lambda job: job.state is JobState.DELIVERED,
    "failed": lambda job: job.state is JobState.FAILED,
    "notified": lambda job: job.state is JobState.FAILED and job.reply_ts is not None,
    "closed": lambda job: job.closed_at is not None,
    "frame started": lambda job: job.poster_id is not None and not job.shows_poster,
    "frame shown": lambda job: job.shows_poster,
}
OF_FRAMES = {"frame started", "frame shown"}
FAILURE_COMMITS = {"failed", "notified"}

Death = tuple[When, str]
"""Before or after which commit a process dies."""
Story = Callable[["Cell"], Awaitable[None]]


def serve(settings: Settings, log: Path, death: Death | None = None) -> None:
    """Run the bot in this process."""
    if death is not None:
        kill_self_around_commit(*death)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app.serve(settings, timings=TIMINGS, lease=FRAME_LEASE if settings.poster else LEASE)


def kill_self_around_commit(when: When, commit: str) -> None:
    save = Store.save

    async def deadly(self: Store, job: Job, *, now: float) -> Job:
        is_it = COMMITS[commit](job)
        if is_it and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return await save(self, job, now=now)
        finally:
            if is_it:
                os.kill(os.getpid(), signal.SIGKILL)

    Store.save = deadly  # type: ignore[method-assign]  # in this process only, which dies of it


class Cell:
    """One world, and the bot processes that run in it."""

    def __init__(self, world: World, settings: Settings, log: Path) -> None:
        self.world = world
        self._settings = settings
        self._log = log
        self._thread = Thread(world)

    @asynccontextmanager
    async def bot(self, death: Death | None = None) -> AsyncIterator[ForkServerProcess]:
        process = FORK.Process(target=serve, args=(self._settings, self._log, death), daemon=True)
        process.start()
        try:
            yield process
        finally:
            process.kill()
            await exit_code(process)

    async def request_and_wait_for_kill(self, process: ForkServerProcess, prompt: str) -> None:
        await self.world.until(lambda: self.world.slack.sockets.connected, 120)
        pressed = asyncio.create_task(self.world.slack.ada.command(prompt))
        assert await exit_code(process) == -signal.SIGKILL, self._log.read_text()
        pressed.cancel()

    async def resume(self) -> None:
        async with self.bot():
            await self.world.until(self._is_over, 120)
            await self._closed()

    def kill(self, process: ForkServerProcess) -> Fault:
        async def trouble(request: web.Request) -> web.StreamResponse:
            process.kill()
            return await hang(request)

        return trouble

    def counts(self) -> dict[str, int]:
        return {
            "creates": len(self.world.videos.creates),
            "cards": len(self._thread.cards),
            "replies": len(self._thread.replies),
            "files": sum(len(reply.files) for reply in self._thread.replies),
            "frames": sum(file.name.endswith(".jpg") for file in self._files),
            "images": sum(block["type"] == "image" for block in self._thread.card.blocks),
        }

    @property
    def _files(self) -> list[File]:
        return [*self.world.slack.workspace.files.values()]

    async def _closed(self) -> None:
        """Wait until nothing is left to do for the only job."""
        store = Store.open(self._settings.database_url.get_secret_value())
        try:
            async with asyncio.timeout(60):
                while (await self._job(store)).closed_at is None:  # noqa: ASYNC110 -- rows announce nothing
                    await asyncio.sleep(0.1)
            await self._check_bill(store)
        finally:
            await store.close()

    async def _check_bill(self, store: Store) -> None:
        """What is held or spent is what the server charges."""
        bill = await store.bill(By.MODEL, since=0, before=time.time() + 1)
        counted = sum(line.held + line.spent for line in bill)
        assert in_dollars(counted) == self.world.videos.bill(load_catalog())

    async def _job(self, store: Store) -> Job:
        [job] = await store.list_of(self.world.slack.ada.id, limit=2)
        return job

    def _is_over(self) -> bool:
        return self._thread.says("*Ready:*") or self._thread.says("*Failed:*")


def killed_around_call(operation: str, nth: int, when: When) -> Story:
    async def story(cell: Cell) -> None:
        async with cell.bot() as process:
            cell.world.faults.inject(operation, cell.kill(process), nth=nth, when=when)
            await cell.request_and_wait_for_kill(process, "clouds")
        await cell.resume()

    return story


def killed_around_commit(commit: str, when: When) -> Story:
    prompt = "forbidden" if commit in FAILURE_COMMITS else "clouds"

    async def story(cell: Cell) -> None:
        async with cell.bot((when, commit)) as process:
            await cell.request_and_wait_for_kill(process, prompt)
        await cell.resume()

    return story


class Matrix:
    """Runs several cells at a time, each with its own world and database."""

    def __init__(self, folder: Path, clip: bytes, new_database: Callable[[Path], str]) -> None:
        self._folder = folder
        self._clip = clip
        self._new_database = new_database
        self._places = asyncio.Semaphore(MAX_CONCURRENT_CELLS)

    async def run(
        self, stories: Mapping[str, Story], *, posters: bool = False
    ) -> dict[str, dict[str, int] | str]:
        """The counts at the end of each story, or its error."""
        outcomes = await asyncio.gather(
            *(self._outcome(*each, posters=posters) for each in stories.items())
        )
        return dict(zip(stories, outcomes, strict=True))

    async def _outcome(self, name: str, story: Story, *, posters: bool) -> dict[str, int] | str:
        folder = self._folder / name.replace(" ", "-")
        folder.mkdir()
        async with self._places, self._cell(folder, posters=posters) as cell:
            try:
                await story(cell)
            except (AssertionError, TimeoutError) as error:
                return f"{error!r} {cell.counts()}"
            return cell.counts()

    @asynccontextmanager
    async def _cell(self, folder: Path, *, posters: bool) -> AsyncIterator[Cell]:
        url = await asyncio.to_thread(self._new_database, folder)
        async with World(render_seconds=0.3, poll_after_ms=10, clip=self._clip) as world:
            install(world)
            world.slack.workspace.scopes |= OPTIONAL_SCOPES
            variables = {name.lower(): value for name, value in world.environment(url).items()}
            settings = read_settings(_env_file=None, poster=posters, **variables)
            yield Cell(world, settings, folder / "log")


@pytest.fixture(params=["sqlite", "postgres"])
def matrix(request: pytest.FixtureRequest, tmp_path: Path, clip: bytes) -> Matrix:
    def in_a_file(folder: Path) -> str:
        return f"sqlite:///{folder / 'jobs.db'}"

    def at_the_server(_folder: Path) -> str:
        return str(request.getfixturevalue("postgres_server").new_database())

    new_database = {"sqlite": in_a_file, "postgres": at_the_server}[request.param]
    if request.param == "postgres":
        request.getfixturevalue("postgres_server")  # starts here, not in a thread
    return Matrix(tmp_path, clip, new_database)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_any_external_call_causes_no_duplicates_or_losses(
    matrix: Matrix, when: When
) -> None:
    stories = {
        f"{operation} {nth}": killed_around_call(operation, nth, when)
        for operation, nth in EXTERNAL_CALLS
        if (operation, when) != ("content", "after")  # a streamed response has no "after"
    }
    assert await matrix.run(stories) == dict.fromkeys(stories, DELIVERED)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_any_commit_causes_no_duplicates_or_losses(
    matrix: Matrix, when: When
) -> None:
    stories = {commit: killed_around_commit(commit, when) for commit in COMMITS.keys() - OF_FRAMES}
    expected = {name: REFUSED if name in FAILURE_COMMITS else DELIVERED for name in stories}
    assert await matrix.run(stories) == expected


async def test_a_kill_while_the_frame_is_shown_uploads_no_second_one(matrix: Matrix) -> None:
    upload_url, upload, complete = (
        ("files.getUploadURLExternal", 3),  # after the check of permissions, and the video's
        ("upload", 2),
        ("files.completeUploadExternal", 2),
    )
    ends: dict[str, tuple[Story, dict[str, int]]] = {
        "before its id": (killed_around_call(*upload_url, "before"), DELIVERED),
        "after its id": (killed_around_call(*upload_url, "after"), LOST_FRAME),
        "before its id is saved": (killed_around_commit("frame started", "before"), LOST_FRAME),
        "after its id is saved": (killed_around_commit("frame started", "after"), LOST_FRAME),
        "before its bytes": (killed_around_call(*upload, "before"), LOST_FRAME),
        "after its bytes": (killed_around_call(*upload, "after"), LOST_FRAME),
        "before it is complete": (killed_around_call(*complete, "before"), LOST_FRAME),
        "after it is complete": (killed_around_call(*complete, "after"), SHOWN_FRAME),
        "before it counts": (killed_around_commit("frame shown", "before"), SHOWN_FRAME),
        "after it counts": (killed_around_commit("frame shown", "after"), SHOWN_FRAME),
    }
    found = await matrix.run({name: story for name, (story, _) in ends.items()}, posters=True)
    assert found == {name: end for name, (_, end) in ends.items()}
