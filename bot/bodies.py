"""Reads response bodies: uncompressed, and never more than a limit.

A few kilobytes of gzip can hold a gigabyte, and httpx decompresses all of it. So no request
accepts compressed content, and a response that is compressed anyway is not read.
"""

import httpx

IDENTITY = {"Accept-Encoding": "identity"}
"""The header of every request whose response is read here."""


def check_uncompressed(response: httpx.Response) -> None:
    """Refuse a compressed body before it is read.

    Raises:
        httpx.DecodingError: it is compressed although the request did not offer that.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise httpx.DecodingError("the response is compressed", request=response.request)


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The body of a streamed response; an error's body is cut after `limit` bytes.

    An error's status matters most, so a bad body of an error raises nothing.

    Raises:
        httpx.DecodingError: a successful response is compressed, or has more than `limit` bytes.
    """
    if response.is_success:
        check_uncompressed(response)
    elif "Content-Encoding" in response.headers:
        return b""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: limit + 1 - len(body)]
        if len(body) > limit:
            break
    if len(body) > limit and response.is_success:
        raise httpx.DecodingError("the response is too long", request=response.request)
    return bytes(body[:limit])
