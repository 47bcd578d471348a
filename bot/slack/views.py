"""The forms: opening, updating and submitting them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.drafts import NotConfirmed, fitted
from bot.errors import BadForm, BotError
from bot.jobs import Job
from bot.request import Draft, VideoRequest
from bot.service import Origin, Service
from bot.slack.ack import within_ack
from bot.slack.modals import open_or_tell, redraw
from bot.timings import ACK_TIMEOUT, FORM_SAVE_TIMEOUT, PROMPT_FILE_TIMEOUT
from bot.ui import drafts, fit, remix, replies
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

Response = dict[str, Any]
"""The arguments of the acknowledgement: empty, errors by block_id, or another view."""
SubmitHandler = Callable[[dict[str, Any]], Awaitable[Response]]


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners."""

    async def more_options(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = build_form(Draft(), catalog, channel_id=body["channel"]["id"])
        await open_or_tell(ack, body, client, form)

    async def chosen(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = redraw_form(body["view"], catalog, body["actions"][0]["action_id"])
        await redraw(client, body["view"], form)
        await ack()

    app.view(CALLBACK_ID)(_submit_listener(partial(submit, service, catalog)))
    app.view(fit.CALLBACK_ID)(_submit_listener(partial(submit_fit, service)))
    app.view(remix.CALLBACK_ID)(_submit_listener(partial(submit_remix, service)))
    app.view(drafts.CONFIRM)(_submit_listener(partial(submit_confirmation, service)))
    app.action(replies.OPEN_FORM)(more_options)
    app.action(re.compile(f"^(?:{'|'.join(REDRAWING)})$"))(chosen)


async def submit(service: Service, catalog: Catalog, body: dict[str, Any]) -> Response:
    """Start the video that the form requests, or ask whether its price is right."""
    user_id = body["user"]["id"]
    try:
        submission = read_form(body["view"], catalog, user_id=user_id)
        request = await _with_prompt(submission, service, user_id)
    except BadForm as error:
        return _errors(error.errors)
    origin = replace(
        _origin(body),
        channel_id=submission.channel_id,
        thread_ts=submission.thread_ts,
        notify=submission.notify,
    )
    seconds = FORM_SAVE_TIMEOUT if submission.prompt_file else ACK_TIMEOUT
    if fit.needs_question(submission.image_size, request.size):
        asking = _asked_about_fit(service, origin, request, submission.image_size)
        return await within_ack(asking, _beside(PROMPT), timeout=seconds)
    return await _started(service.start(origin, request), PROMPT, seconds)


async def submit_fit(service: Service, body: dict[str, Any]) -> Response:
    """Start the video with the image cropped or not, or ask whether its price is right."""
    draft_id, chosen = fit.read_fit(body["view"])

    async def start() -> Response:
        saved = await service.draft(draft_id, body["user"]["id"])
        await service.confirm(fitted(saved, chosen), _origin(body))
        return {"response_action": "clear"}

    def explain(error: BotError) -> Response:
        if isinstance(error, NotConfirmed):
            return {"response_action": "update", "view": drafts.confirm_in_form(error.saved)}
        return _errors({fit.FIT: replies.refused_in_form(error)})

    return await within_ack(start(), explain)


async def submit_remix(service: Service, body: dict[str, Any]) -> Response:
    """Start the remix that the form requests, or ask whether its price is right."""
    job_id, prompt = remix.read_remix(body["view"])
    starting = service.remix(job_id, prompt, _origin(body))
    return await _started(starting, remix.PROMPT, ACK_TIMEOUT)


async def submit_confirmation(service: Service, body: dict[str, Any]) -> Response:
    """Start the video whose price is confirmed, and close the form below, too."""

    async def start() -> Response:
        draft_id = drafts.read_confirmation(body["view"])
        await service.confirm(await service.draft(draft_id, body["user"]["id"]), _origin(body))
        return {"response_action": "clear"}

    def explain(error: BotError) -> Response:
        if isinstance(error, NotConfirmed):
            return {"response_action": "update", "view": drafts.confirm_in_form(error.saved)}
        words = replies.refused(error, replies.DATABASE_DOWN_FORM).text
        return {
            "response_action": "update",
            "view": drafts.not_confirmed(body["view"], words),
        }

    return await within_ack(start(), explain)


def _submit_listener(handle: SubmitHandler) -> Callable[..., Awaitable[None]]:
    async def listener(ack: AsyncAck, body: dict[str, Any]) -> None:
        # Nothing may follow the ack: Bolt loses it if an exception follows at once.
        await ack(**await handle(body))

    return listener


async def _started(starting: Awaitable[Job], field: str, seconds: float) -> Response:
    """What kept the job from being started: an error of this field, or a question."""

    async def start() -> Response:
        await starting
        return {}

    def explain(error: BotError) -> Response:
        if isinstance(error, NotConfirmed):
            return {"response_action": "push", "view": drafts.confirm_in_form(error.saved)}
        return _errors({field: replies.refused_in_form(error)})

    return await within_ack(start(), explain, timeout=seconds)


async def _asked_about_fit(
    service: Service, origin: Origin, request: VideoRequest, image_size: str
) -> Response:
    saved = await service.keep_form(origin, request)
    return {"response_action": "push", "view": fit.build_fit(saved, image_size)}


def _beside(field: str) -> Callable[[BotError], Response]:
    return lambda error: _errors({field: replies.refused_in_form(error)})


def _errors(errors: Mapping[str, str]) -> Response:
    return {"response_action": "errors", "errors": dict(errors)}


async def _with_prompt(submission: Submission, service: Service, user_id: str) -> VideoRequest:
    """The request with its prompt, even if that is in a file."""
    if submission.prompt_file is None:
        return submission.request
    fetching = service.prompt_in(submission.prompt_file, user_id=user_id)
    prompt = await within_ack(fetching, _prompt_file_refused, timeout=PROMPT_FILE_TIMEOUT)
    return replace(submission.request, prompt=prompt)


def _prompt_file_refused(error: BotError) -> NoReturn:
    words = replies.refused_in_form(error, replies.FILE_NOT_FETCHED)
    raise BadForm({PROMPT_FILE: words}) from error


def _origin(body: dict[str, Any]) -> Origin:
    return Origin(
        # However often it is submitted or delivered, a view is one job.
        request_key=f"view:{body['view']['id']}",
        team_id=body["team"]["id"],
        user_id=body["user"]["id"],
        channel_id="",
    )
