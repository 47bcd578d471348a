"""What a video's files are called in Slack, whose search then finds them by their prompt."""

import unicodedata

from bot.jobs import Job
from bot.ui.blocks import excerpt, in_one_line

MAX_TITLE = 80
MAX_NAME = 60
MAX_ALT_PROMPT = 900
"""Characters of the prompt; Slack accepts 1,000 (docs.slack.dev: files.getUploadURLExternal)."""


def file_title(job: Job) -> str:
    """The beginning of the prompt, on one line."""
    return excerpt(in_one_line(job.request.prompt), MAX_TITLE)


def poster_alt(job: Job) -> str:
    """What a screen reader says about the frame."""
    return f"A frame of the video: {excerpt(in_one_line(job.request.prompt), MAX_ALT_PROMPT)}"


def file_name(job: Job, extension: str) -> str:
    """`a-timelapse-of-clouds.mp4`: the first words of the prompt, in their own script."""
    letters = (each if _is_in_words(each) else " " for each in job.request.prompt.lower())
    words = "".join(letters).split()
    slug = "-".join(word for word in words if any(map(str.isalnum, word)))
    if len(slug) > MAX_NAME:
        slug = slug[: MAX_NAME + 1].rpartition("-")[0] or slug[:MAX_NAME]
    return f"{slug or 'video'}.{extension}"


def _is_in_words(character: str) -> bool:
    """Letters, marks such as the vowels of Hindi, and digits."""
    return unicodedata.category(character)[0] in "LMN"
