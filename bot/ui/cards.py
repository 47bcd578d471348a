"""The card: the message that opens a job's thread, at every stage; and how the thread ends."""

from collections.abc import Collection, Iterator

from bot.jobs import Job, JobError, JobState, Note
from bot.request import VideoRequest
from bot.ui.blocks import (
    Block,
    Message,
    actions,
    bold,
    button,
    code,
    context,
    escape,
    excerpt,
    paragraph,
    plain,
    quote,
    section,
    user,
)
from bot.ui.progress import SILENCE, Outlook, duration, no_news_line, progress_line

ASK_AGAIN = "ask_again"
LET_IT_BE = "let_it_be"
"""Actions of a reply's buttons; their value is the job's id."""
CANCEL = "cancel"
NOTIFY = "notify_me_too"
REMIX = "remix"
MAKE_AGAIN = "make_again"
DELETE = "delete"
"""Actions of a card's buttons; their value is the job's id."""

CONFIRM_CANCEL = ("Cancel this video?", "It will not be posted.", "Cancel the video", "Keep it")
CONFIRM_DELETE = (
    "Delete this video?",
    "The file is deleted in Slack for everybody, and at the video server where it can be.",
    "Delete",
    "Keep it",
)
COMMENT_LIMIT = 1000
"""Characters of a server's message that are shown; the rest says nothing that helps."""


def job_card(job: Job, outlook: Outlook | None = None) -> Message:
    """The job's message in the channel; `outlook` is known while the server works on it."""
    return Message(
        text=f"Video {job.id}: {_state_in_words(job)}",
        blocks=[
            quote(excerpt(job.request.prompt)),
            context(f"<@{job.user_id}> · {describe(job.request)}"),
            section(_status_line(job, outlook)),
            *(context(note) for note in _notes(job)),
            *_buttons(job),
        ],
    )


def describe(request: VideoRequest) -> str:
    """The request but for its prompt, as mrkdwn."""
    width, _, height = request.size.partition("x")
    model = escape(request.model)
    return f"{model} · {request.seconds} s · {escape(width)} × {escape(height)}"  # noqa: RUF001 -- the sign


def finished_comment(job: Job, also: Collection[str] = ()) -> str:
    """What is said beside the file in the thread; mrkdwn, and it notifies who asked, and these."""
    people = " ".join(f"<@{user_id}>" for user_id in dict.fromkeys([job.user_id, *also]))
    return f"{people} Your video is ready."


def status_reply(job: Job) -> Message:
    """What is said in the thread when there is no video (yet); it notifies who asked."""
    error = _reason(job)
    words = _end_in_words(job)
    blocks = [paragraph(user(job.user_id), plain(" "), bold(words), *_code_and_message(error))]
    if job.state in {JobState.UNCERTAIN, JobState.OVERDUE}:
        blocks.append(
            actions(
                button("Ask again", ASK_AGAIN, job.id),
                button("Let it be", LET_IT_BE, job.id),
            )
        )
    return Message(
        text=f"<@{job.user_id}> {words} ({escape(excerpt(error.code, 100))})", blocks=blocks
    )


def answered(reply: Block, words: str) -> Message:
    """A reply of ours whose buttons were used: `words` stand in their place; mrkdwn."""
    kept = [block for block in reply.get("blocks", []) if block["type"] != "actions"]
    return Message(text=str(reply.get("text") or words), blocks=[*kept, context(words)])


def cannot_post(job: Job) -> str:
    """What the person is told privately when the card cannot be posted; mrkdwn."""
    return (
        f"I can't post in <#{job.channel_id}>, so I did not start your video: nothing was asked "
        f"of the video server, and nothing was charged.\n{escape(_reason(job).message)}\n"
        f"Your prompt was:\n{escape(excerpt(job.request.prompt, 2000))}"
    )


def _status_line(job: Job, outlook: Outlook | None) -> str:
    match job.state:
        case JobState.REQUESTED | JobState.ANNOUNCED | JobState.SUBMITTING:
            return ":hourglass_flowing_sand: Asking the video server …"
        case JobState.RENDERING:
            return _rendering(job, outlook)
        case JobState.OVERDUE:
            return ":hourglass: *Late:* the thread says more."
        case JobState.DELIVERING:
            return ":outbox_tray: Finished; bringing the file here …"
        case JobState.DELIVERED:
            link = f"<{job.permalink}|in the thread>" if job.permalink else "in the thread"
            return f":white_check_mark: *Ready* after {duration(job.took or 0)}: {link}."
        case JobState.FAILED:
            return ":x: *Failed:* the thread says why."
        case JobState.UNCERTAIN:
            return ":grey_question: *Unclear:* the thread says why."
        case JobState.CANCELLED:
            return f":no_entry_sign: *Cancelled:* {_how_cancelled(job)}"
        case JobState.DELETED:
            return ":wastebasket: *Deleted.*"


def _rendering(job: Job, outlook: Outlook | None) -> str:
    if outlook is None:
        return ":hourglass_flowing_sand: Waiting for the video server …"
    if job.attempts >= SILENCE:
        return no_news_line(outlook)
    return progress_line(job.progress, outlook)


def _how_cancelled(job: Job) -> str:
    match job.note:
        case Note.NOT_ASKED:
            return "the video server was not asked, and nothing was charged."
        case Note.STOPPED:
            return "the video server stopped it."
        case _:
            return "this server cannot stop a job: I will not post it; it may still be charged."


def _notes(job: Job) -> Iterator[str]:
    if job.note is Note.NEW_VIDEO:
        yield "This server cannot remix: a new video of the whole prompt."
    elif job.remix_of is not None:
        yield f"Remix of the video {escape(job.remix_of)}."
    if job.note is Note.COPY_LEFT:
        yield "The video server may have kept its copy: it does not delete."


def _buttons(job: Job) -> Iterator[Block]:
    """What can be done with the job now; the answer to a press looks at the database again."""
    match job.state:
        case (
            JobState.REQUESTED
            | JobState.ANNOUNCED
            | JobState.SUBMITTING
            | JobState.RENDERING
            | JobState.OVERDUE
            | JobState.DELIVERING
        ):
            yield actions(
                button("Cancel", CANCEL, job.id, confirm=CONFIRM_CANCEL),
                button("Notify me too", NOTIFY, job.id),
            )
        case JobState.DELIVERED:
            yield actions(
                button("Remix", REMIX, job.id),
                button("Make it again", MAKE_AGAIN, job.id),
                button("Delete", DELETE, job.id, confirm=CONFIRM_DELETE),
            )
        case JobState.CANCELLED | JobState.DELETED:
            yield actions(button("Make it again", MAKE_AGAIN, job.id))
        case JobState.FAILED | JobState.UNCERTAIN:
            return  # the buttons stand where the reason is, in the thread


def _state_in_words(job: Job) -> str:
    match job.state:
        case JobState.REQUESTED | JobState.ANNOUNCED | JobState.SUBMITTING:
            return "asking the video server"
        case JobState.RENDERING:
            return "rendering" if job.progress is None else f"rendering, {job.progress} %"
        case JobState.OVERDUE:
            return "late, the thread says more"
        case JobState.DELIVERING:
            return "finished, the file is on its way"
        case JobState.DELIVERED:
            return "ready, in the thread"
        case JobState.FAILED:
            return "failed, the thread says why"
        case JobState.UNCERTAIN:
            return "unclear, the thread says why"
        case JobState.CANCELLED:
            return "cancelled"
        case JobState.DELETED:
            return "deleted"


def _end_in_words(job: Job) -> str:
    if job.state is JobState.UNCERTAIN:
        return "I asked for your video, and cannot tell whether I was heard."
    if job.state is JobState.OVERDUE:
        return "Your video is late. I keep looking for a day, and bring it if it comes."
    return "Your video could not be made."


def _code_and_message(error: JobError) -> list[Block]:
    return [
        plain("\n"),
        code(excerpt(error.code, 100)),
        plain(f"  {excerpt(error.message, COMMENT_LIMIT)}"),
    ]


def _reason(job: Job) -> JobError:
    return job.error or JobError("unknown", "No reason is known.")
