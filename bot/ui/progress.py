"""The progress of a video, and how long similar ones took."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

BAR_WIDTH = 12
MIN_SAMPLES = 3
"""Similar videos that must have been made before their durations are used."""

ALMOST = 90
"""The highest percentage that is estimated."""

SILENCE = 3
"""Failed polls in a row after which the card says that there is no news."""


@dataclass(frozen=True, slots=True)
class TypicalDuration:
    """How long similar videos took, in seconds: the quartiles and the median."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressContext:
    """What is known about a video that is rendering, in addition to its job."""

    elapsed: float
    """Seconds since the request was submitted."""
    typical: TypicalDuration | None = None
    is_queued: bool = False
    ahead: int = 0
    """How many videos of this installation are ahead of it in the queue."""


def estimate(seconds: Sequence[float]) -> TypicalDuration | None:
    """The typical duration, from the latest similar videos."""
    if len(seconds) < MIN_SAMPLES:
        return None
    low, _, high = quantiles(seconds, n=4)
    return TypicalDuration(max(low, min(seconds)), median(seconds), min(high, max(seconds)))


def is_late(progress: ProgressContext) -> bool:
    """Whether it takes clearly longer than similar videos did."""
    return progress.typical is not None and progress.elapsed > progress.typical.high * 1.2


def guessed_percent(progress: ProgressContext, typical: TypicalDuration) -> int:
    """The percentage that the elapsed time suggests."""
    return min(ALMOST, round(100 * progress.elapsed / max(typical.middle, 1)))


def progress_bar(percent: int) -> str:
    """A bar; screen readers can't read it, so its number must stand beside it."""
    filled = round(BAR_WIDTH * percent / 100)
    return f"{'▓' * filled}{'░' * (BAR_WIDTH - filled)}"


def duration(seconds: float) -> str:
    """A readable duration: `48 s`, `5 min`, `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def span(typical: TypicalDuration) -> str:
    """A readable range, in seconds or minutes."""
    if typical.high < 100:  # noqa: PLR2004 -- seconds; above that minutes say it better
        return _range(round(typical.low), round(typical.high), "s")
    return _range(max(1, round(typical.low / 60)), max(1, round(typical.high / 60)), "min")


def _range(low: int, high: int, unit: str) -> str:
    return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"  # noqa: RUF001 -- a range
