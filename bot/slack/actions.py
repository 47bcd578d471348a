"""The buttons of cards and of the messages in their threads."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BotError, Impossible, NotPossible
from bot.jobs import Job
from bot.service import Origin, Service, check_reachable
from bot.slack.ack import within_ack
from bot.slack.modals import open_form, tell
from bot.slack_errors import CALL_ERRORS
from bot.ui import cards, replies
from bot.ui.blocks import Block, Message
from bot.ui.form import build_form
from bot.ui.remix import build_remix

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Click:
    """A click on a button; `origin` is for a new job that it may start."""

    job_id: str
    user_id: str
    trigger_id: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Reply:
    """What to tell: the person privately, or everyone in place of the buttons (mrkdwn)."""

    privately: Message | None = None
    instead: str = ""


async def ask_again(service: Service, click: Click) -> Reply:
    """Repeat the request: one job, however often it is clicked."""
    await service.ask_again(click.job_id, click.origin)
    return Reply(instead=replies.asked_again(click.user_id))


async def dismiss(service: Service, click: Click) -> Reply:
    """Do nothing more."""
    await service.dismiss(click.job_id, click.user_id)
    return Reply(instead=replies.dismissed(click.user_id))


async def cancel(service: Service, click: Click) -> Reply:
    """Cancel a job; its card shows the outcome."""
    await service.cancel(click.job_id, click.user_id)
    return Reply()


async def notify_too(service: Service, click: Click) -> Reply:
    """Mention one more person when the video is ready."""
    await service.notify_too(click.job_id, click.user_id)
    return Reply(privately=replies.will_be_notified())


async def make_again(service: Service, click: Click) -> Reply:
    """Start a new video with the same request, or ask whether it may lack the picture."""
    try:
        job = await service.make_again(click.job_id, click.origin)
    except NotPossible as error:
        if error.reason is not Impossible.PICTURE_NOT_YOURS:
            raise
        return Reply(privately=replies.ask_without_picture(click.job_id))
    return Reply(privately=replies.made_again(job))


async def make_without_picture(service: Service, click: Click) -> Reply:
    """Start a new video with the same request, but without the starting image."""
    job = await service.make_again(click.job_id, click.origin, without_picture=True)
    return Reply(instead=replies.made_again(job).text)


async def delete(service: Service, click: Click) -> Reply:
    """Delete a finished video; its card shows the outcome."""
    await service.delete(click.job_id, click.user_id)
    return Reply()


async def fetch_again(service: Service, click: Click) -> Reply:
    """Download a finished video once more; its thread shows the outcome."""
    await service.fetch_again(click.job_id, click.user_id)
    return Reply(privately=replies.fetching())


_CLICKS: dict[str, Callable[[Service, Click], Awaitable[Reply]]] = {
    cards.ASK_AGAIN: ask_again,
    cards.DISMISS: dismiss,
    cards.CANCEL: cancel,
    cards.NOTIFY: notify_too,
    cards.MAKE_AGAIN: make_again,
    replies.MAKE_WITHOUT_PICTURE: make_without_picture,
    cards.DELETE: delete,
    cards.FETCH_AGAIN: fetch_again,
}


def _edit_form(job: Job, catalog: Catalog) -> Block:
    if job.remix_of is not None:
        return build_remix(job.remix_of, job.request.prompt, price=job.price)
    return build_form(
        job.request,
        catalog,
        channel_id=job.channel_id,
        thread_ts=job.thread_ts,
        notify=job.notify,
    )


def _remix_form(job: Job, _catalog: Catalog) -> Block:
    return build_remix(job.id, job.request.prompt, price=job.price)


def _prompt_view(job: Job, _catalog: Catalog) -> Block:
    return cards.prompt_view(job)


async def _own(service: Service, click: Click) -> Job:
    job = await service.own(click.job_id, click.user_id)
    check_reachable(job, click.origin)
    return job


async def _ready(service: Service, click: Click) -> Job:
    job = await service.ready(click.job_id)
    check_reachable(job, click.origin)
    return job


async def _undeleted(service: Service, click: Click) -> Job:
    return await service.undeleted(click.job_id)


_Find = Callable[[Service, Click], Awaitable[Job]]
_Build = Callable[[Job, Catalog], Block]

_FORMS: dict[str, tuple[_Find, _Build]] = {
    cards.EDIT: (_own, _edit_form),
    cards.REMIX: (_ready, _remix_form),
    cards.SHOW_PROMPT: (_undeleted, _prompt_view),
}
"""Which job a person may open, and what is opened."""


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners."""
    for action_id, click in _CLICKS.items():
        app.action(action_id)(_click_listener(click, service))
    for action_id, (find, build) in _FORMS.items():
        app.action(action_id)(_opener(find, build, service, catalog))


def _click_listener(
    click: Callable[[Service, Click], Awaitable[Reply]], service: Service
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        reply = await within_ack(click(service, _read(body)), _refused)
        await ack()
        await _reply(reply, body, client, respond)

    return listener


def _opener(
    find: _Find, build: _Build, service: Service, catalog: Catalog
) -> Callable[..., Awaitable[None]]:
    async def listener(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        click = _read(body)

        async def open_it() -> Reply:
            form = build(await find(service, click), catalog)
            return Reply(privately=await open_form(client, click.trigger_id, form))

        reply = await within_ack(open_it(), _refused)
        await ack()
        await _reply(reply, body, client, respond)

    return listener


def _refused(error: BotError) -> Reply:
    return Reply(privately=replies.refused(error))


async def _reply(
    reply: Reply, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
) -> None:
    """Tell the outcome; a click on the Home tab has no response URL.

    A private message is not in the payload of a click in it (docs.slack.dev: block_actions).
    """
    try:
        if reply.instead and "response_url" in body:
            clicked = body.get("message")
            message = cards.answered(clicked, reply.instead) if clicked else Message(reply.instead)
            await respond(**message.content, replace_original=True)
            return
        private = Message(reply.instead) if reply.instead else reply.privately
        if private is not None and "response_url" in body:
            await respond(**private.content, response_type="ephemeral", replace_original=False)
        elif private is not None:
            await tell(client, body["user"]["id"], private)
    except CALL_ERRORS as error:
        # The click itself is in the database; only the reply to it is lost.
        log.warning("reply to a click not delivered", reason=type(error).__name__)


def _read(body: dict[str, Any]) -> Click:
    job_id, user_id = body["actions"][0]["value"], body["user"]["id"]
    origin = Origin(
        request_key=_request_key(body),
        team_id=body["team"]["id"],
        user_id=user_id,
        channel_id=body.get("channel", {}).get("id", ""),
        response_url=body.get("response_url"),
    )
    return Click(job_id, user_id, body["trigger_id"], origin)


def _request_key(body: dict[str, Any]) -> str:
    """A question that only one person sees is answered once, however often they click."""
    container = body["container"]
    if container.get("is_ephemeral"):
        return f"answer:{container['channel_id']}:{container['message_ts']}"
    return f"action:{body['trigger_id']}"
