"""Fetches files that people uploaded, from Slack and from nowhere else.

Requests carry the bot's token, so the URL must be on one of Slack's own hosts. A URL that someone
else chose (of a remote file, or in a redirect) is never requested.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import aiohttp
import httpx
import structlog
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.bodies import IDENTITY, check_uncompressed
from bot.errors import (
    FileProblem,
    FileRefused,
    OutcomeUnknown,
    PermanentError,
    Source,
    TemporaryError,
)
from bot.pictures import MAX_BYTES
from bot.request import InputReference
from bot.slack_errors import translate
from bot.timings import CONNECT_TIMEOUT, PICTURE_TIMEOUT, SLACK_FILE_TIMEOUT
from bot.uploads import check_upload

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(SLACK_FILE_TIMEOUT, connect=CONNECT_TIMEOUT)


class Files:
    """People's files in one workspace."""

    def __init__(
        self, slack: AsyncWebClient, http: httpx.AsyncClient, *, hosts: Collection[str]
    ) -> None:
        self._slack = slack
        self._http = http
        self._hosts = {host.lower() for host in hosts}
        # Plain HTTP only if the Web API, which receives the same token, uses it too.
        self._scheme = httpx.URL(slack.base_url).scheme

    async def fetch(self, file_id: str, *, user_id: str, limit: int) -> bytes:
        """The bytes of the file that this user uploaded, up to `limit` of them.

        Raises:
            FileRefused: it can't be fetched, or is not such a file.
            TemporaryError: Slack has trouble.
            MisconfiguredError: the bot may not read files.
        """
        file = await self._info(file_id)
        check_upload(file, user_id=user_id, limit=limit)
        url = self._own_address(str(file.get("url_private_download") or file.get("url_private")))
        content = await self._download(url, limit)
        if file["mode"] == "hosted" and len(content) != file.get("size"):
            raise TemporaryError("Slack sent only a part of the file.")
        return content

    async def fetch_picture(self, reference: InputReference) -> bytes:
        """The bytes of a starting image, within a time limit, because other jobs wait.

        Raises:
            As `fetch`.
        """
        try:
            async with asyncio.timeout(PICTURE_TIMEOUT):
                return await self.fetch(
                    reference.file_id, user_id=reference.user_id, limit=MAX_BYTES
                )
        except TimeoutError as error:
            raise TemporaryError("Slack sends it too slowly.", source=Source.SLACK) from error

    async def _info(self, file_id: str) -> dict[str, Any]:
        try:
            response = await self._slack.files_info(file=file_id)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            meaning = translate(error)
            if isinstance(meaning, OutcomeUnknown):
                raise TemporaryError(
                    meaning.message
                ) from error  # it only asks, so it can be repeated
            if isinstance(meaning, PermanentError):
                raise FileRefused(FileProblem.NOT_ACCESSIBLE) from error
            raise meaning from error
        file = response.get("file")
        return file if isinstance(file, dict) else {}

    def _own_address(self, address: str) -> httpx.URL:
        """The URL, if its host is one of Slack's own: no other receives the token."""
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise FileRefused(FileProblem.NOT_ACCESSIBLE) from error
        host = url.netloc.decode()  # with the port, if it is not the scheme's own
        if url.scheme == self._scheme and host in self._hosts and not url.userinfo:
            return url
        log.warning("file host refused", host=host, scheme=url.scheme)
        raise FileRefused(FileProblem.NOT_ACCESSIBLE)

    async def _download(self, url: httpx.URL, limit: int) -> bytes:
        headers = IDENTITY | {"Authorization": f"Bearer {self._slack.token}"}
        try:
            async with self._http.stream(
                "GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=False
            ) as response:
                _check_response(response)
                return await _read(response, limit)
        except httpx.HTTPError as error:
            raise TemporaryError(f"Slack does not answer ({type(error).__name__}).") from error


def _check_response(response: httpx.Response) -> None:
    if response.is_redirect:
        log.warning("file redirect refused")
        raise FileRefused(FileProblem.NOT_ACCESSIBLE)
    if response.status_code == 429 or response.is_server_error:  # noqa: PLR2004 -- the number is the name
        raise TemporaryError(f"Slack has trouble (HTTP {response.status_code}).")
    # Without permission, Slack sends a login page with status 200 (slackapi/bolt-js#2585).
    if not response.is_success or response.headers.get("Content-Type", "").startswith("text/html"):
        raise FileRefused(FileProblem.NOT_ACCESSIBLE)


async def _read(response: httpx.Response, limit: int) -> bytes:
    check_uncompressed(response)
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > limit:
            raise FileRefused(FileProblem.LARGER_THAN_STATED)
    return bytes(content)
