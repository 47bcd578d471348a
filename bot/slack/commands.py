"""The slash command `/video`."""

import re
from collections.abc import Sequence
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.request import Draft
from bot.service import Origin, Service
from bot.slack.modals import open_form
from bot.slack.prompts import Typed, handle_text
from bot.slack_errors import CALL_ERRORS
from bot.ui import drafts, replies
from bot.ui.blocks import MAX_INPUT_TEXT, Message
from bot.ui.form import build_form

log = structlog.get_logger()

# The app's manifest names the command: Slack sends an app only its own.
ANY_COMMAND = re.compile(r"^/")


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listener."""

    async def video(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        messages = await handle_text(_typed(body, client, catalog), service, catalog)
        await acknowledge(messages, ack, respond)

    app.command(ANY_COMMAND)(video)


async def acknowledge(
    messages: Sequence[Message], ack: AsyncAck, respond: AsyncRespond
) -> BoltResponse:
    """Show the messages privately: the first one with the acknowledgement.

    A response URL takes up to five more, for 30 minutes (docs.slack.dev: handling user
    interaction).
    """
    response = await ack(**(messages[0].content if messages else {}))
    # No exception may follow the ack: Bolt loses it if one follows at once.
    try:
        for message in messages[1:]:
            await respond(response_type="ephemeral", **message.content)
    except CALL_ERRORS as error:
        log.warning("private reply not delivered", reason=type(error).__name__)
    return response


def _typed(body: dict[str, Any], client: AsyncWebClient, catalog: Catalog) -> Typed:
    async def open_it(draft: Draft) -> Sequence[Message]:
        form = build_form(draft, catalog, channel_id=body["channel_id"])
        problem = await open_form(client, body["trigger_id"], form)
        if problem is None and len(draft.prompt) > MAX_INPUT_TEXT:
            words = replies.too_long_for_the_form(draft.prompt)
            return drafts.returned(words, draft.prompt)
        return [] if problem is None else drafts.returned(problem.text, draft.prompt)

    return Typed(
        text=body.get("text") or "", origin=_origin(body), name=body["command"], open_form=open_it
    )


def _origin(body: dict[str, Any]) -> Origin:
    return Origin(
        # A command has one trigger, however often Slack delivers it (slackapi/bolt-js#2188).
        request_key=f"command:{body['trigger_id']}",
        team_id=body["team_id"],
        user_id=body["user_id"],
        channel_id=body["channel_id"],
        response_url=body["response_url"],
    )
