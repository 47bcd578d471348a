"""The doors through which Slack comes in: it lists them, and keeps strangers out."""

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

log = structlog.get_logger()

_LISTENERS = (actions, commands, events, home, shortcuts, views)


def make_bolt_app(
    client: AsyncWebClient,
    identity: AuthorizeResult,
    service: Service,
    catalog: Catalog,
) -> AsyncApp:
    """The Bolt app of one workspace, whoever carries its requests (a socket or HTTP).

    `identity` is what `auth.test` said at the start: Bolt's own way would ask again on the
    first request, within the 3 seconds that Slack gives it, and would accept another
    workspace's payload. Signatures are checked in `bot.web`, where the request comes in.
    """

    async def authorize() -> AuthorizeResult:
        return identity

    app = AsyncApp(
        name="video-bot",
        # Bolt's own loggers take the root's level, and with DEBUG log payloads whole.
        logger=logging.getLogger("slack_bolt"),
        client=client,
        authorize=authorize,
        request_verification_enabled=False,
    )
    app.middleware(_own_team_only(identity.team_id))
    app.error(_log_error)
    for door in _LISTENERS:
        door.register(app, service, catalog)
    return app


def _own_team_only(team_id: str | None) -> Callable[..., Awaitable[BoltResponse | None]]:
    async def middleware(
        context: AsyncBoltContext,
        ack: AsyncAck,
        next_: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse | None:
        if context.team_id in {None, team_id}:
            return await next_()
        log.warning("request of another workspace", team=context.team_id)
        return await ack("This bot belongs to another workspace.")

    return middleware


async def _log_error(error: Exception, body: dict[str, Any]) -> None:
    log.error("a listener broke", kind=body.get("type") or body.get("command"), exc_info=error)
