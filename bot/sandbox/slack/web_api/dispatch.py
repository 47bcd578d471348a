"""Authenticate, check and run calls of Web API methods."""

from bot.sandbox.slack.limits import Limits
from bot.sandbox.slack.state import Json, SlackError, Workspace
from bot.sandbox.slack.web_api import auth, block_kit, chat, conversations, files, views
from bot.sandbox.slack.web_api.method import Method, TokenKind

METHODS = {
    **auth.methods,
    **block_kit.methods,
    **conversations.methods,
    **chat.methods,
    **files.methods,
    **views.methods,
}


class WebApi:
    """The Web API of one workspace."""

    def __init__(self, workspace: Workspace, *, limits: bool) -> None:
        self._workspace = workspace
        self._limits = Limits(workspace.clock) if limits else None

    def call(self, name: str, args: Json, token: str | None, *, as_json: bool) -> Json:
        """Run a method and return its response.

        Raises:
            SlackError: Slack would refuse the call.
            RateLimited: it is one call too many.
        """
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        self._authenticate(method, token)
        if as_json and not method.reads_json:
            args = {}
        if self._limits is not None:
            self._limits.count(method.limit, name, str(args.get("channel", "")))
        self._workspace.require_scopes(*method.scopes)
        accepted = method.accept(args, self._workspace.team_id)
        return {"ok": True, **method.handler(self._workspace, accepted)}

    def token_kind(self, token: str | None) -> TokenKind | None:
        """Return which of the app's tokens this is; None if it is neither."""
        known: dict[str, TokenKind] = {
            self._workspace.bot_token: "bot",
            self._workspace.app_token: "app",
        }
        return known.get(token or "")

    def _authenticate(self, method: Method, token: str | None) -> None:
        if method.called_with is None:
            return
        if not token:
            raise SlackError("not_authed")
        kind = self.token_kind(token)
        if kind is None:
            raise SlackError("invalid_auth")
        if kind == "bot" and self._workspace.token_error:
            raise SlackError(self._workspace.token_error)
        if kind != method.called_with:
            raise SlackError("not_allowed_token_type")
