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
from bot.service import Asker, Service
from bot.slack.modals import open_form, tell
from bot.ui import cards, usage
from bot.ui.blocks import Block
from bot.ui.form import build_form
from bot.ui.remix import build_remix

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds for the database, of the 3 that Slack waits for an ack."""


@dataclass(frozen=True, slots=True)
class Press:
    """A press on a button; `asker` is who starts what a new job needs."""

    job_id: str
    user_id: str
    trigger_id: str
    asker: Asker


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: words for the person alone, or in place of the buttons for everybody."""

    privately: str = ""
    instead: str = ""


async def ask_again(service: Service, press: Press) -> Done:
    """Start the same once more: one job, however often it is pressed."""
    await service.ask_again(press.job_id, press.user_id)
    return Done(instead=f"<@{press.user_id}> asked again: see the new card.")


async def let_it_be(service: Service, press: Press) -> Done:
    """Do nothing more."""
    await service.owned(press.job_id, press.user_id)
    return Done(instead=f"<@{press.user_id}> lets it be.")


async def cancel(service: Service, press: Press) -> Done:
    """Stop a job; its card says what came of it."""
    await service.cancel(press.job_id, press.user_id)
    return Done()


async def notify_too(service: Service, press: Press) -> Done:
    """Mention one more person at the end."""
    await service.notify_too(press.job_id, press.user_id)
    return Done(privately="I'll mention you when the video is ready.")


async def make_again(service: Service, press: Press) -> Done:
    """Start a new video of the same request."""
    job = await service.make_again(press.job_id, press.asker)
    return Done(privately=f"A new card is on its way to <#{job.channel_id}>.")


async def delete(service: Service, press: Press) -> Done:
    """Delete a finished video; its card says what came of it."""
    await service.delete(press.job_id, press.user_id)
    return Done()


_PRESSES: dict[str, Callable[[Service, Press], Awaitable[Done]]] = {
    cards.ASK_AGAIN: ask_again,
    cards.LET_IT_BE: let_it_be,
    cards.CANCEL: cancel,
    cards.NOTIFY: notify_too,
    cards.MAKE_AGAIN: make_again,
    cards.DELETE: delete,
}


def _edit_form(job: Job, catalog: Catalog) -> Block:
    return build_form(job.request, catalog, channel_id=job.channel_id, notify=job.notify)


def _remix_form(job: Job, _catalog: Catalog) -> Block:
    return build_remix(job)


def _prompt_view(job: Job, _catalog: Catalog) -> Block:
    return cards.prompt_view(job)


_FORMS: dict[str, Callable[[Job, Catalog], Block]] = {
    cards.EDIT: _edit_form,
    cards.REMIX: _remix_form,
    cards.SHOW_PROMPT: _prompt_view,
}


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Open these doors."""
    for action_id, press in _PRESSES.items():
        app.action(action_id)(_presser(press, service))
    for action_id, build in _FORMS.items():
        app.action(action_id)(_opener(build, service, catalog))


def _presser(
    press: Callable[[Service, Press], Awaitable[Done]], service: Service
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        done = await _within_patience(press(service, _read(body)))
        await ack()
        await _answer(done, body, client, respond)

    return listener


def _opener(
    build: Callable[[Job, Catalog], Block], service: Service, catalog: Catalog
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        press = _read(body)

        async def open_it() -> Done:
            form = build(await service.known(press.job_id), catalog)
            return Done(privately=await open_form(client, press.trigger_id, form))

        done = await _within_patience(open_it())
        await ack()
        await _answer(done, body, client, respond)

    return listener


async def _within_patience(doing: Awaitable[Done]) -> Done:
    """Do it, or say privately why it was not done."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await doing
    except NotPossible as error:
        return Done(privately=error.message)
    except (TemporaryError, TimeoutError) as error:
        log.error("press not taken", reason=str(error) or "too slow")  # noqa: TRY400 -- foreseen
        return Done(privately=usage.CANNOT_TAKE)


async def _answer(
    done: Done, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
) -> None:
    """Say what came of it; a press on the Home tab has no message and no response URL."""
    try:
        if "message" not in body:
            if words := done.privately or done.instead:
                await tell(client, body["user"]["id"], words)
        elif done.instead:
            reply = cards.answered(body["message"], done.instead)
            await respond(text=reply.text, blocks=reply.blocks, replace_original=True)
        elif done.privately:
            await respond(text=done.privately, response_type="ephemeral", replace_original=False)
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        # What was pressed is in the database; only the word about it is lost.
        log.warning("no answer to a press", reason=type(error).__name__)


def _read(body: dict[str, Any]) -> Press:
    job_id, user_id = body["actions"][0]["value"], body["user"]["id"]
    asker = Asker(
        request_key=f"action:{body['trigger_id']}",
        team_id=body["team"]["id"],
        user_id=user_id,
        channel_id=body.get("channel", {}).get("id", ""),
        response_url=body.get("response_url"),
    )
    return Press(job_id, user_id, body["trigger_id"], asker)
