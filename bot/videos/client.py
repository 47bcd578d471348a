"""Talks to a server that speaks the Videos API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx

from bot.errors import OutcomeUnknown, RequestRefused, TemporaryError
from bot.request import VideoRequest
from bot.videos import wire

MAX_VIDEO_BYTES = 1_000_000_000
"""Slack takes files up to 1 GB."""

_TIMEOUT = httpx.Timeout(30, connect=5)
# The answer to a create may wait until the server has read a picture and judged the prompt.
_CREATE_TIMEOUT = httpx.Timeout(60, connect=5)


class VideosClient:
    """One server. Each method's errors are those of the reader in `wire` that it uses."""

    def __init__(self, http: httpx.AsyncClient, *, base_url: str, api_key: str) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def create(self, request: VideoRequest) -> str:
        """Ask for a video, once; returns its id.

        Raises:
            OutcomeUnknown: the connection broke, so the server may have heard it.
        """
        try:
            answer = await self._http.post(
                f"{self._base_url}/videos",
                headers=self._headers,
                files=wire.create_fields(request),
                timeout=_CREATE_TIMEOUT,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TemporaryError("The video server cannot be reached.") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                "The connection broke before the video server answered."
            ) from error
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
