"""Runs one job to its end: the order of its side effects, and what each error leads to.

The process may be killed at any `await`: the next claim continues from what the row says. That
is also the only way anything is retried.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import NoReturn

import structlog

from bot import jobs
from bot.claimed import ClaimedJob, Dependencies, required
from bot.decoding.pictures import fitted
from bot.delivery import MessageKind, Posted, Share
from bot.errors import (
    BotError,
    CannotPost,
    FileProblem,
    FileRefused,
    LeaseLost,
    MisconfiguredError,
    NotAVideo,
    OutcomeUnknown,
    PermanentError,
    ServerUnusable,
    Source,
    TemporaryError,
    TokenRefused,
    VideoGone,
)
from bot.jobs import CANCELLABLE, NOT_A_VIDEO, PAUSABLE, Job, JobState, Note, Signal, again_key
from bot.pictures import Picture
from bot.polling import poll_delay
from bot.poster import Poster
from bot.posting import Posting
from bot.proposal import Proposal
from bot.request import Fit, InputReference
from bot.retries import RetryLater, retry_later
from bot.submission import Reconciled, Submission
from bot.timings import MAX_RETRY_DELAY
from bot.ui import failures
from bot.ui.progress import SILENCE, ProgressContext, TypicalDuration
from bot.ui.states import summarize
from bot.videos.client import VideosClient
from bot.videos.wire import Completed, Failed, InProgress, VideoStatus

log = structlog.get_logger()

MAX_NOT_FOUND = 6
"""Responses in a row, within about a minute, after which a video that is not found is gone."""

NOT_A_VIDEO_ATTEMPTS = 6
"""Attempts, within about a minute, after which the thread says that no video arrives."""

MAX_PICTURE_ATTEMPTS = 5
"""Attempts to fetch a starting image before the job fails."""

MAX_DECODE_ATTEMPTS = 3
"""Attempts to decode a starting image that broke off before the job fails."""


class JobRunner:
    """Runs one claimed job."""

    def __init__(self, job: Job, dependencies: Dependencies, *, is_cancelled: bool = False) -> None:
        self._claimed = ClaimedJob(job, dependencies)
        self._save = self._claimed.save
        self._submission = Submission(self._claimed, dependencies)
        self._poster = Poster(self._claimed, dependencies)
        self._posting = Posting(self._claimed, dependencies)
        self._proposal = Proposal(self._claimed, dependencies, self._posting)
        self._is_cancelled = is_cancelled
        self._dependencies = dependencies
        self._store = dependencies.store
        self._delivery = dependencies.delivery
        self._timings, self._now = dependencies.timings, dependencies.clock
        self._picture: Picture | None = None

    @property
    def job(self) -> Job:
        """The job, as last saved."""
        return self._claimed.job

    @property
    def _videos(self) -> VideosClient:
        """The client of the job's own server."""
        return self._dependencies.servers.of(self.job.server)

    async def run(self) -> None:
        """Run the job until it is closed, or postpone it until it can continue.

        Raises:
            TemporaryError: the database does not respond.
        """
        try:
            while self.job.closed_at is None:
                await self._step_safely()
        except RetryLater as later:
            await self._postpone(later)
        except LeaseLost as error:
            self._dependencies.metrics.lease_lost()
            log.info("lease lost", job=self.job.id, reason=error.message)
        finally:
            await self._poster.close()

    def cancel_after_submission(self) -> bool:
        """Cancel the job as soon as the create in flight has its response.

        Returns whether there is one: otherwise the job is cancelled by claiming it again.
        """
        self._is_cancelled = self._is_cancelled or self._submission.is_in_flight
        return self._submission.is_in_flight

    async def _step_safely(self) -> None:
        """Take one step; an error leads to a later attempt or ends the job."""
        try:
            await (self._cancel() if self._can_cancel() else self._step())
        except (LeaseLost, RetryLater):
            raise
        except VideoGone as error:
            await self._retry_or_fail_as_gone(error)
        except PermanentError as error:
            await self._fail(error.code, failures.describe(error), source=error.source)
        except ServerUnusable as error:
            await self._pause(error)
        except NotAVideo as error:
            await self._report_content(error)
        except (TemporaryError, OutcomeUnknown, MisconfiguredError) as error:
            await self._retry_later(error)
        except Exception:
            log.exception("step failed", job=self.job.id, state=self.job.state)
            # The log has the error; people are never shown an exception.
            await self._retry_later(TemporaryError(failures.DEFECT))

    async def _retry_or_fail_as_gone(self, error: VideoGone) -> None:
        """Servers lose videos when they restart; gateways may miss one for a moment."""
        await self._save(jobs.not_found(self.job), "video not found")
        if self.job.not_found > MAX_NOT_FOUND:
            await self._fail_rendering(error.code, error.message)
        else:
            await self._retry_later(error)

    async def _pause(self, error: ServerUnusable) -> None:
        """Wait until the operator has fixed it; the next step notifies people, once."""
        if self.job.state in PAUSABLE and not self.job.is_paused:
            server = self.job.server or self._dependencies.servers.current.server
            paused = jobs.paused(self.job, server=server, code=error.code, message=error.message)
            await self._save(paused, "paused")
        elif self._now() - self.job.began_at > self._timings.give_up_after:
            await self._give_up(error.code, error.message)
        else:
            raise retry_later(
                error,
                self.job.attempts,
                scale=self._timings.retry_scale,
                quiet=self.job.is_paused,
            )

    async def _report_content(self, error: NotAVideo) -> None:
        """After about a minute of attempts, say what arrives; then retry rarely, for a day."""
        if self.job.error is None and self.job.attempts < NOT_A_VIDEO_ATTEMPTS:
            await self._retry_later(error)
        elif self.job.error is None:
            unusable = jobs.content_unusable(self.job, message=error.message)
            await self._save(unusable, "content not a video")
        elif self._has_tried_long_enough():
            await self._give_up(NOT_A_VIDEO, error.message)
        else:
            delay = self._timings.content_interval * self._timings.retry_scale
            raise RetryLater(error.message, delay, quiet=True)

    def _can_cancel(self) -> bool:
        """During a submission the video's id is unknown, so it cannot be stopped yet."""
        is_known = self.job.state is not JobState.SUBMITTING
        return self._is_cancelled and is_known and self.job.state in CANCELLABLE

    async def _senders_of(self, kind: Signal) -> tuple[str, ...]:
        signals = await self._store.signals(self.job.id)
        return tuple(sorted(user_id for sent, user_id in signals if sent is kind))

    async def _step(self) -> None:
        await self._show_cancelling()
        if self.job.is_paused and self.job.reply_ts is None:
            is_content = self.job.error is not None and self.job.error.code == NOT_A_VIDEO
            await self._notify(MessageKind.NOT_A_VIDEO if is_content else MessageKind.PAUSED)
        match self.job.state:
            case JobState.PROPOSED:
                await self._propose()
            case JobState.REQUESTED:
                await self._announce()
            case JobState.ANNOUNCED:
                await self._submit()
            case JobState.SUBMITTING:
                await self._reconcile_submission()
            case JobState.RENDERING:
                await self._poll()
            case JobState.OVERDUE:
                await self._poll_overdue()
            case JobState.DELIVERING:
                await self._deliver()
            case JobState.DELIVERED:
                await self._close_or_delete()
            case JobState.FAILED | JobState.UNCERTAIN:
                await self._close()
            case JobState.CANCELLED if self.job.note in {Note.DECLINED, Note.EXPIRED}:
                await self._close()
            case JobState.CANCELLED | JobState.DELETED:
                await self._close_quietly()

    async def _propose(self) -> None:
        """Wait, with a card, for an admin's decision."""
        if self.job.card_ts is None:
            card = await self._post_card()
            proposed = jobs.proposed(
                self.job, channel_id=card.channel_id, card_ts=card.ts, permalink=card.permalink
            )
            await self._save(proposed, "proposed")
        await self._proposal.ask_or_conclude()

    async def _announce(self) -> None:
        card = await self._post_card()
        announced = jobs.announced(
            self.job, channel_id=card.channel_id, card_ts=card.ts, permalink=card.permalink
        )
        await self._save(announced, "announced")

    async def _post_card(self) -> Posted:
        """Post the card first: it proves, before anything is paid, that a video can be delivered.

        What concerns the requester alone is checked before: uploads and the picture. An approved
        job has its card.
        """
        await self._delivery.check_deliverable(self.job)
        await self._reference()
        if self.job.card_ts is not None:
            return Posted(self.job.channel_id, self.job.card_ts, self.job.permalink)
        return await self._posting.post_once(
            MessageKind.CARD, lambda: self._delivery.announce(self.job)
        )

    async def _reference(self) -> Picture | None:
        """The starting image, fitted; fetched again if the job was interrupted.

        A remix is made from its original; it needs the image only if the server can't remix.
        """
        reference = None if self.job.is_remix else self.job.request.input_reference
        if reference is not None and self._picture is None:
            if self.job.decode_attempts >= MAX_DECODE_ATTEMPTS:
                raise FileRefused(FileProblem.NOT_DECODED)
            async with self._dependencies.pictures:
                self._picture = await self._fit(await self._fetch(reference), reference.fit)
        return self._picture

    async def _fit(self, content: bytes, fit: Fit) -> Picture:
        """The picture in the video's size; each attempt is counted before it can kill us.

        A child process decodes it, but where memory is short the operating system may choose
        the bot instead. Nothing is paid for yet: a submitted job never comes here.
        """
        await self._save(jobs.decode_started(self.job), "decode started")
        try:
            picture = await fitted(content, size=self.job.request.size, fit=fit)
        except asyncio.CancelledError:
            with contextlib.suppress(BotError):
                await self._save(jobs.decode_cancelled(self.job), "decode cancelled")
            raise
        decoded = jobs.picture_fitted(self.job, from_size=picture.from_size)
        await self._save(decoded, "picture fitted")
        return picture

    async def _fetch(self, reference: InputReference) -> bytes:
        try:
            return await self._dependencies.files.fetch_picture(reference)
        except TemporaryError as error:
            if self.job.attempts + 1 < MAX_PICTURE_ATTEMPTS:
                raise
            raise FileRefused(FileProblem.NOT_FETCHED, reason=error.message) from error

    async def _replace_lost_card(self) -> bool:
        """If the card was deleted, post a new one; returns whether it did."""
        if await self._delivery.update_card(self.job) or self.job.thread_ts is not None:
            return False
        card = await self._posting.post(MessageKind.CARD, lambda: self._delivery.announce(self.job))
        replaced = jobs.card_replaced(self.job, card_ts=card.ts, permalink=card.permalink)
        await self._save(replaced, "card replaced")
        return True

    async def _submit(self) -> None:
        server = self._dependencies.servers.current
        server.check_accepts_creates()
        await self._delivery.check_deliverable(self.job)
        picture, self._picture = await self._reference(), None
        await self._submission.send(picture, server=server.server)

    async def _reconcile_submission(self) -> None:
        match await self._submission.reconcile():
            case Reconciled.ADOPTED:
                return
            case Reconciled.NOT_RECEIVED:
                await self._submit_again()
            case Reconciled.UNDECIDED:
                await self._leave_uncertain()

    async def _submit_again(self) -> None:
        """The create was provably never received; try again until the deadline."""
        if self._is_out_of_time(self.job.began_at):
            await self._fail("no_answer", failures.NO_ANSWER)
        else:
            await self._save(jobs.submission_not_received(self.job), "submission not received")

    async def _poll(self) -> None:
        """Poll until the video is finished, and show its progress on the card."""
        typical = await self._dependencies.estimates.typical(
            required(self.job.server), self.job.request
        )
        shown, interval = "", self._timings.card_interval
        while isinstance(status := await self._retrieve(), InProgress):
            if self._is_out_of_time(required(self.job.submitted_at)):
                await self._run_out_of_time()
                return
            if self._delivery.may_update_progress(self.job, min_interval=interval):
                shown = await self._show_progress(status, typical, shown)
            elapsed = self._now() - required(self.job.submitted_at)
            hint = status.poll_after
            await asyncio.sleep(
                poll_delay(self._timings, elapsed=elapsed, hint=hint, typical=typical)
            )
        await self._finish_rendering(status)

    async def _show_progress(
        self, status: InProgress, typical: TypicalDuration | None, shown: str
    ) -> str:
        """Update the card if its progress line has changed; returns the line it shows."""
        progress = await self._progress_context(status, typical)
        line = summarize(self.job, progress).line
        if line != shown and await self._delivery.update_progress(self.job, progress):
            return line
        return shown

    async def _progress_context(
        self, status: InProgress, typical: TypicalDuration | None
    ) -> ProgressContext:
        submitted_at = required(self.job.submitted_at)
        ahead = 0
        if status.is_queued:
            ahead = await self._dependencies.estimates.queued_ahead(
                required(self.job.server), submitted_at
            )
        return ProgressContext(
            elapsed=self._now() - submitted_at,
            typical=typical,
            is_queued=status.is_queued,
            ahead=ahead,
        )

    async def _poll_overdue(self) -> None:
        """Notify the person, then poll rarely, for a day or until they repeat the request."""
        await self._notify(MessageKind.OVERDUE)
        until = (
            required(self.job.submitted_at) + self._timings.deadline + self._timings.overdue_timeout
        )
        while isinstance(status := await self._retrieve(), InProgress):
            if await self._store.has_key(again_key(self.job.id)):
                await self._save(jobs.superseded(self.job, now=self._now()), "superseded")
                return
            if self._now() > until:
                await self._fail("timeout", failures.NOT_FINISHED)
                return
            await asyncio.sleep(self._timings.overdue_poll_interval)
        await self._finish_rendering(status)

    async def _retrieve(self) -> VideoStatus:
        status = await self._videos.retrieve(required(self.job.video_id))
        if isinstance(status, InProgress):
            progressed = jobs.progressed(self.job, percent=status.percent)
            if progressed != self.job:
                await self._save(progressed, "progressed")
        return status

    async def _finish_rendering(self, status: Completed | Failed) -> None:
        if isinstance(status, Failed):
            await self._fail_rendering(status.code, status.message)
        else:
            await self._save(jobs.rendered(self.job, now=self._now()), "rendered")
            await self._delivery.update_progress(self.job)

    def _is_out_of_time(self, since: float) -> bool:
        return self._now() - since > self._timings.deadline

    async def _run_out_of_time(self) -> None:
        message = failures.overdue(self._timings.deadline)
        await self._save(jobs.overdue(self.job, message=message), "overdue")

    async def _deliver(self) -> None:
        """Share the file in the thread, at most once: its id tells what was already done."""
        if self.job.file_id is None:
            await self._upload()
        elif (share := await self._find_share()) is not None:
            await self._deliver_as(share)
            return
        try:
            await self._delivery.share(self.job, await self._senders_of(Signal.NOTIFY))
        except CannotPost:
            raise
        except PermanentError as error:
            # An earlier request may have taken effect: `_await_share` checks the file.
            log.warning("share refused", job=self.job.id, code=error.code)
            if await self._replace_lost_card():
                await self._delivery.share(self.job, await self._senders_of(Signal.NOTIFY))
        await self._await_share()

    async def _upload(self) -> None:
        """Download the video and upload it; its file id is saved before the bytes are sent."""
        async with self._dependencies.downloads.slot(self.job.user_id):
            with tempfile.TemporaryDirectory(dir=self._dependencies.folder) as folder:
                path = Path(folder) / "video.mp4"
                size = await self._videos.download(required(self.job.video_id), path)
                self._poster.prepare(path)
                upload = await self._delivery.begin_upload(self.job, size)
                begun = jobs.upload_started(self.job, file_id=upload.file_id)
                await self._save(begun, "upload started")
                await self._delivery.send_bytes(upload, path, size)

    async def _await_share(self) -> None:
        """Slack shares a file after a delay, and occasionally never."""
        began = self._now()
        while (share := await self._find_share()) is None:
            if self._now() - began > self._timings.share_timeout:
                await self._delivery.delete_file(required(self.job.file_id))
                await self._upload_again(failures.NOT_SHARED)
            await asyncio.sleep(self._timings.share_poll_interval)
        await self._deliver_as(share)

    async def _find_share(self) -> Share | None:
        try:
            return await self._delivery.find_share(self.job)
        except PermanentError as error:
            if error.code != "file_not_found":
                raise
        return await self._upload_again(failures.FILE_MISSING)

    async def _upload_again(self, reason: str) -> NoReturn:
        await self._save(jobs.upload_lost(self.job), "upload lost")
        raise TemporaryError(reason, source=Source.SLACK)

    async def _deliver_as(self, share: Share) -> None:
        permalink = await self._delivery.permalink(self.job, share.ts)
        delivered = jobs.delivered(
            self.job,
            reply_ts=share.ts,
            permalink=permalink,
            in_public=share.in_public,
            now=self._now(),
        )
        await self._save(delivered, "delivered")

    async def _show_cancelling(self) -> None:
        """Show at once that the job is being cancelled, while that may take a while."""
        if self._is_cancelled and self.job.state in CANCELLABLE and self._has_card_to_mark:
            await self._save(jobs.cancelling(self.job), "cancelling")
            await self._delivery.update_progress(self.job)

    @property
    def _has_card_to_mark(self) -> bool:
        return self.job.card_ts is not None and self.job.note is not Note.CANCELLING

    async def _cancel(self) -> None:
        """Stop what can be stopped; the card says what could not be."""
        await self._show_cancelling()
        if self.job.state is JobState.PROPOSED:
            await self._proposal.withdraw()
        note = Note.NOT_SUBMITTED
        if self.job.video_id is not None:
            is_stopped = await self._delete_at_server(self.job.video_id)
            note = Note.STOPPED if is_stopped else Note.NOT_STOPPED
        if self.job.rendered_at is not None:
            note = Note.ALREADY_RENDERED
        if self.job.file_id is not None:
            await self._delivery.delete_file(required(self.job.file_id))
        await self._save(jobs.cancelled(self.job, note=note, now=self._now()), "cancelled")

    async def _delete_at_server(self, video_id: str) -> bool:
        """Whether the server has deleted the video, within a few attempts."""
        for delay in (*self._timings.stop_retries, None):
            try:
                return await self._videos.delete(video_id)
            except (TemporaryError, MisconfiguredError) as error:
                log.warning("video not deleted", job=self.job.id, reason=error.message)
            if delay is not None:
                await asyncio.sleep(delay)
        return False

    async def _close_or_delete(self) -> None:
        if not await self._senders_of(Signal.DELETE):
            await self._close()
            if await self._senders_of(Signal.DELETE):
                # Clicked while the job was being closed, so that it was not reopened.
                await self._store.reopen(self.job.id, now=self._now())
            return
        await self._delivery.delete_file(required(self.job.file_id))
        if self.job.poster_id is not None:
            await self._delivery.delete_file(self.job.poster_id)
        server_copy_kept = not await self._delete_at_server(required(self.job.video_id))
        await self._save(jobs.deleted(self.job, server_copy_kept=server_copy_kept), "deleted")

    async def _close_quietly(self) -> None:
        """Update the card only; the requester already knows."""
        if self.job.card_ts is not None:
            await self._delivery.update_card(self.job)
        await self._save(jobs.closed(self.job, now=self._now()), "closed")

    async def _close(self) -> None:
        """Notify people of the outcome."""
        if self.job.card_ts is None:
            await self._delivery.notify_privately(self.job)
        else:
            await self._notify_outcome()
        if self.job.state is JobState.DELIVERED:
            await self._poster.show()
        elif self.job.card_ts is not None and self.job.in_public is None:
            # Home offers to try again where the requester can still read what is posted.
            in_public = await self._delivery.is_public(self.job)
            await self._save(jobs.seen_in_public(self.job, in_public=in_public), "channel known")
        await self._save(jobs.closed(self.job, now=self._now()), "closed")

    async def _notify_outcome(self) -> None:
        """In the thread, or privately if the thread no longer accepts replies."""
        try:
            await self._notify(MessageKind.END)
        except PermanentError as error:
            log.warning("outcome not posted in the thread", job=self.job.id, code=error.code)
            if self.job.reply_ts is None:
                await self._delivery.notify_privately(self.job)

    async def _notify(self, kind: MessageKind) -> None:
        """Post a message of this kind in the thread, once, and update the card."""
        if self.job.reply_ts is None:
            reply = await self._posting.post_once(kind, lambda: self._reply(kind))
            await self._save(jobs.notified(self.job, reply_ts=reply.ts), f"notified {kind}")
        if kind is MessageKind.PAUSED:
            await self._delivery.update_progress(self.job)  # never delays work
        else:
            await self._delivery.update_card(self.job)

    async def _reply(self, kind: MessageKind) -> Posted:
        try:
            return await self._delivery.reply(self.job, kind)
        except PermanentError as error:
            if error.code not in {"thread_not_found", "message_not_found"}:
                raise
        await self._replace_lost_card()
        return await self._delivery.reply(self.job, kind)

    async def _fail(self, code: str, message: str, *, source: Source = Source.VIDEOS) -> None:
        if self.job.finished_at is None:
            failed = jobs.failed(
                self.job, code=code, message=message, source=source, now=self._now()
            )
            await self._save(failed, "failed", code=code)
        else:
            # The job already has its outcome: nothing is left but to give up notifying.
            await self._save(
                jobs.closed(self.job, now=self._now()), "outcome not delivered", code=code
            )

    async def _fail_rendering(self, code: str, message: str) -> None:
        if self.job.finished_at is None:
            failed = jobs.render_failed(self.job, code=code, message=message, now=self._now())
            await self._save(failed, "failed", code=code)
        else:
            await self._fail(code, message)

    async def _leave_uncertain(self) -> None:
        uncertain = jobs.left_uncertain(self.job, message=failures.UNCERTAIN, now=self._now())
        await self._save(uncertain, "left uncertain")

    async def _give_up(self, code: str, message: str, *, source: Source = Source.VIDEOS) -> None:
        """End the job after a day of attempts; a create without a response may have been paid."""
        if self.job.state is JobState.SUBMITTING:
            await self._leave_uncertain()
        else:
            await self._fail(code, message, source=source)

    async def _retry_later(self, error: BotError) -> None:
        if self.job.not_found and not isinstance(error, VideoGone):
            await self._save(jobs.found_again(self.job), "not-found count reset")
        if self.job.state is JobState.RENDERING and self._is_out_of_time(
            required(self.job.submitted_at)
        ):
            await self._run_out_of_time()
            return
        if self.job.state is JobState.RENDERING and self.job.silent_since is None:
            await self._save(jobs.unanswered(self.job, now=self._now()), "no response")
        if self.job.state is JobState.RENDERING and self.job.attempts == SILENCE:
            elapsed = self._now() - required(self.job.submitted_at)
            await self._delivery.update_progress(self.job, ProgressContext(elapsed=elapsed))
        if self._has_tried_long_enough() and not isinstance(error, TokenRefused):
            await self._give_up("gave_up", error.message, source=error.source)
            return
        raise retry_later(error, self.job.attempts, scale=self._timings.retry_scale)

    def _has_tried_long_enough(self) -> bool:
        if self.job.state is JobState.DELIVERED:
            # Perhaps reopened long after its end: only its attempts say how long ago.
            return self.job.attempts * MAX_RETRY_DELAY > self._timings.give_up_after
        since = self.job.finished_at or self.job.rendered_at or self.job.began_at
        return self._now() - since > self._timings.give_up_after

    async def _postpone(self, later: "RetryLater") -> None:
        write = log.debug if later.quiet else log.info
        write(
            "retrying later",
            job=self.job.id,
            state=self.job.state,
            reason=later.reason,
            delay=later.delay,
        )
        await self._store.postpone(self.job, not_before=self._now() + later.delay)
