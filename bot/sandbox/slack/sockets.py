"""Socket Mode: tickets, connections, envelopes and their acknowledgements."""

import asyncio
import itertools
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from bot.sandbox.slack.state import Json, Workspace

EnvelopeType = Literal["slash_commands", "interactive", "events_api"]
MAX_CONNECTIONS = 10  # docs.slack.dev: using Socket Mode


@dataclass(eq=False)
class Envelope:
    """One payload for the app, and when it was sent and acknowledged."""

    type: EnvelopeType
    payload: Json
    accepts_response_payload: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    retry_attempt: int = 0
    retry_reason: str = ""
    sent: list[float] = field(default_factory=list)
    """When it was sent; more than once if it was redelivered."""
    acked: list[float] = field(default_factory=list)
    """When it was acknowledged, in time or not."""

    def wire(self) -> Json:
        """Return the envelope as it is sent over the websocket."""
        given: Json = {
            "envelope_id": self.id,
            "type": self.type,
            "payload": self.payload,
            "accepts_response_payload": self.accepts_response_payload,
        }
        if self.retry_attempt or self.type == "events_api":
            given |= {"retry_attempt": self.retry_attempt, "retry_reason": self.retry_reason}
        return given


@dataclass
class Ack:
    """The app's acknowledgement of an envelope, or its absence."""

    envelope: Envelope
    took: float
    """Seconds until the acknowledgement, or until Slack gave up."""
    payload: Json | None = None
    error: str | None = None
    """What the person sees: `operation_timeout`, `dispatch_failed` or a refused response's code."""

    @property
    def delivered(self) -> bool:
        """Whether the app acknowledged in time."""
        return self.error is None


@dataclass(eq=False)
class Connection:
    """One websocket of the app."""

    number: int
    socket: web.WebSocketResponse
    unacked: list[Envelope] = field(default_factory=list)
    leaving: bool = False
    """It was asked to reconnect, and receives nothing new."""


class Sockets:
    """The app's Socket Mode connections."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._connections: list[Connection] = []
        self._next = 0
        self._numbers = itertools.count(1)
        self._waiting: dict[str, list[asyncio.Future[Json | None]]] = {}
        self._undelivered: list[Envelope] = []
        self._known: dict[str, Envelope] = {}
        self.ack_timeout = 3.0  # docs.slack.dev: acknowledge within three seconds
        self.opened = 0
        """How many connections were ever opened."""

    @property
    def connected(self) -> int:
        """How many connections can receive an envelope now."""
        return len(self._ready())

    @property
    def envelopes(self) -> list[Envelope]:
        """Every envelope, oldest first, even those that could not be sent."""
        return [*self._known.values()]

    async def deliver(self, envelope: Envelope) -> Ack:
        """Send an envelope over any connection, and wait for its acknowledgement."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting: asyncio.Future[Json | None] = loop.create_future()
        self._waiting.setdefault(envelope.id, []).append(waiting)
        self._known[envelope.id] = envelope
        if not await self._send(envelope):
            self._requeue(envelope)
            if envelope not in self._undelivered:
                return Ack(envelope, loop.time() - began, error="dispatch_failed")
        try:
            async with asyncio.timeout(self.ack_timeout):
                payload = await waiting
        except TimeoutError:
            return Ack(envelope, loop.time() - began, error="operation_timeout")
        return Ack(envelope, loop.time() - began, payload)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every connection to reconnect (reasons: warning, refresh_requested, link_disabled).

        They receive nothing new, and what they leave unacknowledged is redelivered.
        """
        for connection in self._ready():
            connection.leaving = True
            message = {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
            await connection.socket.send_str(json.dumps(message))

    async def cut(self) -> None:
        """Close every connection without a warning."""
        leaving = list(self._connections)
        for connection in leaving:
            connection.leaving = True
        for connection in leaving:
            await connection.socket.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket, from its ticket until it closes."""
        if not self._workspace.redeem_ticket(request.query.get("ticket", "")):
            return web.Response(status=401, text="invalid ticket")
        socket = web.WebSocketResponse(heartbeat=10, timeout=0.5)
        await socket.prepare(request)
        if len(self._connections) >= MAX_CONNECTIONS:
            refusal = {"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}}
            await socket.send_str(json.dumps(refusal))
            await socket.close()
            return socket
        await self._run(Connection(next(self._numbers), socket))
        return socket

    async def _run(self, connection: Connection) -> None:
        self._connections.append(connection)
        self.opened += 1
        try:
            await connection.socket.send_str(json.dumps(self._hello()))
            self._workspace.changed()
            await self._redeliver()
            async for message in connection.socket:
                if message.type == WSMsgType.TEXT:
                    self._acknowledge(connection, message.data)
        finally:
            self._connections.remove(connection)
            for envelope in connection.unacked:
                self._requeue(envelope)
            self._workspace.changed()
            await self._redeliver()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            "connection_info": {"app_id": self._workspace.app_id},
            "debug_info": {"host": "sandbox", "approximate_connection_time": 18060},
        }

    def _acknowledge(self, connection: Connection, text: str) -> None:
        body = _json_object(text)
        envelope = self._known.get(str(body.get("envelope_id")))
        if envelope is None:
            self._workspace.complain(f"an acknowledgement of an unknown envelope: {text[:200]}")
            return
        if envelope not in connection.unacked:
            # It was sent over another connection; Slack ignores this and redelivers.
            return
        connection.unacked.remove(envelope)
        payload: Any = body.get("payload")
        if payload and not envelope.accepts_response_payload:
            self._workspace.complain(
                f"a payload in the acknowledgement of {envelope.type}: {text[:200]}"
            )
            payload = None
        envelope.acked.append(self._workspace.clock())
        for waiting in self._waiting.get(envelope.id, []):
            if not waiting.done():
                waiting.set_result(payload)
                break
        self._workspace.changed()

    def _ready(self) -> list[Connection]:
        return [c for c in self._connections if not c.leaving and not c.socket.closed]

    async def _send(self, envelope: Envelope) -> bool:
        """Send over any one connection (docs.slack.dev: using Socket Mode)."""
        for _ in range(len(self._ready())):
            ready = self._ready()
            if not ready:
                break
            self._next += 1
            connection = ready[self._next % len(ready)]
            connection.unacked.append(envelope)
            envelope.sent.append(self._workspace.clock())
            try:
                await connection.socket.send_str(json.dumps(envelope.wire()))
            except ConnectionError:
                connection.unacked.remove(envelope)
                continue
            return True
        return False

    def _requeue(self, envelope: Envelope) -> None:
        if envelope.sent or envelope.type == "events_api":
            self._undelivered.append(envelope)

    async def _redeliver(self) -> None:
        """Redeliver what was not acknowledged (commands too: bolt-js issue 2188)."""
        while self._undelivered and self._ready():
            envelope = self._undelivered.pop(0)
            if envelope.sent:
                envelope.retry_attempt += 1
                envelope.retry_reason = "timeout"
            if not await self._send(envelope):
                self._undelivered.append(envelope)
                return


def _json_object(text: str) -> Json:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
