"""Trouble on order: the nth call of an operation fails, before or after it took effect."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

When = Literal["before", "after"]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""What the caller gets in place of the real answer."""


def respond_with(status: int, body: Any, **headers: str) -> Fault:  # noqa: ANN401 -- any JSON value
    """Answer with this status, JSON body (a string goes out as plain text) and headers.

    An underscore in a header's name stands for a hyphen.
    """

    async def fault(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=named)
        return web.json_response(body, status=status, headers=named)

    return fault


def compressed(status: int, body: bytes) -> Fault:
    """Answer with gzip, whether the caller takes it or not."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status,
            body=await asyncio.to_thread(gzip.compress, body),
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )

    return fault


async def drop(request: web.Request) -> web.StreamResponse:
    """Cut the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer; the caller's patience decides."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class Faults:
    """What has been ordered and not yet come true."""

    _injected: list["_Injected"] = field(default_factory=list)

    def inject(
        self,
        operation: str,
        fault: Fault,
        *,
        nth: int = 1,
        times: int = 1,
        when: When = "before",
    ) -> None:
        """Let the nth call from now on (1 is the next), and `times` in all, meet this trouble."""
        self._injected.append(_Injected(operation, fault, when, nth, nth + times - 1))

    async def serve(
        self,
        operation: str,
        request: web.Request,
        handler: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer the call, with the trouble that was ordered for it if there is any."""
        fault = self._due(operation)
        if fault is None:
            return await handler()
        if fault.when == "after":
            await handler()
        return await fault.fault(request)

    def _due(self, operation: str) -> "_Injected | None":
        due = None
        for inject in [inject for inject in self._injected if inject.operation == operation]:
            inject.seen += 1
            if inject.seen >= inject.last:
                self._injected.remove(inject)
            if due is None and inject.first <= inject.seen:
                due = inject
        return due


@dataclass
class _Injected:
    operation: str
    fault: Fault
    when: When
    first: int
    last: int
    seen: int = 0
