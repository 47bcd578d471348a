"""Whether the Videos server takes requests at all: one job asks for all of them.

A wrong key or a retired service is nothing that a job could survive. So nothing is created while
the gate is shut, but for one job now and then that tries; the operator reads one line in the log.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from bot.errors import PermanentError, ServerUnusable
from bot.timings import CIRCUIT_RESET_TIMEOUT

log = structlog.get_logger()


class CircuitBreaker:
    """One kind of request; `clock` says when to try again."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._tripped_by: ServerUnusable | None = None
        self._next_try = 0.0

    def check(self) -> None:
        """Let one pass.

        Raises:
            ServerUnusable: not now; in the words of the last answer.
        """
        if self._tripped_by is None:
            return
        if self._clock() < self._next_try:
            raise ServerUnusable(self._tripped_by.message, code=self._tripped_by.code)
        self._next_try = self._clock() + CIRCUIT_RESET_TIMEOUT

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Around a request: what becomes of it shuts or opens the gate."""
        try:
            yield
        except ServerUnusable as error:
            self._trip(error)
            raise
        except PermanentError:
            self._reset()  # it was heard
            raise
        else:
            self._reset()

    def _trip(self, error: ServerUnusable) -> None:
        if self._tripped_by is None:
            self._next_try = self._clock() + CIRCUIT_RESET_TIMEOUT
            log.error(
                "the video server refuses everybody: check OPENAI_BASE_URL and OPENAI_API_KEY",
                asked_for=self._what,
                code=error.code,
                reason=error.message,
            )
        self._tripped_by = error

    def _reset(self) -> None:
        if self._tripped_by is not None:
            self._tripped_by = None
            log.info("the video server answers again", asked_for=self._what)
