"""Behind the scenes: the bot's requests, acks, rows and log, and switches that inject faults."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.sandbox.page.process import BotProcess
from bot.sandbox.slack.sockets import Envelope
from bot.sandbox.slack.state import Json
from bot.sandbox.videos.dialects import DIALECTS
from bot.sandbox.videos.state import Failure
from bot.sandbox.world import World

REQUESTS, ENVELOPES, JOBS, LOG_BYTES = 60, 15, 10, 4000
"""How much of each is shown, the newest first."""
POLL_INTERVAL = 0.5
"""Seconds between reads of the bot's database and log, which announce no changes."""
SLOW_SECONDS = 120.0
"""How long a slow server renders."""
RETRY_AFTER = 3
"""Seconds that Slack asks the bot to wait."""
FAILURE = Failure("server_error", "The GPU ran out of memory.")


class Switch(StrEnum):
    """A fault that lasts while its switch is on; the value is the switch's label."""

    SLOW = "Video server is slow"
    REFUSING = "Video server refuses requests"
    FAILING = "Video server fails while rendering"
    DOWN = "Video server is down"
    FORGETTING = "Video server forgets its videos"
    LIMITED = "Slack returns 429 (too many requests)"
    KILLED = "Bot is killed"


class Flip(BaseModel):
    """Turn one switch on or off."""

    do: Literal["flip"]
    switch: Switch
    on: bool


class Restart(BaseModel):
    """Kill the bot and restart it."""

    do: Literal["restart"]


class Replace(BaseModel):
    """Replace the video server with another kind."""

    do: Literal["replace"]
    dialect: str


Control = Flip | Restart | Replace
CONTROL: TypeAdapter[Control] = TypeAdapter(Control)


class Behind:
    """What the drawer shows and does."""

    def __init__(
        self, world: World, bot: BotProcess, *, slow_seconds: float = SLOW_SECONDS
    ) -> None:
        self._world = world
        self._usual_seconds = world.videos.render_seconds
        self._slow_seconds = slow_seconds
        self._bot = bot
        self._jobs: list[Json] = []
        self._log = ""
        self._dialect = "openai"
        self._on: set[Switch] = set()

    # What is shown

    def parts(self) -> Json:
        """The drawer's content, by path."""
        return {
            "switches": [{"label": switch, "on": switch in self._on} for switch in Switch],
            "dialect": {"chosen": self._dialect, "all": [*DIALECTS]},
            "bot": {"pid": self._bot.pid, "connected": bool(self._world.slack.sockets.connected)},
            "requests": self._requests(),
            "envelopes": [_envelope(e) for e in self._world.slack.sockets.envelopes[-ENVELOPES:]],
            "jobs": self._jobs,
            "log": self._log,
        }

    async def watch(self) -> None:
        """Keep the rows and the log up to date, until cancelled."""
        while True:
            found = await asyncio.to_thread(self._read)
            if found != (self._jobs, self._log):
                self._jobs, self._log = found
                self._world.changes.happened()
            await asyncio.sleep(POLL_INTERVAL)

    def _read(self) -> tuple[list[Json], str]:
        return _rows(self._bot.database), _tail(self._bot.log)

    def _requests(self) -> list[Json]:
        slack: list[Json] = [
            {
                "at": call.at,
                "to": "Slack",
                "what": call.method,
                "result": "ok" if call.ok else call.error or "",
                "good": call.ok,
            }
            for call in self._world.slack.calls[-REQUESTS:]
        ]
        videos: list[Json] = [
            {
                "at": call.at,
                "to": "Videos",
                "what": f"{call.method} {call.path}",
                "result": str(call.status or "no response"),
                "good": call.status is not None and call.status < 400,
            }
            for call in self._world.videos.calls[-REQUESTS:]
        ]
        return sorted([*slack, *videos], key=lambda call: call["at"])[-REQUESTS:]

    # What is done

    async def act(self, request: web.Request) -> web.Response:
        """Do what the drawer requests."""
        try:
            control = CONTROL.validate_json(await request.read())
            match control:
                case Flip(switch=switch, on=on):
                    await self.flip(switch, on=on)
                case Restart():
                    await self.restart_bot()
                case Replace(dialect=dialect):
                    await self.replace_server(dialect)
        except (ValidationError, KeyError) as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        return web.json_response({})

    async def flip(self, switch: Switch, *, on: bool) -> None:
        """Turn a switch on or off."""
        if on != (switch in self._on):
            self._on ^= {switch}
            await self._apply(switch, on=on)
            self._world.changes.happened()

    async def restart_bot(self) -> None:
        """SIGKILL, and a new process at once."""
        await self._bot.kill()
        await self._bot.start()
        self._on.discard(Switch.KILLED)
        self._world.changes.happened()

    async def replace_server(self, dialect: str) -> None:
        """Replace the video server with an empty one, and restart the bot with its catalog.

        Raises:
            KeyError: there is no such dialect.
        """
        server = DIALECTS[dialect]()
        self._dialect = dialect
        self._world.videos.dialect = server
        self._world.videos.restart()
        if dialect == "openai":
            self._bot.environment.pop("VIDEO_CATALOG", None)
        else:
            catalog = self._bot.folder / "catalog.toml"
            await asyncio.to_thread(catalog.write_text, _catalog(server.models))
            self._bot.environment["VIDEO_CATALOG"] = str(catalog)
        await self._bot.stop()
        if Switch.KILLED not in self._on:
            await self._bot.start()
        self._world.changes.happened()

    async def _apply(self, switch: "Switch", *, on: bool) -> None:
        videos = self._world.videos
        match switch:
            case Switch.SLOW:
                videos.set_pace(self._slow_seconds if on else self._usual_seconds)
            case Switch.REFUSING:
                videos.refusing = on
            case Switch.FAILING:
                videos.let_all_fail(FAILURE if on else None)
            case Switch.DOWN:
                await (videos.stop() if on else videos.resume())
            case Switch.FORGETTING:
                videos.forget_all(on=on)
            case Switch.LIMITED:
                self._world.slack.retry_after = RETRY_AFTER if on else None
            case Switch.KILLED:
                await (self._bot.kill() if on else self._bot.start())


def _envelope(envelope: Envelope) -> Json:
    payload = envelope.payload
    first = (payload.get("actions") or [{}])[0]
    what = (
        payload.get("command")
        or first.get("action_id")
        or payload.get("callback_id")
        or payload.get("view", {}).get("callback_id")
        or payload.get("event", {}).get("type")
        or ""
    )
    took = envelope.acked[0] - envelope.sent[0] if envelope.acked and envelope.sent else None
    kind = payload.get("type", envelope.type)
    return {"id": envelope.id, "kind": kind, "what": what, "took": took, "sent": envelope.sent[:1]}


def _rows(path: Path) -> list[Json]:
    """The newest jobs as they are in the bot's SQLite file; none before it made its tables."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.2)) as database:
        database.row_factory = sqlite3.Row
        try:
            found = database.execute(
                "SELECT * FROM jobs ORDER BY created_at DESC LIMIT ?", (JOBS,)
            ).fetchall()
        except sqlite3.OperationalError:  # no table yet, or it is locked just now
            return []
    return [{name: row[name] for name in row.keys() if row[name] is not None} for row in found]  # noqa: SIM118 -- a Row iterates over its values


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        text = file.read().decode(errors="replace")
    return text if len(text) < LOG_BYTES else text.partition("\n")[2]


def _catalog(models: Sequence[str]) -> str:
    return "\n".join(
        f'[[models]]\nname = "{name}"\nsizes = ["1280x720", "720x1280"]\nseconds = [4, 8]'
        for name in models
    )
