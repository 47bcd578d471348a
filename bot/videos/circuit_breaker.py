"""A circuit breaker: stops requests to a Videos server that refuses everyone.

A wrong key or a retired service would fail every job. So while the breaker is open no request is
made, except by one job at a time that tests the server (half-open); the operator gets one log line.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from bot.errors import PermanentError, ServerUnusable
from bot.timings import CIRCUIT_RESET_TIMEOUT

log = structlog.get_logger()


class CircuitBreaker:
    """Closed (requests pass), open (they are refused), or half-open (one passes, as a test).

    Args:
        operation: what it protects, for the log.
        clock: seconds since any fixed moment.
    """

    def __init__(self, operation: str, clock: Callable[[], float]) -> None:
        self._operation = operation
        self._clock = clock
        self._opened_by: ServerUnusable | None = None
        self._half_open_at = 0.0

    def check(self) -> None:
        """Let a request pass, unless the breaker is open.

        Raises:
            ServerUnusable: it is open; the message is the server's last refusal.
        """
        if self._opened_by is None:
            return
        if self._clock() < self._half_open_at:
            raise ServerUnusable(self._opened_by.message, code=self._opened_by.code)
        self._half_open_at = self._clock() + CIRCUIT_RESET_TIMEOUT

    @contextmanager
    def record(self) -> Iterator[None]:
        """Around a request: its outcome opens or closes the breaker."""
        try:
            yield
        except ServerUnusable as error:
            self._open(error)
            raise
        except PermanentError:
            self._close()  # the server refused this request, not everyone's
            raise
        else:
            self._close()

    def _open(self, error: ServerUnusable) -> None:
        if self._opened_by is None:
            self._half_open_at = self._clock() + CIRCUIT_RESET_TIMEOUT
            log.error(
                "video server refuses all requests: check OPENAI_BASE_URL, OPENAI_API_KEY and the "
                "account's credit",
                operation=self._operation,
                code=error.code,
                reason=error.message,
            )
        self._opened_by = error

    def _close(self) -> None:
        if self._opened_by is not None:
            self._opened_by = None
            log.info("video server accepts requests again", operation=self._operation)
