"""Submits a job to the Videos server, at most once, whatever response is lost."""

import asyncio
from enum import Enum, auto

import structlog

from bot import jobs
from bot.claimed import ClaimedJob, Dependencies, required
from bot.errors import MisconfiguredError, OutcomeUnknown, TemporaryError, VideoTaken
from bot.jobs import Job, Note
from bot.pictures import Picture
from bot.retries import RetryLater
from bot.videos.client import VideosClient

log = structlog.get_logger()


class Reconciled(Enum):
    """What the server's list says about a create whose response was lost."""

    ADOPTED = auto()
    NOT_RECEIVED = auto()
    UNDECIDED = auto()


class Submission:
    """The create of one claimed job."""

    def __init__(self, claimed: ClaimedJob, dependencies: Dependencies) -> None:
        self._claimed = claimed
        self._save = claimed.save
        self._store = dependencies.store
        self._servers = dependencies.servers
        self._timings, self._now = dependencies.timings, dependencies.clock
        self._is_in_flight = False

    @property
    def job(self) -> Job:
        """The job, as last saved."""
        return self._claimed.job

    @property
    def is_in_flight(self) -> bool:
        """Whether a create has been sent, and its response is still to come."""
        return self._is_in_flight

    @property
    def _videos(self) -> VideosClient:
        return self._servers.of(self.job.server)

    async def send(self, picture: Picture | None, *, server: str) -> None:
        """Request the video, once, and save what the server responds.

        A create in flight outlives the cancellation of this task for a moment: its response
        says what must be stopped.

        Raises:
            BotError: the server refused it, or certainly did not receive it.
        """
        started = jobs.submission_started(self.job, server=server, now=self._now())
        await self._save(started, "submission started")
        create = asyncio.create_task(self._create(picture))
        self._is_in_flight = True
        try:
            await asyncio.shield(create)
        except asyncio.CancelledError:
            await asyncio.wait({create}, timeout=self._timings.create_grace)
            await _cancelled(create)
            raise
        finally:
            self._is_in_flight = False

    async def reconcile(self) -> Reconciled:
        """A create was sent and its response is unknown: never repeat it without proof.

        A video of ours in the server's list is adopted at once. Only when no response can arrive
        any more does a complete list without it prove that the create was never received; if the
        list can't decide, the person does.
        """
        begun = required(self.job.submitted_at)
        known = await self._store.video_ids(submitted_since=begun - self._timings.give_up_after)
        found = await self._videos.find_submitted(self.job.request, since=begun, known=known)
        log.info(
            "submission looked up",
            job=self.job.id,
            matches=len(found.matches),
            complete=found.complete,
        )
        timeout = self._timings.create_timeout + self._timings.process_clock_skew
        wait = begun + timeout - self._now()
        if len(found.matches) == 1:
            await self._accept(found.matches[0])
            return Reconciled.ADOPTED
        if wait > 0:
            delay = min(wait, self._timings.reconcile_interval)
            raise RetryLater("the create may still be in progress", delay)
        is_proof = not found.matches and found.complete
        return Reconciled.NOT_RECEIVED if is_proof else Reconciled.UNDECIDED

    async def _create(self, picture: Picture | None) -> None:
        try:
            async with asyncio.timeout(self._timings.create_timeout):
                video_id = await self._create_or_remix(picture)
        except (OutcomeUnknown, TimeoutError) as error:
            log.warning("create response lost", job=self.job.id, reason=str(error))
        except (TemporaryError, MisconfiguredError):
            await self._save(jobs.submission_not_received(self.job), "submission not received")
            raise
        else:
            await self._accept(video_id)

    async def _create_or_remix(self, picture: Picture | None) -> str:
        if self.job.remix_of is not None and self.job.is_remix:
            video_id = await self._remix(self.job.remix_of)
            if video_id is not None:
                return video_id
            if self.job.request.input_reference is not None:
                # A remix needs no starting image, so it has not been fetched yet.
                raise TemporaryError("The remix becomes a new video, with its starting image.")
        return await self._videos.create(self.job.request, picture)

    async def _remix(self, original_id: str) -> str | None:
        """The id of the remix; None if there can't be one, which the card then says."""
        note = Note.NEW_VIDEO
        try:
            original = await self._store.get(original_id)
        except LookupError:
            original, note = None, Note.ORIGINAL_GONE
        if original is not None and original.video_id and original.server == self.job.server:
            video_id = await self._videos.remix(original.video_id, self.job.request.prompt)
            if video_id is not None:
                return video_id
        await self._save(jobs.remix_unavailable(self.job, note=note), "remix unavailable")
        return None

    async def _accept(self, video_id: str) -> None:
        try:
            await self._save(jobs.accepted(self.job, video_id=video_id), "accepted")
        except VideoTaken:
            # Another job with an equal request has adopted it: either may have it.
            log.warning("video taken", job=self.job.id, video=video_id)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait for its end; its error, if it had one, is in the job's row."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("stopped during a create", reason=type(error).__name__)
