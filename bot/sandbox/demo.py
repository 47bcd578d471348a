"""`make demo`: the unmodified bot in a fake Slack, printed as it happens."""

import asyncio
import io
import os
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image

from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Conversation, File, Message, PrivateMessage
from bot.sandbox.transcript import lines_of, lines_of_form
from bot.sandbox.world import World

TIMEOUT = 120.0
"""Seconds for the whole demo, which takes about half a minute."""
FINAL = ("*Ready:*", "*Failed:*", "*Cancelled:*", "*Unclear:*")
FOLDER = Path("videos")


def main(prompt: str, *, form: bool, render_seconds: float) -> int:
    """Make a video of the prompt, remix it and cancel another; return the exit status."""
    try:
        return asyncio.run(_run(prompt, form=form, render_seconds=render_seconds))
    except KeyboardInterrupt:
        return 130


async def _run(prompt: str, *, form: bool, render_seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="video-bot-demo-") as folder:
        log = Path(folder) / "bot.log"
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                _world(Path(folder), log, render_seconds) as world,
            ):
                await _Story(world).run(prompt, form=form)
        except (TimeoutError, _BotStoppedError) as error:
            print(f"\nThe demo failed ({type(error).__name__}). The bot's log:\n")
            print(log.read_text() if log.exists() else "(empty)")
            return 1
    return 0


@asynccontextmanager
async def _world(folder: Path, log: Path, render_seconds: float) -> AsyncIterator[World]:
    async with World(render_seconds=render_seconds, poll_after_ms=1000) as world:
        print("Slack and a Videos server are simulated on this machine; nothing leaves it.")
        environment = world.environment(f"sqlite+aiosqlite:///{folder / 'jobs.db'}")
        async with _bot(environment, folder, log) as process:
            connected = world.until(lambda: world.slack.sockets.connected, TIMEOUT)
            await _unless_stopped(process, connected)
            print("The unmodified bot (`python -m bot run`) is connected over Socket Mode.\n")
            yield world


@asynccontextmanager
async def _bot(environment: Mapping[str, str], folder: Path, log: Path) -> AsyncIterator[Process]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run"),
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), **environment},
            stderr=file,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _unless_stopped(process: Process, awaited: Coroutine[None, None, object]) -> None:
    task = asyncio.ensure_future(awaited)
    stopped = asyncio.ensure_future(process.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        raise _BotStoppedError
    await task


class _BotStoppedError(Exception):
    pass


class _Story:
    """Acts as Ada, prints each change in the channel once, and saves the files."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._workspace = world.slack.workspace
        self._shown: dict[str, list[str]] = {}
        self._ada = world.slack.ada

    async def run(self, prompt: str, *, form: bool) -> None:
        """Make a video; if that worked, remix it and cancel another."""
        await self._ask("" if form else prompt)
        if form:
            await self._fill_in(self._ada, prompt)
        if self._ada.private:
            self._print(
                [f"visible only to {self._ada.user.name}:", *self._lines(self._ada.private[-1])]
            )
            return
        card = await self._world.until(lambda: self._final(1), TIMEOUT)
        if "*Ready:*" in str(card.blocks):
            await self._remix(card)
            await self._cancel_another()
        for file in [file for reply in self._replies() for file in reply.files]:
            self._save(file)

    async def _ask(self, typed: str) -> None:
        print(f"{self._ada.user.name} in #{self._channel.name}:  {f'/video {typed}'.strip()}")
        ack = await self._ada.command(typed, channel=self._channel)
        print(f"  (acknowledged after {ack.took * 1000:.0f} ms)")

    async def _remix(self, card: Message) -> None:
        """Remix the finished video."""
        print(f"\n{self._ada.user.name} clicks Remix")
        await self._ada.click(card, "remix")
        await self._world.until(lambda: self._ada.view, TIMEOUT)
        await self._ada.fill({"prompt": "the same, at night"})
        if self._ada.view is not None:
            self._print(["a form opens:", *lines_of_form(self._ada.view, self._names)])
        await self._ada.submit()
        await self._world.until(lambda: self._final(2), TIMEOUT)

    async def _cancel_another(self) -> None:
        """Request another video, and cancel it while it renders."""
        videos = self._world.videos
        videos.hold()
        created = len(videos.creates)
        print()
        await self._ask("a train at dusk")
        await self._world.until(lambda: self._card(3) and len(videos.creates) > created, TIMEOUT)
        videos.progress(videos.creates[-1].id, 50)
        card = await self._world.until(lambda: self._rendering(3), TIMEOUT)
        print(f"{self._ada.user.name} clicks Cancel")
        await self._ada.click(card, "cancel")
        await self._world.until(lambda: self._final(3), TIMEOUT)

    async def _fill_in(self, person: Person, prompt: str) -> None:
        """Fill in every field, the model first: it changes the options of the others."""
        self._show_form(person, "a form opens:")
        await person.choose("model", "sora-2-pro")
        self._show_form(person, f"{person.user.name} selects sora-2-pro, and the form changes:")
        await person.choose("seconds", "8")
        await person.choose("size", "1280x720")
        await person.fill(
            {
                "prompt": prompt,
                "input_reference": [person.upload("sky.jpg", _photo(), "image/jpeg")],
                "notify": [self._workspace.grace.id],
            }
        )
        self._show_form(person, f"{person.user.name} fills in the other fields:")
        ack = await person.submit()
        print(f"  {person.user.name} clicks Create")
        print(f"  (acknowledged after {ack.took * 1000:.0f} ms)")
        if person.view is not None and not person.view.errors:
            self._show_form(person, "the image has another shape than the video:")
            await person.submit()
        if person.view is not None:
            self._print(["the form's errors:", *person.view.errors.values()])

    def _show_form(self, person: Person, heading: str) -> None:
        if person.view is not None:
            self._print([heading, *lines_of_form(person.view, self._names)])

    def _final(self, number: int) -> Message | None:
        """Return the nth card, once its job has ended."""
        card = self._card(number)
        return card if card and any(text in str(card.blocks) for text in FINAL) else None

    def _rendering(self, number: int) -> Message | None:
        card = self._card(number)
        return card if card and "Rendering" in str(card.blocks) else None

    def _card(self, number: int) -> Message | None:
        """Return the nth card, if it has been posted; print what is new in the channel."""
        messages = self._workspace.messages(self._channel)
        for message in messages:
            self._show(message)
        cards = [message for message in messages if not message.is_reply]
        return cards[number - 1] if len(cards) >= number else None

    @property
    def _channel(self) -> Conversation:
        return self._workspace.videos

    def _replies(self) -> list[Message]:
        return [message for message in self._workspace.messages(self._channel) if message.is_reply]

    def _show(self, message: Message) -> None:
        lines = self._lines(message)
        lines += [f"📎 {file.name} ({file.size:,} bytes)" for file in message.files]
        before = self._shown.get(message.ts)
        if lines == before:
            return
        self._shown[message.ts] = lines
        heading = "in the thread:" if message.is_reply else "the card:"
        # Of an edited message, print only the new lines.
        self._print([heading, *(line for line in lines if line not in (before or []))])

    def _lines(self, message: Message | PrivateMessage) -> list[str]:
        return lines_of({"text": message.text, "blocks": message.blocks}, self._names)

    @property
    def _names(self) -> dict[str, str]:
        names = {user.id: user.name for user in self._workspace.users.values()}
        return names | {each.id: each.name for each in self._workspace.conversations.values()}

    @staticmethod
    def _print(lines: list[str]) -> None:
        print("\n".join([f"  {lines[0]}", *(f"      {line}" for line in lines[1:])]), flush=True)

    @staticmethod
    def _save(file: File) -> None:
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / Path(file.name).name
        file.copy_to(path)
        print(f"\nSaved: {path.resolve()}")


def _photo() -> bytes:
    """Return a picture as a phone takes it: large, with another aspect ratio than the video."""
    sink = io.BytesIO()
    Image.radial_gradient("L").resize((4032, 3024)).convert("RGB").save(sink, "JPEG")
    return sink.getvalue()
