"""The pretend Videos server's HTTP side."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from aiohttp import web
from yarl import URL

from bot.sandbox.changes import Changes
from bot.sandbox.clip import make_clip, make_spritesheet, make_thumbnail
from bot.sandbox.faults import Faults
from bot.sandbox.videos.call import Call, Refused, read_call
from bot.sandbox.videos.content import Clip, Content
from bot.sandbox.videos.dialects import DIALECTS, Answer, OpenAI
from bot.sandbox.videos.state import Failure, Order, Studio, Video, has_word

Behaviour = Literal["normal", "slow", "busy"]
Handler = Callable[[Call, web.Request], Awaitable[web.StreamResponse]]

_PIECE = 256 * 1024
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
    """A pretend Videos server on loopback; `bot.sandbox.videos` says what it does."""

    def __init__(  # noqa: PLR0913 -- every one has a good default but the two that are shared
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
        """What every completed video delivers; None: a film of its own prompt, made on demand."""
        self.says_length = True
        """Downloads carry Content-Length; without it they come in chunks."""
        self.poll_after_ms = poll_after_ms
        self._changes = changes
        self._faults = faults
        self._clock = clock
        timings: Literal["normal", "slow"] = "slow" if behaviour == "slow" else "normal"
        self._studio = Studio(changes, clock, render_seconds, timings)
        self.refusing = False
        """Every new video is refused from now on."""
        self._busy_times = _BUSY_TIMES if behaviour == "busy" else 0
        self._cuts: list[int] = []
        self._drip: _Drip | None = None
        self._films: dict[tuple[str, str, str], asyncio.Task[Path]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runner: web.AppRunner | None = None
        # The jobs, for tests and for a page that shows them.
        self.take = self._studio.create
        self.hold = self._studio.hold
        self.release = self._studio.release
        self.queue = self._studio.queue
        self.render_seconds = render_seconds
        self.progress = self._studio.progress
        self.finish = self._studio.finish
        self.fail = self._studio.fail
        self.forget = self._studio.forget
        self.restart = self._studio.restart
        self.set_pace = self._studio.set_pace

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes any free one."""
        app = web.Application(client_max_size=64 * 1024**2, middlewares=[self._refuse_unknown])
        self._add_routes(app)
        # Handlers end with their caller, also one that waits for ever because a test said so.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def resume(self) -> None:
        """Listen again where it listened before a stop."""
        await self.start(URL(self.base_url).port or 0)

    async def stop(self) -> None:
        """Stop listening; the jobs stay, so that it can be started again."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        films, self._films = self._films, {}
        await asyncio.gather(*films.values(), return_exceptions=True)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def videos(self) -> dict[str, Video]:
        """Every job that the server still knows, by id, as it stands now."""
        return self._studio.videos

    @property
    def creates(self) -> list[Video]:
        """Every job that was ever created, in order; also the forgotten."""
        return self._studio.creates

    def let_all_fail(self, failure: Failure | None) -> None:
        """Let every video fail half-way through from now on; None lets them be."""
        self._studio.failing = failure

    def forget_all(self, *, on: bool) -> None:
        """Lose every video half-way through, or no more."""
        self._studio.forgetting = on

    def cut_content_after(self, size: int, times: int = 1) -> None:
        """Cut the next downloads after so many bytes of the body."""
        self._cuts += [size] * times

    def drip_content(self, piece: int, pause: float) -> None:
        """Send downloads slowly from now on: a pause after each piece of so many bytes."""
        self._drip = _Drip(piece, pause)

    # Requests in general

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
        """Remember the call, let ordered trouble have its way, answer."""
        call = await read_call(operation, request, self._clock())
        self.calls.append(call)
        self._changes.happened()
        try:
            response = await self._faults.serve(
                operation, request, partial(self._answer, handler, call, request)
            )
            call.status = response.status
        finally:
            self._changes.happened()
        return response

    async def _answer(
        self, handler: Handler, call: Call, request: web.Request
    ) -> web.StreamResponse:
        try:
            self.dialect.admit(call, self.api_key)
            if (status := self.dialect.missing_operations.get(call.operation)) is not None:
                raise _nowhere(call, status)
            return await handler(call, request)
        except Refused as refused:
            return _send(self._refusal(refused))

    def _refusal(self, refused: Refused) -> Answer:
        if refused.body is not None:
            return Answer(refused.body, refused.status, refused.headers)
        return self.dialect.refusal(refused)

    @web.middleware
    async def _refuse_unknown(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer what no route takes in the server's own dialect."""
        problem = request.match_info.http_exception
        if problem is None:
            return await handler(request)
        return await self._serve("unknown", partial(self._unknown, problem.status), request)

    async def _unknown(self, status: int, call: Call, _request: web.Request) -> web.Response:
        raise _nowhere(call, status)

    # Operations

    async def _create(self, call: Call, _request: web.Request) -> web.Response:
        if self._busy_times > 0:
            self._busy_times -= 1
            raise self.dialect.busy()
        return self._take(self.dialect.order(call))

    async def _remix(self, call: Call, request: web.Request) -> web.Response:
        self.dialect.remixed(call)
        return self._take(self.dialect.change(call, self._video(request.match_info["id"])))

    async def _edit(self, call: Call, _request: web.Request) -> web.Response:
        return self._take(self.dialect.change(call, self._video(self.dialect.edited(call))))

    def _take(self, order: Order) -> web.Response:
        if self.refusing or has_word(order.prompt, "sentinel"):
            raise Refused(400, _SENTINEL, "sentinel_block")
        if has_word(order.prompt, "quota"):
            raise Refused(429, _QUOTA, "insufficient_quota", type="insufficient_quota")
        video = self._studio.create(self.dialect.new_id(), order)
        return self._send_video(self.dialect.created(video), video)

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

    def _send_video(self, answer: Answer, video: Video) -> web.Response:
        response = _send(answer)
        hint = self.poll_after_ms
        if hint is not None and self.dialect.hints_at_polling and not video.is_over:
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
                return Content(clip if clip is not None else await self._film(video), "video/mp4")

    async def _film(self, video: Video) -> Path:
        """Make a film once, however many ask for it at the same time."""
        key = (video.prompt, video.size, video.seconds)
        if key not in self._films:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="videos-")
            path = Path(self._folder.name) / f"{len(self._films)}.mp4"
            self._films[key] = asyncio.create_task(_make(path, video))
        return await asyncio.shield(self._films[key])

    async def _download(self, request: web.Request, content: Content) -> web.StreamResponse:
        headers = {"Content-Type": content.mime}
        try:
            start, stop, status = self._range(request, content)
        except ValueError:
            headers["Content-Range"] = f"bytes */{content.size}"
            return web.Response(status=416, headers=headers)
        if self.dialect.knows_ranges:
            headers |= {"Accept-Ranges": "bytes", "ETag": content.etag}
        if status == HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        response = web.StreamResponse(status=status, headers=headers)
        if self.says_length:
            response.content_length = stop - start
        await response.prepare(request)
        await self._pour(request, response, content, start, stop)
        return response

    def _range(self, request: web.Request, content: Content) -> tuple[int, int, int]:
        """Return what is wanted of the file, and the status to send it with."""
        size = content.size
        same = request.headers.get("If-Range", content.etag) == content.etag
        if "Range" not in request.headers or not self.dialect.knows_ranges or not same:
            return 0, size, 200
        start, stop, _step = request.http_range.indices(size)
        if start >= stop:
            raise ValueError("nothing there")
        return start, stop, 206

    async def _pour(
        self,
        request: web.Request,
        response: web.StreamResponse,
        content: Content,
        start: int,
        stop: int,
    ) -> None:
        """Send the bytes, or only the first of them, fast or slowly."""
        cut = self._cuts.pop(0) if self._cuts else None
        end = stop if cut is None else min(stop, start + cut)
        piece = self._drip.piece if self._drip else _PIECE
        for place in range(start, end, piece):
            await response.write(content.read(place, min(end, place + piece)))
            if self._drip:
                await asyncio.sleep(self._drip.pause)
        if cut is None:
            await response.write_eof()
        elif request.transport is not None:
            # close() and not abort(): what was written still arrives.
            request.transport.close()


async def _make(path: Path, video: Video) -> Path:
    await asyncio.to_thread(make_clip, path, video.prompt, video.size, float(video.seconds))
    return path


def _send(answer: Answer) -> web.Response:
    if isinstance(answer.body, str):
        return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


def _nowhere(call: Call, status: int) -> Refused:
    problem = "method for URL" if status == HTTPStatus.METHOD_NOT_ALLOWED else "URL"
    return Refused(status, f"Invalid {problem} ({call.method} {call.path})")
