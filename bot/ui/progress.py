"""How far a video is, in honest words: what is an estimate says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

BAR_WIDTH = 12
LEARNT_FROM = 3
"""Videos of a kind that must have been made here before their time says anything."""

ALMOST = 90
"""Percent at which an estimate stops: beyond it nobody knows."""

SILENCE = 3
"""Looks in a row without an answer, after which the card says that there is no news."""


@dataclass(frozen=True, slots=True)
class Usual:
    """How long such videos usually took here, in seconds: the middle half, and its middle."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known about a video that is being made, beside its job."""

    elapsed: float
    """Seconds since the server was asked."""
    usual: Usual | None = None
    is_queued: bool = False
    ahead: int = 0
    """How many videos of this installation were waiting before it."""


def learn(seconds: Sequence[float]) -> Usual | None:
    """What the last videos of a kind say about the next one."""
    if len(seconds) < LEARNT_FROM:
        return None
    low, _, high = quantiles(seconds, n=4)
    return Usual(max(low, min(seconds)), median(seconds), min(high, max(seconds)))


def progress_line(percent: int | None, outlook: Outlook) -> str:
    """The server's percent where it moves, otherwise what usually happens; mrkdwn."""
    if outlook.is_queued:
        return f":hourglass_flowing_sand: {_place(outlook)}"
    late = outlook.usual is not None and outlook.elapsed > outlook.usual.high * 1.2
    if percent and not (late and percent >= ALMOST):
        return f":clapper: Rendering  {progress_bar(percent)}"
    if outlook.usual is None:
        return f":clapper: Rendering, for {duration(outlook.elapsed)} so far"
    if late:
        return (
            f":clapper: Rendering, longer than usual: {duration(outlook.elapsed)} so far "
            f"(usually {span(outlook.usual)})"
        )
    guess = min(ALMOST, round(100 * outlook.elapsed / max(outlook.usual.middle, 1)))
    return f":clapper: Rendering  {progress_bar(guess)} by estimate (usually {span(outlook.usual)})"


def no_news_line(outlook: Outlook) -> str:
    """The server has not answered for a while; mrkdwn."""
    return (
        ":satellite_antenna: No news from the video server for some minutes; I keep asking "
        f"({duration(outlook.elapsed)} since it was asked)."
    )


def progress_bar(percent: int) -> str:
    """A bar and its number: a bar alone says nothing to a screen reader."""
    filled = round(BAR_WIDTH * percent / 100)
    return f"{'▓' * filled}{'░' * (BAR_WIDTH - filled)} {percent} %"


def duration(seconds: float) -> str:
    """A time that people can read: `48 s`, `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def span(usual: Usual) -> str:
    """A range that people can read, in seconds or minutes."""
    if usual.high < 100:  # noqa: PLR2004 -- seconds; above that minutes say it better
        return _range(round(usual.low), round(usual.high), "s")
    return _range(max(1, round(usual.low / 60)), max(1, round(usual.high / 60)), "min")


def _range(low: int, high: int, unit: str) -> str:
    return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"  # noqa: RUF001 -- a range


def _place(outlook: Outlook) -> str:
    if not outlook.ahead:
        return "In the video server's queue"
    videos = "1 video" if outlook.ahead == 1 else f"{outlook.ahead} videos"
    return f"In the video server's queue, behind {videos} asked for here"
