"""Carries one job to its end: the order of the effects, and what an error makes of them.

May be killed at any `await`: the next claim of the row goes on from what the row says. That is
also the only way anything is tried again.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog

from bot import jobs, pictures
from bot.delivery import Delivery, MessageKind, Posted
from bot.errors import (
    BotError,
    CannotPost,
    FileRefused,
    LeaseLost,
    MisconfiguredError,
    OutcomeUnknown,
    PermanentError,
    ServerUnusable,
    TemporaryError,
    VideoGone,
    VideoTaken,
)
from bot.files import Files
from bot.homes import Homes
from bot.jobs import CANCELLABLE, PAUSABLE, Job, JobState, Note, Signal, again_key
from bot.pictures import Picture
from bot.request import InputReference
from bot.store import Store
from bot.timings import Timings
from bot.ui.progress import SILENCE, ProgressContext, TypicalDuration, estimate, progress_line
from bot.videos.client import VideosClient
from bot.videos.wire import Completed, Failed, InProgress, VideoStatus

log = structlog.get_logger()

T = TypeVar("T")

ESTIMATE_FROM = 50
"""Videos of a kind, the last ones, that say how long the next will take."""

GONE_AFTER = 6
"""Looks in a row, about a minute, after which a video that is not found is gone."""

MAX_PICTURE_ATTEMPTS = 5
"""Attempts to fetch a reference picture before the job fails."""

UNCERTAIN = (
    "I asked the video server, and cannot tell whether it was heard: its answer was lost, and its "
    "list of videos does not decide it. It may have been charged."
)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What every carrier of a process shares."""

    store: Store
    videos: VideosClient
    delivery: Delivery
    files: Files
    homes: Homes
    timings: Timings
    clock: Callable[[], float]
    downloads: asyncio.Semaphore
    fitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One picture at a time is decoded, because each may take a lot of memory."""


class JobRunner:
    """One job in hand; `self.job` is always what the row says."""

    def __init__(self, job: Job, tools: Dependencies) -> None:
        self.job = job
        self._is_unwanted = False
        self._dependencies = tools
        self._store, self._videos, self._delivery = tools.store, tools.videos, tools.delivery
        self._timings, self._now = tools.timings, tools.clock
        self._picture: Picture | None = None

    async def run(self) -> None:
        """Bring the job to its end, or let go of it until it can go on.

        Raises:
            TemporaryError: the database does not answer.
        """
        try:
            # A wish stops the task and lets the job be claimed anew, so a first claim has none.
            if self.job.fence > 1:
                self._is_unwanted = await self._wanted_by(Signal.CANCEL) != ()
            while self.job.closed_at is None:
                await self._step_safely()
        except _Later as later:
            await self._let_go(later)
        except LeaseLost as error:
            log.info("job let go", job=self.job.id, reason=error.message)

    async def _step_safely(self) -> None:
        """One step; an error becomes a later attempt, or the job's end."""
        try:
            await (self._cancel() if self._can_cancel() else self._step())
        except (LeaseLost, _Later):
            raise
        except VideoGone as error:
            await self._fail_unless_it_comes_back(error)
        except PermanentError as error:
            await self._fail(error.code, error.message)
        except ServerUnusable as error:
            await self._pause(error)
        except (TemporaryError, OutcomeUnknown, MisconfiguredError) as error:
            await self._try_later(error)
        except Exception as error:
            log.exception("a step broke", job=self.job.id, state=self.job.state)
            await self._try_later(TemporaryError(f"Something in the bot broke ({error!r})."))

    async def _fail_unless_it_comes_back(self, error: VideoGone) -> None:
        """Servers forget videos when they restart; gateways now and then for a moment."""
        if self.job.attempts < GONE_AFTER:
            await self._try_later(TemporaryError(error.message))
        else:
            await self._fail(error.code, error.message)

    async def _pause(self, error: ServerUnusable) -> None:
        """Wait until the operator has put it right; the next step tells the people so, once."""
        if self.job.state in PAUSABLE and not self.job.is_paused:
            await self._save(
                jobs.paused(self.job, code=error.code, message=error.message), "paused"
            )
        elif self._now() - self.job.created_at > self._timings.give_up_after:
            await self._fail(error.code, error.message)
        else:
            raise self._later(error, quiet=self.job.is_paused)

    def _can_cancel(self) -> bool:
        """What is under way at the server must be known before it can be stopped."""
        is_known = self.job.state is not JobState.SUBMITTING
        return self._is_unwanted and is_known and self.job.state in CANCELLABLE

    async def _wanted_by(self, wish: Signal) -> tuple[str, ...]:
        signals = await self._store.signals(self.job.id)
        return tuple(sorted(user_id for kind, user_id in signals if kind is wish))

    async def _step(self) -> None:
        if self.job.is_paused and self.job.reply_ts is None:
            await self._notify(MessageKind.PAUSED)
        match self.job.state:
            case JobState.REQUESTED:
                await self._announce()
            case JobState.ANNOUNCED:
                await self._submit()
            case JobState.SUBMITTING:
                await self._reconcile_submission()
            case JobState.RENDERING:
                await self._watch()
            case JobState.OVERDUE:
                await self._watch_overdue()
            case JobState.DELIVERING:
                await self._deliver()
            case JobState.DELIVERED:
                await self._close_or_delete()
            case JobState.FAILED | JobState.UNCERTAIN:
                await self._close()
            case JobState.CANCELLED | JobState.DELETED:
                await self._close_quietly()

    async def _announce(self) -> None:
        """The card first: its success proves that the video can be delivered, before it costs.

        Only the picture is looked at before: what is wrong with it is between us and the person.
        """
        job = self.job
        if (picture := await self._reference()) is not None:
            job = jobs.picture_fitted(job, from_size=picture.from_size)
        card = await self._said_before(MessageKind.CARD)
        if card is None:
            await self._prove_ownership()
            card = await self._delivery.announce(job)
        announced = jobs.announced(job, channel_id=card.channel_id, card_ts=card.ts)
        await self._save(announced, "announced")

    async def _reference(self) -> Picture | None:
        """The reference picture, ready to be sent; fetched again if we were interrupted."""
        reference, size = self.job.request.input_reference, self.job.request.size
        if reference is not None and self._picture is None:
            async with self._dependencies.downloads:
                content = await self._fetch(reference)
            async with self._dependencies.fitting:
                self._picture = await asyncio.to_thread(
                    pictures.fitted, content, size=size, fit=reference.fit
                )
        return self._picture

    async def _fetch(self, reference: InputReference) -> bytes:
        try:
            return await self._dependencies.files.fetch(
                reference.file_id, user_id=reference.user_id, limit=pictures.MAX_BYTES
            )
        except TemporaryError as error:
            if self.job.attempts + 1 < MAX_PICTURE_ATTEMPTS:
                raise
            raise FileRefused(f"I cannot fetch it. {error.message} Please try again.") from error

    async def _said_before(self, what: MessageKind) -> Posted | None:
        """What an earlier claim of this job may have said before it broke off."""
        return await self._delivery.find(self.job, what) if self.job.fence > 1 else None

    async def _replace_lost_card(self) -> bool:
        """Where somebody deleted the card, let a new one open the thread; whether it did."""
        if await self._delivery.draw(self.job) or self.job.thread_ts is not None:
            return False
        await self._prove_ownership()
        card = await self._delivery.announce(self.job)
        await self._save(jobs.card_replaced(self.job, card_ts=card.ts), "card replaced")
        return True

    async def _prove_ownership(self) -> None:
        """Before what cannot be done twice: a process may have been frozen past its lease."""
        await self._store.save(self.job, now=self._now())

    async def _submit(self) -> None:
        self._videos.check_open()
        picture, self._picture = await self._reference(), None
        begun = jobs.submission_begun(self.job, server=self._videos.server, now=self._now())
        await self._save(begun, "submission begun")
        try:
            async with asyncio.timeout(self._timings.create_timeout):
                video_id = await self._ask_server(picture)
        except (OutcomeUnknown, TimeoutError) as error:
            log.warning("create not answered", job=self.job.id, reason=str(error))
        except (TemporaryError, MisconfiguredError):
            await self._save(jobs.submission_unheard(self.job), "submission unheard")
            raise
        else:
            await self._accept(video_id)

    async def _ask_server(self, picture: Picture | None) -> str:
        if self.job.remix_of is None or self.job.note is Note.NEW_VIDEO:
            return await self._videos.create(self.job.request, picture)
        original = await self._store.get(self.job.remix_of)
        if original.video_id is not None:
            remix = await self._videos.remix(original.video_id, self.job.request.prompt)
            if remix is not None:
                return remix
        await self._save(jobs.made_anew(self.job), "no remix to be had")
        return await self._videos.create(self.job.request, picture)

    async def _accept(self, video_id: str) -> None:
        try:
            await self._save(jobs.accepted(self.job, video_id=video_id), "accepted")
        except VideoTaken:
            # Another job with the same request adopted it in between: to both it is the same.
            log.warning("video taken", job=self.job.id, video=video_id)

    async def _reconcile_submission(self) -> None:
        """A create was begun and its answer is not known: never ask again without proof.

        The server's list decides, once no answer can be on its way any more: our video is in
        it, or it is complete and nobody heard; otherwise the person decides.
        """
        begun = _required(self.job.submitted_at)
        if (
            wait := begun
            + self._timings.create_timeout
            + self._timings.process_clock_skew
            - self._now()
        ) > 0:
            raise _Later("the create may still be under way", wait)
        known = await self._store.video_ids(submitted_since=begun - self._timings.give_up_after)
        found = await self._videos.find_submitted(self.job.request, since=begun, known=known)
        log.info("looked for it", job=self.job.id, matches=len(found.matches), all=found.complete)
        if len(found.matches) == 1:
            await self._accept(found.matches[0])
        elif not found.matches and found.complete:
            await self._submit_once_more()
        else:
            uncertain = jobs.left_uncertain(self.job, message=UNCERTAIN, now=self._now())
            await self._save(uncertain, "left uncertain")

    async def _submit_once_more(self) -> None:
        """It is proved that nobody heard; but not for ever."""
        if self._is_out_of_time(self.job.created_at):
            await self._fail("no_answer", "The video server does not answer requests.")
        else:
            await self._save(jobs.submission_unheard(self.job), "submission unheard")

    async def _watch(self) -> None:
        """Look until the server is done, and let the card say how far it is."""
        typical = await self._typical_duration()
        drawn, drawn_at = "", 0.0
        while isinstance(status := await self._retrieve(), InProgress):
            if self._is_out_of_time(_required(self.job.submitted_at)):
                await self._run_out_of_time()
                return
            if self._now() - drawn_at >= self._timings.card_interval and self._delivery.has_room:
                drawn, drawn_at = await self._draw_progress(status, typical, drawn), self._now()
            await asyncio.sleep(self._poll_delay(status))
        await self._finish_rendering(status)

    async def _draw_progress(
        self, status: InProgress, typical: TypicalDuration | None, drawn: str
    ) -> str:
        """Say on the card how far it is, if that is news; returns what stands there now."""
        progress = await self._progress_context(status, typical)
        line = progress_line(self.job.progress, progress)
        if line != drawn and await self._delivery.draw_progress(self.job, progress):
            return line
        return drawn

    async def _typical_duration(self) -> TypicalDuration | None:
        """How long this server took for the last videos of this kind."""
        times = await self._store.render_times(
            _required(self.job.server), self.job.request, limit=ESTIMATE_FROM
        )
        return estimate(times)

    async def _progress_context(
        self, status: InProgress, typical: TypicalDuration | None
    ) -> ProgressContext:
        submitted_at = _required(self.job.submitted_at)
        ahead = 0
        if status.is_queued:
            ahead = await self._store.queued_before(_required(self.job.server), submitted_at)
        return ProgressContext(
            elapsed=self._now() - submitted_at,
            typical=typical,
            is_queued=status.is_queued,
            ahead=ahead,
        )

    async def _watch_overdue(self) -> None:
        """Tell the person; then look now and then, for a day or until they ask again."""
        await self._notify(MessageKind.OVERDUE)
        until = (
            _required(self.job.submitted_at)
            + self._timings.deadline
            + self._timings.overdue_timeout
        )
        while isinstance(status := await self._retrieve(), InProgress):
            if await self._store.has_key(again_key(self.job.id)):
                await self._save(jobs.superseded(self.job, now=self._now()), "superseded")
                return
            if self._now() > until:
                await self._fail("timeout", "The video server has not finished within a day.")
                return
            await asyncio.sleep(self._timings.overdue_poll_interval)
        await self._finish_rendering(status)

    async def _retrieve(self) -> VideoStatus:
        status = await self._videos.retrieve(_required(self.job.video_id))
        if isinstance(status, InProgress):
            progressed = jobs.progressed(self.job, percent=status.percent)
            if progressed != self.job:
                await self._save(progressed, "progressed")
        return status

    async def _finish_rendering(self, status: Completed | Failed) -> None:
        if isinstance(status, Failed):
            await self._fail(status.code, status.message)
        else:
            await self._save(jobs.rendered(self.job, now=self._now()), "rendered")

    def _is_out_of_time(self, since: float) -> bool:
        return self._now() - since > self._timings.deadline

    async def _run_out_of_time(self) -> None:
        minutes = round(self._timings.deadline / 60)
        message = f"The video server has not finished within {minutes} minutes."
        await self._save(jobs.overdue(self.job, message=message), "overdue")

    async def _deliver(self) -> None:
        """Bring the file into the thread, at most once: its id decides what was done already."""
        if self.job.file_id is None:
            await self._upload()
        elif (ts := await self._share_of()) is not None:
            await self._deliver_as(ts)
            return
        try:
            await self._delivery.share(self.job, await self._wanted_by(Signal.NOTIFY))
        except CannotPost:
            raise
        except PermanentError as error:
            # Perhaps it was asked before, and heard: the look at the file decides.
            log.warning("share refused", job=self.job.id, code=error.code)
            if await self._replace_lost_card():
                await self._delivery.share(self.job, await self._wanted_by(Signal.NOTIFY))
        await self._await_share()

    async def _upload(self) -> None:
        """Fetch the file and send it to Slack; its id is saved before the bytes go up."""
        async with self._dependencies.downloads:
            with tempfile.TemporaryDirectory(prefix="video-bot-") as folder:
                path = Path(folder) / "video.mp4"
                size = await self._videos.download(_required(self.job.video_id), path)
                upload = await self._delivery.begin_upload(self.job, size)
                begun = jobs.upload_begun(self.job, file_id=upload.file_id)
                await self._save(begun, "upload begun")
                await self._delivery.send_bytes(upload, path, size)

    async def _await_share(self) -> None:
        """Slack shares a file in its own time, or now and then never."""
        began = self._now()
        while (ts := await self._share_of()) is None:
            if self._now() - began > self._timings.share_timeout:
                await self._delivery.delete_file(self.job)
                await self._upload_again("Slack has not shared the file.")
            await asyncio.sleep(self._timings.share_poll_interval)
        await self._deliver_as(ts)

    async def _share_of(self) -> str | None:
        try:
            return await self._delivery.share_of(self.job)
        except PermanentError as error:
            if error.code != "file_not_found":
                raise
        return await self._upload_again("Slack does not know the file.")

    async def _upload_again(self, reason: str) -> NoReturn:
        await self._save(jobs.upload_lost(self.job), "upload lost")
        raise TemporaryError(reason)

    async def _deliver_as(self, ts: str) -> None:
        permalink = await self._delivery.permalink(self.job, ts)
        delivered = jobs.delivered(self.job, reply_ts=ts, permalink=permalink, now=self._now())
        await self._save(delivered, "delivered")

    async def _cancel(self) -> None:
        """Stop what can be stopped; the card says what could not."""
        note = Note.NOT_ASKED
        if self.job.video_id is not None:
            gone = await self._videos.delete(self.job.video_id)
            note = Note.STOPPED if gone else Note.NOT_STOPPED
        if self.job.file_id is not None:
            await self._delivery.delete_file(self.job)
        await self._save(jobs.cancelled(self.job, note=note, now=self._now()), "cancelled")

    async def _close_or_delete(self) -> None:
        if not await self._wanted_by(Signal.DELETE):
            await self._close()
            return
        await self._delivery.delete_file(self.job)
        copy_left = not await self._videos.delete(_required(self.job.video_id))
        await self._save(jobs.deleted(self.job, copy_left=copy_left), "deleted")

    async def _close_quietly(self) -> None:
        """Only the card changes: who wished it need not be told."""
        if self.job.card_ts is not None:
            await self._delivery.draw(self.job)
        await self._save(jobs.closed(self.job, now=self._now()), "closed")

    async def _close(self) -> None:
        """Tell the people how it ended."""
        if self.job.card_ts is None:
            await self._delivery.notify_privately(self.job)
        else:
            await self._notify_end()
        await self._save(jobs.closed(self.job, now=self._now()), "closed")

    async def _notify_end(self) -> None:
        """In the thread, or where that is closed by now, to the person alone."""
        try:
            await self._notify(MessageKind.END)
        except PermanentError as error:
            log.warning("end not told in the thread", job=self.job.id, code=error.code)
            if self.job.reply_ts is None:
                await self._delivery.notify_privately(self.job)

    async def _notify(self, what: MessageKind) -> None:
        """Say it in the thread, once, and bring the card up to date."""
        if self.job.reply_ts is None:
            reply = await self._said_before(what)
            if reply is None:
                await self._prove_ownership()
                reply = await self._reply(what)
            await self._save(jobs.notified(self.job, reply_ts=reply.ts), f"notified {what}")
        await self._delivery.draw(self.job)

    async def _reply(self, what: MessageKind) -> Posted:
        try:
            return await self._delivery.reply(self.job, what)
        except PermanentError as error:
            if error.code not in {"thread_not_found", "message_not_found"}:
                raise
        await self._replace_lost_card()
        return await self._delivery.reply(self.job, what)

    async def _fail(self, code: str, message: str) -> None:
        if self.job.finished_at is None:
            failed = jobs.failed(self.job, code=code, message=message, now=self._now())
            await self._save(failed, "failed", code=code)
        else:
            # The job has its end; what could not be said about it will not be said.
            await self._save(jobs.closed(self.job, now=self._now()), "end not told", code=code)

    async def _try_later(self, error: BotError) -> None:
        if self.job.state is JobState.RENDERING and self._is_out_of_time(
            _required(self.job.submitted_at)
        ):
            await self._run_out_of_time()
            return
        if self.job.state is JobState.RENDERING and self.job.attempts == SILENCE:
            elapsed = self._now() - _required(self.job.submitted_at)
            await self._delivery.draw_progress(self.job, ProgressContext(elapsed=elapsed))
        since = self.job.finished_at or self.job.rendered_at or self.job.created_at
        if self._now() - since > self._timings.give_up_after:
            await self._fail("gave_up", error.message)
            return
        raise self._later(error)

    def _later(self, error: BotError, *, quiet: bool = False) -> "_Later":
        hint = error.retry_after if isinstance(error, TemporaryError) else None
        jitter = random.random()  # noqa: S311 -- spreads attempts, and guards nothing
        delay = (
            jobs.retry_delay(self.job.attempts, hint=hint, jitter=jitter)
            * self._timings.retry_scale
        )
        return _Later(error.message, delay, quiet=quiet)

    async def _let_go(self, later: "_Later") -> None:
        say = log.debug if later.quiet else log.info
        say(
            "trying later",
            job=self.job.id,
            state=self.job.state,
            reason=later.reason,
            delay=later.delay,
        )
        await self._store.postpone(self.job, not_before=self._now() + later.delay)

    async def _save(self, job: Job, event: str, **details: str) -> None:
        await self._store.save(job, now=self._now())
        if (job.state, job.closed_at) != (self.job.state, self.job.closed_at):
            self._dependencies.homes.changed(job.user_id)
        self.job = job
        log.info(event, job=job.id, state=job.state, **details)

    def _poll_delay(self, status: InProgress) -> float:
        wanted = self._timings.poll_interval if status.poll_after is None else status.poll_after
        return min(max(wanted, self._timings.min_poll_interval), self._timings.max_poll_interval)


class _Later(Exception):
    def __init__(self, reason: str, delay: float, *, quiet: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.quiet = quiet


def _required(value: T | None) -> T:
    """A value that this state of a job always has."""
    if value is None:
        raise AssertionError("the row lacks what its state promises")
    return value
