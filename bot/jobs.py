"""The life of a job: its states, and one function for each fact that changes it.

    REQUESTED -> ANNOUNCED -> SUBMITTING -> RENDERING -> DELIVERING -> DELIVERED
        |            |            |          |  |   ^        |
        |            |            |          |  v   |        |
        |            |            |          | OVERDUE: out of time, looked at for a day
        +------------+------------+----------+------+--------+-----> FAILED
        |            |            |          |      |        |
        |            |            |          +------+--------+-----> CANCELLED by its owner
        |            |            +-----> UNCERTAIN: cannot tell whether it was heard
        +------------+---------------------------------------------> CANCELLED; DELIVERED -> DELETED

A job is *closed* when the people have been told how it ended; until then somebody carries it.
Times are seconds since 1970.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from bot.request import VideoRequest
from bot.timings import MAX_RETRY_AFTER, MAX_RETRY_DELAY


class JobState(StrEnum):
    """How far a job has come."""

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
        JobState.REQUESTED,
        JobState.ANNOUNCED,
        JobState.SUBMITTING,
        JobState.RENDERING,
        JobState.OVERDUE,
        JobState.DELIVERING,
    }
)


PAUSABLE = frozenset({JobState.ANNOUNCED, JobState.RENDERING, JobState.DELIVERING})
"""States in which a job can wait for the Videos server, with the server's words in `error`."""


class Signal(StrEnum):
    """What people want of a job while somebody carries it."""

    CANCEL = "cancel"
    DELETE = "delete"
    NOTIFY = "notify"


class Note(StrEnum):
    """What the card must say beside the state."""

    NOT_ASKED = "not_asked"
    """Cancelled before the server was asked."""
    STOPPED = "stopped"
    """Cancelled, and the server stopped it."""
    NOT_STOPPED = "not_stopped"
    """Cancelled, but the server cannot stop it, or does not say that it did."""
    COPY_LEFT = "copy_left"
    """Deleted here, but the server's copy could not be deleted."""
    NEW_VIDEO = "new_video"
    """Wanted as a remix, which this server cannot make: a new video of the same prompt."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, in the words of whoever refused it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video that somebody asked for; the row of the same name at rest."""

    id: str
    request_key: str
    team_id: str
    user_id: str
    channel_id: str
    request: VideoRequest
    created_at: float
    response_url: str | None = None
    notify: tuple[str, ...] = ()
    """Teammates who are told, with the requester, when the video is ready."""
    reference_size: str | None = None
    """What size the reference picture had before it was fitted."""
    remix_of: str | None = None
    """The job whose video this one changes."""
    thread_ts: str | None = None
    """The thread in which it was asked for; None: the card opens one."""
    server: str | None = None
    """The host of the server that makes it."""
    note: Note | None = None
    price: Decimal | None = None
    """What it costs by the catalog, in US dollars, where the catalog knows."""
    permalink: str | None = None
    """Where the finished file stands."""
    state: JobState = JobState.REQUESTED
    card_ts: str | None = None
    video_id: str | None = None
    progress: int | None = None
    error: JobError | None = None
    file_id: str | None = None
    reply_ts: str | None = None
    attempts: int = 0
    submitted_at: float | None = None
    rendered_at: float | None = None
    finished_at: float | None = None
    closed_at: float | None = None
    fence: int = 0

    @property
    def root_ts(self) -> str | None:
        """The message under which the job's replies stand, once there is one."""
        return self.thread_ts or self.card_ts

    @property
    def is_paused(self) -> bool:
        """It waits until the Videos server takes requests again."""
        return self.error is not None and self.state in PAUSABLE

    @property
    def took(self) -> float | None:
        """Seconds from the request to the end."""
        return None if self.finished_at is None else self.finished_at - self.created_at


def picture_fitted(job: Job, *, from_size: str) -> Job:
    """The reference picture has the video's size now."""
    return replace(job, reference_size=from_size)


def announced(job: Job, *, channel_id: str, card_ts: str) -> Job:
    """The card stands in the channel.

    Slack answers with the channel's own id, which differs from what was asked where that was
    a person's.
    """
    return _moved(job, JobState.ANNOUNCED, channel_id=channel_id, card_ts=card_ts)


def card_replaced(job: Job, *, card_ts: str) -> Job:
    """The first card was deleted; this one opens the thread now."""
    return replace(job, card_ts=card_ts)


def submission_begun(job: Job, *, server: str, now: float) -> Job:
    """From here on the server may have heard of it."""
    return _moved(job, JobState.SUBMITTING, server=server, submitted_at=now)


def made_anew(job: Job) -> Job:
    """The server cannot remix, so the prompt alone is asked for."""
    return replace(job, note=Note.NEW_VIDEO)


def submission_unheard(job: Job) -> Job:
    """It is certain that the server did not take the request, so it may be asked again."""
    return replace(job, state=JobState.ANNOUNCED, submitted_at=None)


def paused(job: Job, *, code: str, message: str) -> Job:
    """The server takes nobody's requests: the job waits."""
    return replace(job, error=JobError(code, message), reply_ts=None)


def _resumed(job: Job) -> Job:
    return replace(job, error=None, reply_ts=None) if job.is_paused else job


def accepted(job: Job, *, video_id: str) -> Job:
    """The server has a video of ours."""
    return _moved(_resumed(job), JobState.RENDERING, video_id=video_id)


def progressed(job: Job, *, percent: int | None) -> Job:
    """The server says how far it is; progress never runs backwards on a card."""
    job = _resumed(job)
    if percent is None or (job.progress is not None and percent <= job.progress):
        return replace(job, attempts=0)
    return replace(job, progress=min(percent, 100), attempts=0)


def overdue(job: Job, *, message: str) -> Job:
    """The server had its time; what it says later is still welcome."""
    return _moved(job, JobState.OVERDUE, error=JobError("timeout", message), reply_ts=None)


def rendered(job: Job, *, now: float) -> Job:
    """The server has finished the file."""
    return _moved(
        job, JobState.DELIVERING, progress=100, rendered_at=now, error=None, reply_ts=None
    )


def upload_begun(job: Job, *, file_id: str) -> Job:
    """Slack gave the file an id; whatever happens, this file is shared at most once."""
    return _moved(_resumed(job), JobState.DELIVERING, file_id=file_id)


def upload_lost(job: Job) -> Job:
    """Slack does not know the file (any more): the next one gets a new id."""
    return _moved(job, JobState.DELIVERING, file_id=None)


def delivered(job: Job, *, reply_ts: str, permalink: str, now: float) -> Job:
    """The file stands in the thread, as the message `reply_ts`."""
    return _moved(job, JobState.DELIVERED, reply_ts=reply_ts, permalink=permalink, finished_at=now)


def failed(job: Job, *, code: str, message: str, now: float) -> Job:
    """The job is over without a video."""
    error = JobError(code, message)
    return _moved(job, JobState.FAILED, error=error, finished_at=now, reply_ts=None)


def cancelled(job: Job, *, note: Note, now: float) -> Job:
    """Its owner does not want it any more."""
    return _moved(job, JobState.CANCELLED, note=note, error=None, finished_at=now)


def deleted(job: Job, *, copy_left: bool) -> Job:
    """The file is gone from Slack; the server may have kept its own."""
    return _moved(job, JobState.DELETED, note=Note.COPY_LEFT if copy_left else None)


def superseded(job: Job, *, now: float) -> Job:
    """The person asked again, so nobody waits for this one any more."""
    return closed(_moved(job, JobState.FAILED, finished_at=now), now=now)


def left_uncertain(job: Job, *, message: str, now: float) -> Job:
    """Asked, and nobody can tell whether it was heard."""
    error = JobError("outcome_unknown", message)
    return _moved(job, JobState.UNCERTAIN, error=error, finished_at=now)


def notified(job: Job, *, reply_ts: str) -> Job:
    """The thread says how the job stands."""
    return replace(job, reply_ts=reply_ts)


def closed(job: Job, *, now: float) -> Job:
    """Nothing is left to do; what could answer in the person's name is forgotten."""
    return replace(job, closed_at=now, response_url=None)


def again_key(job_id: str) -> str:
    """The request key of the job that asks once more for the same: there is one at most."""
    return f"again:{job_id}"


def retry_delay(attempts: int, *, hint: float | None = None, jitter: float = 0.0) -> float:
    """Seconds until the next attempt: 1, 2, 4 ... 60, or what the other side asked for.

    `jitter`, from 0 to 1, adds up to a quarter, so that jobs that failed together are not all
    retried together.
    """
    backoff = min(2.0 ** min(attempts, 6), MAX_RETRY_DELAY)
    delay = backoff if hint is None else min(max(hint, 0.0), MAX_RETRY_AFTER)
    return delay * (1 + jitter / 4)


def _moved(job: Job, state: JobState, **changes: object) -> Job:
    return replace(job, state=state, attempts=0, **changes)  # type: ignore[arg-type]  # mypy cannot see through the names
