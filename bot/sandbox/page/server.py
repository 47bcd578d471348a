"""The page's HTTP side: files, server-sent events, and acts."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import ValidationError

from bot.sandbox.page import snapshot
from bot.sandbox.page.acts import ACT, COMMANDS, GLOBAL_SHORTCUTS, MESSAGE_SHORTCUTS, perform
from bot.sandbox.page.feed import Feed
from bot.sandbox.page.process import BotProcess
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Impossible
from bot.sandbox.world import World

HOST = "127.0.0.1"
STATIC = Path(__file__).parent / "static"
MAX_UPLOAD_BYTES = 200_000_000
HEARTBEAT_INTERVAL = 15.0
"""Seconds between comments on an idle stream, so that a dead connection is noticed."""
BOT_START_TIMEOUT = 10.0
"""Seconds to wait for a starting bot to connect."""
MIN_EVENT_INTERVAL = 0.05
"""Seconds between two events: a browser need not draw more often."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Browsers revalidate each time, and mostly get "304 Not Modified".
    "Cache-Control": "no-cache",
}
ACK_ERRORS = {
    "operation_timeout": "The app did not respond within 3 seconds.",
    "dispatch_failed": "The app could not be reached: it is not running.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageServer:
    """Serves the page on loopback, and does what browsers ask as the person they name."""

    def __init__(self, world: World, bot: BotProcess, people: list[dict[str, str]]) -> None:
        self._bot = bot
        self._slack = world.slack
        self._workspace = world.slack.workspace
        self._changes = world.changes
        self._people = people
        self._feeds: dict[str, Feed] = {}
        self._runner: web.AppRunner | None = None
        self._application = web.Application(
            client_max_size=MAX_UPLOAD_BYTES, middlewares=[self._only_this_page]
        )
        self._application.on_response_prepare.append(_add_headers)
        self._add_routes(self._application.router)
        self.port = 0

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/"

    def add_stream(self, path: str, feed: Feed) -> None:
        """Serve one more feed, before the start."""

        async def stream(request: web.Request) -> web.StreamResponse:
            return await self._stream(request, feed)

        self._application.router.add_get(path, stream)

    def add_post(self, path: str, handler: Handler) -> None:
        """Serve one more kind of act, before the start."""
        self._application.router.add_post(path, handler)

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; 0 takes any free port.

        Raises:
            OSError: the port is in use.
        """
        self._runner = web.AppRunner(
            self._application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._index)
        router.add_static("/static/", STATIC)
        router.add_get("/start", self._start)
        router.add_get("/events", self._events)
        router.add_post("/act", self._act)
        router.add_post("/upload", self._upload)
        router.add_get("/files/{user}/{file}/{name:.*}", self._file)

    @web.middleware
    async def _only_this_page(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Other sites' pages in the same browser can reach loopback: they are refused.

        The Host header stops DNS rebinding, the Origin header requests from other pages.
        """
        hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin and urlsplit(origin).netloc != request.host):
            raise web.HTTPForbidden(text="This page is only for browsers on this machine.")
        return await handler(request)

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _start(self, _request: web.Request) -> web.Response:
        """What never changes while the page is open."""
        return web.json_response(
            {
                "people": self._people,
                "bot": self._workspace.bot_user_id,
                "domain": self._workspace.domain,
                "commands": COMMANDS,
                "global_shortcuts": GLOBAL_SHORTCUTS,
                "message_shortcuts": MESSAGE_SHORTCUTS,
            }
        )

    # Streams

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, self._feed_of(self._person(request.query.get("as"))))

    def _feed_of(self, person: Person) -> Feed:
        def parts() -> dict[str, Any]:
            connected = bool(self._slack.sockets.connected)
            return snapshot.parts(person, self._workspace, connected=connected)

        return self._feeds.setdefault(person.id, Feed(parts))

    async def _stream(self, request: web.Request, feed: Feed) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = request.headers.get("Last-Event-ID")
        while True:
            changed = self._changes.count
            event = feed.after(seen)
            await response.write((event or ": idle\n\n").encode())
            seen = feed.last_id
            await asyncio.sleep(MIN_EVENT_INTERVAL)
            await self._wait_for_a_change(changed)

    async def _wait_for_a_change(self, since: int) -> None:
        try:
            await self._changes.until(lambda: self._changes.count > since, HEARTBEAT_INTERVAL)
        except TimeoutError:
            return

    # Acts

    async def _act(self, request: web.Request) -> web.Response:
        """Do it, and say how long the app took to acknowledge, or why it did not work.

        That something did not work is news for the person and no failed request: browsers write
        those into their console.
        """
        person = self._person(request.query.get("as"))
        try:
            act = ACT.validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        await self._wait_for_the_bot()
        try:
            ack = await perform(act, person, self._workspace)
        except Impossible as error:
            return web.json_response({"error": _sentence(str(error)), "field": error.field})
        except KeyError as error:
            raise web.HTTPNotFound(text=f"There is no {error}.") from error
        if ack is not None and ack.error is not None:
            words = ACK_ERRORS.get(ack.error, f"Slack rejected the ack: {ack.error}.")
            return web.json_response({"error": words})
        return web.json_response({"took": ack.took if ack else None})

    async def _wait_for_the_bot(self) -> None:
        """Give a bot that is just starting the time to connect."""
        if not self._bot.running:
            return
        try:
            await self._changes.until(
                lambda: self._slack.sockets.connected or not self._bot.running, BOT_START_TIMEOUT
            )
        except TimeoutError:
            return

    async def _upload(self, request: web.Request) -> web.Response:
        """Put a person's file on Slack's disk; the body is the file."""
        person = self._person(request.query.get("as"))
        name = Path(request.query.get("name", "")).name or "file"
        data = await request.read()
        file = person.upload(name, data, request.content_type)
        return web.json_response({"id": file.id, "name": file.name, "size": file.size})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The bytes, to whom they were shared with; `FileResponse` answers Range requests."""
        person = self._person(request.match_info["user"])
        file = self._workspace.files.get(request.match_info["file"])
        if file is None or file.stage != "complete":
            raise web.HTTPNotFound
        if not self._workspace.may_read(person.id, file):
            raise web.HTTPForbidden
        headers = {"Content-Type": file.mimetype}
        if "download" in request.query:
            headers["Content-Disposition"] = "attachment"
        return web.FileResponse(file.path, headers=headers)

    def _person(self, user_id: str | None) -> Person:
        user = self._workspace.users.get(user_id or "")
        if user is None or user.is_bot:
            raise web.HTTPNotFound(text="There is no such person.")
        return self._slack.person(user.id)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}".rstrip(".") + "."
