"""The bot's own web server: Slack's requests in HTTP mode, and the health checks."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

from bot.timings import HEALTH_MAX_AGE, WEB_REQUEST_TIMEOUT, WEB_STOP_TIMEOUT

log = structlog.get_logger()

MAX_BODY_BYTES = 1_000_000
"""Slack's payloads are far smaller."""

MAX_CONNECTIONS = 200
"""At once: each may have a body in memory before its signature can be checked."""

CONTENT_TYPES = {"application/x-www-form-urlencoded", "application/json"}

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


Check = Callable[[], Awaitable[dict[str, bool]]]
"""Returns the state of each part by its name."""

Page = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Returns a body and its content type for an `Accept` header."""


def make_web_app(
    *,
    checks: Mapping[str, Check],
    slack: AsyncApp | None = None,
    signing_secret: str = "",
) -> web.Application:
    """An app with a page for each check and, given a Bolt app, `POST /slack/events`."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_close_after_it)
    for path, check in checks.items():
        app.router.add_get(path, _page(check))
    if slack is not None:
        app.router.add_post("/slack/events", _events(slack, SignatureVerifier(signing_secret)))
    return app


def make_metrics_app(page: Page) -> web.Application:
    """An app with `GET /metrics`."""
    app = web.Application()
    app.on_response_prepare.append(_close_after_it)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def listening(
    app: web.Application, port: int, *, host: str | None = None
) -> AsyncIterator[None]:
    """Serve the app on this address, or on all addresses of this machine.

    Raises:
        OSError: the address or the port cannot be used.
    """
    runner = web.AppRunner(
        app,
        logger=_quiet_logger(),
        access_log=None,
        shutdown_timeout=WEB_STOP_TIMEOUT,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        connections = _Connections(runner)
        server = await asyncio.get_running_loop().create_server(connections.accept, host, port)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _quiet_logger() -> logging.Logger:
    """The logger of aiohttp, without a traceback for each request that is no HTTP."""
    logger = logging.getLogger("bot.web.aiohttp")
    logger.filters = [lambda record: not _is_about_malformed_http(record)]
    return logger


def _is_about_malformed_http(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)


class _Connections:
    """The open connections, which are limited in number and in time.

    aiohttp waits without a limit for a request to be complete. Each connection serves a single
    request, so that one timeout for all of it is enough.
    """

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._open: set[_Connection] = set()

    def accept(self) -> "_Connection":
        """Make the protocol of a new connection."""
        if self._runner.server is None:
            raise AssertionError("the runner is not set up")
        return _Connection(self._runner.server(), self._open)


class _Connection(asyncio.Protocol):
    def __init__(self, handler: asyncio.Protocol, open_: set["_Connection"]) -> None:
        self._handler = handler
        self._open = open_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for mypy
        if len(self._open) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self._open.add(self)
        self._timer = asyncio.get_running_loop().call_later(WEB_REQUEST_TIMEOUT, transport.abort)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self in self._open else None

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._open:
            self._open.remove(self)
            self._timer.cancel()
            self._handler.connection_lost(error)


async def _close_after_it(_request: web.Request, response: web.StreamResponse) -> None:
    response.force_close()


def _page(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A health check's handler; its result is reused for a moment."""
    lock = asyncio.Lock()
    parts, asked_at = dict[str, bool](), float("-inf")

    async def page(_request: web.Request) -> web.Response:
        nonlocal parts, asked_at
        async with lock:
            now = asyncio.get_running_loop().time()
            if now - asked_at >= HEALTH_MAX_AGE:
                parts, asked_at = await check(), now
        return web.json_response(parts, status=200 if all(parts.values()) else 503)

    return page


def _events(
    slack: AsyncApp, verifier: SignatureVerifier
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def events(request: web.Request) -> web.Response:
        if request.content_type not in CONTENT_TYPES:
            raise web.HTTPUnsupportedMediaType
        try:
            body = (await request.read()).decode()
        except UnicodeDecodeError as error:
            raise web.HTTPBadRequest from error
        if not _is_signed(verifier, body, request):
            log.warning("request signature invalid", remote=request.remote)
            raise web.HTTPUnauthorized
        response = await slack.async_dispatch(_bolt_request(body, request))
        return await to_aiohttp_response(response)

    return events


def _is_signed(verifier: SignatureVerifier, body: str, request: web.Request) -> bool:
    """Checked here because Bolt logs the whole body of a forged request."""
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    # The verifier raises for numbers of thousands of digits and for non-ASCII letters.
    if not (_TIMESTAMP.fullmatch(timestamp) and _SIGNATURE.fullmatch(signature)):
        return False
    return verifier.is_valid(body, timestamp, signature)


def _bolt_request(body: str, request: web.Request) -> AsyncBoltRequest:
    headers: dict[str, str | Sequence[str]] = {
        name: request.headers.getall(name) for name in request.headers
    }
    try:
        return AsyncBoltRequest(body=body, query=request.query_string, headers=headers)
    except Exception as error:
        # Bolt assumes that every signed request has the shape of Slack's payloads.
        log.warning("request payload invalid", error=type(error).__name__)
        raise web.HTTPBadRequest from error
