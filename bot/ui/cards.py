"""The card, which opens a job's thread, at every stage; and the replies in that thread."""

from collections.abc import Collection, Iterator

from bot.errors import FileRefused
from bot.jobs import CANCELLABLE, NOT_A_VIDEO, Job, JobError, JobState, Note
from bot.request import Fit
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    MAX_SECTION_TEXT,
    Block,
    Message,
    actions,
    bold,
    button,
    code,
    context,
    escape,
    excerpt,
    measure,
    paragraph,
    plain,
    quote,
    section,
    user,
)
from bot.ui.drafts import returned
from bot.ui.failures import Failure, explain
from bot.ui.progress import SILENCE, ProgressContext, duration, no_news_line, progress_line

ASK_AGAIN = "ask_again"
LET_IT_BE = "let_it_be"
"""Actions of a reply's buttons; their value is the job's id."""
FETCH_AGAIN = "fetch_again"
"""Downloads a finished video once more; the value is the job's id."""
EDIT = "edit_and_try_again"
"""Opens the form, filled in with the request of the job in the value."""
SHOW_PROMPT = "show_prompt"
"""Opens a view of the whole prompt."""
CANCEL = "cancel"
NOTIFY = "notify_me_too"
REMIX = "remix"
MAKE_AGAIN = "make_again"
DELETE = "delete"
"""Actions of a card's buttons; their value is the job's id."""

_POSTING = {REMIX, MAKE_AGAIN}

CONFIRM_CANCEL = ("Cancel this video?", "It will not be posted.", "Cancel the video", "Keep it")
CONFIRM_DELETE = (
    "Delete this video?",
    "The file is deleted in Slack for everybody, and at the video server where it can be.",
    "Delete",
    "Keep it",
)
EXCERPT = 300
"""Characters of a prompt that its card shows."""
PAUSED = (
    "The video server takes no requests from me just now. Whoever runs me can see why in my log. "
    "You need not do anything: I go on as soon as it works again."
)
NOT_A_VIDEO_REPLY = (
    "The video server finished your video, but sends something else in its place. I keep trying "
    "for a day. “Fetch again” downloads the same video and costs nothing."
)
MAX_ERROR_LENGTH = 1000
"""Characters of a server's message that are shown."""


def job_card(job: Job, progress: ProgressContext | None = None) -> Message:
    """The job's message in the channel; `progress` is known while the server renders."""
    return Message(
        text=f"Video {job.id}: {state_in_words(job)}",
        blocks=[
            prompt_excerpt(job, EXCERPT),
            context(f"<@{job.user_id}> · {describe(job)}"),
            section(_status_line(job, progress)),
            *(context(note) for note in _notes(job)),
            *buttons(job),
        ],
    )


def prompt_excerpt(job: Job, length: int) -> Block:
    """The beginning of the prompt, unless it was deleted with the video.

    It stays a rich_text block: Slack edits no other block in its place (chat.update:
    block_mismatch).
    """
    if job.state is JobState.DELETED:
        return paragraph(plain("The prompt was deleted, too."))
    return quote(excerpt(job.request.prompt, length))


def prompt_view(job: Job) -> Block:
    """The whole prompt, to read and copy, in several blocks because each has a limit."""
    prompt = job.request.prompt
    pieces = [prompt[at : at + MAX_SECTION_TEXT] for at in range(0, len(prompt), MAX_SECTION_TEXT)]
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "The whole prompt"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": [paragraph(plain(piece)) for piece in pieces],
    }


def describe(job: Job) -> str:
    """The request without its prompt; mrkdwn."""
    request = job.request
    parts = [
        request.model,
        f"{request.seconds} s" if request.seconds else "",
        measure(request.size),
        _picture_in_words(job),
        f"about ${job.price:.2f}" if job.price is not None else "",
    ]
    return escape(" · ".join(filter(None, parts)))


def finished_comment(job: Job, also: Collection[str] = ()) -> str:
    """The message with the file in the thread; mrkdwn. It notifies the people it mentions."""
    told = dict.fromkeys([job.user_id, *job.notify, *also])
    people = " ".join(f"<@{user_id}>" for user_id in told)
    return f"{people} {'The' if len(told) > 1 else 'Your'} video is ready."


def status_reply(job: Job) -> Message:
    """The reply in the thread when there is no video (yet); it notifies the requester."""
    error = _reason(job)
    words = _end_in_words(job)
    blocks = [paragraph(user(job.user_id), plain(" "), bold(words), *_code_and_message(error))]
    failure = None if job.is_paused else explain(job)
    if failure is not None:
        blocks += [section(failure.meaning), context(f"{failure.blame} · {failure.charge}")]
    if offered := _ways_on(job, failure):
        blocks.append(actions(*offered))
    return Message(
        text=f"<@{job.user_id}> {words} ({escape(excerpt(error.code, 100))})", blocks=blocks
    )


def _ways_on(job: Job, failure: Failure | None) -> list[Block]:
    """Offer to try again where that may succeed; otherwise the request has to change."""
    match job.state:
        case JobState.DELIVERING if _sends_no_video(job):
            return [button("Fetch again", FETCH_AGAIN, job.id)]
        case JobState.UNCERTAIN | JobState.OVERDUE:
            return [
                button("Ask again", ASK_AGAIN, job.id),
                button("Let it be", LET_IT_BE, job.id),
            ]
        case JobState.FAILED if failure is None or failure.may_work_again:
            return [button("Try again", ASK_AGAIN, job.id)]
        case JobState.FAILED:
            return [button("Edit & try again", EDIT, job.id)]
        case _:
            return []


def answered(reply: Block, words: str) -> Message:
    """A reply of ours after a click: `words`, in mrkdwn, replace its buttons."""
    kept = [block for block in reply.get("blocks", []) if block["type"] != "actions"]
    return Message(text=str(reply.get("text") or words), blocks=[*kept, context(words)])


def not_started(job: Job) -> list[Message]:
    """What the requester is told privately when their job has no card, with the whole prompt."""
    reason = _reason(job)
    trouble = f"I can't post in <#{job.channel_id}>"
    if reason.code == FileRefused.CODE:
        trouble = "I can't use your picture"
    words = (
        f"{trouble}, so I did not start your video: nothing was asked of the video server, and "
        f"nothing was charged.\n{escape(excerpt(reason.message, MAX_ERROR_LENGTH))}"
    )
    prompt = job.request.prompt
    fix = [button("Fix in the form", EDIT, job.id)] if len(prompt) <= MAX_INPUT_TEXT else []
    return returned(words, prompt, *fix)


def _picture_in_words(job: Job) -> str:
    """`picture cropped from 4032 × 3024`."""  # noqa: RUF002 -- the sign
    reference, was = job.request.input_reference, job.reference_size
    if reference is None:
        return ""
    if was is None or job.request.size in {"", was}:
        return "with a picture"
    done = {Fit.CROP: "cropped", Fit.PAD: "fitted with bars"}[reference.fit]
    if _same_shape(was, job.request.size):
        done = "scaled"
    return f"picture {done} from {measure(was)}"


def _same_shape(one: str, other: str) -> bool:
    (width, height), (w, h) = (map(int, size.split("x")) for size in (one, other))
    return width * h == w * height


def _status_line(job: Job, progress: ProgressContext | None) -> str:
    if job.note is Note.CANCELLING and job.state in CANCELLABLE:
        return ":no_entry_sign: Cancelling …"
    if job.is_paused:
        return ":double_vertical_bar: *Waiting:* the thread says for what."
    match job.state:
        case JobState.REQUESTED | JobState.ANNOUNCED | JobState.SUBMITTING:
            return ":hourglass_flowing_sand: Asking the video server …"
        case JobState.RENDERING:
            return _rendering(job, progress)
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


def _rendering(job: Job, progress: ProgressContext | None) -> str:
    if progress is None:
        return ":hourglass_flowing_sand: Waiting for the video server …"
    if job.attempts >= SILENCE:
        return no_news_line(progress)
    return progress_line(job.progress, progress)


def _how_cancelled(job: Job) -> str:
    match job.note:
        case Note.NOT_SUBMITTED:
            return "the video server was not asked, and nothing was charged."
        case Note.STOPPED:
            return "the video server stopped it."
        case Note.ALREADY_RENDERED:
            return "it was already finished, so it is charged; I will not post it."
        case _:
            return "it could not be stopped: I will not post it; it may still be charged."


def _notes(job: Job) -> Iterator[str]:
    if job.note is Note.ORIGINAL_GONE:
        yield "The original video is gone: a new video of the whole prompt."
    elif job.note is Note.NEW_VIDEO:
        yield "This server cannot remix: a new video of the whole prompt."
    elif job.remix_of is not None:
        yield f"Remix of the video {escape(job.remix_of)}."
    if job.note is Note.WITHOUT_PICTURE:
        yield "Made without the original's starting image."
    if job.note is Note.SERVER_COPY_KEPT:
        yield "The video server may have kept its copy: it does not delete."


def buttons(job: Job, *, may_post: bool = True) -> Iterator[Block]:
    """The buttons for the job's state; a click checks the state in the database again.

    `may_post`: offer also what posts in the job's channel.
    """
    offered = [each for each in _offers(job) if may_post or each["action_id"] not in _POSTING]
    if len(job.request.prompt) > EXCERPT and job.state is not JobState.DELETED:
        offered.append(button("Show full prompt", SHOW_PROMPT, job.id))
    if offered:
        yield actions(*offered)


def _offers(job: Job) -> Iterator[Block]:
    if job.note is Note.CANCELLING and job.state in CANCELLABLE:
        return
    match job.state:
        case state if state in CANCELLABLE:
            yield button("Cancel", CANCEL, job.id, confirm=CONFIRM_CANCEL)
            yield button("Notify me too", NOTIFY, job.id)
        case JobState.DELIVERED:
            yield button("Remix", REMIX, job.id)
            yield button("Make it again", MAKE_AGAIN, job.id)
            yield button("Delete", DELETE, job.id, confirm=CONFIRM_DELETE)
        case JobState.CANCELLED:
            yield button("Make it again", MAKE_AGAIN, job.id)
        case _:
            return  # deleted, or the thread has the reason, with buttons


def state_in_words(job: Job) -> str:
    """The state in a few words, for places other than the card."""
    if job.note is Note.CANCELLING and job.state in CANCELLABLE:
        return "cancelling"
    if job.is_paused:
        return "waiting, the thread says for what"
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
    if _sends_no_video(job):
        return NOT_A_VIDEO_REPLY
    if job.is_paused:
        return PAUSED
    if job.state is JobState.OVERDUE:
        return "Your video is late. I keep looking for a day, and bring it if it comes."
    return "Your video could not be made."


def _sends_no_video(job: Job) -> bool:
    is_content = job.error is not None and job.error.code == NOT_A_VIDEO
    return is_content and job.state is JobState.DELIVERING


def _code_and_message(error: JobError) -> list[Block]:
    return [
        plain("\n"),
        code(excerpt(error.code, 100)),
        plain(f"  {excerpt(error.message, MAX_ERROR_LENGTH)}"),
    ]


def _reason(job: Job) -> JobError:
    return job.error or JobError("unknown", "No reason is known.")
