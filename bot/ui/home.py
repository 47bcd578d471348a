"""A person's own jobs: in the Home tab and in the replies to `list` and `status`."""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.jobs import CANCELLABLE, FIRST_PAGE, HomePage, Job, JobState, Totals
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
    plain_text,
    section,
)
from bot.ui.cards import buttons, describe, prompt_excerpt
from bot.ui.limits_form import open_button
from bot.ui.spending import NOTHING_USED, Overview, overview_blocks, this_month
from bot.ui.states import summarize

CREATE = "home_create"
OLDER = "home_older"
NEWER = "home_newer"
ALL = "home_all"
"""Actions of the Home tab's own buttons; the value of the last three is the page to show."""
SEARCH = "home_search"
"""The action of the search field."""
MAX_WORDS = 200
"""Characters of the words that are searched for."""

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
    page: HomePage,
    has_older: bool,
    made: Totals,
    used: Mapping[LimitKind, Used] = NOTHING_USED,
    overview: Overview | None = None,
    contact: str = "",
) -> Block:
    """One page of a person's jobs (the first is 0), and what they have used of their limits.

    `contact` is whom to ask for help: a member or channel ID, an address, or any words.
    """
    return _view(
        header(TITLE),
        actions(button("Create a video", CREATE), *([open_button()] if overview else [])),
        context(this_month(made, used)),
        *([_search_field(page.words)] if jobs or page != FIRST_PAGE else []),
        *([_all_button()] if page.words else []),
        *([] if jobs else [section(_nothing(page))]),
        *(_found(page.words, jobs) if page.words else _parts(jobs)),
        *_page_turner(page, has_older=has_older),
        *(overview_blocks(overview) if overview else ()),
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
    """A link to the video, or to what the thread says while there is none."""
    where = f"in <#{job.channel_id}>"
    if job.channel_id.startswith("D"):
        where = "in our direct message"
    if job.thread_link is None or job.state is JobState.DELETED:
        return where
    if job.state is JobState.DELIVERED:
        return f"<{job.thread_link}|Watch it>"
    return f"<{job.thread_link}|Open it> {where}"


def read_button(value: str) -> HomePage:
    """The page in a button's value."""
    number, _, words = value.partition(" ")
    return HomePage(int(number), words)


def read_words(action: Mapping[str, Any]) -> str:
    """What was typed in the search field."""
    return (action.get("value") or "").strip()


def _view(*blocks: Block) -> Block:
    return {"type": "home", "blocks": list(blocks)}


def _part(title: str, jobs: Sequence[Job]) -> Iterator[Block]:
    if jobs:
        yield section(f"*{title}*")
    for job in jobs:
        yield divider()
        yield from _with_buttons(job)


def _parts(jobs: Sequence[Job]) -> Iterator[Block]:
    yield from _part("In progress", [job for job in jobs if job.state in CANCELLABLE])
    yield from _part("Done", [job for job in jobs if job.state not in CANCELLABLE])


def _found(words: str, jobs: Sequence[Job]) -> Iterator[Block]:
    yield from _part(f"With “{escape(words)}” in the prompt, newest first", jobs)


def _nothing(page: HomePage) -> str:
    if page.number:
        return NOTHING_HERE
    if page.words:
        return f"You have no videos whose prompt contains “{escape(page.words)}”."
    return NOTHING_YET


def _search_field(words: str) -> Block:
    """A field that searches when Enter is pressed.

    Slack keeps what is being typed while the block's id stays the same.
    """
    element: Block = {
        "type": "plain_text_input",
        "action_id": SEARCH,
        "max_length": MAX_WORDS,
        "placeholder": plain_text("Words from the prompt"),
        "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
    }
    return {
        "type": "input",
        "block_id": f"{SEARCH}:{zlib.crc32(words.encode('utf-8', 'replace')):08x}",
        "label": plain_text("Search your videos"),
        "element": element | ({"initial_value": words} if words else {}),
        "dispatch_action": True,
        "optional": True,
    }


def _all_button() -> Block:
    return actions(button("Show all videos", ALL, "0 "))


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


def _page_turner(page: HomePage, *, has_older: bool) -> Iterator[Block]:
    newer = [button("Newer", NEWER, f"{page.number - 1} {page.words}")] if page.number else []
    older = [button("Older", OLDER, f"{page.number + 1} {page.words}")] if has_older else []
    if newer or older:
        yield actions(*newer, *older)
