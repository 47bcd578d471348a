"""A person's own jobs: in the Home tab and in the replies to `list` and `status`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bot.jobs import CANCELLABLE, Job, JobState, Totals
from bot.spending import LimitKind, Used
from bot.ui.blocks import (
    Block,
    actions,
    button,
    context,
    divider,
    escape,
    header,
    moment,
    section,
)
from bot.ui.cards import buttons, describe, prompt_excerpt
from bot.ui.spending import NOTHING_USED, this_month
from bot.ui.states import summarize

CREATE = "home_create"
OLDER = "home_older"
NEWER = "home_newer"
"""Actions of the Home tab's own buttons; the value of the last two is the page to show."""

_USER_ID = re.compile(r"[UW][A-Z0-9]{6,20}")
_CHANNEL_ID = re.compile(r"C[A-Z0-9]{6,20}")

PAGE = 10
"""Jobs per page; a view has at most 100 blocks."""

PROMPT_SHOWN = 150
"""Characters of each prompt in a list; a message holds about 12,000 in all."""

TITLE = "Your videos"
NOTHING_HERE = "There are no videos on this page."
NOTHING_YET = (
    "You haven't made a video yet. Type `/video a timelapse of clouds` in any channel, or press "
    "*Create a video* here."
)


HELP = (
    "*How it works:* type `/video` and a prompt in any channel, mention me in a thread, or send me "
    "a message. `/video search WORDS` finds your videos, and `/video help` shows all options."
)
UNAVAILABLE = (
    "I can't show your videos: my database isn't responding. Videos in progress continue. Come "
    "back in a few minutes."
)


def build_home(
    jobs: Sequence[Job],
    *,
    page: int,
    has_older: bool,
    made: Totals,
    used: Mapping[LimitKind, Used] = NOTHING_USED,
    contact: str = "",
) -> Block:
    """One page of a person's jobs (the first is 0), and what they have used of their limits.

    `contact` is whom to ask for help: a member or channel ID, an address, or any words.
    """
    return _view(
        header(TITLE),
        actions(button("Create a video", CREATE)),
        context(this_month(made, used)),
        *([] if jobs else [section(NOTHING_HERE if page else NOTHING_YET)]),
        *_part("In progress", [job for job in jobs if job.state in CANCELLABLE]),
        *_part("Done", [job for job in jobs if job.state not in CANCELLABLE]),
        *_page_turner(page, has_older=has_older),
        *_footer(contact),
    )


def build_unavailable(contact: str = "") -> Block:
    """The Home tab while the database does not respond."""
    return _view(header(TITLE), section(UNAVAILABLE), *_footer(contact))


def about(job: Job) -> list[Block]:
    """The request and its state, without buttons."""
    parts = [summarize(job).brief, place(job), describe(job), moment(job.created_at), f"`{job.id}`"]
    return [prompt_excerpt(job, PROMPT_SHOWN), context(" · ".join(filter(None, parts)))]


def place(job: Job) -> str:
    """A link to the video, or to its conversation while there is none."""
    if job.permalink is not None and job.state is not JobState.DELETED:
        return f"<{job.permalink}|Watch it>"
    if job.channel_id.startswith("D"):
        return "in our direct message"
    return f"in <#{job.channel_id}>"


def _view(*blocks: Block) -> Block:
    return {"type": "home", "blocks": list(blocks)}


def _part(title: str, jobs: Sequence[Job]) -> Iterator[Block]:
    if jobs:
        yield section(f"*{title}*")
    for job in jobs:
        yield divider()
        yield from _with_buttons(job)


def _footer(contact: str) -> Iterator[Block]:
    yield divider()
    yield context(HELP)
    if contact:
        yield context(f"*Questions?* Ask {_mention(contact)}.")


def _mention(contact: str) -> str:
    if _USER_ID.fullmatch(contact):
        return f"<@{contact}>"
    if _CHANNEL_ID.fullmatch(contact):
        return f"<#{contact}>"
    return escape(contact)


def _with_buttons(job: Job) -> Iterator[Block]:
    # The tab is published again for a new state, not for each percent.
    yield from about(replace(job, progress=None))
    yield from buttons(job, own=True, may_post=job.is_surely_readable)


def _page_turner(page: int, *, has_older: bool) -> Iterator[Block]:
    newer = [button("Newer", NEWER, str(page - 1))] if page else []
    older = [button("Older", OLDER, str(page + 1))] if has_older else []
    if newer or older:
        yield actions(*newer, *older)
