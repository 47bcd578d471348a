"""`make pictures`: the README's images, captured from the page."""

import asyncio
import hashlib
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Locator, expect

from bot.sandbox.page.play import Play
from tests.browser.chromium import TIMEOUT_MS, Window, find_chromium, launched
from tests.support.installation import install

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
CARDS = ROOT / "tests" / "core" / "golden" / "cards.json"
WIDTH, HEIGHT = 700, 460
PROMPT = "a timelapse of clouds over the sea"
FRAME_MS = 120
RENDER_SECONDS = 12.0


def main() -> int:
    """Capture them all; returns the exit code."""
    if find_chromium() is None:
        sys.stderr.write("make pictures needs a Chromium: apt install chromium, or set CHROMIUM\n")
        return 2
    asyncio.run(_make())
    digest = hashlib.sha256(CARDS.read_bytes()).hexdigest()
    (FOLDER / "cards.sha256").write_text(f"{digest}\n")
    return 0


async def _make() -> None:
    expect.set_options(timeout=3 * TIMEOUT_MS)
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder), render_seconds=RENDER_SECONDS)
        install(play.world)
        async with play, launched() as browser:
            window = await _window(browser, play)
            await _story(window)
            await _form(window)
            await _failure(window)
            await _home(window)
    for path in sorted(FOLDER.iterdir()):
        sys.stdout.write(f"{path.stat().st_size:>9,} bytes  {path.relative_to(ROOT)}\n")


async def _window(browser: Browser, play: Play) -> Window:
    context = await browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
    )
    window = Window(await context.new_page(), play)
    window.page.set_default_timeout(3 * TIMEOUT_MS)
    await window.open("ada", "videos")
    return window


async def _story(window: Window) -> None:
    """From the typed command to the playing video: an animation and two screenshots."""
    film = Film(window)
    channel = window.play.world.slack.workspace.videos
    field = window.composer(channel)
    await field.focus()
    await film.take(hold=8)
    for word in f"/video {PROMPT} --size 1280x720".split(" "):
        await window.page.keyboard.type(f"{word} ")
        await film.take(hold=2)
    await window.page.keyboard.press("Enter")
    card = window.messages(channel).last
    while "Ready" not in (words := await card.inner_text() if await card.count() else ""):
        await film.take_if_changed(words, hold=6)
        if re.search(r"[4-7]\d ?%", words):
            await _save(window.page.get_by_role("main"), "rendering")
        await asyncio.sleep(0.1)
    await film.take(hold=6)
    await card.get_by_role("img", name="A frame of the video").wait_for()
    await film.take(hold=10)
    await window.button("1 reply").click()
    await window.thread.locator("video").scroll_into_view_if_needed()
    await film.play(window.thread.locator("video"))
    film.save(FOLDER / "story.gif")
    await window.page.set_viewport_size({"width": WIDTH, "height": 960})
    await _save(window.thread, "thread")


async def _form(window: Window) -> None:
    await window.page.set_viewport_size({"width": WIDTH, "height": 1130})
    await window.button("Close thread").click()
    channel = window.play.world.slack.workspace.videos
    await window.send(channel, "/video a lighthouse in a storm --form")
    form = window.page.get_by_role("dialog")
    await form.get_by_role("textbox", name="Prompt").wait_for()
    await _save(form, "form")
    await window.page.keyboard.press("Escape")
    await form.wait_for(state="detached")


async def _failure(window: Window) -> None:
    await window.page.set_viewport_size({"width": WIDTH, "height": 520})
    channel = window.play.world.slack.workspace.add_channel("random-films")
    await window.open("ada", channel.name)
    await window.send(channel, "/video something forbidden")
    await window.button("1 reply").click()
    await window.thread.get_by_role("button", name="try again").last.wait_for()
    await window.page.mouse.move(1, 1)
    await _save(window.thread, "failure")


async def _home(window: Window) -> None:
    await window.page.set_viewport_size({"width": WIDTH, "height": 500})
    await window.open("ada", "home")
    await window.button("Create a video").wait_for()
    await expect(window.page.get_by_role("region", name="Home")).to_contain_text("clouds")
    await _save(window.page.get_by_role("region", name="Home"), "home")


async def _save(what: Locator, name: str) -> None:
    image = Image.open(io.BytesIO(await what.screenshot(animations="disabled")))
    colours = image.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
    colours.save(FOLDER / f"{name}.png", optimize=True)


class Film:
    """A sequence of screenshots of the whole window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._frames: list[Image.Image] = []
        self._shown: list[int] = []
        self._last = ""

    async def take(self, *, hold: int = 1) -> None:
        """Take a screenshot, shown for `hold` times the usual duration."""
        data = await self._window.page.screenshot(caret="initial")
        self._frames.append(Image.open(io.BytesIO(data)).convert("RGB"))
        self._shown.append(hold * FRAME_MS)

    async def take_if_changed(self, words: str, *, hold: int) -> None:
        """Take a screenshot unless it would look like the last one."""
        if words != self._last:
            self._last = words
            await self.take(hold=hold)

    async def play(self, video: Locator) -> None:
        """Capture the video's frames, independent of this machine's speed."""
        seek = """(video, time) => new Promise(resolve => {
            video.addEventListener("seeked", () => requestAnimationFrame(resolve), {once: true});
            video.currentTime = time;
        })"""
        await self._window.page.mouse.move(1, 1)
        await self._window.page.wait_for_function(
            "video => video.readyState >= 3", arg=await video.element_handle()
        )
        await video.evaluate("video => { video.controls = false; }")
        for number in range(16):
            await video.evaluate(seek, number * FRAME_MS / 1000 + 0.01)
            await self.take(hold=1 if number < 15 else 12)
        await video.evaluate("video => { video.controls = true; }")

    def save(self, path: Path) -> None:
        """Write a GIF that loops, with one palette for all."""
        sheet = Image.new("RGB", (WIDTH, HEIGHT * 3))
        for place, number in enumerate((0, len(self._frames) // 2, -1)):
            sheet.paste(self._frames[number], (0, place * HEIGHT))
        palette = sheet.quantize(256, kmeans=2)
        frames = [
            frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames
        ]
        frames[0].save(
            path,
            save_all=True,
            append_images=frames[1:],
            duration=self._shown,
            loop=0,
            optimize=True,
        )


if __name__ == "__main__":
    sys.exit(main())
