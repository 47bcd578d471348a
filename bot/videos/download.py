"""Downloads a finished file: resumes interrupted transfers, follows redirects and URLs in JSON."""

import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import httpx

from bot.bodies import IDENTITY, check_uncompressed
from bot.errors import NotAVideo, PermanentError, Source, TemporaryError
from bot.timings import CONNECT_TIMEOUT, DOWNLOAD_TIMEOUT, VIDEOS_TIMEOUT
from bot.ui import failures
from bot.videos import wire
from bot.videos.public import PublicTransport
from bot.videos.responses import ResponseReader

TIMEOUT = httpx.Timeout(VIDEOS_TIMEOUT, connect=CONNECT_TIMEOUT)
MAX_REDIRECTS = 6
"""Redirects, or URLs in JSON, that are followed one after another."""
MAX_CONNECTIONS = 20
"""For one file; each must make progress."""

_MAX_JSON_BYTES = 1 << 20
_MAGIC_BYTES = 12
_EXPIRED = {401, 403, 404, 410}
"""How file hosts respond to a link that has expired; S3 with 403 and XML."""
_VIDEOS = Source.VIDEOS


@dataclass(frozen=True, slots=True)
class Server:
    """The configured server, and the hosts that are trusted like it."""

    base_url: httpx.URL
    api_key: str
    file_hosts: Collection[str] = ()
    """Hosts whose addresses need not be public; with the port, unless it is the default."""

    def trusts(self, url: httpx.URL) -> bool:
        """Whether the operator has configured this host with this port."""
        return self.is_origin_of(url) or url.netloc.decode() in map(str.lower, self.file_hosts)

    def is_origin_of(self, url: httpx.URL) -> bool:
        """Whether it is the server itself: the same scheme, host and port."""
        origin = (self.base_url.scheme, self.base_url.netloc)
        return (url.scheme, url.netloc) == origin

    def headers(self, url: httpx.URL) -> dict[str, str]:
        """The API key, for the server itself and no other."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.is_origin_of(url) else {}


class LinkExpired(TemporaryError):
    """A host that keeps files for the server refuses this link: the server may have a new one."""


class Download:
    """The download of one file to `path`.

    Raises:
        TemporaryError: it was interrupted, or the content is not a video.
        PermanentError: it is too large, or its URL is not allowed.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        server: Server,
        reader: ResponseReader,
        path: Path,
        *,
        limit: int,
    ) -> None:
        self._http = http
        self._server = server
        self._reader = reader
        self._path = path
        self._limit = limit
        self._content_type = "unknown"
        self._is_origin = False

    async def fetch(self, url: httpx.URL) -> int:
        """Download the file, following this URL; returns its size in bytes."""
        try:
            with anyio.fail_after(DOWNLOAD_TIMEOUT):
                for _ in range(MAX_REDIRECTS):
                    size = await self._fetch_whole(url)
                    if await self._is_video():
                        return size
                    url = resolve(url, await self._url_in_json(size))
        except TimeoutError as error:
            raise _failed("The download is too slow.") from error
        raise _failed("The video server redirects too often.")

    async def _fetch_whole(self, url: httpx.URL) -> int:
        """Download the content, over several connections if they break."""
        async with _Part.open(self._path, self._limit) as part:
            for _ in range(MAX_CONNECTIONS):
                before = part.size
                try:
                    return await self._fetch_rest(url, part)
                except httpx.HTTPError as error:
                    if part.size <= before:
                        raise unreachable(error) from error
        raise _failed("The connection to the video server breaks repeatedly.")

    async def _fetch_rest(self, url: httpx.URL, part: "_Part") -> int:
        async with self._follow(url, part.range_headers()) as response:
            if response.is_success:
                check_uncompressed(response)
                await part.begin(response)
                self._content_type = response.headers.get("content-type", "unknown")
                self._is_origin = self._server.is_origin_of(response.url)
                async for chunk in response.aiter_raw():
                    await part.write(chunk)
                return part.size
            status, headers, body = await self._reader.read(response)
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            await part.clear()  # the file has changed
            return await self._fetch_rest(url, part)
        # Never show another host's response: it may come from something only the bot can reach.
        if self._server.is_origin_of(response.url):
            raise wire.read_content_error(status, headers, body)
        if status in _EXPIRED:
            raise LinkExpired(f"The link to the file has expired (HTTP {status}).", source=_VIDEOS)
        raise wire.read_content_error(status, headers, b"")

    @asynccontextmanager
    async def _follow(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The response after any redirects; each URL is checked before it is requested."""
        for _ in range(MAX_REDIRECTS):
            async with self._request(url, headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = resolve(url, response.headers["location"])
        raise _failed("The video server redirects too often.")

    @asynccontextmanager
    async def _request(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        headers = headers | self._server.headers(url)
        if self._server.trusts(url):
            async with self._http.stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
                yield response
        else:
            async with (
                httpx.AsyncClient(transport=PublicTransport()) as http,
                http.stream("GET", url, headers=headers, timeout=TIMEOUT) as response,
            ):
                yield response

    async def _is_video(self) -> bool:
        """Some gateways respond with status 200 and an error in JSON (BerriAI/litellm#32602)."""
        with self._path.open("rb") as file:
            start = file.read(_MAGIC_BYTES)
        return start[4:8] == b"ftyp" or start[:4] == b"\x1aE\xdf\xa3"

    async def _url_in_json(self, size: int) -> str:
        """Some servers respond with the file's URL in JSON."""
        with self._path.open("rb") as file:
            content = self._reader.masked(file.read(_MAX_JSON_BYTES))
        url = wire.read_file_url(content) if size < _MAX_JSON_BYTES else None
        if url is None:
            # Never show another host's response, as above.
            excerpt = wire.read_excerpt(content) if self._is_origin else "…"
            raise NotAVideo(self._content_type.partition(";")[0][:100], excerpt)
        return url


class _Part:
    """The part of the file that has been received."""

    def __init__(self, file: anyio.AsyncFile[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit
        self._validator = ""
        self.size = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, limit: int) -> AsyncIterator[Self]:
        # Opened here: if a thread opened it for a task that is cancelled, it would stay open.
        with path.open("wb") as file:
            yield cls(anyio.wrap_file(file), limit)

    def range_headers(self) -> dict[str, str]:
        """Headers that request the rest, or everything if the server sent no validator."""
        headers = dict(IDENTITY)
        if self.size and self._validator:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": self._validator}
        return headers

    async def begin(self, response: httpx.Response) -> None:
        """Continue after the received part, or start again, as the response says."""
        start = response.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
        if response.status_code != httpx.codes.PARTIAL_CONTENT or start != str(self.size):
            await self.clear()
        etag = response.headers.get("etag", "")
        # A weak ETag does not identify bytes (RFC 9110, 13.1.5).
        self._validator = (
            response.headers.get("last-modified", "") if etag[:2] in {"", "W/"} else etag
        )
        self._check(self.size + int(response.headers.get("content-length", "0")))

    async def write(self, chunk: bytes) -> None:
        self._check(self.size + len(chunk))
        await self._file.write(chunk)
        self.size += len(chunk)

    async def clear(self) -> None:
        """Discard what has been received."""
        await self._file.seek(0)
        await self._file.truncate()
        self.size = 0

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise PermanentError(failures.too_large(self._limit), code="too_large", source=_VIDEOS)


def unreachable(error: httpx.HTTPError) -> TemporaryError:
    """The error for a call that got no response and changed nothing."""
    return _failed(f"The video server does not respond ({type(error).__name__}).")


def _failed(message: str) -> TemporaryError:
    return TemporaryError(message, source=_VIDEOS)


def resolve(url: httpx.URL, reference: str) -> httpx.URL:
    """The address to which this one refers.

    Raises:
        PermanentError: it refers to no web address.
    """
    with contextlib.suppress(httpx.InvalidURL):
        found = url.join(reference)
        if found.scheme in {"http", "https"}:
            return found
    raise PermanentError(failures.NO_WEB_ADDRESS, code="no_web_address", source=_VIDEOS)
