"""Shows a frame of a finished video on its card: a courtesy that never delays the video.

The frame is taken while the video is uploaded, and uploaded after it is delivered. Its file id is
saved before its bytes are sent, so that a later attempt never uploads another one. Whatever goes
wrong, the card stays as it is.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import BinaryIO

import structlog

from bot import jobs
from bot.claimed import ClaimedJob, Dependencies
from bot.decoding.posters import poster_of
from bot.errors import BotError, LeaseLost, OutcomeUnknown, TemporaryError
from bot.jobs import Job, Signal
from bot.timings import FRAME_TIMEOUT

log = structlog.get_logger()

MAX_CHECKS = 6
"""Checks that Slack has processed the frame, within about a minute."""


class Poster:
    """The frame of one claimed job's video."""

    def __init__(self, claimed: ClaimedJob, dependencies: Dependencies) -> None:
        self._claimed = claimed
        self._dependencies = dependencies
        self._delivery = dependencies.delivery
        self._video: BinaryIO | None = None
        self._frame: asyncio.Task[bytes | None] | None = None
        self._is_edited = False
        """Whether the card may show the frame: Slack's response may have been lost."""

    @property
    def job(self) -> Job:
        """The job, as last saved."""
        return self._claimed.job

    def prepare(self, video: Path) -> None:
        """Begin to take a frame of the video, whose file may be deleted meanwhile."""
        if not self._dependencies.shows_posters:
            return
        try:
            self._video = video.open("rb")
        except OSError as error:
            log.info("no poster", job=self.job.id, reason=type(error).__name__)
        else:
            self._frame = asyncio.create_task(self._take(self._video))

    async def close(self) -> None:
        """Stop taking the frame, and close the video."""
        if self._frame is not None:
            self._frame.cancel()
            await asyncio.wait({self._frame})
        if self._video is not None:
            self._video.close()

    async def show(self) -> None:
        """Put the frame on the card, unless it is there."""
        try:
            if not self.job.shows_poster and await self._upload():
                await self._show_when_ready()
        except LeaseLost:
            raise
        except BotError as error:
            log.info("poster not shown", job=self.job.id, reason=error.message)
            await self._drop()

    async def _take(self, video: BinaryIO) -> bytes | None:
        """The frame, unless it takes too long: the deleted file takes space until then."""
        try:
            async with asyncio.timeout(FRAME_TIMEOUT), self._dependencies.posters:
                return await poster_of(video)
        except (BotError, OSError) as error:
            log.info("no poster", job=self.job.id, reason=str(error) or type(error).__name__)
            return None
        finally:
            video.close()

    async def _upload(self) -> bool:
        """Upload the frame, once; returns whether there is one."""
        if self.job.poster_id is not None:
            return True  # by an earlier attempt, whose bytes may have been lost with it
        frame = await self._frame if self._frame is not None else None
        if frame is None:
            return False
        upload = await self._delivery.begin_poster(self.job, len(frame))
        started = jobs.poster_started(self.job, file_id=upload.file_id)
        await self._claimed.save(started, "poster started")
        await self._delivery.send_poster(self.job, upload, frame)
        return True

    async def _show_when_ready(self) -> None:
        for check in range(MAX_CHECKS):
            if await self._is_deleting():
                return
            with contextlib.suppress(TemporaryError, OutcomeUnknown):
                if await self._show_if_ready():
                    return
            await asyncio.sleep(self._dependencies.timings.share_poll_interval * 2**check)
        raise TemporaryError("Slack has not processed the frame, or allows no further edits.")

    async def _show_if_ready(self) -> bool:
        if not await self._delivery.is_poster_ready(self.job):
            return False
        shown, self._is_edited = jobs.poster_shown(self.job), True
        if not await self._delivery.show_poster(shown):
            return False
        await self._claimed.save(shown, "poster shown")
        return True

    async def _is_deleting(self) -> bool:
        signals = await self._dependencies.store.signals(self.job.id)
        return any(kind is Signal.DELETE for kind, _ in signals)

    async def _drop(self) -> None:
        if self.job.poster_id is None:
            return
        try:
            await self._delivery.delete_file(self.job.poster_id)
        except BotError as error:
            log.info("poster not deleted", job=self.job.id, reason=error.message)
        await self._claimed.save(jobs.poster_dropped(self.job), "poster dropped")
        if self._is_edited:
            with contextlib.suppress(BotError):
                await self._delivery.update_card(self.job)
