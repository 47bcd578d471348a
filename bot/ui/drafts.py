"""Replies to text that starts no video (yet): questions about it, or the text itself, to copy."""

from collections.abc import Sequence
from decimal import Decimal

from bot.drafts import SavedDraft
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    Block,
    Message,
    actions,
    button,
    dollars,
    escape,
    excerpt,
    quote,
    section,
)

START = "start_draft"
REMIX = "remix_draft"
FORM = "open_draft"
FORGET = "forget_draft"
"""Actions of the buttons; their value is the draft's id."""

MAX_RETURNED = 10_000
"""Characters of a text in one message, whose blocks hold about 12,000 (slackapi/bolt-js#2509)."""
EXCERPT = 150
BUTTON_EXCERPT = 40
"""Characters of a prompt in a question, and on a button, whose label has at most 75."""


def ask_whether_meant(saved: SavedDraft, price: Decimal | None) -> Message:
    """Whether a message that may be chat is a prompt."""
    words = f"Make a video of “{_in_question(saved)}”?{_about(price)}"
    choices = button("Make it", START, saved.id), button("Never mind", FORGET, saved.id)
    return Message(words, [section(words), actions(*choices)])


def ask_for_remix(
    saved: SavedDraft, *, price: Decimal | None, remix_price: Decimal | None
) -> Message:
    """Whether a message in the thread of a finished video is about that video."""
    words = (
        f"“{_in_question(saved)}”\n"
        f"• *Remix this video* changes the video in this thread.{_about(remix_price)}\n"
        f"• *New video* starts with this prompt alone.{_about(price)}"
    )
    choices = (
        button("Remix this video", REMIX, saved.id),
        button("New video", START, saved.id),
        button("Never mind", FORGET, saved.id),
    )
    return Message(words, [section(words), actions(*choices)])


def or_make_video(reply: Message, saved: SavedDraft | None) -> Message:
    """The reply to a subcommand, with a button in case that it was meant as a prompt."""
    if saved is None:
        return reply
    label = f"Make a video of “{_one_line(saved.draft.prompt, BUTTON_EXCERPT)}”"
    blocks = reply.blocks or [section(reply.text)]
    return Message(reply.text, [*blocks, actions(button(label, START, saved.id))])


def returned(words: str, text: str, *buttons: Block) -> list[Message]:
    """Why nothing was started, and everything that was typed, in as many messages as it takes.

    Slack may show them in another order.
    """
    first, *others = [text[at : at + MAX_RETURNED] for at in range(0, len(text), MAX_RETURNED)] or [
        ""
    ]
    blocks = [
        section(words),
        *([quote(first)] if first else []),
        *([actions(*buttons)] if buttons else []),
    ]
    return [Message(words, blocks), *(_part(number, others) for number in range(len(others)))]


def fix_in_form(saved: SavedDraft | None) -> Sequence[Block]:
    """The button that opens the form with the draft, if the form can hold it."""
    if saved is None or len(saved.draft.prompt) > MAX_INPUT_TEXT:
        return ()
    return (button("Fix in the form", FORM, saved.id),)


def form_by_button(saved: SavedDraft) -> Message:
    """A button that opens the form: Slack opens one only after a click or a command."""
    words = "Press the button to open the form."
    return Message(words, [section(words), actions(button("Open the form…", FORM, saved.id))])


def making(saved: SavedDraft) -> Message:
    """What replaces the question once the video is requested."""
    return Message(f"Making a video of “{_in_question(saved)}”.")


def _part(number: int, others: Sequence[str]) -> Message:
    """One of the messages after the first."""
    words = f"Your prompt, part {number + 2} of {len(others) + 1}:"
    return Message(words, [section(words), quote(others[number])])


def _in_question(saved: SavedDraft) -> str:
    return escape(_one_line(saved.draft.prompt, EXCERPT))


def _one_line(text: str, limit: int) -> str:
    return excerpt(" ".join(text.split()), limit)


def _about(price: Decimal | None) -> str:
    return "" if price is None else f" About {dollars(price)}"
