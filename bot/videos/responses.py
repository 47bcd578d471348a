"""Responses of the Videos server: read up to a limit, and without the API key."""

import html
from typing import NamedTuple
from urllib.parse import quote

import httpx

from bot.bodies import read_body
from bot.log import MIN_SECRET_LENGTH

MAX_BODY_BYTES = 4_000_000
"""Of a successful response: a page of the list may have a hundred long prompts."""
MAX_ERROR_BYTES = 64_000
"""Of an error, whose message is cut to a few thousand characters."""

_ESCAPED_IN_JSON = "\"'&<>=+/"
"""Characters that some servers (.NET, Go, PHP) write as `\\u0026` and the like."""


class Response(NamedTuple):
    """The arguments of each reader in `wire`."""

    status: int
    headers: httpx.Headers
    body: bytes


class ResponseReader:
    """Reads the responses of one server and masks the API key, which some servers echo."""

    def __init__(self, api_key: str) -> None:
        self._spellings = sorted(_spellings(api_key), key=len, reverse=True)

    async def read(self, response: httpx.Response) -> Response:
        """The status, headers and body of a streamed response.

        Raises:
            httpx.HTTPError: it is interrupted, compressed or too long.
        """
        limit = MAX_BODY_BYTES if response.is_success else MAX_ERROR_BYTES
        body = self.masked(await read_body(response, limit))
        headers = [(name, self.masked(value)) for name, value in response.headers.raw]
        return Response(response.status_code, httpx.Headers(headers), body)

    def masked(self, content: bytes) -> bytes:
        """The content with the API key replaced, in all its spellings."""
        for spelling in self._spellings:
            content = content.replace(spelling, b"[key]")
        return content


def _spellings(key: str) -> set[bytes]:
    """The key as servers may write it: verbatim, in JSON, in HTML or in a URL."""
    if len(key) < MIN_SECRET_LENGTH:
        return set()
    spellings = {key, html.escape(key), quote(key), quote(key, safe=""), key.replace("/", "\\/")}
    for digits in ("04x", "04X"):
        codes = {ord(char): f"\\u{ord(char):{digits}}" for char in _ESCAPED_IN_JSON}
        spellings |= {key.translate(codes), key.translate({**codes, ord("/"): "/"})}
    return {spelling.encode() for spelling in spellings}
