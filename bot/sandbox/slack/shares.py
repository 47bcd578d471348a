"""Sharing completed files: a moment after the call that asked for it, as in Slack's own queues."""

import asyncio
from collections.abc import Callable


class Shares:
    """The shares that are due but have not happened yet."""

    def __init__(self) -> None:
        self.delay = 0.005
        """Seconds between a call and the share that it asked for."""
        self._held: list[Callable[[], None]] | None = None

    def add(self, share: Callable[[], None]) -> None:
        """Run a share after the delay, or upon `release` while shares are held."""
        if self._held is None:
            asyncio.get_running_loop().call_later(self.delay, share)
        else:
            self._held.append(share)

    def hold(self) -> None:
        """Keep completed files unshared until `release`."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Run every held share, and hold no more."""
        held, self._held = self._held or [], None
        for share in held:
            share()
