"""The forms: opening, updating and submitting them."""

import asyncio
import re
from collections.abc import Awaitable
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
    TemporaryError,
)
from bot.jobs import Job
from bot.request import Draft, VideoRequest
from bot.service import Origin, Service
from bot.slack.ack import within_ack
from bot.slack.modals import open_form, redraw, tell
from bot.timings import FORM_SAVE_TIMEOUT, PROMPT_FILE_TIMEOUT
from bot.ui import remix, replies
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


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners."""

    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        errors = await submit(body, service, catalog)
        # Nothing may follow the ack: Bolt loses it if an exception follows at once.
        if errors:
            await ack(response_action="errors", errors=errors)
        else:
            await ack()

    async def remixed(ack: AsyncAck, body: dict[str, Any]) -> None:
        errors = await submit_remix(body, service)
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
    app.action(replies.OPEN_FORM)(more_options)
    app.action(re.compile(f"^(?:{'|'.join(REDRAWING)})$"))(chosen)


async def submit(body: dict[str, Any], service: Service, catalog: Catalog) -> dict[str, str]:
    """Start the video that the form requests; returns what is wrong, by block_id."""
    user_id = body["user"]["id"]
    try:
        submission = read_form(body["view"], catalog, user_id=user_id)
        request = await _with_prompt(submission, service, user_id)
    except BadForm as error:
        return error.errors
    origin = _origin(body, channel_id=submission.channel_id, notify=submission.notify)
    return await _started(service.start(origin, request), PROMPT)


async def submit_remix(body: dict[str, Any], service: Service) -> dict[str, str]:
    """Start the remix that the form requests; returns what is wrong, by block_id."""
    job_id, prompt = remix.read_remix(body["view"])
    return await _started(service.remix(job_id, prompt, _origin(body)), remix.PROMPT)


async def _started(starting: Awaitable[Job], field: str) -> dict[str, str]:
    """What kept the job from being started, as the error of this field."""

    async def start() -> dict[str, str]:
        await starting
        return {}

    return await within_ack(
        start(),
        lambda words: {field: words},
        timeout=FORM_SAVE_TIMEOUT,
        database_down=replies.DATABASE_DOWN_FORM,
    )


async def _with_prompt(submission: Submission, service: Service, user_id: str) -> VideoRequest:
    """The request with its prompt, even if that is in a file."""
    if submission.prompt_file is None:
        return submission.request
    try:
        async with asyncio.timeout(PROMPT_FILE_TIMEOUT):
            prompt = await service.prompt_in(submission.prompt_file, user_id=user_id)
    except BadRequest as error:
        raise BadForm({PROMPT_FILE: replies.problem(error)}) from error
    except FileRefused as error:
        raise BadForm({PROMPT_FILE: error.message}) from error
    except (TemporaryError, MisconfiguredError, TimeoutError) as error:
        log.warning("prompt file not fetched", reason=str(error) or "too slow")
        raise BadForm({PROMPT_FILE: replies.FILE_NOT_FETCHED}) from error
    return replace(submission.request, prompt=prompt)


def _origin(body: dict[str, Any], *, channel_id: str = "", notify: tuple[str, ...] = ()) -> Origin:
    return Origin(
        # However often it is submitted or delivered, a view is one job.
        request_key=f"view:{body['view']['id']}",
        team_id=body["team"]["id"],
        user_id=body["user"]["id"],
        channel_id=channel_id,
        notify=notify,
    )
