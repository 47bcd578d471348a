"""What people may ask for. Writes rows; the worker moves them."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.jobs import Job
from bot.request import VideoRequest
from bot.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, where, and by which press.

    `request_key` names the press: Slack repeats itself, with the same `trigger_id` or `view.id`.
    """

    request_key: str
    team_id: str
    user_id: str
    channel_id: str
    response_url: str | None = None


class Service:
    """The people's side of the jobs table."""

    def __init__(
        self,
        store: Store,
        *,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._wake = wake
        self._clock = clock

    async def start(self, asker: Asker, request: VideoRequest) -> Job:
        """Start a video; the same press again is the same job.

        Raises:
            TemporaryError: the database does not answer.
        """
        job = await self._store.add(
            Job(
                id=_new_id(),
                request_key=asker.request_key,
                team_id=asker.team_id,
                user_id=asker.user_id,
                channel_id=asker.channel_id,
                response_url=asker.response_url,
                request=request,
                created_at=self._clock(),
            )
        )
        self._wake()
        return job


def _new_id() -> str:
    """Short enough to be read out, long enough not to be guessed."""
    return secrets.token_hex(5)
