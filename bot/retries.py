"""When a step that failed is tried again."""

import random

from bot.errors import BotError, TemporaryError, Throttled
from bot.jobs import retry_delay


class RetryLater(Exception):
    """The job is postponed by `delay` seconds; `quiet`: that is no news for the log."""

    def __init__(self, reason: str, delay: float, *, quiet: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.quiet = quiet


def retry_later(
    error: BotError, attempts: int, *, scale: float = 1.0, quiet: bool = False
) -> RetryLater:
    """Postpone a step after this error; `scale` multiplies the delay."""
    hint = error.retry_after if isinstance(error, TemporaryError) else None
    jitter = random.random()  # noqa: S311 -- spreads retries, protects nothing
    if isinstance(error, Throttled):
        # Nothing was sent, so there is no failure to back off from.
        return RetryLater(error.message, (hint or 0) * (1 + jitter / 4), quiet=True)
    delay = retry_delay(attempts, hint=hint, jitter=jitter) * scale
    return RetryLater(error.message, delay, quiet=quiet)
