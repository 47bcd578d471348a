"""Trouble on order: the nth call of an operation fails, before or after it took effect."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

When = Literal["before", "after"]
Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""What the caller gets in place of the real answer."""


def answer(status: int, body: Any, **headers: str) -> Trouble:  # noqa: ANN401 -- any JSON value
    """Answer with this status, JSON body (a string goes out as plain text) and headers.

    An underscore in a header's name stands for a hyphen.
    """

    async def trouble(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=named)
        return web.json_response(body, status=status, headers=named)

    return trouble


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

    _ordered: list["_Order"] = field(default_factory=list)

    def order(
        self,
        operation: str,
        trouble: Trouble,
        *,
        nth: int = 1,
        times: int = 1,
        when: When = "before",
    ) -> None:
        """Let the nth call from now on (1 is the next), and `times` in all, meet this trouble."""
        self._ordered.append(_Order(operation, trouble, when, nth, nth + times - 1))

    async def serve(
        self,
        operation: str,
        request: web.Request,
        handler: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer the call, with the trouble that was ordered for it if there is any."""
        trouble = self._due(operation)
        if trouble is None:
            return await handler()
        if trouble.when == "after":
            await handler()
        return await trouble.trouble(request)

    def _due(self, operation: str) -> "_Order | None":
        due = None
        for order in [order for order in self._ordered if order.operation == operation]:
            order.seen += 1
            if order.seen >= order.last:
                self._ordered.remove(order)
            if due is None and order.first <= order.seen:
                due = order
        return due


@dataclass
class _Order:
    operation: str
    trouble: Trouble
    when: When
    first: int
    last: int
    seen: int = 0
