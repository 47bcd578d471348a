"""The results of a search over one's own videos. This file builds and reads their buttons."""

from collections.abc import Sequence

from bot.jobs import Job
from bot.ui.blocks import Block, Message, actions, button, escape, section
from bot.ui.home import about

OLDER = "search_older"
NEWER = "search_newer"
"""Actions of the results' buttons; the value holds the page to show and the words."""

PAGE = 10
"""Results per page; a message holds about 12,000 characters."""
MAX_WORDS = 200
"""Characters of the words that are searched for."""


def search_results(words: str, jobs: Sequence[Job], *, page: int, has_older: bool) -> Message:
    """One page of the videos found, newest first; the first page is 0."""
    title = _title(words, page, found=bool(jobs))
    return Message(
        text=title,
        blocks=[
            section(title),
            *(block for job in jobs for block in about(job)),
            *_page_turner(words, page, has_older=has_older),
        ],
    )


def no_words(command: str) -> Message:
    """How to search."""
    return Message(f"Add words from the prompt: `{command} search clouds`.")


def read_button(value: str) -> tuple[int, str]:
    """The page and the words in a button's value."""
    page, _, words = value.partition(" ")
    return int(page), words


def _title(words: str, page: int, *, found: bool) -> str:
    if not found:
        more = "more " if page else ""
        return f"You have no {more}videos whose prompt contains “{escape(words)}”."
    which = f", page {page + 1}" if page else ""
    return f"*Your videos with “{escape(words)}” in the prompt,* newest first{which}:"


def _page_turner(words: str, page: int, *, has_older: bool) -> list[Block]:
    newer = [button("Newer", NEWER, f"{page - 1} {words}")] if page else []
    older = [button("Older", OLDER, f"{page + 1} {words}")] if has_older else []
    return [actions(*newer, *older)] if newer or older else []
