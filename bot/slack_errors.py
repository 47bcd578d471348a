"""Translates the errors of Slack's Web API into ours.

A new error code belongs in one of the tables; one that is in none of them ends the job.
Docs: each method's page on docs.slack.dev lists its errors.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

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

CALL_ERRORS = (SlackClientError, aiohttp.ClientError, TimeoutError, AttributeError)
"""What a call with slack_sdk raises; `translate` takes any of them.

It raises AttributeError for a response of 200 that is plain text.
"""

_POST_REFUSALS = {
    "channel_not_found": PostRefusal.NOT_A_MEMBER,
    "not_in_channel": PostRefusal.NOT_A_MEMBER,
    "is_archived": PostRefusal.ARCHIVED,
    "is_inactive": PostRefusal.ARCHIVED,  # for an edit
    "posting_to_channel_denied": PostRefusal.RESTRICTED,
    "access_denied": PostRefusal.RESTRICTED,
    "thread_not_found": PostRefusal.THREAD_GONE,
    "cannot_reply_to_message": PostRefusal.NO_REPLIES,
    "ekm_access_denied": PostRefusal.RESTRICTED,
    "cannot_dm_bot": PostRefusal.NO_DIRECT_MESSAGE,
    "messages_tab_disabled": PostRefusal.NO_DIRECT_MESSAGE,
    "file_uploads_disabled": PostRefusal.NO_FILES,
    "file_uploads_except_images_disabled": PostRefusal.NO_FILES,
    "file_type_not_allowed": PostRefusal.NO_FILES,
    "storage_limit_reached": PostRefusal.NO_SPACE,
}

_RATE_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}

_TEMPORARY = {
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",  # while the workspace joins an Enterprise organization
    "file_update_failed",
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
    "two_factor_setup_required",
    "team_access_not_granted",
    "enterprise_is_restricted",
    "accesslimited",
    "not_allowed_token_type",
}


KNOWN_CODES = frozenset(
    {*_POST_REFUSALS} | _RATE_LIMITED | _TEMPORARY | _TOKEN_REFUSED | _MISCONFIGURED
)


def translate(error: Exception, *, bot_name: str = "video") -> BotError:
    """The error of ours that a failed call to Slack means."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return TemporaryError("Slack cannot be reached.", source=Source.SLACK)
    status, headers, body = _response(error)
    code = error_code(error)
    if code in _RATE_LIMITED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(
            "Slack's rate limit was exceeded.",
            retry_after=_retry_after(headers),
            source=Source.SLACK,
        )
    if code in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TemporaryError(
            f"Slack has a temporary problem ({code}).",
            retry_after=_retry_after(headers),
            source=Source.SLACK,
        )
    if "error" not in body:
        return OutcomeUnknown(
            f"Slack's response was lost ({type(error).__name__}).", source=Source.SLACK
        )
    if code in _TOKEN_REFUSED:
        return TokenRefused(f"Slack: {code}")
    if code in _MISCONFIGURED:
        needed = body.get("needed")
        missing = f", needs {needed}" if needed else ""
        return MisconfiguredError(f"Slack: {code}{missing}", source=Source.SLACK)
    if (refusal := _post_refusal(code)) is not None:
        return CannotPost(refusal, code=code, bot_name=bot_name)
    return PermanentError(f"Slack refused: {code}", code=code, source=Source.SLACK)


def error_code(error: Exception) -> str:
    """Slack's own code for a failed call; `http_503` and the like if the response has none."""
    status, _, body = _response(error)
    return str(body.get("error") or f"http_{status}")


def _response(error: Exception) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
    """The status, headers and JSON body of the response; 0 and nothing if there is none.

    If the body is not JSON, `response` is aiohttp's or has a body of text.
    """
    response = error.response if isinstance(error, SlackApiError) else None
    match response:
        case AsyncSlackResponse(data=dict(body)):
            return response.status_code, response.headers, body
        case AsyncSlackResponse():
            return response.status_code, response.headers, {}
        case aiohttp.ClientResponse():
            return response.status, response.headers, {}
        case _:
            return 0, {}, {}


def _post_refusal(code: str) -> PostRefusal | None:
    if code.startswith("restricted_action"):
        return PostRefusal.RESTRICTED  # Slack appends what kind of channel it is
    return _POST_REFUSALS.get(code)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After")
    return float(value) if value and value.isdecimal() else None
