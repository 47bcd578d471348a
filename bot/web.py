"""The bot's own web server: Slack's requests in HTTP mode, and the health page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot.timings import WEB_STOP_TIMEOUT

log = structlog.get_logger()

MAX_BODY_BYTES = 1_000_000
"""Bytes; Slack's payloads are far smaller."""

CONTENT_TYPES = {"application/x-www-form-urlencoded", "application/json"}


def make_web_app(
    *,
    health: Callable[[], Awaitable[dict[str, bool]]],
    slack: AsyncApp | None = None,
    signing_secret: str = "",
) -> web.Application:
    """`GET /healthz`, and with a Bolt app `POST /slack/events`."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)

    async def healthz(_request: web.Request) -> web.Response:
        parts = await health()
        return web.json_response(parts, status=200 if all(parts.values()) else 503)

    app.router.add_get("/healthz", healthz)
    if slack is not None:
        app.router.add_post("/slack/events", _events(slack, SignatureVerifier(signing_secret)))
    return app


@asynccontextmanager
async def listening(app: web.Application, port: int) -> AsyncIterator[None]:
    """The web server, on every address of this machine.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=WEB_STOP_TIMEOUT)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()


def _events(
    slack: AsyncApp, verifier: SignatureVerifier
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def events(request: web.Request) -> web.Response:
        if request.content_type not in CONTENT_TYPES:
            raise web.HTTPUnsupportedMediaType
        body = await request.read()
        if not _is_signed(verifier, body, request):
            log.warning("request with a wrong signature", remote=request.remote)
            raise web.HTTPUnauthorized
        answer = await slack.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(answer)

    return events


def _is_signed(verifier: SignatureVerifier, body: bytes, request: web.Request) -> bool:
    """Checked here and not by Bolt, which logs the whole body of a forged request."""
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    return timestamp.isdecimal() and verifier.is_valid(body, timestamp, signature)
