"""When to poll a video again: rarely while it can't be finished, often when it should be."""

from bot.timings import Timings
from bot.ui.progress import TypicalDuration

EARLY_SHARE = 1 / 8
"""Of the time so far, while nothing is known: a 3-second video is noticed within a second."""
POLLS_BEFORE = 6
"""While the video can't be finished: to show its progress."""
WINDOW_SHARE = 1 / 50
"""Of the typical duration, around the likely finish."""
POLLS_IN_WINDOW = 8
"""At most, where durations differ much."""


def poll_delay(
    timings: Timings,
    *,
    elapsed: float,
    hint: float | None = None,
    typical: TypicalDuration | None = None,
) -> float:
    """Seconds until the next poll, between the minimum and the maximum of `timings`.

    Args:
        timings: the limits, and the interval where nothing better is known.
        elapsed: seconds since the request was submitted.
        hint: the server's own interval, which decides.
        typical: how long similar videos took.
    """
    if hint is not None:
        wanted, longest = hint, timings.max_poll_interval
    elif typical is None:
        wanted, longest = elapsed * EARLY_SHARE, timings.poll_interval
    else:
        wanted, longest = _around(typical, elapsed, timings), timings.max_poll_interval
    return min(max(wanted, timings.min_poll_interval), longest)


def _around(typical: TypicalDuration, elapsed: float, timings: Timings) -> float:
    window = typical.high - typical.low
    if elapsed < typical.low:
        pause = max(timings.poll_interval, typical.middle / POLLS_BEFORE)
        return min(pause, typical.low - elapsed)
    if elapsed < typical.high + window:
        interval = max(typical.middle * WINDOW_SHARE, window / POLLS_IN_WINDOW)
        return min(interval, timings.poll_interval)
    return timings.poll_interval
