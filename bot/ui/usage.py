"""What people are told privately about how to ask; mrkdwn."""

from bot.catalog import Catalog
from bot.errors import BadRequest
from bot.ui.blocks import escape

CANNOT_TAKE = (
    "I can't take requests just now: my database does not answer. Please ask again in a few "
    "minutes. Only if a card appears in this channel all the same did I take this one."
)


def how_to(command: str, catalog: Catalog) -> str:
    """The usage, with examples."""
    model = catalog.default
    others = ", ".join(escape(other.name) for other in catalog.models)
    options = f"--seconds {model.seconds[-1]} --size {model.sizes[-1]}"
    return (
        f"*Say what the video should show:*  `{command} a timelapse of clouds`\n"
        f"I post a card in this channel and bring the finished video into its thread.\n"
        f"*With options, at the end:*  "
        f"`{command} a timelapse of clouds {options}`\n"
        f"• `--seconds` {', '.join(model.seconds)} (otherwise {model.seconds[0]})\n"
        f"• `--size` {', '.join(_all_sizes(catalog))} (otherwise {model.sizes[0]})\n"
        f"• `--model` {others} (otherwise {escape(model.name)})\n"
        f"*If your prompt itself ends like an option,* put ` -- ` in front of it:  "
        f"`{command} -- a film that ends with --seconds 8`"
    )


def refusal(command: str, error: BadRequest) -> str:
    """Why a request was not taken, and what to do."""
    return f"{escape(error.message)}\nNothing was started. `{command} help` shows how to ask."


def _all_sizes(catalog: Catalog) -> list[str]:
    return [*dict.fromkeys(size for model in catalog.models for size in model.sizes)]
