"""A person's own jobs: in the Home tab, and in the answers to `list` and `status`."""

from datetime import UTC, datetime

from bot.jobs import Job, JobState
from bot.ui.blocks import Block, Message, context, excerpt, quote, section
from bot.ui.cards import describe, state_in_words

PROMPT_SHOWN = 150
"""Characters of a prompt among others; a message holds about 12,000 in all."""

NOTHING_YET = (
    "You have not asked for a video yet. Say what it should show, behind my command or in a "
    "message that mentions me: *a timelapse of clouds*."
)


def job_list(jobs: list[Job]) -> Message:
    """The answer to `list`: the jobs that were found, what runs first."""
    if not jobs:
        return Message(text=NOTHING_YET, blocks=[section(NOTHING_YET)])
    words = "*Your videos:* what runs first, then the latest."
    lines = [f"Video {job.id}: {state_in_words(job)}" for job in jobs]
    blocks = [block for job in jobs for block in _about(job)]
    return Message(text="\n".join(lines), blocks=[section(words), *blocks])


def job_status(job: Job) -> Message:
    """The answer to `status`."""
    return Message(text=f"Video {job.id}: {state_in_words(job)}", blocks=_about(job))


def cancelling(job: Job) -> str:
    """The answer to `cancel`; mrkdwn."""
    return f"I am cancelling the video `{job.id}`. Its card says what came of it: {_place(job)}."


def _about(job: Job) -> list[Block]:
    """What was asked, and how it stands; without buttons."""
    parts = [f"*{state_in_words(job)}*", _place(job), describe(job), _asked(job), f"`{job.id}`"]
    prompt = quote(excerpt(job.request.prompt, PROMPT_SHOWN))
    return [prompt, context(" · ".join(filter(None, parts)))]


def _place(job: Job) -> str:
    """A link to the video, or before it is there to its conversation."""
    if job.permalink is not None and job.state is not JobState.DELETED:
        return f"<{job.permalink}|see it>"
    if job.channel_id.startswith("D"):
        return "in our direct message"
    return f"in <#{job.channel_id}>"


def _asked(job: Job) -> str:
    """When, in the reader's own time zone (docs.slack.dev: formatting message text, dates)."""
    plainly = datetime.fromtimestamp(job.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(job.created_at)}^{{date_short_pretty}} {{time}}|{plainly}>"
