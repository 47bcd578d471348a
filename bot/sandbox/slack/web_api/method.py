"""What a Web API method accepts, and how often it may be called."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.state import Json, SlackError, Workspace

TokenKind = Literal["bot", "app"]
Args = Mapping[str, Any]
Parameters = Mapping[str, type]
Handler = Callable[[Workspace, Args], Json]

_NONE: Parameters = {}
_TYPE_ERRORS = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}


@dataclass(frozen=True)
class Method:
    """A method's handler and the rules checked before it runs."""

    handler: Handler
    limit: Limit
    required: Parameters
    optional: Parameters
    scopes: tuple[str, ...]
    reads_json: bool
    """False for methods that only read: their pages list form encoding only."""
    called_with: TokenKind | None
    """None: the method is public, and takes no token."""

    def accept(self, args: Args, team_id: str) -> Json:
        """Return the arguments, converted to their declared types.

        Raises:
            SlackError: an argument is missing, unknown or of the wrong type.
        """
        known = {**self.required, **self.optional, "team_id": str}
        errors = [f"[ERROR] missing required field: {n}" for n in self.required if n not in args]
        errors += [f"[ERROR] unknown argument: {name}" for name in args if name not in known]
        if errors:
            raise SlackError("invalid_arguments", *errors)
        accepted = {name: _typed(name, value, known[name]) for name, value in args.items()}
        if accepted.pop("team_id", team_id) != team_id:
            raise SlackError("team_not_found")
        return accepted


class Methods(dict[str, Method]):
    """The methods of one family, by name."""

    def add(
        self,
        name: str,
        limit: Limit,
        *,
        required: Parameters = _NONE,
        optional: Parameters = _NONE,
        scopes: tuple[str, ...] = (),
        reads_json: bool = True,
        called_with: TokenKind | None = "bot",
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function as the handler of a method."""

        def register(handler: Handler) -> Handler:
            self[name] = Method(handler, limit, required, optional, scopes, reads_json, called_with)
            return handler

        return register


def _typed(name: str, value: Any, wanted: type) -> Any:  # noqa: ANN401 -- any JSON value
    """Convert a form's string; a JSON value must already have the type."""
    if isinstance(value, str) and wanted is not str:
        value = _from_form(value, wanted)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise SlackError(
            _TYPE_ERRORS.get(name, "invalid_arguments"),
            f"[ERROR] must be of type {wanted.__name__} [json-pointer:/{name}]",
        )
    return value


def _from_form(value: str, wanted: type) -> Any:  # noqa: ANN401 -- any JSON value
    if wanted is bool:
        return {"1": True, "true": True, "0": False, "false": False}.get(value.lower())
    try:
        return json.loads(value)
    except ValueError:
        return None
