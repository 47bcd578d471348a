"""The card: the message that opens a job's thread, at every stage; and how the thread ends."""

from bot.jobs import Job, JobError, JobState
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

BAR_WIDTH = 12
ASK_AGAIN = "ask_again"
LET_IT_BE = "let_it_be"
"""Actions of a reply's buttons; their value is the job's id."""
COMMENT_LIMIT = 1000
"""Characters of a server's message that are shown; the rest says nothing that helps."""


def job_card(job: Job) -> Message:
    """The job's message in the channel."""
    return Message(
        text=f"Video {job.id}: {_state_in_words(job)}",
        blocks=[
            quote(excerpt(job.request.prompt)),
            context(f"<@{job.user_id}> · {describe(job.request)}"),
            section(_status_line(job)),
        ],
    )


def describe(request: VideoRequest) -> str:
    """The request but for its prompt, as mrkdwn."""
    width, _, height = request.size.partition("x")
    model = escape(request.model)
    return f"{model} · {request.seconds} s · {escape(width)} × {escape(height)}"  # noqa: RUF001 -- the sign


def finished_comment(job: Job) -> str:
    """What is said beside the file in the thread; mrkdwn, and it notifies who asked."""
    return f"<@{job.user_id}> Your video is ready."


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


def progress_bar(percent: int) -> str:
    """A bar and its number: a bar alone says nothing to a screen reader."""
    filled = round(BAR_WIDTH * percent / 100)
    return f"{'▓' * filled}{'░' * (BAR_WIDTH - filled)} {percent} %"


def duration(seconds: float) -> str:
    """A time that people can read: `48 s`, `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _status_line(job: Job) -> str:
    match job.state:
        case JobState.REQUESTED | JobState.ANNOUNCED | JobState.SUBMITTING:
            return ":hourglass_flowing_sand: Asking the video server …"
        case JobState.RENDERING:
            if job.progress is None:
                return ":hourglass_flowing_sand: Waiting for the video server …"
            return f":clapper: Rendering  {progress_bar(job.progress)}"
        case JobState.OVERDUE:
            return ":hourglass: *Late:* the thread says more."
        case JobState.DELIVERING:
            return ":outbox_tray: Finished; bringing the file here …"
        case JobState.DELIVERED:
            return f":white_check_mark: *Ready* after {duration(job.took or 0)}: in the thread."
        case JobState.FAILED:
            return ":x: *Failed:* the thread says why."
        case JobState.UNCERTAIN:
            return ":grey_question: *Unclear:* the thread says why."


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
