"""The slash command `/video`."""

import re
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.request import Draft
from bot.service import Origin, Service
from bot.slack.modals import open_form
from bot.slack.prompts import Typed, handle_text
from bot.ui import replies
from bot.ui.blocks import MAX_INPUT_TEXT, Message
from bot.ui.form import build_form

# The app's manifest names the command: Slack sends an app only its own.
ANY_COMMAND = re.compile(r"^/")


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listener."""

    async def video(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        reply = await handle_text(_typed(body, client, catalog), service, catalog)
        # Nothing may follow the ack: Bolt loses it if an exception follows at once.
        if reply is None:
            await ack()
        else:
            await ack(**reply.content)

    app.command(ANY_COMMAND)(video)


def _typed(body: dict[str, Any], client: AsyncWebClient, catalog: Catalog) -> Typed:
    async def open_it(draft: Draft) -> Message | None:
        form = build_form(draft, catalog, channel_id=body["channel_id"])
        problem = await open_form(client, body["trigger_id"], form)
        if problem is None and len(draft.prompt) > MAX_INPUT_TEXT:
            return replies.too_long_for_the_form(draft.prompt)
        return problem

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
