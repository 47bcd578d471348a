"""A client for any server with the Videos API."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from aiolimiter import AsyncLimiter

from bot.bodies import IDENTITY
from bot.config import Settings, without_credentials
from bot.errors import (
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    ServerUnusable,
    Source,
    TemporaryError,
    VideoGone,
)
from bot.pictures import Picture
from bot.request import VideoRequest
from bot.timings import CLOCK_SKEW, CONNECT_TIMEOUT, CREATE_TIMEOUT, VIDEOS_TIMEOUT
from bot.videos import wire
from bot.videos.circuit_breaker import CircuitBreaker
from bot.videos.download import Download, LinkExpired, Server, resolve, unreachable
from bot.videos.responses import Response, ResponseReader
from bot.videos.route import with_route
from bot.videos.throttle import Throttle
from bot.videos.wire import Candidates

MAX_PAGES = 50
"""Pages of a list that are read before it counts as endless."""

TIMEOUT = httpx.Timeout(VIDEOS_TIMEOUT, connect=CONNECT_TIMEOUT)
_CREATE_TIMEOUT = httpx.Timeout(CREATE_TIMEOUT, connect=CONNECT_TIMEOUT)

POLLS_PER_SECOND = 50
"""At most: with ten thousand videos in progress, each is polled every few minutes."""

MAX_CONCURRENT_POLLS = 20
"""As many as connections are kept alive: waiting requests cost httpx's pool quadratic time."""

_UNAUTHORIZED = {401, 403}

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Errors that occur before a request's first byte is sent."""


@dataclass(frozen=True, slots=True)
class Made:
    """A video that the server made of a request that it should have refused."""

    id: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Abilities:
    """Which optional operations a server has; None: its responses don't tell."""

    list: bool
    delete: bool | None
    remix: bool | None
    made: Made | None = None


class VideosClient:
    """One server. Each method raises what its reader in `wire` raises."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str,
        max_bytes: int = 1_000_000_000,
        file_hosts: Collection[str] = (),
        retry_scale: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._server = Server(httpx.URL(self._base_url), api_key, file_hosts)
        self._reader = ResponseReader(api_key)
        self._max_bytes = max_bytes
        self._clock = clock
        self._headers = IDENTITY | {"Authorization": f"Bearer {api_key}"}
        self._create_breaker, self._retrieve_breaker = (
            CircuitBreaker("create", clock),
            CircuitBreaker("retrieve", clock),
        )
        self._create_throttle = Throttle(TemporaryError, scale=retry_scale)
        # A gateway may respond 500 for one failed video (LiteLLM), which says nothing of others.
        self._retrieve_throttle = Throttle(RateLimited, scale=retry_scale)
        self._poll_rate = AsyncLimiter(POLLS_PER_SECOND, 1)
        self._poll_slots = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

    @classmethod
    def from_settings(
        cls, settings: Settings, http: httpx.AsyncClient, *, retry_scale: float = 1.0
    ) -> Self:
        """A client of the configured server; `retry_scale` multiplies delays while it is busy."""
        return cls(
            http,
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key.get_secret_value(),
            max_bytes=settings.max_video_mb * 1_000_000,
            file_hosts=settings.video_file_hosts,
            retry_scale=retry_scale,
        )

    @property
    def server(self) -> str:
        """The server's host, with the port if it is in the URL."""
        return urlsplit(without_credentials(self._base_url)).netloc

    def check_accepts_creates(self) -> None:
        """Check that nothing stops a create before it is sent.

        Raises:
            ServerUnusable: the server refuses everyone, and it is not yet time to test it again.
            Throttled: the server is busy.
        """
        self._create_throttle.check()
        self._create_breaker.check()

    async def create(self, request: VideoRequest, reference: Picture | None = None) -> str:
        """Send one create request; returns the new video's id.

        Raises:
            OutcomeUnknown: the connection broke, so the server may have received the request.
        """
        url = f"{self._base_url}/videos"
        fields = wire.create_fields(request, reference)
        with self._create_throttle.record(), self._create_breaker.record():
            response = await self._post(url, files=fields)
            try:
                return wire.read_created(*response)
            except ServerUnusable as error:
                await self._check_refuses_everyone(error, response.status)
                raise

    async def remix(self, video_id: str, prompt: str) -> str | None:
        """Send one remix request; returns the new video's id, or None if that is not possible.

        Uses `remix`, or `edits`, which will replace it.

        Raises:
            OutcomeUnknown: the connection broke, so the server may have received the request.
        """
        remix = await self._post_remix(f"{self._url(video_id)}/remix", {"prompt": prompt})
        if remix is None:
            edit = {"prompt": prompt, "video": {"id": video_id}}
            remix = await self._post_remix(f"{self._base_url}/videos/edits", edit)
        return None if remix is None else with_route(remix, original=video_id)

    async def retrieve(self, video_id: str) -> wire.VideoStatus:
        """Get a video's status, within the limits on polling."""
        async with self._poll_slots:
            await self._poll_rate.acquire()
            with self._retrieve_throttle.record(), self._retrieve_breaker.record():
                return wire.read_status(*await self._get(self._url(video_id)))

    async def find_submitted(
        self, request: VideoRequest, *, since: float, known: Collection[str] = ()
    ) -> Candidates:
        """Search the server's list for the video of a create whose response was lost.

        Args:
            request: what the create requested.
            since: when it was sent, in seconds since 1970.
            known: ids of videos that belong to other jobs.

        Raises:
            TemporaryError, MisconfiguredError: the list could not be read.
        """
        matches: tuple[str, ...] = ()
        complete = True
        async for page in self._pages(request):
            behind = max(0.0, self._clock() - page.server_time) if page.server_time else 0.0
            begin = since - behind - CLOCK_SKEW
            found = page.search(begin, known)
            matches, complete = matches + found.matches, complete and found.complete
            if page.after is None or page.ends_before(begin):
                return Candidates(matches, complete=complete)
        return Candidates(matches, complete=False)

    async def download(self, video_id: str, path: Path) -> int:
        """Download the finished file to `path`; returns its size in bytes.

        `variant` is not sent: SGLang-Diffusion reads it as an index and responds 404. With cloud
        storage it responds 400, and its Video has the file's URL.

        Raises:
            TemporaryError: it was interrupted, or the content is not a video.
            VideoGone: there is no file, at least not yet.
            PermanentError: it is too large, or its URL is not allowed.
        """
        download = Download(self._http, self._server, self._reader, path, limit=self._max_bytes)
        url = httpx.URL(self._url(video_id))
        try:
            return await download.fetch(httpx.URL(f"{url}/content"))
        except (VideoGone, LinkExpired):
            file_url = wire.read_file_url((await self._get(str(url))).body)
            if file_url is None:
                raise
        return await download.fetch(resolve(url, file_url))

    async def delete(self, video_id: str) -> bool:
        """Stop or delete a video; returns whether the server confirms that it is gone."""
        return wire.read_deleted(*await self._request("DELETE", self._url(video_id)))

    async def models(self) -> list[str] | None:
        """The names of the server's models; None: it has no list."""
        return wire.read_models(*await self._get(f"{self._base_url}/models"))

    async def abilities(self) -> Abilities:
        """Find out which optional operations the server has.

        Raises:
            TemporaryError, ServerUnusable: it does not respond, or has no Videos API.
        """
        listed = await self._get(f"{self._base_url}/videos", limit="1")
        wire.check_responds(*listed)
        can_list = httpx.codes.is_success(listed.status)  # LiteLLM: 400 without the provider
        missing = self._url("video_that_does_not_exist")
        if not can_list and await self._ability("GET", missing) is False:
            raise ServerUnusable("There is no Videos API at this address.", code="no_videos_api")
        can_delete = await self._ability("DELETE", missing)
        # Without a prompt, so that a server that ignores the id has nothing to make a video of.
        remix = await self._request("POST", f"{missing}/remix", json={})
        return Abilities(
            list=can_list,
            delete=can_delete,
            remix=await self._read_ability("POST", f"{missing}/remix", remix),
            made=await self._delete_made(remix),
        )

    async def _ability(self, method: str, url: str) -> bool | None:
        return await self._read_ability(method, url, await self._request(method, url))

    async def _read_ability(self, method: str, url: str, response: Response) -> bool | None:
        """Compare the response with that to a path that can't exist."""
        no_route = f"{self._base_url}/there-is-no-such-path"
        other = await self._request(method, no_route)
        return wire.read_ability(
            response.status, _without_path(response, url), no_route=_without_path(other, no_route)
        )

    async def _delete_made(self, remix: Response) -> Made | None:
        """Delete the video that a server made although there was no prompt."""
        if not httpx.codes.is_success(remix.status):
            return None
        video_id = wire.read_created(*remix)
        try:
            return Made(video_id, is_deleted=await self.delete(video_id))
        except (TemporaryError, ServerUnusable):
            return Made(video_id, is_deleted=False)

    async def _post_remix(self, url: str, body: dict[str, Any]) -> str | None:
        with self._create_throttle.record(), self._create_breaker.record():
            response = await self._post(url, json=body)
            try:
                return wire.read_remixed(*response)
            except ServerUnusable as error:
                await self._check_refuses_everyone(error, response.status)
                raise

    async def _check_refuses_everyone(self, error: ServerUnusable, status: int) -> None:
        """Find out what a 401 or 403 for a create means: this request is refused, or everyone.

        A key may lack access to one model (LiteLLM: key_model_access_denied), and a firewall may
        reject one prompt. So request something that costs nothing and needs the same key.

        Raises:
            RequestRefused: this request alone is refused.
        """
        if status not in _UNAUTHORIZED:
            return
        try:
            models = await self._get(f"{self._base_url}/models")
            videos = await self._get(f"{self._base_url}/videos", limit="1")
        except TemporaryError:
            return
        statuses = {models.status, videos.status}
        if statuses & _UNAUTHORIZED or not any(map(httpx.codes.is_success, statuses)):
            return
        raise RequestRefused(error.message, code=error.code) from error

    async def _post(self, url: str, **content: Any) -> Response:  # noqa: ANN401 -- httpx's body
        try:
            return await self._send("POST", url, _CREATE_TIMEOUT, **content)
        except NOT_SENT as error:
            raise TemporaryError(
                "The video server cannot be reached.", source=Source.VIDEOS
            ) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                "The connection broke before the video server responded."
            ) from error

    async def _pages(self, request: VideoRequest) -> AsyncIterator[wire.Page]:
        """The pages of the list, as far as the server's pagination works."""
        seen, after = set[str](), None
        for _ in range(MAX_PAGES):
            page = await self._page(request, after)
            ids = {video.id for video in page.videos} if page else set()
            if page is None or seen & ids:
                # aquiles-image starts again from the beginning if it does not know the cursor.
                return
            yield page
            seen, after = seen | ids, page.after

    async def _page(self, request: VideoRequest, after: str | None) -> wire.Page | None:
        response = await self._get(f"{self._base_url}/videos", **wire.list_query(after))
        return wire.read_page(*response, request=request)

    async def _request(self, method: str, url: str, **content: Any) -> Response:  # noqa: ANN401 -- httpx's body
        try:
            return await self._send(method, url, TIMEOUT, **content)
        except httpx.HTTPError as error:
            raise unreachable(error) from error

    async def _get(self, url: str, **query: str) -> Response:
        return await self._request("GET", url, params=query or None)

    async def _send(
        self,
        method: str,
        url: str,
        timeout: httpx.Timeout,  # noqa: ASYNC109 -- httpx's, for each part of the request
        **content: Any,  # noqa: ANN401 -- httpx's body
    ) -> Response:
        async with self._http.stream(
            method, url, headers=self._headers, timeout=timeout, **content
        ) as response:
            return await self._reader.read(response)

    def _url(self, video_id: str) -> str:
        return f"{self._base_url}/videos/{quote(video_id, safe='')}"


def _without_path(response: Response, url: str) -> bytes:
    """The response's body without the path of its request, which some servers repeat."""
    return response.body.replace(httpx.URL(url).raw_path, b"")
