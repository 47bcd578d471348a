"""Home tabs: published when they are opened, and again while open when a job changes."""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import structlog

from bot.database import Priority
from bot.delivery import Delivery
from bot.errors import BotError, OutcomeUnknown, TemporaryError
from bot.jobs import FIRST_PAGE, HomePage, Job
from bot.spending import By, LimitKind, Policy, Used, month_at
from bot.store import NO_LIMITS, Store
from bot.timings import HOME_REFRESH_WINDOW
from bot.ui.blocks import Block
from bot.ui.home import PAGE, build_home, build_unavailable
from bot.ui.spending import Overview

log = structlog.get_logger()


class Homes:
    """The Home tabs of one workspace; everyone sees only their own jobs."""

    def __init__(
        self,
        store: Store,
        delivery: Delivery,
        *,
        policy: Policy = NO_LIMITS,
        contact: str = "",
        admins: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._policy = policy
        self._contact = contact
        self._admins = admins
        self._clock = clock
        self._changed: set[str] = set()

    async def open(self, user_id: str, page: HomePage = FIRST_PAGE) -> None:
        """Show this page, or a notice if the database does not respond.

        Raises:
            BotError: as `Delivery` says.
        """
        try:
            await self._store.home_opened(user_id, now=self._clock(), page=page)
            view = await self._view(user_id, page, Priority.PERSON)
        except TemporaryError as error:
            log.warning("Home tab published without jobs", reason=error.message)
            view = build_unavailable(self._contact)
        await self._delivery.publish_home(user_id, view)

    def changed(self, user_id: str) -> None:
        """Note that one of this person's jobs is in another state."""
        self._changed.add(user_id)

    async def refresh(self) -> None:
        """Publish again the open tabs whose jobs have changed since the last call.

        Raises:
            TemporaryError: the database does not respond.
        """
        if not self._changed:
            return
        pages = await self._store.homes_since(self._clock() - HOME_REFRESH_WINDOW)
        for user_id in [*self._changed]:
            self._changed.discard(user_id)
            if user_id in pages:
                await self._republish(user_id, pages[user_id])

    async def _republish(self, user_id: str, page: HomePage) -> None:
        try:
            view = await self._view(user_id, page, Priority.JOB)
            await self._delivery.publish_home(user_id, view)
        except (TemporaryError, OutcomeUnknown) as error:
            log.info("Home tab postponed", user=user_id, reason=error.message)
            self._changed.add(user_id)
        except BotError as error:
            log.warning("Home tab not published", user=user_id, reason=error.message)
        except Exception:
            # One person's tab must not keep the others' from being updated.
            log.exception("Home tab not published", user=user_id)

    async def _view(self, user_id: str, page: HomePage, priority: Priority) -> Block:
        now = self._clock()
        jobs = await self._jobs(user_id, page, priority)
        made = await self._store.totals(user_id, since=_month_began(now), priority=priority)
        used = await self._store.usage(self._policy, user_id=user_id, now=now, priority=priority)
        return build_home(
            jobs[:PAGE],
            page=page,
            has_older=len(jobs) > PAGE,
            made=made,
            used=used,
            overview=await self._overview(used, now, priority) if user_id in self._admins else None,
            contact=self._contact,
        )

    async def _jobs(self, user_id: str, page: HomePage, priority: Priority) -> list[Job]:
        """The jobs of the page, and one more if another page follows."""
        limit, offset = PAGE + 1, page.number * PAGE
        if page.words:
            return await self._store.search(
                user_id, page.words, limit=limit, offset=offset, priority=priority
            )
        return await self._store.list_of(user_id, limit=limit, offset=offset, priority=priority)

    async def _overview(
        self, used: Mapping[LimitKind, Used], now: float, priority: Priority
    ) -> Overview:
        since, before = month_at(now)
        bills = {by: await self._store.bill(by, since=since, before=before) for by in By}
        waiting = await self._store.proposals(priority=priority)
        return Overview(used=used, bills=bills, waiting=waiting)


def _month_began(now: float) -> float:
    today = datetime.fromtimestamp(now, UTC)
    return datetime(today.year, today.month, 1, tzinfo=UTC).timestamp()
