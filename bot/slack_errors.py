"""Translates the errors of Slack's Web API into ours.

A new error code belongs into one of the three tables; one that is in none of them ends the job.
Docs: each method's page on docs.slack.dev lists its errors.
"""

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import (
    BotError,
    CannotPost,
    MisconfiguredError,
    OutcomeUnknown,
    PermanentError,
    PostRefusal,
    RateLimited,
    Source,
    TemporaryError,
    TokenRefused,
)

CALL_ERRORS = (SlackClientError, aiohttp.ClientError, TimeoutError)
"""What a call with slack_sdk raises; `translate` takes any of them."""

_POST_REFUSALS = {
    "channel_not_found": PostRefusal.NOT_A_MEMBER,
    "not_in_channel": PostRefusal.NOT_A_MEMBER,
    "is_archived": PostRefusal.ARCHIVED,
    "is_inactive": PostRefusal.ARCHIVED,  # for an edit
    "posting_to_channel_denied": PostRefusal.RESTRICTED,
    "access_denied": PostRefusal.RESTRICTED,
    "thread_not_found": PostRefusal.THREAD_GONE,
    "cannot_reply_to_message": PostRefusal.NO_REPLIES,
    "cannot_dm_bot": PostRefusal.NO_DIRECT_MESSAGE,
}

_RATE_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}

_TEMPORARY = {
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
}

_TOKEN_REFUSED = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
}

_MISCONFIGURED = {
    "missing_scope",
    "no_permission",
    "org_login_required",
    "not_allowed_token_type",
}

_INVITE = (
    "I am not a member of this conversation. "
    "Invite me with `/invite @{bot}` and ask again, or ask in another channel."
)
_SENTENCES = {
    PostRefusal.NOT_A_MEMBER: _INVITE,
    PostRefusal.ARCHIVED: "This channel is archived. Please ask in another channel.",
    PostRefusal.RESTRICTED: "Posting in this channel is restricted. Please ask in another channel.",
    PostRefusal.THREAD_GONE: "The thread is gone. Please ask again in the channel.",
    PostRefusal.NO_REPLIES: "This message takes no replies. Please ask in the channel.",
    PostRefusal.NO_DIRECT_MESSAGE: "I cannot post in this conversation. Please ask in a channel.",
}


def translate(error: Exception, *, bot_name: str = "video") -> BotError:
    """The error of ours that a failed call to Slack means."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return TemporaryError("Slack cannot be reached.", source=Source.SLACK)
    if not isinstance(error, SlackApiError):
        return OutcomeUnknown(
            f"Slack's response was lost ({type(error).__name__}).", source=Source.SLACK
        )
    code, status = _code_and_status(error)
    if code in _RATE_LIMITED or status == 429:  # noqa: PLR2004 -- as named
        return RateLimited(
            "Slack's rate limit was exceeded.",
            retry_after=_retry_after(error),
            source=Source.SLACK,
        )
    if code in _TEMPORARY or status >= 500:  # noqa: PLR2004 -- as named
        return TemporaryError(f"Slack has a temporary problem ({code}).", source=Source.SLACK)
    if code in _TOKEN_REFUSED:
        return TokenRefused(f"Slack: {code}")
    if code in _MISCONFIGURED:
        needed = error.response.get("needed")  # only a JSON response has one of these codes
        missing = f", needs {needed}" if needed else ""
        return MisconfiguredError(f"Slack: {code}{missing}", source=Source.SLACK)
    if (refusal := _post_refusal(code)) is not None:
        message = _SENTENCES[refusal].format(bot=bot_name)
        return CannotPost(message, code=code, refusal=refusal)
    return PermanentError(f"Slack refused: {code}", code=code, source=Source.SLACK)


def _post_refusal(code: str) -> PostRefusal | None:
    if code.startswith("restricted_action"):
        return PostRefusal.RESTRICTED  # Slack appends what kind of channel it is
    return _POST_REFUSALS.get(code)


def _code_and_status(error: SlackApiError) -> tuple[str, int]:
    """Slack's code and the HTTP status; a proxy's response may have no JSON, and so no code."""
    response = error.response  # slack_sdk: its own response, or aiohttp's if the JSON is broken
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    return str(code or f"http_{status}"), int(status)


def _retry_after(error: SlackApiError) -> float | None:
    value = error.response.headers.get("Retry-After")
    return float(value) if value and value.isdecimal() else None
