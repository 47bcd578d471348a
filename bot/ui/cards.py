"""The card, which opens a job's thread, at every stage; and the replies in that thread."""

from collections.abc import Collection, Iterator

from bot.errors import FileRefused
from bot.jobs import CANCELLABLE, Job, JobError, JobState, Note
from bot.request import Fit
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    MAX_SECTION_TEXT,
    Block,
    Confirm,
    Message,
    actions,
    bold,
    button,
    code,
    context,
    dollars,
    escape,
    excerpt,
    image,
    in_one_line,
    measure,
    paragraph,
    plain,
    quote,
    section,
    user,
)
from bot.ui.drafts import returned
from bot.ui.failures import Charge, Failure, code_in_words, explain
from bot.ui.progress import ProgressContext
from bot.ui.states import Summary, sends_no_video, summarize
from bot.ui.titles import poster_alt

ASK_AGAIN = "ask_again"
DISMISS = "dismiss"
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

_POSTING = {REMIX, MAKE_AGAIN, ASK_AGAIN, EDIT}

CONFIRM_CANCEL = Confirm("Cancel this video?", "It won't be posted.", yes="Cancel it", no="Keep it")
CONFIRM_DELETE = Confirm(
    "Delete this video?",
    "The file is deleted from Slack for everyone, and from the video server if it allows that.",
    yes="Delete it",
    no="Keep it",
)
UNKNOWN = JobError("unknown", "The reason is unknown.")
EXCERPT = 300
"""Characters of a prompt that its card shows."""
READ_ALOUD = 150
"""Characters of a prompt in a message's text, for screen readers and notifications."""
MAX_ERROR_LENGTH = 1000
"""Characters of a server's message that are shown."""


def job_card(
    job: Job, progress: ProgressContext | None = None, *, has_admins: bool = False
) -> Message:
    """The job's message in the channel; `progress` and `has_admins` are as for `summarize`."""
    summary = summarize(job, progress, has_admins=has_admins)
    return Message(
        text=f"{named(job)} {summary.sentences}",
        blocks=[
            prompt_excerpt(job, EXCERPT),
            context(f"<@{job.user_id}> · {describe(job)}"),
            section(_with_link(summary.line, job)),
            *_poster(job),
            *(context(note) for note in _notes(job, summary)),
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
    if job.is_emptied:
        return paragraph(plain("The prompt is no longer kept."))
    return quote(excerpt(job.request.prompt, length))


def named(job: Job) -> str:
    """The video by its prompt, as a sentence; mrkdwn."""
    if job.state is JobState.DELETED or job.is_emptied:
        return f"Video {job.id}."
    return f"Video “{escape(excerpt(in_one_line(job.request.prompt), READ_ALOUD))}”."


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
        _image_in_words(job),
        _price(job),
    ]
    return escape(" · ".join(filter(None, parts)))


def _price(job: Job) -> str:
    """What it will cost or, once it is made, what was charged; the state says if nothing was."""
    if job.price is None or job.is_free:
        return ""
    is_made = job.state in {JobState.DELIVERED, JobState.DELETED}
    return f"{dollars(job.price)} charged" if is_made else f"about {dollars(job.price)}"


def finished_comment(job: Job, also: Collection[str] = ()) -> str:
    """The message with the file in the thread; mrkdwn. It notifies the people it mentions."""
    mentioned = dict.fromkeys([job.user_id, *job.notify, *also])
    people = " ".join(f"<@{user_id}>" for user_id in mentioned)
    return f"{people} {'The' if len(mentioned) > 1 else 'Your'} video is ready."


def status_reply(job: Job, *, has_admins: bool = False) -> Message:
    """The reply in the thread when there is no video (yet); it notifies the requester."""
    summary = summarize(job, has_admins=has_admins)
    failure = None if job.is_paused else explain(job)
    return Message(
        text=f"<@{job.user_id}> {named(job)} {summary.sentences}",
        blocks=[
            paragraph(user(job.user_id), plain(" "), bold(_headline(job)), *_error(job)),
            *_meaning(job, summary, failure),
            *_reply_buttons(job, failure),
        ],
    )


def _meaning(job: Job, summary: Summary, failure: Failure | None) -> Iterator[Block]:
    """What it means, what to do, and what it cost."""
    if job.is_paused and not sends_no_video(job):
        charge = " Nothing has been charged." if job.state is JobState.ANNOUNCED else ""
        yield section(f"{summary.next_step}{charge}")
    elif failure is None or job.state is JobState.OVERDUE:
        yield section(f"{_sentence(summary.detail)} {summary.next_step}".strip())
    else:
        yield section(f"{_sentence(failure.reason)} {failure.advice}")
        yield context(f"Reason: {failure.blame} · {failure.charge}")


def _reply_buttons(job: Job, failure: Failure | None) -> Iterator[Block]:
    offered = [*_ways_on(job, failure)]
    if job.state in {JobState.UNCERTAIN, JobState.OVERDUE}:
        offered.append(button("Never mind", DISMISS, job.id))
    if offered:
        yield actions(*offered)


def _paid_button(label: str, action_id: str, job: Job, cost: str) -> Block:
    """A button that starts another video, which has its price."""
    confirm = Confirm(f"{label}?", cost, yes=label, no="Never mind", is_danger=False)
    return button(label, action_id, job.id, confirm)


def _of_both(job: Job) -> str:
    """What another attempt costs, and whether the first one did."""
    failure = explain(job)
    match failure.charge if failure else Charge.UNKNOWN:
        case Charge.NOT_CHARGED:
            return f"{_cost(job)} The first attempt wasn't charged."
        case Charge.CHARGED:
            return f"{_cost(job)} You also pay for the first video."
        case Charge.UNKNOWN if job.state is JobState.OVERDUE:
            return f"{_cost(job)} The first video won't be delivered, but you may pay for both."
        case Charge.UNKNOWN:
            return f"{_cost(job)} You may pay for both."


def _cost(job: Job) -> str:
    return "The price is unknown." if job.price is None else f"About {dollars(job.price)}."


def _ways_on(job: Job, failure: Failure | None) -> Iterator[Block]:
    """Offer to try again where that may succeed; otherwise the request has to change."""
    match job.state:
        case JobState.DELIVERING if sends_no_video(job):
            yield button("Fetch again", FETCH_AGAIN, job.id)
        case JobState.UNCERTAIN | JobState.OVERDUE:
            yield _paid_button("Ask again", ASK_AGAIN, job, _of_both(job))
        case JobState.FAILED if job.note is Note.ASKED_AGAIN:
            return
        case JobState.FAILED if failure is None or failure.may_work_again:
            yield _paid_button("Try again", ASK_AGAIN, job, _of_both(job))
        case JobState.FAILED:
            yield button("Edit and try again", EDIT, job.id)
        case _:
            return


def answered(reply: Block, words: str) -> Message:
    """A reply of ours after a click: `words`, in mrkdwn, replace its buttons."""
    kept = [block for block in reply.get("blocks", []) if block["type"] != "actions"]
    return Message(text=str(reply.get("text") or words), blocks=[*kept, context(words)])


def not_started(job: Job) -> list[Message]:
    """What the requester reads privately when their job has no card, with the whole prompt."""
    reason = job.error or UNKNOWN
    trouble = f"I can't post in <#{job.channel_id}>"
    if reason.code == FileRefused.CODE:
        trouble = "I can't use your starting image"
    words = (
        f"{trouble}, so your video wasn't started and nothing was charged.\n"
        f"{escape(excerpt(reason.message, MAX_ERROR_LENGTH))}"
    )
    prompt = job.request.prompt
    fix = [button("Fix in the form", EDIT, job.id)] if len(prompt) <= MAX_INPUT_TEXT else []
    return returned(words, prompt, *fix)


def _image_in_words(job: Job) -> str:
    """`starting image cropped from 4032 × 3024`."""  # noqa: RUF002 -- the sign
    reference, was = job.request.input_reference, job.reference_size
    if reference is None or job.is_remix:
        return ""
    if was is None or job.request.size in {"", was}:
        return "with a starting image"
    done = {Fit.CROP: "cropped", Fit.PAD: "fitted with bars"}[reference.fit]
    if _same_shape(was, job.request.size):
        done = "scaled"
    return f"starting image {done} from {measure(was)}"


def _same_shape(one: str, other: str) -> bool:
    (width, height), (w, h) = (map(int, size.split("x")) for size in (one, other))
    return width * h == w * height


def _with_link(line: str, job: Job) -> str:
    if job.permalink is None:
        return line
    if job.state is JobState.DELIVERED:
        return f"{line} · <{job.permalink}|Watch it in the thread>"
    has_reply = job.reply_ts is not None and job.thread_link != job.permalink
    return f"{line} · <{job.thread_link}|Open the thread>" if has_reply else line


def _poster(job: Job) -> Iterator[Block]:
    if job.shows_poster and job.poster_id and job.state is JobState.DELIVERED:
        yield image(job.poster_id, poster_alt(job))


def _notes(job: Job, summary: Summary) -> Iterator[str]:
    if summary.next_step and job.state is not JobState.DELIVERED:
        yield summary.next_step
    picture = "" if job.request.input_reference is None else " and the starting image"
    if job.note is Note.ORIGINAL_GONE:
        yield f"The original video is gone, so this is a new video made from the prompt{picture}."
    elif job.note is Note.NEW_VIDEO:
        yield f"The video server can't remix, so this is a new video made from the prompt{picture}."
    elif job.remix_of is not None:
        yield f"Remix of video `{escape(job.remix_of)}`"
    if job.note is Note.WITHOUT_PICTURE:
        yield "Made without the original's starting image"


def buttons(job: Job, *, own: bool = False, may_post: bool = True) -> Iterator[Block]:
    """The buttons for the job's state; a click checks the state in the database again.

    `own`: only the requester sees them. `may_post`: offer also what posts in the job's channel.
    """
    offered = [
        each for each in _offers(job, own=own) if may_post or each["action_id"] not in _POSTING
    ]
    if len(job.request.prompt) > EXCERPT and job.state is not JobState.DELETED:
        offered.append(button("Show full prompt", SHOW_PROMPT, job.id))
    if offered:
        yield actions(*offered)


def _offers(job: Job, *, own: bool) -> Iterator[Block]:
    if job.note is Note.CANCELLING and job.state in CANCELLABLE:
        return
    yield from _ways_on(job, explain(job))
    match job.state:
        case state if state in CANCELLABLE:
            yield button("Cancel", CANCEL, job.id, confirm=CONFIRM_CANCEL)
            if not own:
                yield button("Notify me too", NOTIFY, job.id)
        case JobState.DELIVERED:
            yield button("Remix", REMIX, job.id)
            yield _paid_button("Make it again", MAKE_AGAIN, job, _cost(job))
            yield button("Delete", DELETE, job.id, confirm=CONFIRM_DELETE)
        case JobState.CANCELLED:
            yield _paid_button("Make it again", MAKE_AGAIN, job, _cost(job))
        case _:
            return


def _headline(job: Job) -> str:
    if job.state is JobState.UNCERTAIN:
        return "I can't tell whether the video server received your request."
    if sends_no_video(job):
        return "Your video is finished, but it can't be downloaded."
    if job.is_paused:
        return "The video server isn't accepting requests."
    if job.state is JobState.OVERDUE:
        return "Your video is late."
    if job.state is JobState.CANCELLED:
        return "Your video wasn't approved."
    return "Your video couldn't be made."


def _error(job: Job) -> list[Block]:
    """The code and message of what went wrong; a pause is the operator's business alone."""
    if job.is_paused and not sends_no_video(job):
        return []
    if job.state is JobState.CANCELLED:
        reason = job.error.message if job.error else ""
        return [plain(f"\n{excerpt(reason, MAX_ERROR_LENGTH)}")] if reason else []
    error = job.error or UNKNOWN
    shown = excerpt(code_in_words(error.code), 100)
    named = [code(shown), plain("  ")] if shown else []
    return [plain("\n"), *named, plain(excerpt(error.message, MAX_ERROR_LENGTH))]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
