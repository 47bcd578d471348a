"""Rate limits of Web API methods (docs.slack.dev: rate limits; java-slack-sdk's tiers file)."""

import math
from collections import deque
from collections.abc import Callable
from enum import Enum

MAX_POST_BURST = 3  # short bursts are allowed; how many is not documented


class Limit(Enum):
    """Calls per minute, for each method and workspace."""

    TIER_1 = 1
    TIER_2 = 20
    TIER_3 = 50
    TIER_4 = 100
    MANY = 300
    POST = 240
    """Also one per second in each channel."""
    HISTORY = -1
    """One per minute for apps outside the Marketplace, since 29 May 2025."""


class RateLimited(Exception):
    """Too many calls: 429 with Retry-After."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class Limits:
    """Counts the calls of the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    def count(self, limit: Limit, method: str, channel: str) -> None:
        """Count a call.

        Raises:
            RateLimited: it is one call too many.
        """
        if limit is Limit.POST:
            self._check(f"{method} {channel}", MAX_POST_BURST, MAX_POST_BURST)
        self._check(method, 1 if limit is Limit.HISTORY else limit.value, 60)

    def _check(self, name: str, maximum: int, seconds: float) -> None:
        now = self._clock()
        calls = self._calls.setdefault(name, deque())
        while calls and calls[0] <= now - seconds:
            calls.popleft()
        if len(calls) >= maximum:
            raise RateLimited(max(1, math.ceil(calls[0] + seconds - now)))
        calls.append(now)
