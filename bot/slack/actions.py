"""The buttons of cards and of what was said in their threads."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import NotPossible, TemporaryError
from bot.jobs import Job
from bot.service import Origin, Service
from bot.slack.modals import open_form, tell
from bot.ui import cards, usage
from bot.ui.blocks import Block
from bot.ui.form import build_form
from bot.ui.remix import build_remix

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the database, of the 3 that Slack waits for an ack."""


@dataclass(frozen=True, slots=True)
class Click:
    """A press on a button; `asker` is who starts what a new job needs."""

    job_id: str
    user_id: str
    trigger_id: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Reply:
    """What was done: words for the person alone, or in place of the buttons for everybody."""

    privately: str = ""
    instead: str = ""


async def ask_again(service: Service, click: Click) -> Reply:
    """Start the same once more: one job, however often it is pressed."""
    await service.ask_again(click.job_id, click.user_id)
    return Reply(instead=f"<@{click.user_id}> asked again: see the new card.")


async def let_it_be(service: Service, click: Click) -> Reply:
    """Do nothing more."""
    await service.owned(click.job_id, click.user_id)
    return Reply(instead=f"<@{click.user_id}> lets it be.")


async def cancel(service: Service, click: Click) -> Reply:
    """Stop a job; its card says what came of it."""
    await service.cancel(click.job_id, click.user_id)
    return Reply()


async def notify_too(service: Service, click: Click) -> Reply:
    """Mention one more person at the end."""
    await service.notify_too(click.job_id, click.user_id)
    return Reply(privately="I'll mention you when the video is ready.")


async def make_again(service: Service, click: Click) -> Reply:
    """Start a new video of the same request."""
    job = await service.make_again(click.job_id, click.origin)
    return Reply(privately=f"A new card is on its way to <#{job.channel_id}>.")


async def delete(service: Service, click: Click) -> Reply:
    """Delete a finished video; its card says what came of it."""
    await service.delete(click.job_id, click.user_id)
    return Reply()


_CLICKS: dict[str, Callable[[Service, Click], Awaitable[Reply]]] = {
    cards.ASK_AGAIN: ask_again,
    cards.LET_IT_BE: let_it_be,
    cards.CANCEL: cancel,
    cards.NOTIFY: notify_too,
    cards.MAKE_AGAIN: make_again,
    cards.DELETE: delete,
}


def _edit_form(job: Job, catalog: Catalog) -> Block:
    if job.remix_of is not None:
        return build_remix(job.remix_of, job.request.prompt)
    return build_form(job.request, catalog, channel_id=job.channel_id, notify=job.notify)


def _remix_form(job: Job, _catalog: Catalog) -> Block:
    return build_remix(job.id, job.request.prompt)


def _prompt_view(job: Job, _catalog: Catalog) -> Block:
    return cards.prompt_view(job)


_FORMS: dict[str, Callable[[Job, Catalog], Block]] = {
    cards.EDIT: _edit_form,
    cards.REMIX: _remix_form,
    cards.SHOW_PROMPT: _prompt_view,
}


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open these doors."""
    for action_id, click in _CLICKS.items():
        app.action(action_id)(_click_listener(click, service))
    for action_id, build in _FORMS.items():
        app.action(action_id)(_opener(build, service, catalog))


def _click_listener(
    click: Callable[[Service, Click], Awaitable[Reply]], service: Service
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        reply = await _within_ack(click(service, _read(body)))
        await ack()
        await _answer(reply, body, client, respond)

    return listener


def _opener(
    build: Callable[[Job, Catalog], Block], service: Service, catalog: Catalog
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        click = _read(body)

        async def open_it() -> Reply:
            form = build(await service.known(click.job_id), catalog)
            return Reply(privately=await open_form(client, click.trigger_id, form))

        reply = await _within_ack(open_it())
        await ack()
        await _answer(reply, body, client, respond)

    return listener


async def _within_ack(doing: Awaitable[Reply]) -> Reply:
    """Do it, or say privately why it was not done."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await doing
    except NotPossible as error:
        return Reply(privately=error.message)
    except (TemporaryError, TimeoutError) as error:
        log.error("press not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return Reply(privately=usage.CANNOT_TAKE)


async def _answer(
    reply: Reply, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
) -> None:
    """Say what came of it; a press on the Home tab has no message and no response URL."""
    try:
        if "message" not in body:
            if words := reply.privately or reply.instead:
                await tell(client, body["user"]["id"], words)
        elif reply.instead:
            message = cards.answered(body["message"], reply.instead)
            await respond(text=message.text, blocks=message.blocks, replace_original=True)
        elif reply.privately:
            await respond(text=reply.privately, response_type="ephemeral", replace_original=False)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        # What was pressed is in the database; only the word about it is lost.
        log.warning("no answer to a press", reason=type(error).__name__)


def _read(body: dict[str, Any]) -> Click:
    job_id, user_id = body["actions"][0]["value"], body["user"]["id"]
    origin = Origin(
        request_key=f"action:{body['trigger_id']}",
        team_id=body["team"]["id"],
        user_id=user_id,
        channel_id=body.get("channel", {}).get("id", ""),
        response_url=body.get("response_url"),
    )
    return Click(job_id, user_id, body["trigger_id"], origin)
