"""Replies to text that starts no video (yet): questions about it, or the text itself, to copy."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.drafts import SavedDraft
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    Block,
    Message,
    actions,
    bold,
    button,
    dollars,
    escape,
    excerpt,
    measure,
    paragraph,
    plain,
    plain_text,
    quote,
    section,
)

START = "start_draft"
CONFIRM = "confirm_draft"
REMIX = "remix_draft"
FORM = "open_draft"
FORGET = "forget_draft"
"""Actions of the buttons; their value is the draft's id."""
PROBLEM = "problem"
"""The block of the modal that says why the video wasn't started."""

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


def or_make_video(reply: Message, saved: SavedDraft, price: Decimal | None) -> Message:
    """The reply to a subcommand, with a button in case that it was meant as a prompt."""
    label = f"Make a video of “{_one_line(saved.draft.prompt, BUTTON_EXCERPT)}”"
    if price is not None:
        label += f" (about {dollars(price)})"
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
    return () if saved is None else _edit(saved, "Fix in the form")


def form_by_button(saved: SavedDraft) -> Message:
    """A button that opens the form: Slack opens one only after a click or a command."""
    words = "Press the button to open the form."
    return Message(words, [section(words), actions(button("Open the form…", FORM, saved.id))])


def ask_to_confirm(saved: SavedDraft) -> Message:
    """The price of a video, before it is started."""
    price = dollars(saved.price or Decimal())
    words = f"{_in_question(saved)}{escape(details(saved))}: about {price}"
    return Message(
        words,
        [
            paragraph(
                bold(_one_line(saved.draft.prompt, EXCERPT)),
                plain(f"{details(saved)}: about {price}"),
            ),
            actions(
                button(f"Make it for {price}", CONFIRM, saved.id),
                *_edit(saved),
                button("Never mind", FORGET, saved.id),
            ),
        ],
    )


def confirm_in_form(saved: SavedDraft) -> Block:
    """The same question as a modal on top of the form, which stays open below it."""
    price = dollars(saved.price or Decimal())
    return {
        "type": "modal",
        "callback_id": CONFIRM,
        "private_metadata": saved.id,
        "title": plain_text("Make this video?"),
        "submit": plain_text(f"Make it for {price}"),
        "close": plain_text("Back"),
        "blocks": [
            quote(excerpt(saved.draft.prompt, EXCERPT)),
            section(f"*Price:* about {price}{escape(details(saved))}"),
        ],
    }


def read_confirmation(view: Mapping[str, Any]) -> str:
    """The id of the draft that is confirmed."""
    return str(view["private_metadata"])


def not_confirmed(view: Mapping[str, Any], words: str) -> Block:
    """The modal of the question, with what kept the video from being started; mrkdwn."""
    kept = ("type", "callback_id", "private_metadata", "title", "submit", "close")
    blocks = [block for block in view["blocks"] if block["block_id"] != PROBLEM]
    problem = section(words) | {"block_id": PROBLEM}
    return {**{name: view[name] for name in kept}, "blocks": [*blocks, problem]}


def making(saved: SavedDraft) -> Message:
    """What replaces the question once the video is requested."""
    return Message(f"Making a video of “{_in_question(saved)}”.")


def details(saved: SavedDraft) -> str:
    """What follows the prompt, without the price: ` · 12 s · sora-2`."""
    draft = saved.draft
    seconds = f"{draft.seconds} s" if draft.seconds else ""
    details = [seconds, draft.model, measure(draft.size or "")]
    return "".join(f" · {detail}" for detail in details if detail)


def _edit(saved: SavedDraft, label: str = "Edit") -> Sequence[Block]:
    if len(saved.draft.prompt) > MAX_INPUT_TEXT:
        return ()
    return (button(label, FORM, saved.id),)


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
