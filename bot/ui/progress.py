"""The progress of a video: the server's percentage, or an estimate that says so."""

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


def progress_line(percent: int | None, progress: ProgressContext) -> str:
    """The server's percentage if it changes, otherwise an estimate; mrkdwn."""
    if progress.is_queued:
        return f":hourglass_flowing_sand: {_place(progress)}"
    late = progress.typical is not None and progress.elapsed > progress.typical.high * 1.2
    if percent and not (late and percent >= ALMOST):
        return f":clapper: Rendering  {progress_bar(percent)}"
    if progress.typical is None:
        return f":clapper: Rendering, for {duration(progress.elapsed)} so far"
    if late:
        return (
            f":clapper: Rendering, longer than usual: {duration(progress.elapsed)} so far "
            f"(usually {span(progress.typical)})"
        )
    guess = min(ALMOST, round(100 * progress.elapsed / max(progress.typical.middle, 1)))
    return (
        f":clapper: Rendering  {progress_bar(guess)} by estimate (usually {span(progress.typical)})"
    )


def no_news_line(progress: ProgressContext) -> str:
    """The server has not responded for a while; mrkdwn."""
    return (
        ":satellite_antenna: No news from the video server for some minutes; I keep asking "
        f"({duration(progress.elapsed)} since it was asked)."
    )


def progress_bar(percent: int) -> str:
    """A bar with its number, because screen readers can't read a bar."""
    filled = round(BAR_WIDTH * percent / 100)
    return f"{'▓' * filled}{'░' * (BAR_WIDTH - filled)} {percent} %"


def duration(seconds: float) -> str:
    """A readable duration: `48 s`, `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def span(typical: TypicalDuration) -> str:
    """A readable range, in seconds or minutes."""
    if typical.high < 100:  # noqa: PLR2004 -- seconds; above that minutes say it better
        return _range(round(typical.low), round(typical.high), "s")
    return _range(max(1, round(typical.low / 60)), max(1, round(typical.high / 60)), "min")


def _range(low: int, high: int, unit: str) -> str:
    return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"  # noqa: RUF001 -- a range


def _place(progress: ProgressContext) -> str:
    if not progress.ahead:
        return "In the video server's queue"
    videos = "1 video" if progress.ahead == 1 else f"{progress.ahead} videos"
    return f"In the video server's queue, behind {videos} asked for here"
