"""Slows down one kind of request while a server is busy, for all jobs together."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.errors import BotError, Source, TemporaryError, Throttled
from bot.jobs import retry_delay


class Throttle:
    """After a server says that it is busy, nobody asks until its time has passed.

    Then one request goes first; the others follow if it is accepted. `busy` is the error that
    says so; `scale` multiplies the delays.
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
        self._not_before = 0.0
        self._is_testing = False

    def check(self) -> None:
        """Let a request pass.

        Raises:
            Throttled: not yet; `retry_after` says when.
        """
        wait = self._not_before - self._clock()
        if wait > 0:
            raise self._wait(wait)
        if self._is_testing:
            raise self._wait(self._scale)

    @contextmanager
    def record(self) -> Iterator[None]:
        """Surround a request: its outcome decides about the next ones.

        Raises:
            Throttled: as `check`.
        """
        self.check()
        is_test = self._refusals > 0
        self._is_testing = self._is_testing or is_test
        try:
            yield
        except self._busy as error:
            self._refused(error)
            raise
        except BotError:
            self._refusals = 0  # the server has dealt with it
            raise
        else:
            self._refusals = 0
        finally:
            if is_test:
                self._is_testing = False

    def _refused(self, error: TemporaryError) -> None:
        # Requests that were sent together are refused together: that is one refusal.
        if self._clock() >= self._not_before:
            self._refusals += 1
        delay = retry_delay(self._refusals, hint=error.retry_after) * self._scale
        self._not_before = max(self._not_before, self._clock() + delay)

    def _wait(self, seconds: float) -> Throttled:
        return Throttled("The video server is busy.", retry_after=seconds, source=Source.VIDEOS)
