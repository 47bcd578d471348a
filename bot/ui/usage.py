"""What people are told privately about how to ask; mrkdwn."""

from collections.abc import Iterable, Sequence

from bot.catalog import Catalog
from bot.errors import BadRequest
from bot.ui.blocks import Message, actions, button, escape, excerpt, quote, section
from bot.ui.form import MAX_TEXT_FIELD_LENGTH

SHOWN_VALUES = 10
GIVEN_BACK = 10_000
"""Characters of a prompt; a message holds about 12,000."""

CANNOT_TAKE = (
    "I can't take requests just now: my database does not answer. Please ask again in a few "
    "minutes. Only if a card appears in this channel all the same did I take this one."
)


CANNOT_LOOK = "My database does not answer just now. Please ask again in a few minutes."

OPEN_FORM = "open_form"
"""The action_id of the button that opens the form."""

TOO_LATE = "I was too slow to open the form: Slack allows three seconds for it. Please try again."
CANNOT_OPEN = "I can't open the form just now. Please try again in a moment."
TAKE_AGAIN = (
    "I can't take requests just now: my database does not answer. What you entered stays here; "
    "please press the button again in a moment."
)

FILE_NOT_FETCHED = (
    "Slack did not give me this file in time. What you entered stays here; please press the "
    "button again in a moment."
)


def how_to(command: str, catalog: Catalog) -> Message:
    """The usage, with examples, and a button for everything else."""
    words = "\n".join(
        [
            f"*Say what the video should show:*  `{command} a timelapse of clouds`",
            "I post a card in this channel and bring the finished video into its thread.",
            f"*With options, at the end:*  `{command} a timelapse of clouds{_example(catalog)}`",
            *_options(catalog),
            "• `--form` shows all of it in a form first, also a picture to begin with",
            f"*Your videos:*  `{command} list`, `{command} status ID`, `{command} cancel ID`",
            "*If your prompt itself ends like an option,* put ` -- ` in front of it:",
            f"`{command} -- a film that ends with --seconds 8`",
        ]
    )
    return Message(text=words, blocks=[section(words), actions(button("More options…", OPEN_FORM))])


def form_by_button() -> Message:
    """A message that asks for the form gets its button: Slack opens forms at a press alone."""
    words = "Slack lets me open the form only when you press something: here it is."
    return Message(
        text=words, blocks=[section(words), actions(button("Open the form…", OPEN_FORM))]
    )


def too_long_for_the_form(prompt: str) -> Message:
    """What to do with a prompt that the form's field does not take; it is given back."""
    words = (
        f"Your prompt has {len(prompt):,} characters, and the form's text field takes "
        f"{MAX_TEXT_FIELD_LENGTH:,}. Put it into a text file (.txt or .md) and choose that in the "
        "form, "
        "or ask again without `--form`."
    )
    return Message(text=words, blocks=[section(words), quote(excerpt(prompt, GIVEN_BACK))])


def refusal(command: str, error: BadRequest) -> str:
    """Why a request was not taken, and what to do."""
    return f"{escape(error.message)}\nNothing was started. `{command} help` shows how to ask."


def _example(catalog: Catalog) -> str:
    model = catalog.default
    seconds = f" --seconds {model.seconds[-1]}" if model.seconds else ""
    size = f" --size {model.sizes[-1]}" if model.sizes else ""
    return seconds + size


def _options(catalog: Catalog) -> list[str]:
    """The options that there are, with what each may be and what it is otherwise."""
    models, default = catalog.models, catalog.default
    return [
        f"• `--{name}` {_some(dict.fromkeys(values))} (otherwise {escape(otherwise)})"
        for name, values, otherwise in (
            ("seconds", [each for m in models for each in m.seconds], _first(default.seconds)),
            ("size", [each for m in models for each in m.sizes], _first(default.sizes)),
            ("model", [m.name for m in models], default.name),
        )
        if values
    ]


def _some(values: Iterable[str]) -> str:
    """The first of them: a catalog may hold more than a message."""
    first, rest = [*values][:SHOWN_VALUES], [*values][SHOWN_VALUES:]
    return escape(", ".join(first)) + (" …" if rest else "")


def _first(values: Sequence[str]) -> str:
    return values[0] if values else "what the server likes"
