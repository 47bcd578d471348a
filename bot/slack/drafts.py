"""The buttons below a reply to typed text: make a video of it, remix, or open the form with it."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.drafts import NotConfirmed, SavedDraft
from bot.errors import BotError
from bot.jobs import Job
from bot.service import Origin, Service
from bot.slack.ack import within_ack
from bot.slack.modals import open_form
from bot.slack_errors import CALL_ERRORS
from bot.ui import drafts, replies
from bot.ui.blocks import Block, Message
from bot.ui.form import build_form
from bot.ui.remix import build_remix

log = structlog.get_logger()

Starter = Callable[[SavedDraft, Origin], Awaitable[Job]]


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners."""
    app.action(drafts.START)(_starter(service, service.start_draft))
    app.action(drafts.REMIX)(_starter(service, service.remix_draft))
    app.action(drafts.CONFIRM)(_starter(service, service.confirm))

    async def fix(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        async def open_it() -> Message | None:
            saved = await _clicked(service, body)
            return await open_form(client, body["trigger_id"], _form(saved, catalog))

        problem = await within_ack(open_it(), replies.not_answered)
        await ack()
        if problem is not None:
            await _tell(respond, problem)

    async def forget(ack: AsyncAck, respond: AsyncRespond) -> None:
        await ack()
        await _respond(respond, delete_original=True)

    app.action(drafts.FORM)(fix)
    app.action(drafts.FORGET)(forget)


def _starter(service: Service, start: Starter) -> Callable[..., Awaitable[None]]:
    async def listener(ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        async def work() -> tuple[Message, bool]:
            saved = await _clicked(service, body)
            await start(saved, _origin(body))
            return drafts.making(saved), True

        reply, is_done = await within_ack(work(), _refused)
        await ack()
        if is_done:
            await _respond(respond, replace_original=True, **reply.content)
        else:
            await _tell(respond, reply)

    return listener


def _refused(error: BotError) -> tuple[Message, bool]:
    """The reply, and whether it takes the place of the question: the price is asked next."""
    return replies.refused(error), isinstance(error, NotConfirmed)


def _form(saved: SavedDraft, catalog: Catalog) -> Block:
    if saved.starts and saved.remix_of:
        return build_remix(saved.remix_of, saved.draft.prompt, price=saved.price)
    return build_form(
        saved.draft,
        catalog,
        channel_id=saved.channel_id,
        thread_ts=saved.thread_ts,
        notify=saved.notify,
    )


async def _clicked(service: Service, body: dict[str, Any]) -> SavedDraft:
    return await service.draft(body["actions"][0]["value"], body["user"]["id"])


async def _tell(respond: AsyncRespond, message: Message) -> None:
    """Reply privately, and leave the buttons for another attempt."""
    await _respond(respond, response_type="ephemeral", replace_original=False, **message.content)


async def _respond(respond: AsyncRespond, **message: Any) -> None:  # noqa: ANN401 -- as AsyncRespond
    try:
        await respond(**message)
    except CALL_ERRORS as error:
        # What was clicked is done; only the reply is lost.
        log.warning("reply to a click not delivered", reason=type(error).__name__)


def _origin(body: dict[str, Any]) -> Origin:
    return Origin(
        request_key=f"action:{body['trigger_id']}",
        team_id=body["team"]["id"],
        user_id=body["user"]["id"],
        channel_id=body["channel"]["id"],
        response_url=body["response_url"],
    )
