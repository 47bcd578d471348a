"""What videos may cost: limits, and how a job counts towards them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto

from bot.errors import Impossible, NotPossible

MICROS = 1_000_000
"""In a dollar: sums of integers are exact in every database."""


class Charge(StrEnum):
    """Whether a job counts as paid for."""

    HELD = "held"
    """Reserved: the outcome decides."""
    SPENT = "spent"
    FREE = "free"


class Scope(Enum):
    """Whose videos a limit counts; locks are taken in this order."""

    WORKSPACE = auto()
    CHANNEL = auto()
    PERSON = auto()


class Period(Enum):
    """Which videos a limit counts. Days and months are in UTC, and a video stays in its own."""

    MONTH = auto()
    DAY = auto()
    OPEN = auto()
    """The unfinished ones."""


class LimitKind(StrEnum):
    """Everything that can be limited; the values are stored."""

    MONTH_USD = "month_usd"
    DAY_USD = "day_usd"
    CHANNEL_MONTH_USD = "channel_month_usd"
    PERSON_MONTH_USD = "person_month_usd"
    PERSON_DAY_USD = "person_day_usd"
    PERSON_DAY_VIDEOS = "person_day_videos"
    PERSON_OPEN = "person_open"

    @property
    def scope(self) -> Scope:
        """Whose videos it counts."""
        match self:
            case LimitKind.MONTH_USD | LimitKind.DAY_USD:
                return Scope.WORKSPACE
            case LimitKind.CHANNEL_MONTH_USD:
                return Scope.CHANNEL
            case _:
                return Scope.PERSON

    @property
    def period(self) -> Period:
        """Which videos it counts."""
        match self:
            case LimitKind.MONTH_USD | LimitKind.CHANNEL_MONTH_USD | LimitKind.PERSON_MONTH_USD:
                return Period.MONTH
            case LimitKind.DAY_USD | LimitKind.PERSON_DAY_USD | LimitKind.PERSON_DAY_VIDEOS:
                return Period.DAY
            case LimitKind.PERSON_OPEN:
                return Period.OPEN

    @property
    def is_money(self) -> bool:
        """Whether it limits an amount of money rather than a number of videos."""
        return self.value.endswith("_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit, in micro-dollars or videos."""

    kind: LimitKind
    amount: int
    is_soft: bool = False
    """Whether an admin may approve what goes beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's limits, which limits that admins set in Slack override."""

    limits: Mapping[LimitKind, int] = field(default_factory=dict)
    """In micro-dollars or videos; what is missing is not limited."""
    allows_unpriced: bool = False
    """Whether a video whose price is unknown may start although money is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """A limit that an admin has set, for one person or channel or for everyone else."""

    kind: LimitKind
    subject: str = ""
    """The person or channel that it is an exception for; empty: it applies to all others."""
    amount: int | None
    """None: there is no limit."""
    is_soft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What is held or spent of one limit, in micro-dollars or videos."""

    used: int
    limit: int | None
    """None: there is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChange:
    """All limits of one person or channel, or all that apply to everyone."""

    subject: str
    limits: tuple[SetLimit, ...]
    allowed: frozenset[str] | None
    """The channels and people that may use the bot; none: all. None: unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsInDetail:
    """Everything that is limited."""

    policy: Policy
    changes: list[SetLimit]
    allowed: frozenset[str]
    """The channels and people that may use the bot; none: all."""


ALLOWED = "allowed"
"""The kind of a stored row whose subject is a channel or person that may use the bot."""


def check_allowed(allowed: Collection[str], *, user_id: str, channel_id: str) -> None:
    """Check that this person may use the bot in this channel.

    Raises:
        NotPossible: others may, but not this person, or in other channels.
    """
    channels = {each for each in allowed if each.startswith(("C", "G"))}
    people = {*allowed} - channels
    if people and user_id not in people:
        raise NotPossible(Impossible.PERSON_NOT_ALLOWED)
    if channels and channel_id.startswith(("C", "G")) and channel_id not in channels:
        raise NotPossible(Impossible.CHANNEL_NOT_ALLOWED)


def limits_in_force(
    policy: Policy, changes: list[SetLimit], *, user_id: str, channel_id: str
) -> list[Limit]:
    """The limits for a video of this person in this channel.

    Limits of channels don't apply to direct messages, which belong to one person.
    """
    chosen = {kind: SetLimit(kind=kind, amount=amount) for kind, amount in policy.limits.items()}
    for change in sorted(changes, key=lambda change: change.subject != ""):
        subject = user_id if change.kind.scope is Scope.PERSON else channel_id
        if change.subject in {"", subject}:
            chosen[change.kind] = change
    return [
        Limit(kind=each.kind, amount=each.amount, is_soft=each.is_soft)
        for each in chosen.values()
        if each.amount is not None
        and (each.kind.scope is not Scope.CHANNEL or channel_id.startswith(("C", "G")))
    ]


class By(StrEnum):
    """What a bill has a line for each of."""

    PERSON = "person"
    CHANNEL = "channel"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """What the videos of one person, channel or model cost, in micro-dollars."""

    name: str
    videos: int
    """That are paid for, or may be."""
    spent: int
    held: int
    """Reserved, because the outcome isn't known yet."""
    unpriced: int
    """Videos whose price is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the videos of a month cost, by each of the three."""

    month: float
    """When it began."""
    lines: Mapping[By, list[BillLine]]


class LimitReached(NotPossible):
    """A limit does not allow this video."""

    def __init__(
        self, limit: Limit, *, used: int, price: int | None, affordable: int, at: float
    ) -> None:
        super().__init__(Impossible.OVER_LIMIT)
        self.reached = limit
        self.left = max(0, limit.amount - used)
        """In micro-dollars or videos."""
        self.price = price
        """Of the video, in micro-dollars; None: unknown."""
        self.affordable = affordable
        """The highest price that all limits allow, in micro-dollars; 0: none."""
        self.renews_at = renewal(limit.kind.period, at)


def first_broken(
    limits: list[Limit],
    used: Mapping[LimitKind, int],
    *,
    price: int | None,
    at: float,
    allows_unpriced: bool = False,
) -> NotPossible | None:
    """Why these limits don't allow a video at this price, if they don't: hard ones come first."""
    for limit in sorted(limits, key=lambda limit: limit.is_soft):
        is_unpriced = limit.kind.is_money and price is None and not allows_unpriced
        needed = (price or 0) if limit.kind.is_money else 1
        if not is_unpriced and used[limit.kind] + needed <= limit.amount:
            continue
        if limit.kind is LimitKind.PERSON_OPEN:
            return NotPossible(Impossible.TOO_MANY_OPEN, limit=limit.amount)
        affordable = _affordable(limits, used)
        used_up = used[limit.kind]
        return LimitReached(limit, used=used_up, price=price, affordable=affordable, at=at)
    return None


def _affordable(limits: list[Limit], used: Mapping[LimitKind, int]) -> int:
    left = {limit.kind: limit.amount - used[limit.kind] for limit in limits}
    if any(videos < 1 for kind, videos in left.items() if not kind.is_money):
        return 0
    return max(0, min((amount for kind, amount in left.items() if kind.is_money), default=0))


def micros(price: Decimal | None) -> int | None:
    """A price in dollars as a whole number of micro-dollars."""
    return None if price is None else round(price * MICROS)


def in_dollars(amount: int) -> Decimal:
    """An amount of micro-dollars in dollars."""
    return Decimal(amount) / MICROS


def month_of(year: int, month: int) -> tuple[float, float]:
    """When this month begins and ends."""
    begin = datetime(year, month, 1, tzinfo=UTC).timestamp()
    return begin, renewal(Period.MONTH, begin) or begin


def month_at(at: float, *, ago: int = 0) -> tuple[float, float]:
    """When the month of this moment, or the one so many months earlier, begins and ends."""
    begin = start_of(Period.MONTH, at)
    for _ in range(ago):
        begin = start_of(Period.MONTH, begin - 1)
    return begin, renewal(Period.MONTH, begin) or begin


def start_of(period: Period, at: float) -> float:
    """When the day or month began that this moment is in."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day.replace(day=1) if period is Period.MONTH else day).timestamp()


def period_name(period: Period, at: float) -> str:
    """The month or day that this moment is in, such as `2026-11` or `2026-11-24`."""
    day = datetime.fromtimestamp(at, UTC)
    return f"{day:%Y-%m}" if period is Period.MONTH else f"{day:%Y-%m-%d}"


def renewal(period: Period, at: float) -> float | None:
    """When the next day or month begins; None: nothing but the end of a video makes room."""
    begin = datetime.fromtimestamp(start_of(period, at), UTC)
    match period:
        case Period.DAY:
            return (begin + timedelta(days=1)).timestamp()
        case Period.MONTH:
            return (begin + timedelta(days=32)).replace(day=1).timestamp()
        case Period.OPEN:
            return None
