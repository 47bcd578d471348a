"""`make demo`: what happens in a pretend Slack, told as it unfolds, with the bot unmodified."""

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

PATIENCE = 120.0
"""Seconds for the whole story, which takes about half a minute."""
RENDER_SECONDS = 6.0
ENDS = ("*Ready*", "*Failed:*", "*Cancelled:*", "*Unclear:*")
FOLDER = Path("videos")


def main(prompt: str, *, form: bool = False) -> int:
    """Show the story of one prompt, perhaps with the form; returns the exit code."""
    try:
        return asyncio.run(_show(prompt, form=form))
    except KeyboardInterrupt:
        return 130


async def _show(prompt: str, *, form: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="video-bot-demo-") as folder:
        log = Path(folder) / "bot.log"
        try:
            async with asyncio.timeout(PATIENCE), _world(Path(folder), log) as world:
                await _Story(world).tell(prompt, form=form)
        except (TimeoutError, _BotStoppedError) as error:
            print(f"\nThe demo broke off ({type(error).__name__}). The bot's log:\n")
            print(log.read_text() if log.exists() else "(empty)")
            return 1
    return 0


@asynccontextmanager
async def _world(folder: Path, log: Path) -> AsyncIterator[World]:
    async with World(render_seconds=RENDER_SECONDS, poll_after_ms=1000) as world:
        print("A pretend Slack and a pretend Videos server run on this machine; nothing leaves it.")
        environment = world.environment(f"sqlite+aiosqlite:///{folder / 'jobs.db'}")
        async with _bot(environment, folder, log) as process:
            connected = world.until(lambda: world.slack.sockets.connected, PATIENCE)
            await _unless_it_stops(process, connected)
            print("The bot is connected by Socket Mode: `python -m bot run`, unmodified.\n")
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


async def _unless_it_stops(process: Process, story: Coroutine[None, None, object]) -> None:
    told = asyncio.ensure_future(story)
    stopped = asyncio.ensure_future(process.wait())
    await asyncio.wait({told, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not told.done():
        told.cancel()
        raise _BotStoppedError
    await told


class _BotStoppedError(Exception):
    pass


class _Story:
    """Prints what happens in the channel, each change once, and saves the file."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._workspace = world.slack.workspace
        self._shown: dict[str, list[str]] = {}
        self._ada = world.slack.ada

    async def tell(self, prompt: str, *, form: bool) -> None:
        """From the command to the end of the thread; a video that was made has a sequel."""
        await self._ask("" if form else prompt)
        if form:
            await self._fill_in(self._ada, prompt)
        if self._ada.private:
            self._print([f"only {self._ada.user.name} sees:", *self._lines(self._ada.private[-1])])
            return
        card = await self._world.until(lambda: self._over(1), PATIENCE)
        if "*Ready*" in str(card.blocks):
            await self._remix(card)
            await self._change_of_mind()
        for file in [file for reply in self._replies() for file in reply.files]:
            self._save(file)

    async def _ask(self, typed: str) -> None:
        print(f"{self._ada.user.name} in #{self._channel.name}:  {f'/video {typed}'.strip()}")
        answer = await self._ada.command(typed, channel=self._channel)
        print(f"  (acknowledged after {answer.took * 1000:.0f} ms)")

    async def _remix(self, card: Message) -> None:
        """Change the finished video."""
        print(f"\n{self._ada.user.name} presses Remix")
        await self._ada.click(card, "remix")
        await self._world.until(lambda: self._ada.view, PATIENCE)
        await self._ada.fill({"prompt": "the same, at night"})
        if self._ada.view is not None:
            self._print(["a form opens:", *lines_of_form(self._ada.view, self._names)])
        await self._ada.submit()
        await self._world.until(lambda: self._over(2), PATIENCE)

    async def _change_of_mind(self) -> None:
        """Ask for one more, and cancel it."""
        print()
        await self._ask("a train at dusk")
        card = await self._world.until(lambda: self._under_way(3), PATIENCE)
        print(f"{self._ada.user.name} presses Cancel")
        await self._ada.click(card, "cancel")
        await self._world.until(lambda: self._over(3), PATIENCE)

    async def _fill_in(self, person: Person, prompt: str) -> None:
        """Every field of the form, the model first: it changes what the others offer."""
        self._show_form(person, "a form opens:")
        await person.choose("model", "sora-2-pro")
        self._show_form(person, f"{person.user.name} chooses sora-2-pro, and the form follows:")
        await person.choose("seconds", "8")
        await person.choose("size", "1280x720")
        await person.fill(
            {
                "prompt": prompt,
                "input_reference": [person.upload("sky.jpg", _photo(), "image/jpeg")],
                "notify": [self._workspace.grace.id],
            }
        )
        self._show_form(person, f"{person.user.name} fills in the rest:")
        answer = await person.submit()
        print(f"  {person.user.name} presses Create")
        print(f"  (acknowledged after {answer.took * 1000:.0f} ms)")
        if person.view is not None:
            self._print(["the form says:", *person.view.errors.values()])

    def _show_form(self, person: Person, what: str) -> None:
        if person.view is not None:
            self._print([what, *lines_of_form(person.view, self._names)])

    def _over(self, number: int) -> Message | None:
        """The nth card, once it says how its job ended."""
        card = self._card(number)
        return card if card and any(end in str(card.blocks) for end in ENDS) else None

    def _under_way(self, number: int) -> Message | None:
        card = self._card(number)
        return card if card and "Rendering" in str(card.blocks) else None

    def _card(self, number: int) -> Message | None:
        """The nth card, if it stands there; shows what is new in the channel on the way."""
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
        what = "in the thread" if message.is_reply else "the card"
        # An edit shows only what is new in it.
        self._print([f"{what}:", *(line for line in lines if line not in (before or []))])

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
    """A picture as a phone takes it: large, and of another shape than the video."""
    sink = io.BytesIO()
    Image.radial_gradient("L").resize((4032, 3024)).convert("RGB").save(sink, "JPEG")
    return sink.getvalue()
