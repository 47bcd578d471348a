"""blocks.validate, which is public."""

import re

from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.state import Json, SlackError, Workspace
from bot.sandbox.slack.web_api.method import Args, Methods

methods = Methods()

_PROBLEM = re.compile(r"\[ERROR\] (?P<message>.*) \[json-pointer:(?P<pointer>.*)\]")


@methods.add(
    "blocks.validate",
    Limit.MANY,  # "special rate limits apply", without a figure
    optional={"blocks": list, "message": dict, "view": dict},
    called_with=None,
)
def validate(_workspace: Workspace, args: Args) -> Json:
    """Check exactly one of blocks, a message and a view."""
    match args:
        case {"blocks": blocks} if len(args) == 1:
            _refuse("invalid_blocks", block_kit.problems_of_message(blocks))
        case {"message": message} if len(args) == 1:
            _refuse("invalid_message", block_kit.problems_of_message(message.get("blocks", [])))
        case {"view": view} if len(args) == 1:
            _refuse("invalid_view", block_kit.problems_of_view(view))
        case _:
            raise SlackError("invalid_arguments", "[ERROR] exactly one of blocks, message, view")
    return {}


def _refuse(code: str, problems: list[str]) -> None:
    found = [match for match in map(_PROBLEM.fullmatch, problems) if match is not None]
    if found:
        errors = [{"code": "failed_constraint", **match.groupdict()} for match in found]
        raise SlackError(code, errors=errors)
