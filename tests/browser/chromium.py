"""Chromium, and a person's window on the page in it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Locator, Page, Request, async_playwright

from bot.sandbox.page.acts import BOT_NAME
from bot.sandbox.page.play import Play
from bot.sandbox.slack.state import Conversation

ARGUMENTS = (
    "--no-sandbox",  # the sandbox needs rights that root in a container lacks
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 20_000


def find_chromium() -> str | None:
    """The browser to use: CHROMIUM, or the one that is installed; None if there is none."""
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen)
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=ARGUMENTS, headless=True
        )
        yield browser
        await browser.close()


class Window:
    """One person's browser window, at one conversation."""

    def __init__(self, page: Page, play: Play) -> None:
        self.page = page
        self.play = play
        self.problems: list[str] = []
        """What must never happen: console errors, exceptions, requests to other hosts."""
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._check_host)

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(text)

    def _check_host(self, request: Request) -> None:
        if not request.url.startswith((self.play.address, "data:", "blob:")):
            self.problems.append(f"a request to {request.url}")

    async def open(self, who: str, place: str) -> None:
        """Go to the conversation as this person, and wait for it."""
        await self.page.goto(f"{self.play.address}#/{who}/{place}")
        name = {"home": "Home", "messages": BOT_NAME}.get(place, f"#{place}")
        await self.page.get_by_role("region", name=name, exact=True).wait_for()

    # What a person finds, by role and name

    def composer(self, channel: Conversation) -> Locator:
        return self.page.get_by_role("textbox", name=f"Message #{channel.name}")

    def messages(self, channel: Conversation) -> Locator:
        region = self.page.get_by_role("region", name=f"#{channel.name}", exact=True)
        return region.get_by_role("article")

    def card(self, channel: Conversation, words: str) -> Locator:
        return self.messages(channel).filter(has_text=words)

    @property
    def thread(self) -> Locator:
        return self.page.get_by_role("region", name="Thread")

    def dialog(self, title: str) -> Locator:
        return self.page.get_by_role("dialog", name=title)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    # What a person does

    async def send(self, channel: Conversation, text: str) -> None:
        await self.composer(channel).fill(text)
        await self.composer(channel).press("Enter")

    async def flip(self, switch: str, *, on: bool) -> None:
        """Turn a switch of the drawer on or off, and close the drawer."""
        await self.button("Behind the scenes").click()
        await self.page.get_by_role("switch", name=switch).set_checked(on)
        await self.button("Close Behind the scenes").click()

    async def close_drawer(self) -> None:
        """Close the drawer, if it is open."""
        for button in await self.button("Close Behind the scenes").all():
            await button.click()

    async def plays(self, video: Locator) -> bool:
        """Play it, and wait until its time has advanced."""
        play = "video => { video.muted = true; return video.play(); }"
        await video.evaluate(play)
        advanced = "video => video.currentTime > 0.2"
        await self.page.wait_for_function(advanced, arg=await video.element_handle())
        return True

    async def focused(self) -> Any:  # noqa: ANN401 -- what evaluate returns
        """The accessible name or text of the focused element."""
        return await self.page.evaluate(
            "() => document.activeElement.ariaLabel || document.activeElement.textContent.trim()"
        )
