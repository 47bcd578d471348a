"""The fake Slack's Socket Mode, with slack_sdk's real client, and its HTTP requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import httpx
import pytest
from aiohttp import web
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackSandbox

PLENTY = 30.0
"""Seconds; enough for an acknowledgement even on a busy machine."""


class App:
    """A client that records its requests, and acknowledges them unless a test says otherwise."""

    def __init__(self, slack: SlackSandbox) -> None:
        self.slack = slack
        self.seen: list[SocketModeRequest] = []
        self.acknowledges = True
        self.reply: dict[str, Any] | None = None
        web_client = AsyncWebClient(base_url=slack.api_url)
        self.client = SocketModeClient(slack.app_token, web_client=web_client, ping_interval=0.2)
        self.client.socket_mode_request_listeners.append(self.receive)

    async def receive(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.seen.append(request)
        self.slack.changes.happened()
        if self.acknowledges:
            response = SocketModeResponse(request.envelope_id, self.reply)
            await client.send_socket_mode_response(response)


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    sandbox = SlackSandbox(Changes(), Faults())
    sandbox.sockets.ack_timeout = PLENTY
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@asynccontextmanager
async def connected(slack: SlackSandbox) -> AsyncIterator[App]:
    app, before = App(slack), slack.sockets.connected
    await app.client.connect()  # type: ignore[no-untyped-call] # slack_sdk's
    await slack.changes.until(lambda: slack.sockets.connected > before)
    try:
        yield app
    finally:
        await app.client.close()  # type: ignore[no-untyped-call] # slack_sdk's


@pytest.fixture
async def app(slack: SlackSandbox) -> AsyncIterator[App]:
    async with connected(slack) as app:
        yield app


async def test_a_command_reaches_the_app_and_its_response_reaches_the_person(
    slack: SlackSandbox, app: App
) -> None:
    app.reply = {"text": "on it"}
    ack = await slack.ada.command("clouds & rain")
    [request] = app.seen
    assert (request.type, request.accepts_response_payload) == ("slash_commands", True)
    assert request.payload["text"] == "clouds & rain"
    assert request.payload["channel_name"] == "videos"
    assert "thread_ts" not in request.payload
    assert (ack.delivered, ack.payload, ack.error) == (True, {"text": "on it"}, None)
    assert 0 < ack.took < PLENTY
    assert [message.text for message in slack.ada.private] == ["on it"]
    assert slack.grace.private == []


async def test_an_in_channel_response_also_shows_the_typed_command(
    slack: SlackSandbox, app: App
) -> None:
    app.reply = {"text": "hello all", "response_type": "in_channel"}
    await slack.ada.command("secret plans")
    texts = [message.text for message in slack.workspace.messages("videos")]
    assert texts == ["/video secret plans", "hello all"]


async def test_a_refused_response_is_an_error_for_the_person(slack: SlackSandbox, app: App) -> None:
    app.reply = {"text": "x", "blocks": [{"type": "section"}]}
    ack = await slack.ada.command("clouds")
    assert (ack.delivered, ack.error) == (False, "invalid_blocks")
    assert slack.ada.private == []
    assert slack.complaints


async def test_a_late_acknowledgement_is_a_timeout_for_the_person(
    slack: SlackSandbox, app: App
) -> None:
    slack.sockets.ack_timeout = 0.05
    app.acknowledges = False
    ack = await slack.ada.command("clouds")
    assert (ack.delivered, ack.error) == (False, "operation_timeout")
    await app.client.send_socket_mode_response(SocketModeResponse(ack.envelope.id))
    await slack.changes.until(lambda: ack.envelope.acked)


async def test_a_request_that_timed_out_can_be_redelivered(slack: SlackSandbox, app: App) -> None:
    slack.sockets.ack_timeout = 0.05
    app.acknowledges = False
    ack = await slack.ada.command("clouds")
    app.acknowledges, app.reply = True, {"text": "sorry"}
    slack.sockets.ack_timeout = PLENTY
    again = await slack.redeliver(ack.envelope)
    assert again.delivered
    assert [message.text for message in slack.ada.private] == ["sorry"]


async def test_a_command_fails_immediately_without_a_connection(slack: SlackSandbox) -> None:
    ack = await slack.ada.command("clouds")
    assert (ack.delivered, ack.error) == (False, "dispatch_failed")
    assert ack.envelope.sent == []


async def test_an_unacknowledged_request_is_redelivered_on_the_next_connection(
    slack: SlackSandbox,
) -> None:
    async with connected(slack) as first:
        first.acknowledges = False
        waiting = asyncio.create_task(slack.ada.command("clouds"))
        await slack.changes.until(lambda: first.seen)
    async with connected(slack) as second:
        ack = await waiting
    assert ack.delivered
    [before], [after] = first.seen, second.seen
    assert before.envelope_id == after.envelope_id
    assert before.payload == after.payload
    assert (before.retry_attempt, after.retry_attempt) == (None, 1)


async def test_an_event_waits_for_the_next_connection(slack: SlackSandbox) -> None:
    waiting = asyncio.create_task(slack.ada.open_home())
    await slack.changes.until(lambda: slack.workspace.direct_message(slack.ada.user))
    async with connected(slack) as app:
        ack = await waiting
    assert ack is not None
    assert ack.delivered
    assert app.seen[0].payload["event"]["type"] == "app_home_opened"
    assert app.seen[0].payload["authorizations"][0]["is_bot"] is True


async def test_an_envelope_can_be_redelivered(slack: SlackSandbox, app: App) -> None:
    ack = await slack.ada.command("clouds")
    again = await slack.redeliver(ack.envelope)
    first, second = app.seen
    assert again.delivered
    assert first.payload["trigger_id"] == second.payload["trigger_id"]
    assert (second.retry_attempt, second.retry_reason) == (1, "http_timeout")


async def test_each_payload_goes_to_one_connection_in_turn(slack: SlackSandbox, app: App) -> None:
    async with connected(slack) as other:
        assert slack.sockets.connected == 2
        for number in range(4):
            await slack.ada.command(str(number))
    assert len(app.seen) == len(other.seen) == 2


@pytest.mark.usefixtures("app")
async def test_a_client_reconnects_when_asked(slack: SlackSandbox) -> None:
    await slack.sockets.disconnect("refresh_requested")
    assert slack.sockets.connected == 0
    await slack.changes.until(lambda: slack.sockets.connected == 1)
    assert (await slack.ada.command("clouds")).delivered
    assert len(slack.calls_of("apps.connections.open")) == slack.sockets.opened == 2


async def test_a_client_reconnects_after_a_lost_connection(slack: SlackSandbox, app: App) -> None:
    await slack.sockets.cut()
    await slack.changes.until(lambda: slack.sockets.connected)
    assert (await slack.ada.command("clouds")).delivered
    assert len(app.seen) == 1


async def test_a_ticket_opens_one_connection(slack: SlackSandbox) -> None:
    client = AsyncWebClient(base_url=slack.api_url)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    async with httpx.AsyncClient() as http:
        address = url.replace("ws://", "http://")
        first = await http.get(address)
        second = await http.get(address)
    assert first.status_code == 400  # a valid ticket, but not a WebSocket request
    assert second.status_code == 401


async def test_an_app_has_at_most_ten_connections(slack: SlackSandbox) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(connected(slack))
        client = AsyncWebClient(base_url=slack.api_url)
        url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(session.ws_connect(url))
        assert (await socket.receive_json())["reason"] == "too_many_websockets"
        assert slack.sockets.connected == 10


async def test_invalid_acknowledgements_are_complaints(slack: SlackSandbox, app: App) -> None:
    app.reply = {"text": "not wanted here"}
    ack = await slack.ada.global_shortcut("new")
    assert ack.payload is None
    await app.client.send_socket_mode_response(SocketModeResponse("nobody"))
    await slack.changes.until(lambda: len(slack.complaints) == 2)
    assert "interactive" in slack.complaints[0]
    assert "unknown envelope" in slack.complaints[1]


async def test_events_need_their_subscription_and_scope(slack: SlackSandbox, app: App) -> None:
    assert await slack.ada.mention("clouds")
    assert await slack.ada.direct_message("hello")
    slack.workspace.scopes.discard("im:history")
    assert await slack.ada.direct_message("hello") is None
    slack.workspace.subscriptions.discard("app_mention")
    assert await slack.ada.mention("clouds") is None
    mention, message = (request.payload["event"] for request in app.seen)
    assert mention["text"] == f"<@{slack.workspace.bot_user_id}> clouds"
    assert (message["type"], message["channel_type"]) == ("message", "im")


# HTTP


class HttpApp:
    """An endpoint that records its requests."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], str]] = []
        self.respond: Callable[[], web.Response] = web.Response
        self.hangs = False

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((dict(request.headers), await request.text()))
        if self.hangs:
            await asyncio.Event().wait()
        return self.respond()


@pytest.fixture
async def http_app(slack: SlackSandbox) -> AsyncIterator[HttpApp]:
    app, application = HttpApp(), web.Application()
    application.router.add_post("/slack/events", app.receive)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.deliver_by_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    yield app
    await runner.cleanup()


async def test_every_kind_of_request_is_signed_and_encoded_as_slack_does(
    slack: SlackSandbox, http_app: HttpApp
) -> None:
    assert (await slack.ada.command("clouds & rain")).delivered
    assert (await slack.ada.global_shortcut("new")).delivered
    assert await slack.ada.open_home()
    verifier = SignatureVerifier(slack.signing_secret)
    assert all(verifier.is_valid_request(body, headers) for headers, body in http_app.seen)
    (_, command), (_, shortcut), (headers, event) = http_app.seen
    assert parse_qs(command)["text"] == ["clouds & rain"]
    assert parse_qs(command)["is_enterprise_install"] == ["false"]
    assert json.loads(parse_qs(shortcut)["payload"][0])["callback_id"] == "new"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(event)["event"]["type"] == "app_home_opened"


async def test_an_http_response_is_a_message_in_text_or_json(
    slack: SlackSandbox, http_app: HttpApp
) -> None:
    http_app.respond = lambda: web.Response(text="plain words")
    await slack.ada.command("clouds")
    http_app.respond = lambda: web.json_response({"text": "in JSON"})
    await slack.ada.command("clouds")
    assert [message.text for message in slack.ada.private] == ["plain words", "in JSON"]


async def test_http_errors_and_timeouts_are_distinguished(
    slack: SlackSandbox, http_app: HttpApp
) -> None:
    http_app.respond = lambda: web.Response(status=500)
    failed = await slack.ada.command("clouds")
    assert failed.error == "dispatch_failed"
    slack.sockets.ack_timeout = 0.05
    http_app.hangs = True
    silent = await slack.ada.command("clouds")
    assert silent.error == "operation_timeout"
    slack.sockets.ack_timeout, http_app.hangs = PLENTY, False
    await slack.redeliver(silent.envelope)
    headers, _ = http_app.seen[-1]
    assert (headers["X-Slack-Retry-Num"], headers["X-Slack-Retry-Reason"]) == ("1", "http_timeout")
