"""The question how an image fits a video of another shape. This file builds and reads it."""

from collections.abc import Mapping
from typing import Any

from bot.drafts import SavedDraft
from bot.request import Fit
from bot.ui.blocks import Block, measure, plain_text, section

CALLBACK_ID = "fit_question"
FIT = "fit"

MAX_DIFFERENCE = 0.01
"""By how much shapes may differ without a question: so little is cropped that nobody sees it."""

_WORDS = {Fit.CROP: "Crop the image", Fit.PAD: "Show all of it, with black bars"}


def needs_question(image: str, video: str) -> bool:
    """Whether these sizes, such as `400x300`, have different shapes; an unknown one is empty."""
    if not image or not video:
        return False
    (width, height), (w, h) = (map(int, size.split("x")) for size in (image, video))
    return abs(width * h - w * height) > MAX_DIFFERENCE * width * h


def build_fit(saved: SavedDraft, image: str) -> Block:
    """The question, as a modal on top of the form."""
    options = [{"value": fit, "text": plain_text(words)} for fit, words in _WORDS.items()]
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "private_metadata": saved.id,
        "title": plain_text("Fit the image"),
        "submit": plain_text("Create"),
        "close": plain_text("Back"),
        "blocks": [
            section(
                f"Your image is {measure(image)}, and the video is "
                f"{measure(saved.draft.size or '')}."
            ),
            {
                "type": "input",
                "block_id": FIT,
                "label": plain_text("The image doesn't match the video's shape"),
                "element": {
                    "type": "radio_buttons",
                    "action_id": FIT,
                    "options": options,
                    "initial_option": options[0],
                },
            },
        ],
    }


def read_fit(view: Mapping[str, Any]) -> tuple[str, Fit]:
    """The id of the draft, and the answer."""
    chosen = view["state"]["values"][FIT][FIT]["selected_option"]["value"]
    return str(view["private_metadata"]), Fit(chosen)
