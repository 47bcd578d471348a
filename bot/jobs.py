"""The life of a job: its states, and one function for each fact that changes it.

    (PROPOSED, with its card, until an admin approves it ->)
    REQUESTED -> ANNOUNCED -> SUBMITTING -> RENDERING -> DELIVERING -> DELIVERED
        |            |            |          |  |   ^        |
        |            |            |          |  v   |        |
        |            |            |          | OVERDUE: past its deadline, polled for a day
        +------------+------------+----------+------+--------+-----> FAILED
        |            |            |          |      |        |
        |            |            |          +------+--------+-----> CANCELLED by its owner
        |            |            +-----> UNCERTAIN: the create may or may not have arrived
        +------------+---------------------------------------------> CANCELLED; DELIVERED -> DELETED
    PROPOSED -> CANCELLED: declined, expired or withdrawn

A job is *closed* when people have been notified of its outcome; until then a process runs it.
Times are seconds since 1970.
"""

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from bot.errors import Source
from bot.request import VideoRequest
from bot.spending import Charge
from bot.timings import MAX_RETRY_AFTER, MAX_RETRY_DELAY, RESPONSE_URL_LIFETIME


class JobState(StrEnum):
    """Where a job is in its life."""

    PROPOSED = "proposed"
    REQUESTED = "requested"
    ANNOUNCED = "announced"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    OVERDUE = "overdue"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"
    DELETED = "deleted"


CANCELLABLE = frozenset(
    {
        JobState.PROPOSED,
        JobState.REQUESTED,
        JobState.ANNOUNCED,
        JobState.SUBMITTING,
        JobState.RENDERING,
        JobState.OVERDUE,
        JobState.DELIVERING,
    }
)


PAUSABLE = frozenset({JobState.ANNOUNCED, JobState.RENDERING, JobState.DELIVERING})
"""States in which a job can wait for an unusable Videos server; `error` says why it waits."""


NOT_A_VIDEO = "not_a_video"
"""The error code of a finished video for which the server sends something else."""


DECLINED = "declined"
"""The error code of a declined job; the message is the admin's reason."""


class Signal(StrEnum):
    """What a person asks of a job that a worker may be running."""

    CANCEL = "cancel"
    DELETE = "delete"
    NOTIFY = "notify"


class Verdict(StrEnum):
    """What became of a proposed job."""

    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    """Nobody decided in time."""
    WITHDRAWN = "withdrawn"
    """The requester cancelled it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The only decision about a proposed job: the first one that is stored."""

    verdict: Verdict
    user_id: str = ""
    """Who decided; empty: nobody."""
    reason: str = ""
    at: float


@dataclass(frozen=True, slots=True)
class Question:
    """A message that asks whether a job is approved."""

    recipient: str
    """The channel or person that it was sent to."""
    channel_id: str
    """Where it is: a person's direct message has an id of its own."""
    ts: str


class Note(StrEnum):
    """What the card says in addition to the state."""

    DECLINED = "declined"
    """Cancelled because an admin declined it."""
    EXPIRED = "expired"
    """Cancelled because no admin decided in time."""

    NOT_SUBMITTED = "not_submitted"
    """Cancelled before it was submitted."""
    STOPPED = "stopped"
    """Cancelled, and the server stopped it."""
    CANCELLING = "cancelling"
    """Someone cancelled it, and it is being stopped."""
    ALREADY_RENDERED = "already_rendered"
    """Cancelled after the server had finished the video."""
    NOT_STOPPED = "not_stopped"
    """Cancelled, but the server cannot stop it or does not confirm that it did."""
    SERVER_COPY_KEPT = "server_copy_kept"
    """Deleted in Slack, but the server kept its copy."""
    ORIGINAL_GONE = "original_gone"
    """Requested as a remix of a video that is no longer known: a new video of the same prompt."""
    NEW_VIDEO = "new_video"
    """Requested as a remix, which this server cannot make: a new video of the same prompt."""
    WITHOUT_PICTURE = "without_picture"
    """A repetition by someone who may not use the original's starting image."""
    ASKED_AGAIN = "asked_again"
    """Late, and the person has asked for it again."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed or waits, as reported by whoever refused it."""

    code: str
    message: str
    source: Source = Source.VIDEOS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """How many jobs in one state are open, and when the oldest of them was created."""

    state: str
    """A JobState, or a state that a newer version of the bot added."""
    count: int
    oldest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a person's videos add up to."""

    videos: int = 0
    seconds: Decimal = Decimal()
    unpriced: int = 0
    """Videos whose price is not known."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """Which of a person's jobs their Home tab shows."""

    number: int = 0
    words: str = ""
    """What their prompts contain; empty: all jobs."""


FIRST_PAGE = HomePage()
"""Where a Home tab opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A Videos server refuses everyone's requests; one record for each admin to be notified."""

    server: str
    user_id: str
    """The admin."""
    code: str
    message: str
    started_at: float
    notified_at: float | None = None
    """When the admin was notified of its start; the notification of its end deletes the row."""
    ended_at: float | None = None
    attempts: int = 0
    """Attempts to notify, since the last one that succeeded."""
    lease_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Our record of one requested video; stored as a row of the table `jobs`."""

    id: str
    request_key: str
    team_id: str
    user_id: str
    channel_id: str
    request: VideoRequest
    created_at: float
    response_url: str | None = None
    notify: tuple[str, ...] = ()
    """Teammates who are notified, with the requester, when the video is ready."""
    reference_size: str | None = None
    """The starting image's size before it was fitted."""
    remix_of: str | None = None
    """The job whose video this one remixes."""
    thread_ts: str | None = None
    """The thread in which it was requested; None: the card starts a thread."""
    server: str | None = None
    """The host of the Videos server that renders it."""
    note: Note | None = None
    price: Decimal | None = None
    """Its price in US dollars according to the catalog; None: unknown."""
    charge: Charge = Charge.HELD
    charges_failures: bool = False
    """Whether the server charges for a video that it could not make."""
    permalink: str | None = None
    """The address of the message with the finished file; before that, of the card."""
    in_public: bool | None = None
    """Whether it ended in a public channel; None: it has not ended yet, or that is not known."""
    state: JobState = JobState.REQUESTED
    questions: tuple[Question, ...] = ()
    """The messages that ask for its approval."""
    decided_by: str | None = None
    """The admin who approved or declined it."""
    decided_at: float | None = None
    card_ts: str | None = None
    video_id: str | None = None
    progress: int | None = None
    error: JobError | None = None
    file_id: str | None = None
    poster_id: str | None = None
    """The file with a frame of the video, from before its bytes are sent."""
    shows_poster: bool = False
    """Whether the card shows that frame."""
    reply_ts: str | None = None
    posting: str | None = None
    """The kind of message that is being posted, whose response may be lost."""
    attempts: int = 0
    silent_since: float | None = None
    """When the server began not to respond about the video."""
    not_found: int = 0
    """How often in a row the server did not find the video."""
    decode_attempts: int = 0
    """Attempts to decode the starting image that have not ended yet, or never did."""
    submitted_at: float | None = None
    rendered_at: float | None = None
    resumed_at: float | None = None
    """When it last got past a pause."""
    finished_at: float | None = None
    closed_at: float | None = None
    fence: int = 0

    @property
    def began_at(self) -> float:
        """When it could begin: when it was requested, or approved if it had to be."""
        return self.decided_at or self.created_at

    @property
    def root_ts(self) -> str | None:
        """The message that starts the job's thread; None: there is none yet."""
        return self.thread_ts or self.card_ts

    @property
    def thread_link(self) -> str | None:
        """The address of the bot's last reply in its thread, if there is one; or of the card."""
        if self.permalink is None or self.reply_ts is None or self.state is JobState.DELIVERED:
            return self.permalink
        conversation = self.permalink.rpartition("/")[0]
        reply = f"{conversation}/p{self.reply_ts.replace('.', '')}"
        return f"{reply}?thread_ts={self.root_ts}&cid={self.channel_id}"

    @property
    def is_surely_readable(self) -> bool:
        """Whether the requester can read its conversation, as far as the bot can be sure.

        They may have been removed from a private channel since: the manifest requests no scope
        that tells.
        """
        return self.channel_id.startswith("D") or self.in_public is True

    @property
    def is_remix(self) -> bool:
        """Whether its video is made from another one, as far as the server can."""
        return self.remix_of is not None and self.note not in {Note.NEW_VIDEO, Note.ORIGINAL_GONE}

    def lends_picture_to(self, user_id: str) -> bool:
        """Whether this person may use its starting image: as uploader or requester.

        A requester uploaded it, or took it from a message that they could read.
        """
        reference = self.request.input_reference
        return reference is None or user_id in {reference.user_id, self.user_id}

    @property
    def is_emptied(self) -> bool:
        """Whether its contents were removed because it is old, or its requester was forgotten."""
        return not self.request.prompt and self.state is not JobState.DELETED

    @property
    def is_paused(self) -> bool:
        """Whether it waits for the Videos server to accept requests again."""
        return self.error is not None and self.state in PAUSABLE

    @property
    def is_free(self) -> bool:
        """Whether it has ended and cost nothing."""
        return self.charge is Charge.FREE and self.finished_at is not None

    @property
    def took(self) -> float | None:
        """Seconds from the request to the outcome."""
        return None if self.finished_at is None else self.finished_at - self.created_at


def decode_started(job: Job) -> Job:
    """The starting image is about to be decoded, which may take this process down."""
    return replace(job, decode_attempts=job.decode_attempts + 1)


def decode_cancelled(job: Job) -> Job:
    """The process stops, which says nothing about the picture."""
    return replace(job, decode_attempts=job.decode_attempts - 1)


def picture_fitted(job: Job, *, from_size: str) -> Job:
    """The starting image now has the video's size."""
    return replace(job, reference_size=from_size, decode_attempts=0)


def proposal_of(job: Job) -> Job:
    """The new job, which costs nothing until an admin approves it."""
    return replace(job, state=JobState.PROPOSED, charge=Charge.FREE)


def proposed(job: Job, *, channel_id: str, card_ts: str, permalink: str | None = None) -> Job:
    """The card has been posted, and says that the job waits for an approval."""
    return replace(job, channel_id=channel_id, card_ts=card_ts, permalink=permalink, posting=None)


def asked(job: Job, question: Question) -> Job:
    """This question about the job has been posted."""
    return replace(job, questions=(*job.questions, question), posting=None)


def decided(job: Job, decision: Decision, *, now: float) -> Job:
    """The job was approved, or it has ended."""
    job = replace(job, decided_by=decision.user_id or None, decided_at=decision.at)
    match decision.verdict:
        case Verdict.APPROVED:
            return _moved(job, JobState.REQUESTED, charge=Charge.HELD)
        case Verdict.DECLINED:
            error = JobError(DECLINED, decision.reason, Source.BOT) if decision.reason else None
            return replace(cancelled(job, note=Note.DECLINED, now=now), error=error)
        case Verdict.EXPIRED:
            return cancelled(job, note=Note.EXPIRED, now=now)
        case Verdict.WITHDRAWN:
            return cancelled(job, note=Note.NOT_SUBMITTED, now=now)


def announced(job: Job, *, channel_id: str, card_ts: str, permalink: str | None = None) -> Job:
    """The card has been posted.

    `channel_id` comes from Slack's response: a message to a user's id is posted in the direct
    message, which has an id of its own.
    """
    return _moved(
        job,
        JobState.ANNOUNCED,
        channel_id=channel_id,
        card_ts=card_ts,
        permalink=permalink,
        posting=None,
    )


def card_replaced(job: Job, *, card_ts: str, permalink: str | None = None) -> Job:
    """The first card was deleted; this one starts a new thread."""
    return replace(job, card_ts=card_ts, permalink=permalink, posting=None)


def seen_in_public(job: Job, *, in_public: bool | None) -> Job:
    """It ended in a channel that anyone can read, or not; None: that is not known."""
    return replace(job, in_public=in_public)


def submission_started(job: Job, *, server: str, now: float) -> Job:
    """From here on the server may have received the request."""
    return _moved(job, JobState.SUBMITTING, server=server, submitted_at=now)


def remix_unavailable(job: Job, *, note: Note) -> Job:
    """The server cannot remix, so a new video of the prompt is requested instead."""
    return replace(job, note=note)


def submission_not_received(job: Job) -> Job:
    """The server certainly did not receive the request, so it may be sent again."""
    return replace(job, state=JobState.ANNOUNCED, submitted_at=None)


def paused(job: Job, *, server: str, code: str, message: str) -> Job:
    """This server refuses everyone's requests: the job waits."""
    return replace(job, server=server, error=JobError(code, message), reply_ts=None)


def _resumed(job: Job) -> Job:
    return replace(job, error=None, reply_ts=None) if job.is_paused else job


def accepted(job: Job, *, video_id: str) -> Job:
    """The server has accepted the request as this video."""
    return _moved(job, JobState.RENDERING, video_id=video_id, error=None, reply_ts=None)


def progressed(job: Job, *, percent: int | None) -> Job:
    """The server reported progress, which never goes backwards on a card."""
    job = replace(_resumed(job), not_found=0, silent_since=None)
    if percent is None or (job.progress is not None and percent <= job.progress):
        return replace(job, attempts=0)
    return replace(job, progress=min(percent, 100), attempts=0)


def unanswered(job: Job, *, now: float) -> Job:
    """The server did not respond about the video."""
    return replace(job, silent_since=now)


def not_found(job: Job) -> Job:
    """The server did not find the video, once more."""
    return replace(job, not_found=job.not_found + 1)


def found_again(job: Job) -> Job:
    """The server gave another response than that it did not find the video."""
    return replace(job, not_found=0)


def overdue(job: Job, *, message: str) -> Job:
    """The deadline has passed; a video that is finished later is still delivered."""
    return _moved(job, JobState.OVERDUE, error=JobError("timeout", message), reply_ts=None)


def rendered(job: Job, *, now: float) -> Job:
    """The server has finished the file, and charges for it."""
    job = replace(job, charge=Charge.SPENT)
    return _moved(
        job, JobState.DELIVERING, progress=100, rendered_at=now, error=None, reply_ts=None
    )


def content_unusable(job: Job, *, message: str) -> Job:
    """The server keeps sending something else than the finished video."""
    return replace(job, error=JobError(NOT_A_VIDEO, message), reply_ts=None)


def upload_started(job: Job, *, file_id: str) -> Job:
    """Slack has assigned a file id; whatever happens, this file is shared at most once."""
    return _moved(_resumed(job), JobState.DELIVERING, file_id=file_id)


def upload_lost(job: Job) -> Job:
    """Slack does not have the file: the next upload gets a new id."""
    return _moved(job, JobState.DELIVERING, file_id=None)


def delivered(job: Job, *, reply_ts: str, permalink: str, in_public: bool, now: float) -> Job:
    """The file was shared in the thread, in the message `reply_ts`."""
    return _moved(
        job,
        JobState.DELIVERED,
        reply_ts=reply_ts,
        permalink=permalink,
        in_public=in_public,
        finished_at=now,
    )


def poster_started(job: Job, *, file_id: str) -> Job:
    """Slack has assigned a file id for the frame: no other frame is uploaded."""
    return replace(job, poster_id=file_id)


def poster_shown(job: Job) -> Job:
    """The card shows the frame."""
    return replace(job, shows_poster=True)


def poster_dropped(job: Job) -> Job:
    """The card has no frame, and gets none."""
    return replace(job, poster_id=None, shows_poster=False)


def failed(job: Job, *, code: str, message: str, now: float, source: Source = Source.VIDEOS) -> Job:
    """The job has ended without a video; one that the server has accepted may still be finished."""
    error = JobError(code, message, source)
    job = _settled(job, is_charged=job.video_id is not None)
    return _moved(job, JobState.FAILED, error=error, finished_at=now, reply_ts=None)


def render_failed(job: Job, *, code: str, message: str, now: float) -> Job:
    """The server could not make the video, or has lost it."""
    return failed(
        _settled(job, is_charged=job.charges_failures), code=code, message=message, now=now
    )


def cancelling(job: Job) -> Job:
    """Someone cancelled the job, and it is being stopped."""
    return replace(job, note=Note.CANCELLING)


def cancelled(job: Job, *, note: Note, now: float) -> Job:
    """The requester has cancelled the job: nobody pays for what certainly isn't finished."""
    job = _settled(job, is_charged=note not in {Note.NOT_SUBMITTED, Note.STOPPED})
    return _moved(job, JobState.CANCELLED, note=note, error=None, finished_at=now)


def deleted(job: Job, *, server_copy_kept: bool) -> Job:
    """The file was deleted from Slack; the server may have kept its copy.

    What was requested is forgotten, so that nobody can bring it back.
    """
    note = Note.SERVER_COPY_KEPT if server_copy_kept else None
    request = replace(job.request, prompt="", input_reference=None)
    job = poster_dropped(job)
    return _moved(job, JobState.DELETED, note=note, request=request)


def superseded(job: Job, *, now: float) -> Job:
    """The person has made the same request again, so nobody waits for this job.

    The reply stays: its buttons show that. The server may still finish the video.
    """
    job = _settled(job, is_charged=True)
    return _moved(job, JobState.FAILED, note=Note.ASKED_AGAIN, finished_at=now)


def left_uncertain(job: Job, *, message: str, now: float) -> Job:
    """The request was sent, and nothing shows whether the server received it."""
    error = JobError("outcome_unknown", message)
    return _moved(job, JobState.UNCERTAIN, error=error, finished_at=now, reply_ts=None)


def notified(job: Job, *, reply_ts: str) -> Job:
    """The thread has been notified of the current state."""
    return replace(job, reply_ts=reply_ts, posting=None)


def post_started(job: Job, *, kind: str) -> Job:
    """A message of this kind is about to be posted: from here on it may have been."""
    return replace(job, posting=kind)


def post_refused(job: Job) -> Job:
    """Slack refused the message, so it was certainly not posted."""
    return replace(job, posting=None)


def closed(job: Job, *, now: float) -> Job:
    """Nothing is left to do; the response URL is a secret, so it is no longer kept."""
    return replace(job, closed_at=now, response_url=None)


def with_resumption(before: Job, job: Job, *, now: float) -> Job:
    """The job with the time, if it has just got past a pause."""
    is_past = before.error is not None and job.error is None and job.state in PAUSABLE
    return replace(job, resumed_at=now) if is_past else job


def response_url_expired(job: Job, *, now: float) -> Job:
    """The response URL is too old for Slack, if it is, so it is no longer kept."""
    is_old = now - job.created_at > RESPONSE_URL_LIFETIME
    return replace(job, response_url=None) if is_old else job


def again_key(job_id: str) -> str:
    """The request key of the job that repeats this one: at most one can exist."""
    return f"again:{job_id}"


def pseudonym(user_id: str) -> str:
    """What replaces a person's id: the same each time, so that their limits still apply.

    Whoever knows an id can therefore find its pseudonym, but not the other way round.
    """
    return f"forgotten-{hashlib.sha256(user_id.encode()).hexdigest()[:12]}"


def retry_delay(attempts: int, *, hint: float | None = None, jitter: float = 0.0) -> float:
    """Seconds until the next attempt: 1, 2, 4 ... 60, but at least the delay that was asked for.

    `jitter`, from 0 to 1, adds up to a quarter, so that jobs that failed together are not all
    retried together.
    """
    backoff = min(2.0 ** min(attempts, 6), MAX_RETRY_DELAY)
    delay = max(backoff, min(hint or 0.0, MAX_RETRY_AFTER))
    return delay * (1 + jitter / 4)


def _settled(job: Job, *, is_charged: bool) -> Job:
    """Decide what is held; what is spent or free stays so."""
    if job.charge is not Charge.HELD:
        return job
    return replace(job, charge=Charge.SPENT if is_charged else Charge.FREE)


def _moved(job: Job, state: JobState, **changes: object) -> Job:
    return replace(job, state=state, attempts=0, silent_since=None, **changes)  # type: ignore[arg-type]  # mypy cannot see through the names
