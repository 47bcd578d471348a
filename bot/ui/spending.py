"""What people have spent of their limits, as Home shows it."""

from collections.abc import Mapping
from decimal import Decimal

from bot.jobs import Totals
from bot.spending import LimitKind, Used, in_dollars
from bot.ui.blocks import dollars

NOTHING_USED = {kind: Used(used=0, limit=None) for kind in LimitKind}


def this_month(made: Totals, used: Mapping[LimitKind, Used]) -> str:
    """A person's month and day, with the limits on them: `$12.40 of $50 · 2 of 3 running`."""
    parts = [
        _amount(used[LimitKind.PERSON_MONTH_USD]) or _unknown(made),
        _videos(made),
        _today(used[LimitKind.PERSON_DAY_USD], used[LimitKind.PERSON_DAY_VIDEOS]),
        _running(used[LimitKind.PERSON_OPEN]),
    ]
    return f"*This month:* {' · '.join(filter(None, parts)) or 'no videos yet'}"


def of_limit(used: Used) -> str:
    """`$12.40 of $50`, or only the amount where there is no limit."""
    amount = f"${in_dollars(used.used):,.2f}"
    return amount if used.limit is None else f"{amount} of {_round(in_dollars(used.limit))}"


def _amount(used: Used) -> str:
    return of_limit(used) if used.used or used.limit is not None else ""


def _unknown(made: Totals) -> str:
    return "price unknown" if made.unpriced else ""


def _videos(made: Totals) -> str:
    if not made.videos:
        return ""
    videos = "1 video" if made.videos == 1 else f"{made.videos} videos"
    seconds = f" · {made.seconds:f} seconds" if made.seconds else ""
    is_known = made.unpriced < made.videos
    unknown = f", {made.unpriced} at an unknown price" if made.unpriced and is_known else ""
    return f"{videos}{unknown}{seconds}"


def _today(money: Used, videos: Used) -> str:
    parts = [
        of_limit(money) if money.limit is not None else "",
        f"{videos.used} of {videos.limit} videos" if videos.limit is not None else "",
    ]
    words = " and ".join(filter(None, parts))
    return f"today: {words}" if words else ""


def _running(used: Used) -> str:
    if not used.used:
        return ""
    return f"{used.used} running" if used.limit is None else f"{used.used} of {used.limit} running"


def _round(amount: Decimal) -> str:
    """`$50` instead of `$50.00`."""
    return f"${amount:,.0f}" if amount == int(amount) else dollars(amount)
