"""Notifies admins when a Videos server refuses everyone's requests, and when that is over."""

import time
from collections.abc import Callable, Collection

import structlog

from bot.delivery import Delivery
from bot.errors import BotError, OutcomeUnknown, PermanentError, TemporaryError
from bot.jobs import Outage
from bot.outage_store import OutageStore
from bot.timings import OUTAGE_LEASE, OUTAGE_MEMORY
from bot.ui.outages import outage_began, outage_ended

log = structlog.get_logger()


class Outages:
    """Notifies each admin once when an outage begins and once when it is over.

    `server` is the current Videos server. Every process does this; each message is one process's.
    """

    def __init__(
        self,
        store: OutageStore,
        delivery: Delivery,
        *,
        admins: Collection[str],
        server: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._admins = admins
        self._server = server
        self._clock = clock

    async def watch(self) -> None:
        """Derive the outages from the jobs' rows, and notify admins of what is new.

        Raises:
            TemporaryError: the database does not respond.
        """
        now = self._clock()  # before the query, so that what it finds paused resumes later
        waiting = await self._store.waiting()
        for server in waiting:
            await self._store.begin(server, self._admins, now=now)
        await self._store.end(current=self._server, now=now)
        await self._store.forget(began_before=now - OUTAGE_MEMORY)
        for outage in await self._store.claim(now=now, lease=OUTAGE_LEASE):
            await self._notify(outage, waiting.get(outage.server, 0))

    async def _notify(self, outage: Outage, waiting: int) -> None:
        try:
            if outage.notified_at is None:
                await self._delivery.notify_admin(outage, outage_began(outage, waiting))
            else:
                await self._delivery.notify_admin(outage, outage_ended(outage))
        except (TemporaryError, OutcomeUnknown) as error:
            log.info("admin not notified yet", user=outage.user_id, reason=error.message)
            return
        except PermanentError as error:
            log.warning("admin can't be notified", user=outage.user_id, code=error.code)
        except BotError as error:
            log.warning("admin not notified yet", user=outage.user_id, reason=error.message)
            return
        await self._store.notified(outage, now=self._clock())
