"""What people may ask for. Writes rows; the worker moves them."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import NotYours
from bot.jobs import Job, again_key
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
        return await self._add(
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

    async def ask_again(self, job_id: str, user_id: str) -> Job:
        """Start the same video once more; however often it is pressed, that is one job.

        Raises:
            NotYours: somebody else asked for it.
            TemporaryError: the database does not answer.
        """
        job = await self.owned(job_id, user_id)
        return await self._add(
            Job(
                id=_new_id(),
                request_key=again_key(job.id),
                team_id=job.team_id,
                user_id=job.user_id,
                channel_id=job.channel_id,
                request=job.request,
                created_at=self._clock(),
            )
        )

    async def owned(self, job_id: str, user_id: str) -> Job:
        """The job, if this person asked for it.

        Raises:
            NotYours: somebody else did, or there is no such job.
            TemporaryError: the database does not answer.
        """
        try:
            job = await self._store.get(job_id)
        except LookupError:
            raise NotYours("I no longer know this video.") from None
        if job.user_id != user_id:
            raise NotYours(f"Only <@{job.user_id}>, who asked for this video, can do that.")
        return job

    async def _add(self, job: Job) -> Job:
        added = await self._store.add(job)
        self._wake()
        return added


def _new_id() -> str:
    """Short enough to be read out, long enough not to be guessed."""
    return secrets.token_hex(5)
