"""Explains failures: what they mean, what was at fault, and whether the video was charged.

This is shown in addition to the server's code and message, which say the rest. Codes and messages
are matched together, because some servers have no codes (aquiles-image, SGLang-Diffusion) or only
numbers (vLLM-Omni).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import CannotPost, FileProblem, FileRefused, PermanentError, PostRefusal, Source
from bot.jobs import DECLINED, Job, JobError, JobState
from bot.ui.progress import duration

UNCERTAIN = (
    "The video server's response was lost, and its list of videos doesn't show whether it received "
    "the request."
)
NO_ANSWER = "The video server doesn't respond."
NOT_FINISHED = "The video server didn't finish the video within a day."
NO_WEB_ADDRESS = "The video server gave an address for the file that isn't a web address."
NOT_SHARED = "Slack hasn't shared the file."
FILE_MISSING = "Slack doesn't have the file."
DEFECT = "Something went wrong in this app."


_POST_REFUSALS = {
    PostRefusal.NOT_A_MEMBER: "I'm not a member of this channel. Invite me with `/invite @{bot}` "
    "and try again, or use another channel.",
    PostRefusal.ARCHIVED: "This channel is archived. Use another channel.",
    PostRefusal.RESTRICTED: "Posting in this channel is restricted. Use another channel.",
    PostRefusal.THREAD_GONE: "The thread was deleted. Try again in the channel.",
    PostRefusal.NO_REPLIES: "This message doesn't accept replies. Try again in the channel.",
    PostRefusal.NO_DIRECT_MESSAGE: "I can't post in this conversation. Use a channel.",
    PostRefusal.NO_FILES: "This workspace doesn't allow apps to upload videos. Ask a workspace "
    "admin to allow it, then try again.",
    PostRefusal.NO_SPACE: "This workspace has no storage left for files. Ask a workspace admin to "
    "free some, then try again.",
    PostRefusal.NO_PERMISSION_TO_UPLOAD: "I don't have permission to upload files. Ask a workspace "
    "admin to reinstall me with that permission.",
}
_FILE_PROBLEMS = {
    FileProblem.ONLY_LINKED: "This file is only linked in Slack. Upload the file itself.",
    FileProblem.NOT_YOURS: "Someone else uploaded this file. Upload it yourself.",
    FileProblem.TOO_LARGE: "The file is too large. The limit is {kilobytes:,} kB.",
    FileProblem.NOT_ACCESSIBLE: "I can't access this file. It was deleted, or it is in a channel "
    "that I'm not in. Upload it in the form instead.",
    FileProblem.LARGER_THAN_STATED: "The file is larger than Slack says. Upload it again.",
    FileProblem.NOT_FETCHED: "I can't download the file. {reason} Try again.",
    FileProblem.NOT_A_PICTURE: "I can't read this image. Choose a JPG, PNG or WebP file.",
    FileProblem.TOO_MANY_PIXELS: "The image has too many pixels. The limit is {megapixels} "
    "megapixels. Choose a smaller one.",
    FileProblem.TOO_MUCH_MEMORY: "Reading this image takes too much memory. Choose a smaller one, "
    "or save it as JPG.",
    FileProblem.NOT_DECODED: "I can't read this image: every attempt failed. Choose another one, "
    "or save it again in an image editor.",
}


OUR_CODES = {
    "file_refused",
    "gave_up",
    "no_answer",
    "no_videos_api",
    "no_web_address",
    "not_a_video",
    "outcome_unknown",
    "private_address",
    "server_changed",
    "timeout",
    "too_large",
    "unknown",
}
"""Codes that no server sent; the messages beside them say the same in words."""


class Blame(StrEnum):
    """What was at fault."""

    PROMPT = "the prompt"
    IMAGE = "the starting image"
    SETTINGS = "the settings"
    SERVER = "the video server"
    BUDGET = "the budget"
    SLACK = "Slack"
    BOT = "this app"


class Charge(StrEnum):
    """Whether the attempt was charged."""

    NOT_CHARGED = "Not charged"
    CHARGED = "Charged"
    UNKNOWN = "May have been charged"


@dataclass(frozen=True, slots=True)
class Failure:
    """What people should know about a job that has no video."""

    reason: str
    """In a few words that follow “Failed:”."""
    advice: str
    """What to do, in sentences."""
    blame: Blame
    charge: Charge
    may_work_again: bool
    """Whether the same request may succeed later; otherwise it has to change."""


@dataclass(frozen=True, slots=True)
class _Known:
    pattern: re.Pattern[str]
    blame: Blame
    reason: str
    advice: str
    may_work_again: bool


_LATER = "Try again later."


def _known(pattern: str, blame: Blame, reason: str, advice: str) -> _Known:
    """A failure that only a change of the request can avoid."""
    return _Known(re.compile(pattern, re.IGNORECASE), blame, reason, advice, may_work_again=False)


def _passing(
    pattern: str, reason: str, *, blame: Blame = Blame.SERVER, advice: str = _LATER
) -> _Known:
    """A failure that the same request may not meet again."""
    return _Known(re.compile(pattern, re.IGNORECASE), blame, reason, advice, may_work_again=True)


# The first match counts. Messages are OpenAI's unless a server is named.
_KNOWN = (
    _passing(r"^not_a_video ", "the video server sends something else instead of the video"),
    _known(
        r"^file_refused ",
        Blame.IMAGE,
        "the starting image can't be used",
        "Choose another one, or none.",
    ),
    _known(
        r"^too_large ",
        Blame.SETTINGS,
        "the video is too large for Slack",
        "Choose a shorter length or a smaller size.",
    ),
    _known(
        r"^(private_address|no_web_address) ",
        Blame.SERVER,
        "the video server keeps the file at an address that I may not use",
        "Ask whoever manages this app to allow it.",
    ),
    _passing(r"^timeout ", "the video server took too long"),
    _passing(r"^(no_answer|gave_up) ", "the video server was unavailable for too long"),
    _passing(
        r"insufficient_quota|exceeded your current quota|billing.hard.limit|payment|http_402",
        "the account at the video server has no credit left",
        blame=Blame.BUDGET,
        advice="Ask whoever manages this app to add some, then try again.",
    ),
    _known(
        r"people-in-user-uploads",
        Blame.IMAGE,
        "the video server refuses images of people",
        "Use another starting image, or none.",
    ),
    _known(
        r"inpaint image|match the requested width and height",
        Blame.IMAGE,
        "the starting image isn't the size of the video",
        "Use an image of exactly that size.",
    ),
    _known(
        r"mimetype|cannot be read as an image",
        Blame.IMAGE,
        "the video server can't read the starting image",
        "JPG, PNG and WebP usually work.",
    ),
    _known(
        r"input_reference|image_reference|reference_url",
        Blame.IMAGE,
        "this model doesn't accept the starting image",
        "Use another one, or none.",
    ),
    _known(
        r"moderation|guardrail|content_policy|sentinel_block|didn't look right with your request",
        Blame.PROMPT,
        "blocked by moderation",
        "Rephrase the prompt.",
    ),
    _known(
        r"'prompt'|\bprompt(: | is required)|invalid_prompt",
        Blame.PROMPT,
        "the video server doesn't accept this prompt",
        "Change the prompt.",
    ),
    _known(
        r"model mismatch|model_not_found|(model|deployment)\b.{0,200}does not exist|invalid model",
        Blame.SETTINGS,
        "the video server doesn't have this model",
        "Choose another model.",
    ),
    _known(
        r"invalid_value|invalid_type|unknown_parameter|should match pattern|http_422|_size\b",
        Blame.SETTINGS,
        "the video server doesn't accept one of the settings",
        "Choose another model, length or size.",
    ),
    _passing(r"rate_limit|too many|concurrent|^(http_)?429 ", "the video server is overloaded"),
    _passing(
        r"\bnot found\b|http_404|http_410|^404 ",
        "the video server no longer has the video",
        advice="It may have been restarted. Try again.",
    ),
    _passing(r"^expired ", "the video expired at the video server", advice="Try again."),
    _passing(r"^cancell?ed ", "cancelled at the video server", advice="Try again."),
    _passing(
        r"server_error|internal_error|processing_error|heavy load|out of memory|^(http_)?5\d\d ",
        "the video server had an error",
    ),
)


def overdue(deadline: float) -> str:
    """The server has not met the deadline, which is in seconds."""
    return f"The video server didn't finish the video within {duration(deadline)}."


def too_large(limit: int) -> str:
    """The finished video has more bytes than Slack accepts."""
    return f"The video is larger than {limit // 1_000_000:,} MB, the limit for uploads to Slack."


def private_address(host: str) -> str:
    """The Videos server refers to a host that the bot must not connect to."""
    return f"The video server named {host} as the file's host, which isn't a public address."


def describe(error: PermanentError) -> str:
    """What is wrong, to be shown beside the error's code; plain text."""
    match error:
        case FileRefused():
            return file_problem(error)
        case CannotPost():
            return _POST_REFUSALS[error.refusal].format(bot=error.bot_name)
        case _:
            return error.message  # of the Videos server, or worded here


_HTTP_STATUS = re.compile(r"http_(\d{3})")


def code_in_words(code: str) -> str:
    """The code as people read it: a server's own, `HTTP 500`, or nothing for one of ours."""
    if code in OUR_CODES:
        return ""
    status = _HTTP_STATUS.fullmatch(code)
    return f"HTTP {status[1]}" if status else code


def file_problem(error: FileRefused) -> str:
    """Why a file can't be used, and what can; plain text."""
    return _FILE_PROBLEMS[error.problem].format(
        kilobytes=error.limit // 1000,
        megapixels=error.limit // 1_000_000,
        reason=error.reason,
    )


def explain(job: Job) -> Failure | None:
    """What to say about a job that has no video; None: it has no error."""
    if job.error is None or job.error.code == DECLINED:
        return None
    charge = _charge(job)
    match job.error.source:
        case Source.SLACK:
            return Failure(*_refused_by_slack(job), Blame.SLACK, charge, may_work_again=True)
        case Source.BOT if job.error.code == "gave_up":
            reason = "a problem in this app"
            return Failure(reason, _LATER, Blame.BOT, charge, may_work_again=True)
        case Source.BOT | Source.VIDEOS:
            return _explain_server(job, job.error, charge)


def _refused_by_slack(job: Job) -> tuple[str, str]:
    if job.rendered_at is not None:
        return "the video was made, but Slack didn't accept it", _LATER
    return "Slack doesn't let me post here", "Try again, or use another channel."


def _explain_server(job: Job, error: JobError, charge: Charge) -> Failure:
    words = f"{error.code} {error.message}"
    for known in _KNOWN:
        if known.pattern.search(words):
            return Failure(known.reason, known.advice, known.blame, charge, known.may_work_again)
    return _unknown(job, error.code, charge)


_REQUEST_AT_FAULT = re.compile(r"(http_)?4\d\d$")
"""vLLM-Omni gives a failed video the status that a refused request would have had."""


def _unknown(job: Job, code: str, charge: Charge) -> Failure:
    if job.state is JobState.UNCERTAIN:
        return Failure(
            "the video server may not have received the request",
            "If you ask again, you may pay for both.",
            Blame.SERVER,
            charge,
            may_work_again=True,
        )
    if job.video_id is None or _REQUEST_AT_FAULT.match(code):
        return Failure(
            "refused by the video server",
            "Its message says why. Change the request and try again.",
            Blame.SETTINGS,
            charge,
            may_work_again=False,
        )
    reason = "the video server couldn't make it"
    return Failure(reason, _LATER, Blame.SERVER, charge, may_work_again=True)


def _charge(job: Job) -> Charge:
    """A rendered video is charged, a refused request is not; servers differ about the rest."""
    if job.rendered_at is not None:
        return Charge.CHARGED
    if job.state is JobState.FAILED and job.video_id is None:
        return Charge.NOT_CHARGED
    return Charge.UNKNOWN
