"""The fake Videos server over HTTP."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from aiohttp import web
from yarl import URL

from bot.catalog import Catalog
from bot.sandbox.changes import Changes
from bot.sandbox.clip import make_clip, make_spritesheet, make_thumbnail
from bot.sandbox.faults import Faults
from bot.sandbox.videos.call import Call, Refused, read_call
from bot.sandbox.videos.content import Clip, Content
from bot.sandbox.videos.dialects import DIALECTS, OpenAI, Response
from bot.sandbox.videos.state import Failure, Renderer, Video, VideoParams, bill_for, has_word

Behaviour = Literal["normal", "slow", "busy"]
Handler = Callable[[Call, web.Request], Awaitable[web.StreamResponse]]

_CHUNK_SIZE = 256 * 1024
_BUSY_TIMES = 2
_SENTINEL = (
    "Hmmm something didn't look right with your request. Please try again later or visit "
    "https://help.openai.com if this issue persists."
)
_QUOTA = "You exceeded your current quota, please check your plan and billing details."


@dataclass
class _Drip:
    piece: int
    pause: float


class VideosSandbox:
    """A fake Videos server on loopback; `bot.sandbox.videos` describes its behaviour."""

    def __init__(  # noqa: PLR0913 -- all but the first two have defaults
        self,
        changes: Changes,
        faults: Faults,
        *,
        clock: Callable[[], float] = time.time,
        dialect: str | OpenAI = "openai",
        behaviour: Behaviour = "normal",
        render_seconds: float = 10,
        poll_after_ms: int | None = 1000,
        clip: Clip | None = None,
        api_key: str = "sk-sandbox-0123456789",
    ) -> None:
        self.calls: list[Call] = []
        self.dialect = DIALECTS[dialect]() if isinstance(dialect, str) else dialect
        self.api_key = api_key
        self.base_url = ""
        self.clip = clip
        """The file of every completed video; None generates a clip of its prompt on demand."""
        self.sends_length = True
        """Whether downloads have a Content-Length, or are chunked."""
        self.poll_after_ms = poll_after_ms
        self._changes = changes
        self._faults = faults
        self._clock = clock
        speed: Literal["normal", "slow"] = "slow" if behaviour == "slow" else "normal"
        self._renderer = Renderer(changes, clock, render_seconds, speed)
        self.refusing = False
        """While set, every create is refused."""
        self._busy_times = _BUSY_TIMES if behaviour == "busy" else 0
        self._cuts: list[int] = []
        self._drip: _Drip | None = None
        self._clips: dict[tuple[str, str, str], asyncio.Task[Path]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runner: web.AppRunner | None = None
        # Control of the videos, for tests and the page.
        self.create = self._renderer.create
        self.hold = self._renderer.hold
        self.release = self._renderer.release
        self.queue = self._renderer.queue
        self.progress = self._renderer.progress
        self.finish = self._renderer.finish
        self.fail = self._renderer.fail
        self.forget = self._renderer.forget
        self.restart = self._renderer.restart
        self.set_pace = self._renderer.set_pace

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one."""
        app = web.Application(client_max_size=64 * 1024**2, middlewares=[self._refuse_unknown])
        self._add_routes(app)
        # Cancel handlers when the client disconnects, or a hanging fault would never end.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def resume(self) -> None:
        """Listen on the same port as before stop()."""
        await self.start(URL(self.base_url).port or 0)

    async def stop(self) -> None:
        """Stop listening; the videos are kept for the next start()."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        clips, self._clips = self._clips, {}
        await asyncio.gather(*clips.values(), return_exceptions=True)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def render_seconds(self) -> float:
        """How long a render takes now."""
        return self._renderer.render_seconds

    @property
    def videos(self) -> dict[str, Video]:
        """All videos that the server still has, by id."""
        return self._renderer.videos

    @property
    def creates(self) -> list[Video]:
        """All videos ever created, in order, even those lost or deleted since."""
        return self._renderer.creates

    def bill(self, catalog: Catalog) -> Decimal:
        """What the server charges in US dollars for everything so far."""
        return bill_for(self.creates, catalog)

    def let_all_fail(self, failure: Failure | None) -> None:
        """Make every video fail half-way through; None stops that."""
        self._renderer.failing = failure

    def forget_all(self, *, on: bool) -> None:
        """Lose every video half-way through, or stop doing so."""
        self._renderer.forgetting = on

    def cut_content_after(self, size: int, times: int = 1) -> None:
        """Drop the connection of the next `times` downloads after this many bytes of the body."""
        self._cuts += [size] * times

    def drip_content(self, piece: int, pause: float) -> None:
        """Slow down downloads: pause this many seconds after each piece of this many bytes."""
        self._drip = _Drip(piece, pause)

    # Requests

    def _add_routes(self, app: web.Application) -> None:
        for operation, method, path, handler in (
            ("create", "POST", "/videos", self._create),
            ("list", "GET", "/videos", self._list),
            ("edit", "POST", "/videos/edits", self._edit),
            ("retrieve", "GET", "/videos/{id}", self._retrieve),
            ("delete", "DELETE", "/videos/{id}", self._delete),
            ("content", "GET", "/videos/{id}/content", self._content),
            ("remix", "POST", "/videos/{id}/remix", self._remix),
            ("models", "GET", "/models", self._models),
        ):
            serve = partial(self._serve, operation, handler)
            app.router.add_route(method, f"/v1{path}", serve)

    async def _serve(
        self, operation: str, handler: Handler, request: web.Request
    ) -> web.StreamResponse:
        """Record the call, and serve it or the fault injected for it."""
        call = await read_call(operation, request, self._clock())
        self.calls.append(call)
        self._changes.happened()
        try:
            response = await self._faults.serve(
                operation, request, partial(self._call, handler, call, request)
            )
            call.status = response.status
        finally:
            self._changes.happened()
        return response

    async def _call(self, handler: Handler, call: Call, request: web.Request) -> web.StreamResponse:
        try:
            self.dialect.authenticate(call, self.api_key)
            if (status := self.dialect.missing_operations.get(call.operation)) is not None:
                raise _no_route(call, status)
            return await handler(call, request)
        except Refused as refused:
            return _send(self._refusal(refused))

    def _refusal(self, refused: Refused) -> Response:
        if refused.body is not None:
            return Response(refused.body, refused.status, refused.headers)
        return self.dialect.refusal(refused)

    @web.middleware
    async def _refuse_unknown(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse unknown routes in the server's own dialect."""
        problem = request.match_info.http_exception
        if problem is None:
            return await handler(request)
        return await self._serve("unknown", partial(self._unknown, problem.status), request)

    async def _unknown(self, status: int, call: Call, _request: web.Request) -> web.Response:
        raise _no_route(call, status)

    # Operations

    async def _create(self, call: Call, _request: web.Request) -> web.Response:
        if self._busy_times > 0:
            self._busy_times -= 1
            raise self.dialect.busy()
        return self._start_video(self.dialect.read_create(call), self.dialect.created)

    async def _remix(self, call: Call, request: web.Request) -> web.Response:
        self.dialect.check_remix(call)
        return self._start_change(call, request.match_info["id"])

    async def _edit(self, call: Call, _request: web.Request) -> web.Response:
        return self._start_change(call, self.dialect.read_edit(call))

    def _start_change(self, call: Call, video_id: str) -> web.Response:
        params = self.dialect.read_change(call, self._video(video_id))
        return self._start_video(params, self.dialect.changed)

    def _start_video(
        self, params: VideoParams, respond: Callable[[Video], Response]
    ) -> web.Response:
        if self.refusing or has_word(params.prompt, "sentinel"):
            raise Refused(400, _SENTINEL, "sentinel_block")
        if has_word(params.prompt, "quota"):
            raise Refused(429, _QUOTA, "insufficient_quota", type="insufficient_quota")
        video = self._renderer.create(self.dialect.new_id(), params)
        return self._send_video(respond(video), video)

    async def _retrieve(self, _call: Call, request: web.Request) -> web.Response:
        video = self._video(request.match_info["id"])
        return self._send_video(self.dialect.retrieved(video), video)

    async def _list(self, call: Call, _request: web.Request) -> web.Response:
        return _send(self.dialect.page(call, self.videos.values()))

    async def _delete(self, _call: Call, request: web.Request) -> web.Response:
        video = self._video(request.match_info["id"])
        self.dialect.check_delete(video)
        self.forget(video.id)
        return _send(self.dialect.deleted(video))

    async def _models(self, _call: Call, _request: web.Request) -> web.Response:
        return _send(self.dialect.model_list())

    def _video(self, video_id: str) -> Video:
        video = self.dialect.find(video_id, self.videos)
        if video is None:
            raise self.dialect.missing_video(video_id)
        return video

    def _send_video(self, content: Response, video: Video) -> web.Response:
        response = _send(content)
        hint = self.poll_after_ms
        if hint is not None and self.dialect.sends_poll_hint and not video.is_finished:
            response.headers["openai-poll-after-ms"] = str(hint)
        return response

    # Downloads

    async def _content(self, call: Call, request: web.Request) -> web.StreamResponse:
        variant = self.dialect.variant(call)
        video = self._video(request.match_info["id"])
        self.dialect.check_content(video, variant, self._clock())
        return await self._download(request, await self._file(video, variant))

    async def _file(self, video: Video, variant: str) -> Content:
        match variant:
            case "thumbnail":
                picture = await asyncio.to_thread(make_thumbnail, video.prompt, video.size)
                return Content(picture, "image/webp")
            case "spritesheet":
                picture = await asyncio.to_thread(make_spritesheet, video.prompt, video.size)
                return Content(picture, "image/jpeg")
            case _:
                clip = video.clip if video.clip is not None else self.clip
                return Content(
                    clip if clip is not None else await self._generated_clip(video), "video/mp4"
                )

    async def _generated_clip(self, video: Video) -> Path:
        """Generate a clip once, even for simultaneous downloads."""
        key = (video.prompt, video.size, video.seconds)
        if key not in self._clips:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="videos-")
            path = Path(self._folder.name) / f"{len(self._clips)}.mp4"
            self._clips[key] = asyncio.create_task(_make(path, video))
        return await asyncio.shield(self._clips[key])

    async def _download(self, request: web.Request, content: Content) -> web.StreamResponse:
        headers = {"Content-Type": content.mime}
        try:
            start, stop, status = self._range(request, content)
        except ValueError:
            headers["Content-Range"] = f"bytes */{content.size}"
            return web.Response(status=416, headers=headers)
        if self.dialect.supports_ranges:
            headers |= {"Accept-Ranges": "bytes", "ETag": content.etag}
        if status == HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        response = web.StreamResponse(status=status, headers=headers)
        if self.sends_length:
            response.content_length = stop - start
        await response.prepare(request)
        await self._send_body(request, response, content, start, stop)
        return response

    def _range(self, request: web.Request, content: Content) -> tuple[int, int, int]:
        """Return the start and stop of the requested range, and the status."""
        size = content.size
        same = request.headers.get("If-Range", content.etag) == content.etag
        if "Range" not in request.headers or not self.dialect.supports_ranges or not same:
            return 0, size, 200
        start, stop, _step = request.http_range.indices(size)
        if start >= stop:
            raise ValueError("unsatisfiable range")
        return start, stop, 206

    async def _send_body(
        self,
        request: web.Request,
        response: web.StreamResponse,
        content: Content,
        start: int,
        stop: int,
    ) -> None:
        """Send the body: slowly with `drip_content`, partly with `cut_content_after`."""
        cut = self._cuts.pop(0) if self._cuts else None
        end = stop if cut is None else min(stop, start + cut)
        piece = self._drip.piece if self._drip else _CHUNK_SIZE
        for place in range(start, end, piece):
            await response.write(content.read(place, min(end, place + piece)))
            if self._drip:
                await asyncio.sleep(self._drip.pause)
        if cut is None:
            await response.write_eof()
        elif request.transport is not None:
            # close(), not abort(): what was written still arrives.
            request.transport.close()


async def _make(path: Path, video: Video) -> Path:
    await asyncio.to_thread(make_clip, path, video.prompt, video.size, float(video.seconds))
    return path


def _send(response: Response) -> web.Response:
    if isinstance(response.body, str):
        return web.Response(text=response.body, status=response.status, headers=response.headers)
    return web.json_response(response.body, status=response.status, headers=response.headers)


def _no_route(call: Call, status: int) -> Refused:
    problem = "method for URL" if status == HTTPStatus.METHOD_NOT_ALLOWED else "URL"
    return Refused(status, f"Invalid {problem} ({call.method} {call.path})")
