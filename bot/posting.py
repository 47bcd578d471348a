"""Posts the messages of one claimed job, each at most once as far as Slack lets us know."""

from collections.abc import Awaitable, Callable

from bot import jobs
from bot.claimed import ClaimedJob, Dependencies
from bot.delivery import Posted
from bot.errors import MisconfiguredError, PermanentError, RateLimited


class Posting:
    """The messages of one claimed job; a message's kind is in its metadata.

    `channel_id` is where it is posted, if that isn't the job's own channel.
    """

    def __init__(self, claimed: ClaimedJob, dependencies: Dependencies) -> None:
        self._claimed = claimed
        self._delivery = dependencies.delivery

    async def post_once(
        self, kind: str, post: Callable[[], Awaitable[Posted]], *, channel_id: str | None = None
    ) -> Posted:
        """The message that an earlier attempt may have posted, otherwise a new one."""
        job = self._claimed.job
        if job.posting == kind:
            found = await self._delivery.find_message(job, kind, channel_id=channel_id)
            if found is not None:
                return found
        return await self.post(kind, post, channel_id=channel_id)

    async def post(
        self, kind: str, post: Callable[[], Awaitable[Posted]], *, channel_id: str | None = None
    ) -> Posted:
        """Post a message, and remember that it may have been posted until that is known.

        The save also proves ownership: the process may have been frozen past its lease.
        """
        await self._delivery.wait_to_post(self._claimed.job, channel_id=channel_id)
        started = jobs.post_started(self._claimed.job, kind=kind)
        await self._claimed.save(started, f"posting {kind}")
        try:
            return await post()
        except (RateLimited, PermanentError, MisconfiguredError):
            # Only these prove that nothing was posted: a server error may come afterwards.
            await self._claimed.save(jobs.post_refused(self._claimed.job), "post refused")
            raise
