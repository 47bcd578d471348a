"""Talks to a server that speaks the Videos API."""

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import httpx

from bot.errors import OutcomeUnknown, RequestRefused, TemporaryError
from bot.request import VideoRequest
from bot.videos import wire
from bot.videos.wire import Found

MAX_VIDEO_BYTES = 1_000_000_000
"""Slack takes files up to 1 GB."""

CLOCK_SLACK = 60.0
"""Seconds by which a server's clock may be wrong beyond what it says itself."""

MOST_PAGES = 50
"""Of a list, before it counts as one without end."""

_TIMEOUT = httpx.Timeout(30, connect=5)
# The answer to a create may wait until the server has read a picture and judged the prompt.
_CREATE_TIMEOUT = httpx.Timeout(60, connect=5)


class VideosClient:
    """One server. Each method's errors are those of the reader in `wire` that it uses."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def create(self, request: VideoRequest) -> str:
        """Ask for a video, once; returns its id.

        Raises:
            OutcomeUnknown: the connection broke, so the server may have heard it.
        """
        answer = await self._post(f"{self._base_url}/videos", files=wire.create_fields(request))
        return wire.read_created(answer.status_code, answer.headers, answer.content)

    async def look(self, video_id: str) -> wire.Look:
        """See how far a video is."""
        try:
            answer = await self._http.get(
                self._url(video_id), headers=self._headers, timeout=_TIMEOUT
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        return wire.read_look(answer.status_code, answer.headers, answer.content)

    async def find(
        self, request: VideoRequest, *, since: float, known: Collection[str] = ()
    ) -> Found:
        """Look in the server's list for what a create may have left there.

        Args:
            request: what the create asked for.
            since: when it was sent.
            known: videos that are certainly somebody else's.

        Raises:
            TemporaryError, MisconfiguredError: the server could not be asked.
        """
        matches: tuple[str, ...] = ()
        complete = True
        async for page in self._pages(request):
            behind = max(0.0, self._clock() - page.server_time) if page.server_time else 0.0
            begin = since - behind - CLOCK_SLACK
            found = page.search(begin, known)
            matches, complete = matches + found.matches, complete and found.complete
            if page.after is None or page.ends_before(begin):
                return Found(matches, complete=complete)
        return Found(matches, complete=False)

    async def _pages(self, request: VideoRequest) -> AsyncIterator[wire.Page]:
        """The list, page by page, as far as the server can be followed."""
        seen, after = set[str](), None
        for _ in range(MOST_PAGES):
            page = await self._page(request, after)
            ids = {video.id for video in page.videos} if page else set()
            if page is None or seen & ids:
                # aquiles-image begins again when it no longer knows where we were.
                return
            yield page
            seen, after = seen | ids, page.after

    async def _page(self, request: VideoRequest, after: str | None) -> wire.Page | None:
        try:
            answer = await self._http.get(
                f"{self._base_url}/videos",
                params=wire.list_query(after),
                headers=self._headers,
                timeout=_TIMEOUT,
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        return wire.read_page(answer.status_code, answer.headers, answer.content, request=request)

    async def download(self, video_id: str, path: Path) -> int:
        """Fetch the finished file to `path`; returns its size in bytes.

        No `variant` is asked for: SGLang-Diffusion reads it as an index and answers 404.

        Raises:
            TemporaryError: it broke off, or what came is no video.
        """
        async with self._content(video_id) as chunks, await anyio.open_file(path, "wb") as file:
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                if size > MAX_VIDEO_BYTES:
                    raise RequestRefused("The finished file is too large.", code="too_large")
                await file.write(chunk)
        await _check_is_video(path)
        return size

    @asynccontextmanager
    async def _content(self, video_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        url = f"{self._url(video_id)}/content"
        try:
            async with self._http.stream(
                "GET", url, headers=self._headers, timeout=_TIMEOUT
            ) as answer:
                if not answer.is_success:
                    raise wire.read_error(answer.status_code, answer.headers, await answer.aread())
                yield answer.aiter_bytes(1 << 20)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    @property
    def server(self) -> str:
        """The host that makes the videos."""
        return urlsplit(self._base_url).netloc

    async def remix(self, video_id: str, prompt: str) -> str | None:
        """Ask for a changed video, once; returns its id, or None where that cannot be had.

        By `remix`, or by `edits`, which is to replace it.

        Raises:
            OutcomeUnknown: the connection broke, so the server may have heard it.
        """
        remix = await self._ask_for_change(f"{self._url(video_id)}/remix", {"prompt": prompt})
        if remix is not None:
            return remix
        edit = {"prompt": prompt, "video": {"id": video_id}}
        return await self._ask_for_change(f"{self._base_url}/videos/edits", edit)

    async def delete(self, video_id: str) -> bool:
        """Stop or delete a video; whether nothing of it is left at the server."""
        try:
            answer = await self._http.delete(
                self._url(video_id), headers=self._headers, timeout=_TIMEOUT
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        return wire.read_deleted(answer.status_code, answer.headers, answer.content)

    async def _post(self, url: str, **content: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's body
        try:
            return await self._http.post(
                url, headers=self._headers, timeout=_CREATE_TIMEOUT, **content
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TemporaryError("The video server cannot be reached.") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                "The connection broke before the video server answered."
            ) from error

    async def _ask_for_change(self, url: str, body: dict[str, Any]) -> str | None:
        answer = await self._post(url, json=body)
        return wire.read_remixed(answer.status_code, answer.headers, answer.content)

    def _url(self, video_id: str) -> str:
        return f"{self._base_url}/videos/{quote(video_id, safe='')}"


async def _check_is_video(path: Path) -> None:
    """Some gateways answer 200 with an error in JSON (BerriAI/litellm#32602)."""
    async with await anyio.open_file(path, "rb") as file:
        start = await file.read(12)
    if start[4:8] != b"ftyp" and start[:4] != b"\x1aE\xdf\xa3":
        raise TemporaryError("What the video server sent is not a video.")


def _unreachable(error: httpx.HTTPError) -> TemporaryError:
    return TemporaryError(f"The video server does not answer ({type(error).__name__}).")
