"""auth.test, apps.connections.open and users.info."""

from bot.sandbox.slack.limits import Limit
from bot.sandbox.slack.objects import user_object
from bot.sandbox.slack.state import Json, SlackError, Workspace
from bot.sandbox.slack.web_api.method import Args, Methods

methods = Methods()


@methods.add("auth.test", Limit.MANY)
def auth_test(workspace: Workspace, _args: Args) -> Json:
    """Identify the token."""
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.domain.title(),
        "user": workspace.users[workspace.bot_user_id].name,
        "team_id": workspace.team_id,
        "user_id": workspace.bot_user_id,
        "bot_id": workspace.bot_id,
        "is_enterprise_install": False,
        **({"enterprise_id": workspace.enterprise_id} if workspace.enterprise_id else {}),
    }


@methods.add("apps.connections.open", Limit.TIER_1, called_with="app")
def open_connection(workspace: Workspace, _args: Args) -> Json:
    """Return the URL of a new Socket Mode connection."""
    base = workspace.base_url.replace("http", "ws", 1)
    ticket = workspace.issue_ticket()
    return {"url": f"{base}/link/?ticket={ticket}&app_id={workspace.app_id}"}


@methods.add(
    "users.info",
    Limit.TIER_4,
    required={"user": str},
    optional={"include_locale": bool},
    scopes=("users:read",),
    reads_json=False,
)
def user_info(workspace: Workspace, args: Args) -> Json:
    """Return a user."""
    user = workspace.users.get(args["user"])
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user_object(workspace, user)}
