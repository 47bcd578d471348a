"""The server: the Web API, the file host, response URLs and Socket Mode on one loopback port."""

import asyncio
import hashlib
import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from aiohttp import BodyPartReader, web

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import responses
from bot.sandbox.slack.http_mode import SignedRequests
from bot.sandbox.slack.limits import RateLimited
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.sockets import Ack, Envelope, Sockets
from bot.sandbox.slack.state import File, Json, SlackError, Workspace
from bot.sandbox.slack.web_api import WebApi

MAX_BODY_SIZE = 4_000_000
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in</body></html>"


@dataclass
class Call:
    """One request that the app made."""

    method: str
    """A Web API method, or `upload`, `download` or `response_url`."""
    args: Json
    token: str | None
    """The token's kind: `bot`, `app`, `unknown`; None without a token."""
    at: float
    ok: bool = False
    """Whether it took effect, whatever response the app received."""
    error: str | None = "unanswered"


class Transport(Protocol):
    """A way to send envelopes to the app."""

    async def deliver(self, envelope: Envelope) -> Ack:
        """Send an envelope, and return its acknowledgement."""
        ...


class SlackSandbox:
    """A fake Slack on loopback."""

    host = "127.0.0.1"

    def __init__(
        self,
        changes: Changes,
        faults: Faults,
        clock: Callable[[], float] = time.time,
        *,
        limits: bool = False,
    ) -> None:
        directory = Path(tempfile.mkdtemp(prefix="slack-sandbox-"))
        # Files survive stop() for the next start(), and are deleted with this object.
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.changes = changes
        self.faults = faults
        self.clock = clock
        self.calls: list[Call] = []
        self.retry_after: int | None = None
        """While set, Web API calls are refused with 429 and this Retry-After."""
        self.workspace = Workspace(directory, clock, changes.happened)
        self.complaints = self.workspace.complaints
        self.sockets = Sockets(self.workspace)
        self.web_api = WebApi(self.workspace, limits=limits)
        self.port = 0
        self._transport: Transport = self.sockets
        self._people: dict[str, Person] = {}
        self._runner: web.AppRunner | None = None

    # Connection details

    @property
    def api_url(self) -> str:
        """The Web API's base URL, as slack_sdk takes it."""
        return f"{self.workspace.base_url}/api/"

    @property
    def bot_token(self) -> str:
        """The bot token."""
        return self.workspace.bot_token

    @property
    def app_token(self) -> str:
        """The app-level token, for Socket Mode."""
        return self.workspace.app_token

    @property
    def signing_secret(self) -> str:
        """The secret that signs HTTP requests to the app."""
        return self.workspace.signing_secret

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one."""
        # Cancel handlers when the client disconnects, or a hanging fault would never end.
        self._runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.workspace.base_url = f"http://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Close all connections; the state is kept for the next start()."""
        await self.sockets.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # Calls and people

    def calls_of(self, method: str) -> list[Call]:
        """Return all calls of one method, in order."""
        return [call for call in self.calls if call.method == method]

    def person(self, user_id: str) -> Person:
        """Return the person with this id: always the same object."""
        if user_id not in self._people:
            user = self.workspace.users[user_id]
            self._people[user_id] = Person(user, self.workspace, self.deliver)
        return self._people[user_id]

    @property
    def ada(self) -> Person:
        """The first of the two members every workspace starts with."""
        return self.person(self.workspace.ada.id)

    @property
    def grace(self) -> Person:
        """The second of the two members every workspace starts with."""
        return self.person(self.workspace.grace.id)

    # Envelopes

    def deliver_by_http(self, url: str) -> None:
        """Send envelopes as signed requests to this address from now on."""
        self._transport = SignedRequests(
            url, self.signing_secret, self.clock, lambda: self.sockets.ack_timeout
        )

    async def deliver(self, envelope: Envelope) -> Ack:
        """Send an envelope to the app, and return its acknowledgement."""
        ack = await self._transport.deliver(envelope)
        if envelope.type == "slash_commands":
            self.person(envelope.payload["user_id"]).show_acknowledgement(ack)
        return ack

    async def redeliver(self, envelope: Envelope, reason: str = "http_timeout") -> Ack:
        """Deliver an envelope again, as Slack does when it was not acknowledged."""
        envelope.retry_attempt += 1
        envelope.retry_reason = reason
        return await self.deliver(envelope)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_SIZE)
        application.router.add_route("*", "/api/{method}", self._web_api)
        application.router.add_post("/upload/v1/{key}", self._upload)
        application.router.add_get("/files-pri/{file}/{name:.*}", self._download)
        application.router.add_post("/response/{key}", self._response_url)
        application.router.add_get("/link/", self.sockets.serve)
        return application

    # The Web API

    async def _web_api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        call = self._record(name, {}, None)
        try:
            arguments, as_json = await _arguments(request)
        except SlackError as error:
            return self._refuse(call, error)
        token = _token(request, arguments, as_json=as_json)
        call.args = arguments
        call.token = None if token is None else self.web_api.token_kind(token) or "unknown"

        async def handler() -> web.StreamResponse:
            return self._call(request, call, token, as_json=as_json)

        return await self._serve(call, name, request, handler)

    def _call(
        self, request: web.Request, call: Call, token: str | None, *, as_json: bool
    ) -> web.StreamResponse:
        try:
            self._check_overload(call)
            body = self.web_api.call(call.method, dict(call.args), token, as_json=as_json)
        except SlackError as error:
            return self._refuse(call, error)
        except RateLimited as error:
            call.error = "ratelimited"
            return web.json_response(
                {"ok": False, "error": "ratelimited"},
                status=429,
                headers={"Retry-After": str(error.retry_after)},
            )
        if as_json and request.charset is None:
            warned = body.setdefault("response_metadata", {})
            body["warning"], warned["warnings"] = "missing_charset", ["missing_charset"]
        call.ok, call.error = True, None
        return web.json_response(body, headers=self._scope_headers(call))

    def _check_overload(self, call: Call) -> None:
        if self.retry_after is not None and call.method != "apps.connections.open":
            raise RateLimited(self.retry_after)

    def _refuse(self, call: Call, error: SlackError) -> web.StreamResponse:
        call.error = error.code
        body: Json = {"ok": False, "error": error.code, **error.more}
        if error.messages:
            body["response_metadata"] = {"messages": error.messages}
        return web.json_response(body, headers=self._scope_headers(call))

    def _scope_headers(self, call: Call) -> dict[str, str]:
        scopes = {"bot": ",".join(sorted(self.workspace.scopes)), "app": "connections:write"}
        return {"X-OAuth-Scopes": scopes[call.token]} if call.token in scopes else {}

    def _record(self, method: str, args: Json, token: str | None) -> Call:
        call = Call(method, args, token, self.clock())
        self.calls.append(call)
        self.changes.happened()
        return call

    async def _serve(
        self,
        call: Call,
        operation: str,
        request: web.Request,
        handler: Callable[[], Any],
    ) -> web.StreamResponse:
        """Serve the call, or the fault injected for it; then announce the change."""
        try:
            response = await self.faults.serve(operation, request, handler)
        finally:
            if call.error == "unanswered":
                call.error = "fault"
            self.changes.happened()
        return response

    # The file host

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        file = self.workspace.uploads.get(request.match_info["key"])
        length = request.headers.get("Content-Length")
        call = self._record("upload", {"file": file.id if file else None, "length": length}, None)

        async def handler() -> web.StreamResponse:
            return await self._receive(request, file, call)

        return await self._serve(call, "upload", request, handler)

    async def _receive(
        self, request: web.Request, file: File | None, call: Call
    ) -> web.StreamResponse:
        """Step two of an upload: raw bytes or multipart, without a token."""
        if "Authorization" in request.headers:
            self.workspace.complain("a token was sent to the upload URL")
            return _plain(call, 400, "unexpected authorization")
        if file is None or file.stage != "promised":
            return _plain(call, 404, "no such upload")
        if request.content_length is None:
            return _plain(call, 411, "a length is required")
        try:
            size, sha256 = await self._spool(request, file)
        except ValueError:
            return _plain(call, 400, "the length differs from the announced one")
        self.workspace.receive_file(file, size, sha256)
        return _plain(call, 200, f"OK - {size}")

    async def _spool(self, request: web.Request, file: File) -> tuple[int, str]:
        """Stream the bytes to disk; return their number and SHA-256."""
        digest, size = hashlib.sha256(), 0
        with file.path.open("wb") as sink:
            async for chunk in _chunks(request):
                size += len(chunk)
                if size > file.declared:
                    raise ValueError(size)
                digest.update(chunk)
                await _write(sink, chunk)
        if size != file.declared:
            raise ValueError(size)
        return size, digest.hexdigest()

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file_id = request.match_info["file"].rpartition("-")[2]
        token = _bearer(request)
        kind = None if token is None else self.web_api.token_kind(token) or "unknown"
        call = self._record("download", {"file": file_id}, kind)

        async def handler() -> web.StreamResponse:
            return self._send_file(file_id, call)

        return await self._serve(call, "download", request, handler)

    def _send_file(self, file_id: str, call: Call) -> web.StreamResponse:
        """Send the bytes; without permission, a login page with status 200."""
        file = self.workspace.files.get(file_id)
        allowed = (
            call.token == "bot"
            and "files:read" in self.workspace.scopes
            and file is not None
            and file.stage == "complete"
            and self.workspace.may_read(self.workspace.bot_user_id, file)
        )
        if file is None or not allowed:
            # bolt-js issue 2585: no 401, no 403.
            call.error = "login page"
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        call.ok, call.error = True, None
        return web.FileResponse(file.path, headers={"Content-Type": file.mimetype})

    # Response URLs

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        call = self._record("response_url", body if isinstance(body, dict) else {}, None)

        async def handler() -> web.StreamResponse:
            return self._respond(request, body, call)

        return await self._serve(call, "response_url", request, handler)

    def _respond(self, request: web.Request, body: Any, call: Call) -> web.StreamResponse:  # noqa: ANN401 -- any JSON
        if "Authorization" in request.headers:
            self.workspace.complain("a token was sent to a response URL")
        try:
            url = self.workspace.use_response_url(request.match_info["key"])
            responses.receive(self.workspace, url, body)
        except SlackError as error:
            call.error = error.code
            gone = error.code in {"used_url", "expired_url", "invalid_url"}
            return web.json_response(
                {"ok": False, "error": error.code}, status=404 if gone else 400
            )
        return _plain(call, 200, "ok")


def _plain(call: Call, status: int, text: str) -> web.Response:
    call.ok, call.error = status == 200, None if status == 200 else text
    return web.Response(status=status, text=text)


async def _write(sink: BinaryIO, chunk: bytes) -> None:
    await asyncio.get_running_loop().run_in_executor(None, sink.write, chunk)


async def _chunks(request: web.Request) -> Any:  # noqa: ANN401 -- an async iterator of bytes
    if not request.content_type.startswith("multipart/"):
        async for chunk in request.content.iter_chunked(1 << 18):
            yield chunk
        return
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.filename:
            while chunk := await part.read_chunk(1 << 18):
                yield chunk


async def _arguments(request: web.Request) -> tuple[Json, bool]:
    """Read the arguments from the query, a form or JSON; return whether it was JSON."""
    arguments: Json = dict(request.query)
    if not request.can_read_body:
        return arguments, False
    match request.content_type:
        case "application/json":
            try:
                body = json.loads(await request.text())
            except ValueError:
                raise SlackError("invalid_json") from None
            if not isinstance(body, dict):
                raise SlackError("json_not_object")
            return arguments | body, True
        case "application/x-www-form-urlencoded" | "multipart/form-data":
            return arguments | dict(await request.post()), False
        case _:
            raise SlackError("invalid_post_type")


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def _token(request: web.Request, arguments: Json, *, as_json: bool) -> str | None:
    """Return the token of the header or the form; one in a JSON body or a URL is ignored."""
    given = arguments.pop("token", None)
    if as_json or "token" in request.query:
        given = None
    return _bearer(request) or given
