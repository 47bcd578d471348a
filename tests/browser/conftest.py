"""Fixtures: one Chromium, one bot and one page for each file of tests; a channel for each test."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from bot.sandbox.page.behind import Switch
from bot.sandbox.page.play import Play
from bot.sandbox.slack.state import Conversation
from bot.timings import LEASE
from tests.browser.chromium import TIMEOUT_MS, Window, find_chromium, launched
from tests.support.installation import install

HERE = Path(__file__).parent
FAST_BOT = ("bot.sandbox.replica", "--lease", str(LEASE))
"""A bot with short timings; `make play` and other tests start the real one."""
expect.set_options(timeout=TIMEOUT_MS)
numbers = itertools.count(1)

OpenWindow = Callable[..., Awaitable[Window]]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop and one pytest process for each file, whose tests share bot and browser."""
    missing = pytest.mark.skip(reason="no Chromium: apt install chromium, or set CHROMIUM")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.xdist_group(f"browser-{item.path.stem}"))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if find_chromium() is None:
                item.add_marker(missing)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def play(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> AsyncIterator[Play]:
    play = Play(
        tmp_path_factory.mktemp("play"), render_seconds=0.5, slow_seconds=20, program=FAST_BOT
    )
    install(play.world)
    play.world.videos.poll_after_ms = 50
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def adas_window(play: Play, browser: Browser) -> Window:
    return await new_window(play, browser)


async def new_window(play: Play, browser: Browser, **options: object) -> Window:
    context = await browser.new_context(**options)  # type: ignore[arg-type]  # Playwright's own
    return Window(await context.new_page(), play)


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(
    play: Play, browser: Browser, channel: Conversation
) -> AsyncIterator[OpenWindow]:
    """Opens windows; each must end without errors and without requests to other hosts."""
    windows: list[Window] = []

    async def open_one(who: str = "ada", place: str = channel.name, **options: object) -> Window:
        window = await new_window(play, browser, **options)
        windows.append(window)
        await window.open(who, place)
        return window

    yield open_one
    await reset_page(play)
    for window in windows:
        await window.page.context.close()
        assert window.problems == []


@pytest_asyncio.fixture(loop_scope="session")
async def ada(
    play: Play, adas_window: Window, channel: Conversation, request: pytest.FixtureRequest
) -> AsyncIterator[Window]:
    """Ada's window at a new channel: shared by all tests, reloaded after a failure."""
    if request.session.testsfailed:
        await adas_window.page.goto("about:blank")
    await adas_window.open("ada", channel.name)
    yield adas_window
    await reset_page(play)
    await adas_window.close_drawer()
    problems, adas_window.problems = adas_window.problems, []
    assert problems == []


async def reset_page(play: Play) -> None:
    """Turn all switches off, and close all modals."""
    for switch in Switch:
        await play.behind.flip(switch, on=False)
    for person in play.people:
        play.world.slack.workspace.close_all(person["id"])
