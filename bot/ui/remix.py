"""The form of a remix. This file builds and reads it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.ui.blocks import MAX_INPUT_TEXT, Block, context, dollars

CALLBACK_ID = "remix_form"
PROMPT = "prompt"


def build_remix(original_id: str, prompt: str, *, price: Decimal | None) -> Block:
    """The form for a remix of the original job's video, with this prompt to edit."""
    field: Block = {
        "type": "plain_text_input",
        "action_id": PROMPT,
        "multiline": True,
        "max_length": MAX_INPUT_TEXT,
    }
    if len(prompt) <= MAX_INPUT_TEXT:
        field["initial_value"] = prompt
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "private_metadata": original_id,
        "title": _plain("Remix"),
        "submit": _plain("Remix"),
        "close": _plain("Cancel"),
        "blocks": [
            {
                "type": "input",
                "block_id": PROMPT,
                "label": _plain("New prompt"),
                "element": field,
            },
            context(
                "The model, length and size stay the same. If the video server can't remix, it "
                "makes a new video from this prompt, with your starting image if there was one, "
                "and the card says so."
            ),
            context(f"*Price:* {'unknown' if price is None else f'about {dollars(price)}'}"),
        ],
    }


def read_remix(view: Mapping[str, Any]) -> tuple[str, str]:
    """The id of the original job, and the new prompt."""
    typed = view["state"]["values"][PROMPT][PROMPT]["value"] or ""
    return view["private_metadata"], typed.strip()


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
