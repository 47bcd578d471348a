"""Fixtures: one Chromium, one bot and one page for all tests; a channel for each."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from bot.sandbox.page.behind import Switch
from bot.sandbox.page.play import Play
from bot.sandbox.slack.state import Conversation
from tests.browser.chromium import PATIENCE_MS, Window, find_chromium, launched
from tests.support.installation import install

HERE = Path(__file__).parent
RENDER_SECONDS = 2.5
expect.set_options(timeout=PATIENCE_MS)
numbers = itertools.count(1)

OpenWindow = Callable[..., Awaitable[Window]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop and one pytest process for all, since they share the bot and the browser."""
    missing = pytest.mark.skip(reason="no Chromium: apt install chromium, or set CHROMIUM")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if find_chromium() is None:
                item.add_marker(missing)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def play(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> AsyncIterator[Play]:
    play = Play(tmp_path_factory.mktemp("play"), render_seconds=RENDER_SECONDS)
    install(play.world)
    play.world.videos.poll_after_ms = 100
    play.world.videos.clip = clip
    async with play:
        yield play
        assert play.world.slack.complaints == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest.fixture
def channel(play: Play) -> Conversation:
    """A channel that no other test uses."""
    return play.world.slack.workspace.add_channel(f"films-{next(numbers)}")


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(
    play: Play, browser: Browser, channel: Conversation
) -> AsyncIterator[OpenWindow]:
    """Opens windows, which must end without an error and without a foreign request."""
    windows: list[Window] = []

    async def open_one(who: str = "ada", place: str = channel.name, **options: object) -> Window:
        context = await browser.new_context(**options)  # type: ignore[arg-type]  # Playwright's own
        window = Window(await context.new_page(), play)
        windows.append(window)
        await window.open(who, place)
        return window

    yield open_one
    for switch in Switch:
        await play.behind.flip(switch, on=False)
    for person in play.people:
        play.world.slack.workspace.close_all(person["id"])
    for window in windows:
        await window.page.context.close()
        assert window.problems == []


@pytest_asyncio.fixture(loop_scope="session")
async def ada(open_window: OpenWindow) -> Window:
    return await open_window()
