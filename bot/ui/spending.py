"""What people have spent of their limits, as Home shows it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.jobs import Job, Totals
from bot.spending import BillLine, By, LimitKind, Used, in_dollars
from bot.ui.approvals import question
from bot.ui.blocks import (
    Block,
    Message,
    actions,
    button,
    context,
    divider,
    dollars,
    escape,
    section,
)

_TITLES = {By.PERSON: "People", By.CHANNEL: "Channels", By.MODEL: "Models"}
NOTHING_USED = {kind: Used(used=0, limit=None) for kind in LimitKind}


SEND_BILL = "send_bill"
SEND_LAST_BILL = "send_last_bill"
"""Actions of the buttons that ask for this month's bill, and last month's."""
MAX_NAMES = 5
"""People, channels or models that the overview names."""
FULL = 100
"""Per cent."""
MAX_WAITING = 5
"""Videos waiting for approval that it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What admins see of everyone's spending this month."""

    used: Mapping[LimitKind, Used]
    bills: Mapping[By, Sequence[BillLine]]
    waiting: Sequence[Job] = ()
    """The videos that wait for approval, oldest first."""


def overview_blocks(overview: Overview) -> Iterator[Block]:
    """The part of Home that only admins see."""
    yield divider()
    yield section(f"*Everyone this month:* {_everyone(overview.used)}")
    for by, lines in overview.bills.items():
        if lines:
            yield context(f"*{_TITLES[by]}:* {_largest(by, lines)}")
    yield actions(
        button("Send me this month's bill", SEND_BILL),
        button("Send me last month's bill", SEND_LAST_BILL),
    )
    if overview.waiting:
        yield section("*Waiting for approval*")
    for job in overview.waiting[:MAX_WAITING]:
        yield from question(job).blocks
    if len(overview.waiting) > MAX_WAITING:
        yield context(f"… and {len(overview.waiting) - MAX_WAITING} more")


def before_approval(used: Mapping[LimitKind, Used], user_id: str) -> str:
    """What the requester and everyone have spent of their limits this month; mrkdwn."""
    theirs, everyones = used[LimitKind.PERSON_MONTH_USD], used[LimitKind.MONTH_USD]
    return f"*This month:* <@{user_id}> {of_limit(theirs)} · everyone {of_limit(everyones)}"


def near_limit(kind: LimitKind, used: Used, percent: int) -> Message:
    """Warns an admin that a limit of the workspace is nearly or completely used."""
    whose = "This month's" if kind is LimitKind.MONTH_USD else "Today's"
    words = "is used up" if percent >= FULL else f"is {percent}% used"
    return Message(
        f"{whose} limit for everyone {words}: {of_limit(used)}. "
        "Videos that would exceed it are refused."
    )


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


def _everyone(used: Mapping[LimitKind, Used]) -> str:
    today = used[LimitKind.DAY_USD]
    return f"{of_limit(used[LimitKind.MONTH_USD])} · today: {of_limit(today)}"


def _largest(by: By, lines: Sequence[BillLine]) -> str:
    ranked = sorted(lines, key=lambda line: line.spent + line.held, reverse=True)
    shown = [
        f"{_name(by, line.name)} ${in_dollars(line.spent + line.held):,.2f}"
        for line in ranked[:MAX_NAMES]
    ]
    more = len(ranked) - MAX_NAMES
    return " · ".join([*shown, f"… and {more} more"] if more > 0 else shown)


def _name(by: By, name: str) -> str:
    match by:
        case By.PERSON:
            return f"<@{name}>"
        case By.CHANNEL:
            return "direct messages" if name.startswith("D") else f"<#{name}>"
        case By.MODEL:
            return escape(name)


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
