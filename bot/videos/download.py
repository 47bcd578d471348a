"""Brings a finished file to disk: cut connections, other places, JSON in place of the file."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import httpx

from bot.bodies import IDENTITY, check_uncompressed
from bot.errors import PermanentError, TemporaryError
from bot.timings import CONNECT_TIMEOUT, DOWNLOAD_TIMEOUT, VIDEOS_TIMEOUT
from bot.videos import wire
from bot.videos.public import PublicTransport
from bot.videos.responses import ResponseReader

TIMEOUT = httpx.Timeout(VIDEOS_TIMEOUT, connect=CONNECT_TIMEOUT)
MAX_REDIRECTS = 6
"""Addresses that lead from one to the next."""
MAX_CONNECTIONS = 20
"""For one file; each must bring something."""

_LONGEST_JSON = 1 << 20
_START = 12


@dataclass(frozen=True, slots=True)
class Server:
    """The configured server, and what may be fetched as if it were from there."""

    base_url: httpx.URL
    api_key: str
    file_hosts: Collection[str] = ()
    """Hosts that need not be public; with a port where it is not the scheme's own."""

    def trusts(self, url: httpx.URL) -> bool:
        """Whether the operator named this host with this port."""
        return self.is_origin_of(url) or url.netloc.decode() in self.file_hosts

    def is_origin_of(self, url: httpx.URL) -> bool:
        """Whether it is the server itself: the same scheme, host and port."""
        origin = (self.base_url.scheme, self.base_url.netloc)
        return (url.scheme, url.netloc) == origin

    def headers(self, url: httpx.URL) -> dict[str, str]:
        """The key, for the server itself and nobody else."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.is_origin_of(url) else {}


class Download:
    """One file on its way to `path`.

    Raises:
        TemporaryError: it broke off, or what came is no video.
        PermanentError: it is too large, or in a place that is not fetched from.
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

    async def fetch(self, url: httpx.URL) -> int:
        """Fetch the file, from wherever this address leads; returns its size in bytes."""
        try:
            with anyio.fail_after(DOWNLOAD_TIMEOUT):
                for _ in range(MAX_REDIRECTS):
                    size = await self._fetch_whole(url)
                    if await self._is_video():
                        return size
                    url = url.join(await self._named_place(size))
        except TimeoutError as error:
            raise TemporaryError("The file comes too slowly.") from error
        raise TemporaryError("The video server sends from place to place.")

    async def _fetch_whole(self, url: httpx.URL) -> int:
        """Fetch what is there, over as many connections as it takes."""
        async with _Part.open(self._path, self._limit) as part:
            for _ in range(MAX_CONNECTIONS):
                before = part.size
                try:
                    return await self._fetch_rest(url, part)
                except httpx.HTTPError as error:
                    if part.size <= before:
                        raise unreachable(error) from error
        raise TemporaryError("The connection to the video server breaks again and again.")

    async def _fetch_rest(self, url: httpx.URL, part: "_Part") -> int:
        async with self._answer(url, part.wanted()) as response:
            if response.is_success:
                check_uncompressed(response)
                await part.begin(response)
                async for chunk in response.aiter_raw():
                    await part.write(chunk)
                return part.size
            status, headers, body = await self._reader.read(response)
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            await part.clear()  # it is another file now
            return await self._fetch_rest(url, part)
        # Another host's words may be of what only the bot can reach: they are nobody's business.
        shown = body if self._server.is_origin_of(response.url) else b""
        raise wire.read_content_error(status, headers, shown)

    @asynccontextmanager
    async def _answer(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The answer at the end of the redirects: each is looked at before it is followed."""
        for _ in range(MAX_REDIRECTS):
            async with self._ask(url, headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = url.join(response.headers["location"])
        raise TemporaryError("The video server sends from place to place.")

    @asynccontextmanager
    async def _ask(self, url: httpx.URL, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        if url.scheme not in {"http", "https"}:
            raise PermanentError(
                "The video server says that the file is at no web address.", code="no_web_address"
            )
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
        """Some gateways answer 200 with an error in JSON (BerriAI/litellm#32602)."""
        with self._path.open("rb") as file:
            start = file.read(_START)
        return start[4:8] == b"ftyp" or start[:4] == b"\x1aE\xdf\xa3"

    async def _named_place(self, size: int) -> str:
        """Some servers answer with the file's address in JSON."""
        place = None
        if size < _LONGEST_JSON:
            place = wire.read_file_url(await anyio.Path(self._path).read_bytes())
        if place is None:
            raise TemporaryError("What the video server sent is not a video.")
        return place


class _Part:
    """What has come of the file so far."""

    def __init__(self, file: anyio.AsyncFile[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit
        self._validator = ""
        self.size = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, limit: int) -> AsyncIterator[Self]:
        # Opened here: a thread that opens it for a task that is cancelled leaves it open.
        with path.open("wb") as file:
            yield cls(anyio.wrap_file(file), limit)

    def wanted(self) -> dict[str, str]:
        """The headers that ask for the rest; for all of it where nothing says that it is one."""
        headers = dict(IDENTITY)
        if self.size and self._validator:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": self._validator}
        return headers

    async def begin(self, response: httpx.Response) -> None:
        """Go on behind what is there, or begin again, as the answer says."""
        start = response.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
        if response.status_code != httpx.codes.PARTIAL_CONTENT or start != str(self.size):
            await self.clear()
        etag = response.headers.get("etag", "")
        # A weak ETag names no bytes (RFC 9110, 13.1.5).
        self._validator = (
            response.headers.get("last-modified", "") if etag[:2] in {"", "W/"} else etag
        )
        self._check(self.size + int(response.headers.get("content-length", "0")))

    async def write(self, chunk: bytes) -> None:
        self._check(self.size + len(chunk))
        await self._file.write(chunk)
        self.size += len(chunk)

    async def clear(self) -> None:
        """Forget what has come."""
        await self._file.seek(0)
        await self._file.truncate()
        self.size = 0

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise PermanentError(
                f"The finished video has more than {self._limit // 1_000_000:,} MB, which is the "
                "most that may come into Slack.",
                code="too_large",
            )


def unreachable(error: httpx.HTTPError) -> TemporaryError:
    """What a call means that broke before it was answered, and changed nothing."""
    return TemporaryError(f"The video server does not answer ({type(error).__name__}).")
