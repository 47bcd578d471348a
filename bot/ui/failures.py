"""Explains failures: what they mean, what was at fault, and whether the video was charged.

This is shown in addition to the server's code and message, which say the rest. Codes and messages
are matched together, because some servers have no codes (aquiles-image, SGLang-Diffusion) or only
numbers (vLLM-Omni).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import CannotPost, FileProblem, FileRefused, PermanentError, PostRefusal, Source
from bot.jobs import Job, JobError, JobState

UNCERTAIN = (
    "I asked the video server, and cannot tell whether it was heard: its answer was lost, and its "
    "list of videos does not decide it. It may have been charged."
)
NO_ANSWER = "The video server does not answer requests."
NOT_FINISHED = "The video server has not finished within a day."
NO_WEB_ADDRESS = "The video server named an address for the file that is not a web address."
NOT_SHARED = "Slack has not shared the file."
FILE_MISSING = "Slack does not have the file."
DEFECT = "Something in this app went wrong."


_POST_REFUSALS = {
    PostRefusal.NOT_A_MEMBER: "I am not a member of this conversation. Invite me with "
    "`/invite @{bot}` and ask again, or ask in another channel.",
    PostRefusal.ARCHIVED: "This channel is archived. Please ask in another channel.",
    PostRefusal.RESTRICTED: "Posting in this channel is restricted. Please ask in another channel.",
    PostRefusal.THREAD_GONE: "The thread is gone. Please ask again in the channel.",
    PostRefusal.NO_REPLIES: "This message takes no replies. Please ask in the channel.",
    PostRefusal.NO_DIRECT_MESSAGE: "I cannot post in this conversation. Please ask in a channel.",
    PostRefusal.NO_FILES: "This workspace does not allow apps to upload videos. Please ask an "
    "administrator to allow it, then try again.",
    PostRefusal.NO_SPACE: "This workspace has no room for more files. Please ask an administrator "
    "to free some space, then try again.",
    PostRefusal.NO_PERMISSION_TO_UPLOAD: "I do not have permission to upload files. Please ask "
    "whoever runs me to add the scope files:write and to reinstall me.",
}
_FILE_PROBLEMS = {
    FileProblem.ONLY_LINKED: "This file is only linked in Slack. Please upload the file itself.",
    FileProblem.NOT_YOURS: "This file was uploaded by somebody else. Please upload it yourself.",
    FileProblem.TOO_LARGE: "The file is too large: {kilobytes:,} kB is the most.",
    FileProblem.NOT_ACCESSIBLE: "Slack does not give me this file: perhaps it was deleted, or it "
    "is in a conversation that I am not in. Please upload it in the form itself.",
    FileProblem.LARGER_THAN_STATED: "The file is larger than Slack said. Please upload it again.",
    FileProblem.NOT_FETCHED: "I cannot fetch it. {reason} Please try again.",
    FileProblem.NOT_A_PICTURE: "The picture cannot be read. Please choose a JPG, PNG or WebP file.",
    FileProblem.TOO_MANY_PIXELS: "The picture has too many pixels: {megapixels} megapixels are the "
    "most for this video. Please choose a smaller one.",
    FileProblem.TOO_MUCH_MEMORY: "The picture takes too much memory to be read. Please choose a "
    "smaller one, or save it as JPG.",
    FileProblem.NOT_DECODED: "The picture cannot be read: each attempt to decode it broke off. "
    "Please choose another one, or open it in an image editor and save it anew.",
}


class Blame(StrEnum):
    """What was at fault."""

    PROMPT = "the prompt"
    PICTURE = "the picture"
    SETTINGS = "the settings"
    SERVER = "the video server"
    BUDGET = "the budget"
    SLACK = "Slack"
    BOT = "this app"


class Charge(StrEnum):
    """Whether the attempt was charged."""

    NOT_CHARGED = "not charged"
    CHARGED = "charged"
    UNKNOWN = "whether it was charged is not known"


@dataclass(frozen=True, slots=True)
class Failure:
    """What people should know about a job that has no video."""

    meaning: str
    blame: Blame
    charge: Charge
    may_work_again: bool
    """Whether the same request may succeed later; otherwise it has to change."""


@dataclass(frozen=True, slots=True)
class _Known:
    pattern: re.Pattern[str]
    blame: Blame
    meaning: str
    may_work_again: bool = False


def _known(pattern: str, blame: Blame, meaning: str, *, again: bool = False) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), blame, meaning, again)


# The first match counts. Messages are OpenAI's unless a server is named.
_KNOWN = (
    _known(
        r"^not_a_video ",
        Blame.SERVER,
        "The server finished the video, but sends something else in its place.",
        again=True,
    ),
    _known(
        r"^file_refused ",
        Blame.PICTURE,
        "The picture cannot be used. Choose another one, or none.",
    ),
    _known(
        r"^too_large ",
        Blame.SETTINGS,
        "The file is too large for Slack. Ask for a shorter or smaller video.",
    ),
    _known(
        r"^(private_address|no_web_address) ",
        Blame.SERVER,
        "The server keeps the file where I must not fetch it from. Whoever runs me can allow its "
        "host with VIDEO_FILE_HOSTS.",
    ),
    _known(
        r"^timeout ",
        Blame.SERVER,
        "The server took too long. It may work another time.",
        again=True,
    ),
    _known(
        r"^(no_answer|gave_up) ",
        Blame.SERVER,
        "It did not work for a long time, however often I tried. It may work later.",
        again=True,
    ),
    _known(
        r"insufficient_quota|exceeded your current quota|billing.hard.limit|payment|http_402",
        Blame.BUDGET,
        "The account at the video server has no money left. Whoever runs me must add some.",
        again=True,
    ),
    _known(
        r"people-in-user-uploads",
        Blame.PICTURE,
        "The server does not take pictures of people. Use another picture, or none.",
    ),
    _known(
        r"inpaint image|match the requested width and height",
        Blame.PICTURE,
        "The picture must have exactly the size of the video.",
    ),
    _known(
        r"mimetype|cannot be read as an image",
        Blame.PICTURE,
        "The server cannot read this picture. JPEG, PNG and WebP usually work.",
    ),
    _known(
        r"input_reference|image_reference|reference_url",
        Blame.PICTURE,
        "The server does not take this picture with this model. Try another, or none.",
    ),
    _known(
        r"moderation|content_policy|sentinel_block|didn't look right with your request",
        Blame.PROMPT,
        "The server's moderation did not let this pass. Say it in other words.",
    ),
    _known(
        r"'prompt'|\bprompt(: | is required)|invalid_prompt",
        Blame.PROMPT,
        "The server does not take this prompt. Change it.",
    ),
    _known(
        r"model mismatch|model_not_found|(model|deployment)\b.{0,200}does not exist|invalid model",
        Blame.SETTINGS,
        "The server does not have this model. Choose another one.",
    ),
    _known(
        r"invalid_value|invalid_type|unknown_parameter|should match pattern|http_422|_size\b",
        Blame.SETTINGS,
        "The server does not take one of the settings. Choose another model, size or length.",
    ),
    _known(
        r"rate_limit|too many|concurrent|http_429",
        Blame.SERVER,
        "The server has too much to do just now. It may work later.",
        again=True,
    ),
    _known(
        r"\bnot found\b|http_404|http_410|^404 ",
        Blame.SERVER,
        "The server no longer has the video: servers forget when they restart, and keep files "
        "for a while only.",
        again=True,
    ),
    _known(
        r"^expired ",
        Blame.SERVER,
        "The server let the video expire. It may work another time.",
        again=True,
    ),
    _known(
        r"^cancell?ed ",
        Blame.SERVER,
        "Somebody cancelled it at the server.",
        again=True,
    ),
    _known(
        r"server_error|internal_error|processing_error|heavy load|out of memory|^(http_)?5\d\d ",
        Blame.SERVER,
        "The server had trouble of its own. It may work another time.",
        again=True,
    ),
)


def overdue(deadline: float) -> str:
    """The server has not met the deadline, which is in seconds."""
    minutes = round(deadline / 60)
    return f"The video server has not finished within {minutes} minutes."


def too_large(limit: int) -> str:
    """The finished video has more bytes than Slack accepts."""
    return (
        f"The finished video is larger than {limit // 1_000_000:,} MB, the most that may be "
        "uploaded to Slack."
    )


def private_address(host: str) -> str:
    """The Videos server refers to a host that the bot must not connect to."""
    return f"The video server named {host} as the file's host, which is not a public address."


def describe(error: PermanentError) -> str:
    """What is wrong, to be shown beside the error's code; plain text."""
    match error:
        case FileRefused():
            return file_problem(error)
        case CannotPost():
            return _POST_REFUSALS[error.refusal].format(bot=error.bot_name)
        case _:
            return error.message  # of the Videos server, or worded here


def file_problem(error: FileRefused) -> str:
    """Why a file can't be used, and what can; plain text."""
    return _FILE_PROBLEMS[error.problem].format(
        kilobytes=error.limit // 1000,
        megapixels=error.limit // 1_000_000,
        reason=error.reason,
    )


def explain(job: Job) -> Failure | None:
    """What to say about a job that has no video; None: it has no error."""
    if job.error is None:
        return None
    charge = _charge(job)
    match job.error.source:
        case Source.SLACK:
            return Failure(_slack_meaning(job), Blame.SLACK, charge, may_work_again=True)
        case Source.BOT if job.error.code in _BOT_CODES:
            return Failure(_BOT_CODES[job.error.code], Blame.BOT, charge, may_work_again=True)
        case Source.BOT | Source.VIDEOS:
            return _explain_server(job, charge)


_BOT_CODES = {
    "gave_up": "It did not work for a day, because of a problem in this app. It may work later.",
}


def _slack_meaning(job: Job) -> str:
    if job.rendered_at is not None:
        return "The video is made, but Slack did not take it."
    return "Slack did not let me post it, so I did not start your video."


def _explain_server(job: Job, charge: Charge) -> Failure:
    error = job.error or JobError("unknown", "")
    words = f"{error.code} {error.message}"
    for known in _KNOWN:
        if known.pattern.search(words):
            return Failure(known.meaning, known.blame, charge, known.may_work_again)
    return _unknown(job, charge)


def _unknown(job: Job, charge: Charge) -> Failure:
    if job.state is JobState.UNCERTAIN:
        meaning = "Ask again only if it may be charged twice."
        return Failure(meaning, Blame.SERVER, charge, may_work_again=True)
    if job.video_id is None:
        meaning = "The server does not want this request. Its words say why."
        return Failure(meaning, Blame.SETTINGS, charge, may_work_again=False)
    meaning = "The server could not make it. It may work another time."
    return Failure(meaning, Blame.SERVER, charge, may_work_again=True)


def _charge(job: Job) -> Charge:
    """A rendered video is charged, a refused request is not; servers differ about the rest."""
    if job.rendered_at is not None:
        return Charge.CHARGED
    if job.state is JobState.FAILED and job.video_id is None:
        return Charge.NOT_CHARGED
    return Charge.UNKNOWN
