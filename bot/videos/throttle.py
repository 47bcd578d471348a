"""Slows down one kind of request while a server is busy, for all jobs together."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.errors import BotError, Source, TemporaryError, Throttled
from bot.jobs import retry_delay


class Throttle:
    """After a server says that it is busy, nobody asks until its time has passed.

    Then one request goes first; each that is accepted lets one more be in progress than before,
    so a server that accepts a few is not asked by all again. `busy` is the error that says so;
    `scale` multiplies the delays.
    """

    def __init__(
        self,
        busy: type[TemporaryError],
        *,
        scale: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy = busy
        self._scale = scale
        self._clock = clock
        self._refusals = 0
        """Refusals since a request was last accepted."""
        self._refused_in_all = 0
        self._not_before = 0.0
        self._in_progress = 0
        self._max_in_progress = math.inf

    def check(self) -> None:
        """Let a request pass.

        Raises:
            Throttled: not yet; `retry_after` says when.
        """
        wait = self._not_before - self._clock()
        if wait > 0:
            raise self._wait(wait)
        if self._in_progress >= self._max_in_progress:
            raise self._wait(self._scale)

    @contextmanager
    def record(self) -> Iterator[None]:
        """Surround a request: its outcome decides about the next ones.

        Raises:
            Throttled: as `check`.
        """
        self.check()
        self._in_progress += 1
        refused_before = self._refused_in_all
        try:
            yield
        except self._busy as error:
            # Requests that were sent together are refused together: that is one refusal.
            self._refused(error, is_first=refused_before == self._refused_in_all)
            raise
        except BotError:
            self._accepted(refused_before)  # the server has dealt with it
            raise
        else:
            self._accepted(refused_before)
        finally:
            self._in_progress -= 1

    def _accepted(self, refused_before: int) -> None:
        if refused_before == self._refused_in_all:
            self._refusals = 0
            self._max_in_progress += 1

    def _refused(self, error: TemporaryError, *, is_first: bool) -> None:
        self._refused_in_all += 1
        self._refusals += is_first
        self._max_in_progress = 1
        delay = retry_delay(self._refusals, hint=error.retry_after) * self._scale
        self._not_before = max(self._not_before, self._clock() + delay)

    def _wait(self, seconds: float) -> Throttled:
        return Throttled("The video server is busy.", retry_after=seconds, source=Source.VIDEOS)
