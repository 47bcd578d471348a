"""The listeners for everything that Slack sends, for one workspace only."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.service import Service
from bot.slack import actions, commands, events, home, shortcuts, views
from bot.ui import replies

log = structlog.get_logger()

_LISTENERS = (actions, commands, events, home, shortcuts, views)


def make_bolt_app(
    client: AsyncWebClient,
    identity: AuthorizeResult,
    service: Service,
    catalog: Catalog,
) -> AsyncApp:
    """The Bolt app of one workspace, in Socket Mode or HTTP mode.

    `identity` is the response of `auth.test` at startup. Bolt itself would call it on the first
    request, within Slack's three seconds, and would accept another workspace's payload.
    Signatures are checked in `bot.web`, which receives the requests.
    """

    async def authorize() -> AuthorizeResult:
        return identity

    app = AsyncApp(
        name="video-bot",
        # At DEBUG, Bolt's loggers write whole payloads.
        logger=logging.getLogger("slack_bolt"),
        client=client,
        authorize=authorize,
        request_verification_enabled=False,
    )
    app.middleware(_own_team_only(identity.team_id))
    app.error(_log_error)
    for listeners in _LISTENERS:
        listeners.register(app, service, catalog)
    return app


def _own_team_only(team_id: str | None) -> Callable[..., Awaitable[BoltResponse | None]]:
    async def middleware(
        context: AsyncBoltContext,
        ack: AsyncAck,
        next_: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse | None:
        if context.team_id in {None, team_id}:
            return await next_()
        log.warning("request from another workspace", team=context.team_id)
        return await ack(replies.OTHER_WORKSPACE)

    return middleware


async def _log_error(error: Exception, body: dict[str, Any]) -> None:
    log.error("listener failed", kind=body.get("type") or body.get("command"), exc_info=error)
