"""The forms: opened, changed while they are open, submitted."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import (
    BadForm,
    BadRequest,
    FileRefused,
    MisconfiguredError,
    NotPossible,
    TemporaryError,
)
from bot.request import Draft, VideoRequest
from bot.service import Origin, Service
from bot.slack.modals import open_form, redraw, tell
from bot.ui import remix, usage
from bot.ui.form import (
    CALLBACK_ID,
    PROMPT,
    PROMPT_FILE,
    REDRAWING,
    Submission,
    build_form,
    read_form,
    redraw_form,
)

log = structlog.get_logger()

FILE_PATIENCE = 1.5
"""Seconds for a prompt's file to be fetched ..."""
ROW_PATIENCE = 1.0
"""... and for the row to be written, of the 3 that Slack waits for an ack."""


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open this door."""

    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        errors = await take(body, service, catalog)
        # Nothing may follow the ack: an exception right behind it makes Bolt lose it.
        if errors:
            await ack(response_action="errors", errors=errors)
        else:
            await ack()

    async def remixed(ack: AsyncAck, body: dict[str, Any]) -> None:
        errors = await take_remix(body, service)
        if errors:
            await ack(response_action="errors", errors=errors)
        else:
            await ack()

    async def more_options(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = build_form(Draft(), catalog, channel_id=body["channel"]["id"])
        problem = await open_form(client, body["trigger_id"], form)
        await ack()
        if problem:
            await tell(client, body["user"]["id"], problem)

    async def chosen(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        await redraw(client, body["view"], redraw_form(body["view"], catalog))
        await ack()

    app.view(CALLBACK_ID)(submitted)
    app.view(remix.CALLBACK_ID)(remixed)
    app.action(usage.OPEN_FORM)(more_options)
    app.action(re.compile(f"^(?:{'|'.join(REDRAWING)})$"))(chosen)


async def take(body: dict[str, Any], service: Service, catalog: Catalog) -> dict[str, str]:
    """Start the video that the form asks for; returns what is wrong, by block_id."""
    user_id = body["user"]["id"]
    try:
        submission = read_form(body["view"], catalog, user_id=user_id)
        request = await _with_prompt(submission, service, user_id)
        async with asyncio.timeout(ROW_PATIENCE):
            await service.start(_origin(body, submission), request)
    except BadForm as error:
        return error.errors
    except (TemporaryError, TimeoutError) as error:
        log.error("request not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return {PROMPT: usage.TAKE_AGAIN}
    return {}


async def take_remix(body: dict[str, Any], service: Service) -> dict[str, str]:
    """Start the remix that is asked for; returns what is wrong, by block_id."""
    job_id, prompt = remix.read_remix(body["view"])
    origin = Origin(
        request_key=f"view:{body['view']['id']}",
        team_id=body["team"]["id"],
        user_id=body["user"]["id"],
        channel_id="",
    )
    try:
        async with asyncio.timeout(ROW_PATIENCE):
            await service.remix(job_id, prompt, origin)
    except (BadRequest, NotPossible) as error:
        return {remix.PROMPT: error.message}
    except (TemporaryError, TimeoutError) as error:
        log.error("remix not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return {remix.PROMPT: usage.TAKE_AGAIN}
    return {}


async def _with_prompt(submission: Submission, service: Service, user_id: str) -> VideoRequest:
    """The request with its prompt, also where that lies in a file."""
    if submission.prompt_file is None:
        return submission.request
    try:
        async with asyncio.timeout(FILE_PATIENCE):
            prompt = await service.prompt_in(submission.prompt_file, user_id=user_id)
    except (BadRequest, FileRefused) as error:
        raise BadForm({PROMPT_FILE: error.message}) from error
    except (TemporaryError, MisconfiguredError, TimeoutError) as error:
        log.warning("prompt file not fetched", reason=str(error) or "too slow")
        raise BadForm({PROMPT_FILE: usage.FILE_NOT_FETCHED}) from error
    return replace(submission.request, prompt=prompt)


def _origin(body: dict[str, Any], submission: Submission) -> Origin:
    return Origin(
        # However often it is pressed or delivered, one view is one job.
        request_key=f"view:{body['view']['id']}",
        team_id=body["team"]["id"],
        user_id=body["user"]["id"],
        channel_id=submission.channel_id,
        notify=submission.notify,
    )
