"""Fault injection: the nth call of an operation fails, before or after it takes effect."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

When = Literal["before", "after"]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""What the caller gets instead of the real response."""


def respond_with(status: int, body: Any, **headers: str) -> Fault:  # noqa: ANN401 -- any JSON value
    """Respond with this status, JSON body (a string is sent as plain text) and headers.

    Underscores in header names become hyphens.
    """

    async def fault(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=named)
        return web.json_response(body, status=status, headers=named)

    return fault


def compressed(status: int, body: bytes) -> Fault:
    """Respond with gzip, whether or not the caller accepts it."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status,
            body=await asyncio.to_thread(gzip.compress, body),
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )

    return fault


async def drop(request: web.Request) -> web.StreamResponse:
    """Drop the connection without a response."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never respond, so that the caller times out."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class Faults:
    """The injected faults that are still to come."""

    _injected: list["_Injection"] = field(default_factory=list)

    def inject(
        self,
        operation: str,
        fault: Fault,
        *,
        nth: int = 1,
        times: int = 1,
        when: When = "before",
    ) -> None:
        """Make `times` calls fail, starting with the nth from now (1 is the next)."""
        self._injected.append(_Injection(operation, fault, when, nth, nth + times - 1))

    async def serve(
        self,
        operation: str,
        request: web.Request,
        handler: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Respond to the call, with the fault injected for it if there is one."""
        injection = self._due(operation)
        if injection is None:
            return await handler()
        if injection.when == "after":
            await handler()
        return await injection.fault(request)

    def _due(self, operation: str) -> "_Injection | None":
        due = None
        for injection in [each for each in self._injected if each.operation == operation]:
            injection.calls += 1
            if injection.calls >= injection.last:
                self._injected.remove(injection)
            if due is None and injection.first <= injection.calls:
                due = injection
        return due


@dataclass
class _Injection:
    operation: str
    fault: Fault
    when: When
    first: int
    last: int
    calls: int = 0
