"""Admits only members of this workspace, and guests if the operator allows them.

In a Slack Connect channel, people of other organizations see the bot's cards and can mention it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncBoltContext, AsyncRespond
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.commands import acknowledge
from bot.slack.events import is_request, reply_privately
from bot.slack.modals import tell
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import GUEST_CACHE, GUEST_CHECK_TIMEOUT
from bot.ui import drafts, replies
from bot.ui.blocks import Message

log = structlog.get_logger()

Middleware = Callable[..., Awaitable[BoltResponse | None]]


def members_only(identity: AuthorizeResult, *, allow_guests: bool) -> Middleware:
    """Bolt middleware that tells everyone else privately that they can't use the bot."""
    # On Enterprise Grid, `user_team` may be the organization's id.
    own = {identity.team_id, identity.enterprise_id}
    guests = _Guests()

    async def middleware(
        body: dict[str, Any],
        context: AsyncBoltContext,
        client: AsyncWebClient,
        ack: AsyncAck,
        respond: AsyncRespond,
        next_: Callable[[], Awaitable[BoltResponse]],
    ) -> BoltResponse | None:
        refusal = None
        if foreign := {*_teams(body, context)} - own:
            log.warning("request from another workspace", teams=sorted(foreign))
            refusal = Message(replies.MEMBERS_ONLY)
        elif not allow_guests and context.user_id:
            refusal = await guests.refusal(client, context.user_id)
        if refusal is None:
            return await next_()
        if "command" in body:
            returned = drafts.returned(refusal.text, body.get("text") or "")
            return await acknowledge(returned, ack, respond)
        response = await ack()
        await _tell(refusal, body, client, respond)
        return response

    return middleware


def _teams(body: dict[str, Any], context: AsyncBoltContext) -> Iterator[str]:
    """The workspaces that the payload names: where it was sent from, and the person's own.

    Docs: the Events API's `user_team` and `source_team`, and interactions' `user.team_id`.
    """
    user, event = body.get("user"), body.get("event")
    named = [
        context.team_id,
        user.get("team_id") if isinstance(user, dict) else None,
        *((event.get("user_team"), event.get("source_team")) if isinstance(event, dict) else ()),
    ]
    yield from filter(None, named)


async def _tell(
    refusal: Message, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
) -> None:
    if "event" in body:
        if is_request(body["event"]):
            await reply_privately(client, body["event"], refusal)
    elif "response_url" in body:
        try:
            await respond(response_type="ephemeral", replace_original=False, **refusal.content)
        except CALL_ERRORS as error:
            log.warning("refusal not delivered", reason=type(error).__name__)
    else:
        await tell(client, body["user"]["id"], refusal)


class _Guests:
    """Which people are guests, according to `users.info`, for a few minutes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    async def refusal(self, client: AsyncWebClient, user_id: str) -> Message | None:
        """What to tell the person if they are a guest or may be one."""
        try:
            async with asyncio.timeout(GUEST_CHECK_TIMEOUT):
                is_guest = await self._is_guest(client, user_id)
        except CALL_ERRORS as error:
            log.warning("guests can't be told from members", reason=translate(error).message)
            return Message(replies.MEMBERSHIP_UNKNOWN)
        return Message(replies.NO_GUESTS) if is_guest else None

    async def _is_guest(self, client: AsyncWebClient, user_id: str) -> bool:
        checked_at, is_guest = self._known.get(user_id, (-GUEST_CACHE, False))
        if time.monotonic() - checked_at < GUEST_CACHE:
            return is_guest
        user = (await client.users_info(user=user_id)).get("user") or {}
        # A guest of one channel is restricted and ultra-restricted (docs.slack.dev: user object).
        is_guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
        self._known[user_id] = (time.monotonic(), is_guest)
        return is_guest
