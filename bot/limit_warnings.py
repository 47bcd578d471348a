"""Warns admins when a limit of the workspace is nearly, and when it is completely used."""

import time
from collections.abc import Callable, Collection

import structlog

from bot.delivery import Delivery
from bot.errors import BotError
from bot.spending import LimitKind, Period, Policy, Scope, Used, start_of
from bot.store import Store
from bot.ui.spending import near_limit
from bot.warning_store import Warned, WarningStore

log = structlog.get_logger()

THRESHOLDS = (100, 80)
"""Per cent of a limit; the highest one that is reached counts."""


class LimitWarnings:
    """The warnings: one direct message to each admin for each threshold of a limit and period.

    The row that prevents a second message is written before the first one is sent: a process
    killed in between sends none.
    """

    def __init__(
        self,
        store: Store,
        warnings: WarningStore,
        delivery: Delivery,
        *,
        policy: Policy,
        admins: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._warnings = warnings
        self._delivery = delivery
        self._policy = policy
        self._admins = admins
        self._clock = clock

    async def watch(self) -> None:
        """Warn of every limit that has reached a threshold since the last time.

        Raises:
            TemporaryError: the database does not respond.
        """
        if not self._admins:
            return
        now = self._clock()
        used = await self._store.usage(self._policy, user_id="", now=now)
        for kind in (kind for kind in used if kind.scope is Scope.WORKSPACE):
            await self._check(kind, used[kind], start_of(kind.period, now))
        await self._warnings.forget(before=start_of(Period.MONTH, now))

    async def _check(self, kind: LimitKind, used: Used, period_began: float) -> None:
        if not used.limit:
            return  # nothing is limited, or nothing is allowed
        reached = [percent for percent in THRESHOLDS if 100 * used.used >= percent * used.limit]
        for admin in self._admins if reached else ():
            warned = Warned(
                kind=kind,
                period_began=period_began,
                amount=used.limit,
                percent=reached[0],
                user_id=admin,
            )
            if await self._warnings.claim(warned):
                await self._warn(warned, used)

    async def _warn(self, warned: Warned, used: Used) -> None:
        message = near_limit(warned.kind, used, warned.percent)
        try:
            await self._delivery.send_privately(warned.user_id, message)
        except BotError as error:
            log.warning("admin not warned", user=warned.user_id, reason=error.message)
            await self._warnings.release(warned)
