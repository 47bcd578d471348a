"""Runs one job to its end: the order of its side effects, and what each error leads to.

The process may be killed at any `await`: the next claim continues from what the row says. That
is also the only way anything is retried.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog

from bot import jobs
from bot.decoding.pictures import fitted
from bot.delivery import Delivery, MessageKind, Posted, Share
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
    RateLimited,
    ServerUnusable,
    Source,
    TemporaryError,
    TokenRefused,
    VideoGone,
    VideoTaken,
)
from bot.estimates import Estimates
from bot.files import Files
from bot.homes import Homes
from bot.jobs import CANCELLABLE, NOT_A_VIDEO, PAUSABLE, Job, JobState, Note, Signal, again_key
from bot.pacing import FairSlots
from bot.pictures import Picture
from bot.request import Fit, InputReference
from bot.retries import RetryLater, retry_later
from bot.store import Store
from bot.timings import MAX_RETRY_DELAY, Timings
from bot.ui import failures
from bot.ui.progress import SILENCE, ProgressContext, TypicalDuration, progress_line
from bot.videos.client import VideosClient
from bot.videos.servers import VideosServers
from bot.videos.wire import Completed, Failed, InProgress, VideoStatus

log = structlog.get_logger()

T = TypeVar("T")

MAX_NOT_FOUND = 6
"""Responses in a row, within about a minute, after which a video that is not found is gone."""

NOT_A_VIDEO_ATTEMPTS = 6
"""Attempts, within about a minute, after which people are told that no video arrives."""

MAX_DOWNLOADS = 4
"""Files that one process fetches at once."""

MAX_PICTURE_ATTEMPTS = 5
"""Attempts to fetch a reference picture before the job fails."""

MAX_DECODE_ATTEMPTS = 3
"""Attempts to decode a reference picture that broke off before the job fails."""

_MADE_AS_NEW_VIDEO = {Note.NEW_VIDEO, Note.ORIGINAL_GONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What all runners of a process share."""

    store: Store
    servers: VideosServers
    delivery: Delivery
    files: Files
    homes: Homes
    estimates: Estimates
    timings: Timings
    folder: Path
    """For temporary files."""
    clock: Callable[[], float] = time.time
    downloads: FairSlots = field(default_factory=lambda: FairSlots(MAX_DOWNLOADS))
    pictures: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Only one picture at a time is fetched and decoded, because each may take a lot of memory."""


class JobRunner:
    """Runs one claimed job; `self.job` always equals its row."""

    def __init__(self, job: Job, dependencies: Dependencies, *, is_cancelled: bool = False) -> None:
        self.job = job
        self._is_cancelled = is_cancelled
        self._is_submitting = False
        self._dependencies = dependencies
        self._store = dependencies.store
        self._delivery = dependencies.delivery
        self._timings, self._now = dependencies.timings, dependencies.clock
        self._picture: Picture | None = None

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
            log.info("lease lost", job=self.job.id, reason=error.message)

    def cancel_after_submission(self) -> bool:
        """Cancel the job as soon as the create in flight has its response.

        Returns whether there is one: otherwise the job is cancelled by claiming it again.
        """
        self._is_cancelled = self._is_cancelled or self._is_submitting
        return self._is_submitting

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
            await self._fail(error.code, error.message)
        else:
            await self._retry_later(error)

    async def _pause(self, error: ServerUnusable) -> None:
        """Wait until the operator has fixed it; the next step notifies people, once."""
        if self.job.state in PAUSABLE and not self.job.is_paused:
            await self._save(
                jobs.paused(self.job, code=error.code, message=error.message), "paused"
            )
        elif self._now() - self.job.created_at > self._timings.give_up_after:
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
            case JobState.CANCELLED | JobState.DELETED:
                await self._close_quietly()

    async def _announce(self) -> None:
        """Post the card first: it proves, before anything is paid, that a video can be delivered.

        What concerns the requester alone is checked before: uploads and the picture.
        """
        await self._delivery.check_deliverable(self.job)
        await self._reference()
        card = await self._find_message(MessageKind.CARD)
        if card is None:
            card = await self._post(MessageKind.CARD, lambda: self._delivery.announce(self.job))
        announced = jobs.announced(self.job, channel_id=card.channel_id, card_ts=card.ts)
        await self._save(announced, "announced")

    async def _reference(self) -> Picture | None:
        """The reference picture, fitted; fetched again if the job was interrupted."""
        reference = self.job.request.input_reference
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

    async def _find_message(self, kind: MessageKind) -> Posted | None:
        """The message that an earlier attempt may have posted, if its response was lost."""
        if self.job.posting != kind:
            return None
        return await self._delivery.find_message(self.job, kind)

    async def _post(self, kind: MessageKind, post: Callable[[], Awaitable[Posted]]) -> Posted:
        """Post a message, and remember that it may have been posted until that is known.

        The save also proves ownership: the process may have been frozen past its lease.
        """
        await self._delivery.wait_to_post(self.job)
        await self._save(jobs.post_started(self.job, kind=kind), f"posting {kind}")
        try:
            return await post()
        except (RateLimited, PermanentError, MisconfiguredError):
            # Only these prove that nothing was posted: a server error may come afterwards.
            await self._save(jobs.post_refused(self.job), "post refused")
            raise

    async def _replace_lost_card(self) -> bool:
        """If the card was deleted, post a new one; returns whether it did."""
        if await self._delivery.update_card(self.job) or self.job.thread_ts is not None:
            return False
        card = await self._post(MessageKind.CARD, lambda: self._delivery.announce(self.job))
        await self._save(jobs.card_replaced(self.job, card_ts=card.ts), "card replaced")
        return True

    async def _submit(self) -> None:
        server = self._dependencies.servers.current
        server.check_accepts_creates()
        await self._delivery.check_deliverable(self.job)
        picture, self._picture = await self._reference(), None
        started = jobs.submission_started(self.job, server=server.server, now=self._now())
        await self._save(started, "submission started")
        submission = asyncio.create_task(self._create(picture))
        self._is_submitting = True
        try:
            await asyncio.shield(submission)
        except asyncio.CancelledError:
            # The server may be about to accept it: its response says what must be stopped.
            await asyncio.wait({submission}, timeout=self._timings.create_grace)
            await _cancelled(submission)
            raise
        finally:
            self._is_submitting = False

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
        if self.job.remix_of is not None and self.job.note not in _MADE_AS_NEW_VIDEO:
            video_id = await self._remix(self.job.remix_of)
            if video_id is not None:
                return video_id
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

    async def _reconcile_submission(self) -> None:
        """A create was sent and its response is unknown: never repeat it without proof.

        A video of ours in the server's list is adopted at once. Only when no response can arrive
        any more does a complete list without it prove that the create was never received; if the
        list can't decide, the person does.
        """
        begun = _required(self.job.submitted_at)
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
        elif wait > 0:
            delay = min(wait, self._timings.reconcile_interval)
            raise RetryLater("the create may still be in progress", delay)
        elif not found.matches and found.complete:
            await self._submit_again()
        else:
            await self._leave_uncertain()

    async def _submit_again(self) -> None:
        """The create was provably never received; try again until the deadline."""
        if self._is_out_of_time(self.job.created_at):
            await self._fail("no_answer", failures.NO_ANSWER)
        else:
            await self._save(jobs.submission_not_received(self.job), "submission not received")

    async def _poll(self) -> None:
        """Poll until the video is finished, and show its progress on the card."""
        typical = await self._dependencies.estimates.typical(
            _required(self.job.server), self.job.request
        )
        shown, interval = "", self._timings.card_interval
        while isinstance(status := await self._retrieve(), InProgress):
            if self._is_out_of_time(_required(self.job.submitted_at)):
                await self._run_out_of_time()
                return
            if self._delivery.may_update_progress(self.job, min_interval=interval):
                shown = await self._show_progress(status, typical, shown)
            await asyncio.sleep(self._poll_delay(status))
        await self._finish_rendering(status)

    async def _show_progress(
        self, status: InProgress, typical: TypicalDuration | None, shown: str
    ) -> str:
        """Update the card if its progress line has changed; returns the line it shows."""
        progress = await self._progress_context(status, typical)
        line = progress_line(self.job.progress, progress)
        if line != shown and await self._delivery.update_progress(self.job, progress):
            return line
        return shown

    async def _progress_context(
        self, status: InProgress, typical: TypicalDuration | None
    ) -> ProgressContext:
        submitted_at = _required(self.job.submitted_at)
        ahead = 0
        if status.is_queued:
            ahead = await self._dependencies.estimates.queued_ahead(
                _required(self.job.server), submitted_at
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
            _required(self.job.submitted_at)
            + self._timings.deadline
            + self._timings.overdue_timeout
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
                size = await self._videos.download(_required(self.job.video_id), path)
                upload = await self._delivery.begin_upload(self.job, size)
                begun = jobs.upload_started(self.job, file_id=upload.file_id)
                await self._save(begun, "upload started")
                await self._delivery.send_bytes(upload, path, size)

    async def _await_share(self) -> None:
        """Slack shares a file after a delay, and occasionally never."""
        began = self._now()
        while (share := await self._find_share()) is None:
            if self._now() - began > self._timings.share_timeout:
                await self._delivery.delete_file(self.job)
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
        note = Note.NOT_SUBMITTED
        if self.job.video_id is not None:
            is_stopped = await self._delete_at_server(self.job.video_id)
            note = Note.STOPPED if is_stopped else Note.NOT_STOPPED
        if self.job.rendered_at is not None:
            note = Note.ALREADY_RENDERED
        if self.job.file_id is not None:
            await self._delivery.delete_file(self.job)
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
        await self._delivery.delete_file(self.job)
        server_copy_kept = not await self._delete_at_server(_required(self.job.video_id))
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
            reply = await self._find_message(kind)
            if reply is None:
                reply = await self._post(kind, lambda: self._reply(kind))
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
            _required(self.job.submitted_at)
        ):
            await self._run_out_of_time()
            return
        if self.job.state is JobState.RENDERING and self.job.attempts == SILENCE:
            elapsed = self._now() - _required(self.job.submitted_at)
            await self._delivery.update_progress(self.job, ProgressContext(elapsed=elapsed))
        if self._has_tried_long_enough() and not isinstance(error, TokenRefused):
            await self._give_up("gave_up", error.message, source=error.source)
            return
        raise retry_later(error, self.job.attempts, scale=self._timings.retry_scale)

    def _has_tried_long_enough(self) -> bool:
        if self.job.state is JobState.DELIVERED:
            # Perhaps reopened long after its end: only its attempts say how long ago.
            return self.job.attempts * MAX_RETRY_DELAY > self._timings.give_up_after
        since = self.job.finished_at or self.job.rendered_at or self.job.created_at
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

    async def _save(self, job: Job, event: str, **details: str) -> None:
        job = jobs.response_url_expired(job, now=self._now())
        await self._store.save(job, now=self._now())
        if (job.state, job.closed_at) != (self.job.state, self.job.closed_at):
            self._dependencies.homes.changed(job.user_id)
        self.job = job
        log.info(event, job=job.id, state=job.state, **details)

    def _poll_delay(self, status: InProgress) -> float:
        wanted = self._timings.poll_interval if status.poll_after is None else status.poll_after
        return min(max(wanted, self._timings.min_poll_interval), self._timings.max_poll_interval)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait for its end; its error, if it had one, is in the job's row."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("stopped during a create", reason=type(error).__name__)


def _required(value: T | None) -> T:
    """A value that the job always has in its current state."""
    if value is None:
        raise AssertionError("the row lacks a value that its state requires")
    return value
