"""Connects to public addresses only, for file URLs that a server returns.

Otherwise a server's response could make the bot fetch from its own internal network (SSRF). The
host is resolved once, every address is checked, and the connection goes to a checked address, so
that a second lookup cannot lead elsewhere. For the same reason these connections use no proxy.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from bot.errors import PermanentError
from bot.ui import failures

_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 that is allocated for the internet."""
_RESERVED = tuple(
    map(
        IPv4Network,
        (
            "192.0.0.0/24",  # IETF protocol assignments; 192.0.0.192 serves metadata at Oracle
            "100.64.0.0/10",  # carriers' own; 100.100.100.200 serves metadata at Alibaba
            "168.63.129.16",  # Azure's own services, by a public address
        ),
    )
)
"""Addresses that `is_global` does not exclude, or not in every Python."""


class PublicTransport(httpx.AsyncBaseTransport):
    """A transport for httpx that raises PermanentError for private addresses."""

    def __init__(self) -> None:
        # No keep-alive: another host may have the same address.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the first of the host's addresses that accepts a connection."""
        host = request.url.raw_host.decode()
        request.extensions = {**request.extensions, "sni_hostname": host}
        failure: httpx.HTTPError = httpx.ConnectError(f"{host} has no address")
        for address in await _addresses(host, request.url.port):
            request.url = request.url.copy_with(host=address)
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


def is_public(address: str) -> bool:
    """Whether it is reachable on the internet; IPv4 embedded in IPv6 is judged as IPv4."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if (embedded := _embedded_ipv4(ip)) is None:
            return ip in _UNICAST and ip.is_global
        ip = embedded
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _RESERVED)


def _embedded_ipv4(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour


async def _addresses(host: str, port: int | None) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host} cannot be resolved") from error
    addresses = [str(address[0]) for *_, address in found]
    if not all(map(is_public, addresses)):
        raise PermanentError(failures.private_address(host), code="private_address")
    return addresses
