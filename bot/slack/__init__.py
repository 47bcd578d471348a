"""The listeners for everything that Slack sends, for one workspace only."""

import logging
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.metrics import MeasuredApp, Metrics
from bot.service import Service
from bot.slack import (
    actions,
    approvals,
    bill,
    commands,
    drafts,
    events,
    home,
    limits,
    search,
    shortcuts,
    views,
)
from bot.slack.members import members_only

log = structlog.get_logger()

_LISTENERS = (
    actions,
    approvals,
    bill,
    commands,
    drafts,
    events,
    home,
    limits,
    search,
    shortcuts,
    views,
)


def make_bolt_app(
    client: AsyncWebClient,
    identity: AuthorizeResult,
    service: Service,
    catalog: Catalog,
    metrics: Metrics,
    *,
    allow_guests: bool = True,
) -> AsyncApp:
    """The Bolt app of one workspace, in Socket Mode or HTTP mode.

    `identity` is the response of `auth.test` at startup. Bolt itself would call it on the first
    request, within Slack's three seconds, and would accept another workspace's payload.
    Signatures are checked in `bot.web`, which receives the requests.
    """

    async def authorize() -> AuthorizeResult:
        return identity

    app = MeasuredApp(
        metrics,
        name="video-bot",
        # At DEBUG, Bolt's loggers write whole payloads.
        logger=logging.getLogger("slack_bolt"),
        client=client,
        authorize=authorize,
        request_verification_enabled=False,
    )
    app.middleware(members_only(identity, allow_guests=allow_guests))
    app.error(_log_error)
    for listeners in _LISTENERS:
        listeners.register(app, service, catalog)
    return app


async def _log_error(error: Exception, body: dict[str, Any]) -> None:
    log.error("listener failed", kind=body.get("type") or body.get("command"), exc_info=error)
