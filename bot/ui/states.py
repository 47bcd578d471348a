"""A job's state in a few words: on its card, read aloud, and in lists."""

from dataclasses import dataclass, replace

from bot.jobs import CANCELLABLE, NOT_A_VIDEO, Job, JobState, Note
from bot.ui.failures import Charge, explain
from bot.ui.progress import (
    ALMOST,
    SILENCE,
    ProgressContext,
    duration,
    guessed_percent,
    is_late,
    progress_bar,
    span,
)

PAUSED = "the video server isn't accepting requests"
NOT_IN_TIME = "not finished in time · may have been charged"
NOT_DELIVERED = "it won't be posted"


@dataclass(frozen=True, slots=True)
class Summary:
    """A job's state, why it is in it, and what happens next; mrkdwn."""

    icon: str
    state: str
    detail: str = ""
    next_step: str = ""
    """A sentence, or nothing."""
    percent: int | None = None
    """What a bar shows; `detail` has it as a number."""

    @property
    def line(self) -> str:
        """For a card: with the icon, the bar and bold."""
        bar = "" if self.percent is None else f"{progress_bar(self.percent)} "
        return f"{self.icon} *{self.state}:* {bar}{self.detail}" if self.detail else self._alone

    @property
    def sentences(self) -> str:
        """For screen readers and notifications: all of it, without icon and bar."""
        words = f"{self.state}: {self.detail}." if self.detail else f"{self.state}."
        return f"{words} {self.next_step}".strip()

    @property
    def brief(self) -> str:
        """For a list."""
        return f"*{self.state}:* {self.detail}" if self.detail else f"*{self.state}*"

    @property
    def _alone(self) -> str:
        return f"{self.icon} *{self.state}*"


def summarize(
    job: Job, progress: ProgressContext | None = None, *, has_admins: bool = False
) -> Summary:
    """The job's summary; `progress` is known while the server renders.

    `has_admins`: somebody is notified of whatever stops all videos.
    """
    if job.note is Note.CANCELLING and job.state in CANCELLABLE:
        return Summary(":no_entry_sign:", "Cancelling")
    if sends_no_video(job):
        return _not_a_video()
    if job.is_paused:
        return _paused(job, has_admins=has_admins)
    match job.state:
        case JobState.PROPOSED:
            return Summary(
                ":raised_hand:", "Waiting for approval", "", "An admin has a day to decide."
            )
        case JobState.REQUESTED | JobState.ANNOUNCED | JobState.SUBMITTING:
            return Summary(":hourglass_flowing_sand:", "Starting")
        case JobState.RENDERING:
            return _rendering(job, progress)
        case JobState.OVERDUE:
            return Summary(":hourglass:", "Late", NOT_IN_TIME, "I'll keep checking for a day.")
        case JobState.DELIVERING:
            return Summary(":outbox_tray:", "Rendered", "uploading to Slack")
        case JobState.DELIVERED:
            detail = f"made in {duration(job.took or 0)}"
            return Summary(":white_check_mark:", "Ready", detail, "The video is in the thread.")
        case JobState.FAILED:
            return _ended_badly(job, ":x:", "Failed")
        case JobState.UNCERTAIN:
            return _ended_badly(job, ":grey_question:", "Unclear")
        case JobState.CANCELLED:
            return Summary(":no_entry_sign:", _cancelled(job), _how_cancelled(job))
        case JobState.DELETED:
            kept = job.note is Note.SERVER_COPY_KEPT
            detail = "the video server may have kept a copy" if kept else ""
            return Summary(":wastebasket:", "Deleted", detail)


def sends_no_video(job: Job) -> bool:
    """Whether the server has finished the video, but sends something else."""
    is_content = job.error is not None and job.error.code == NOT_A_VIDEO
    return is_content and job.state is JobState.DELIVERING


def _not_a_video() -> Summary:
    return Summary(
        ":outbox_tray:",
        "Rendered",
        "the video server sends something else instead of the video · charged",
        "I'll keep trying for a day. “Fetch again” costs nothing.",
    )


def _paused(job: Job, *, has_admins: bool) -> Summary:
    begins = job.state is JobState.ANNOUNCED
    detail = f"{PAUSED} · not charged" if begins else PAUSED
    resumes = f"Your video will {'start' if begins else 'continue'} by itself when it does"
    notified = "; your admin has been notified" if has_admins else ""
    return Summary(":double_vertical_bar:", "Paused", detail, f"{resumes}{notified}.")


def _ended_badly(job: Job, icon: str, state: str) -> Summary:
    if job.note is Note.ASKED_AGAIN:
        return Summary(icon, state, NOT_IN_TIME, "Asked again: the new video has its own card.")
    failure = explain(job)
    if failure is None:
        return Summary(icon, state, in_line(Charge.UNKNOWN))
    detail = f"{failure.reason} · {in_line(failure.charge)}"
    return Summary(icon, state, detail, failure.advice)


def in_line(words: str) -> str:
    """The words as they continue a line: `Not charged` becomes `not charged`."""
    return words[:1].lower() + words[1:]


def _cancelled(job: Job) -> str:
    return "Not approved" if job.note in {Note.DECLINED, Note.EXPIRED} else "Cancelled"


def _how_cancelled(job: Job) -> str:
    match job.note:
        case Note.DECLINED:
            return f"<@{job.decided_by}> declined it · not charged"
        case Note.EXPIRED:
            return "no admin decided within a day · not charged"
        case Note.NOT_SUBMITTED:
            return "before it was started · not charged"
        case Note.STOPPED:
            return "the video server stopped it · may have been charged"
        case Note.ALREADY_RENDERED:
            return f"it was already finished · charged · {NOT_DELIVERED}"
        case _:
            return f"the video server didn't stop it · may have been charged · {NOT_DELIVERED}"


def _rendering(job: Job, progress: ProgressContext | None) -> Summary:
    clapper = Summary(":clapper:", "Rendering")
    if progress is None:
        return clapper if job.progress is None else _at(clapper, job.progress)
    so_far = f"{duration(progress.elapsed)} so far"
    if job.attempts >= SILENCE and job.submitted_at is not None and job.silent_since is not None:
        silence = job.submitted_at + progress.elapsed - job.silent_since
        detail = f"no response from the video server for {duration(silence)} ({so_far})"
        return Summary(":satellite_antenna:", "Rendering", detail, "I'll keep checking.")
    if progress.is_queued:
        return Summary(":hourglass_flowing_sand:", "Queued", _place(progress.ahead))
    late = is_late(progress)
    if job.progress and not (late and job.progress >= ALMOST):
        return _at(clapper, job.progress)
    if progress.typical is None:
        return replace(clapper, detail=so_far)
    usually = f"usually {span(progress.typical)}"
    if late:
        return replace(clapper, detail=f"longer than usual, {so_far} ({usually})")
    percent = guessed_percent(progress, progress.typical)
    return _at(clapper, percent, f" (estimated, {usually})")


def _at(summary: Summary, percent: int, more: str = "") -> Summary:
    return replace(summary, detail=f"{percent}%{more}", percent=percent)


def _place(ahead: int) -> str:
    match ahead:
        case 0:
            return "waiting for the video server"
        case 1:
            return "1 of our videos is ahead"
        case _:
            return f"{ahead} of our videos are ahead"
