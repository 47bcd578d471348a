"""The slash command: `/video PROMPT`."""

import asyncio
import re
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.catalog import Catalog
from bot.errors import BadRequest, TemporaryError
from bot.request import read_command
from bot.service import Asker, Service
from bot.ui import usage

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the row to be written, of the 3 that Slack waits for an ack."""

# Which command it is stands in the app's manifest alone: an app gets its own only.
ANY_COMMAND = re.compile(r"^/")


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open this door."""

    async def video(ack: AsyncAck, body: dict[str, Any]) -> None:
        # Nothing may follow the ack: an exception right behind it makes Bolt lose it.
        await ack(await answer(body, service, catalog))

    app.command(ANY_COMMAND)(video)


async def answer(body: dict[str, Any], service: Service, catalog: Catalog) -> str:
    """Do what the command says; returns what the person is told privately, if anything."""
    try:
        request = read_command(body.get("text") or "", catalog)
        if request is None:
            return usage.how_to(body["command"], catalog)
        async with asyncio.timeout(PATIENCE):
            await service.start(_asker(body), request)
    except BadRequest as error:
        return usage.refusal(body["command"], error)
    except (TemporaryError, TimeoutError) as error:
        log.error("request not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return usage.CANNOT_TAKE
    return ""


def _asker(body: dict[str, Any]) -> Asker:
    return Asker(
        # One press has one trigger, however often Slack delivers it (slackapi/bolt-js#2188).
        request_key=f"command:{body['trigger_id']}",
        team_id=body["team_id"],
        user_id=body["user_id"],
        channel_id=body["channel_id"],
        response_url=body["response_url"],
    )
