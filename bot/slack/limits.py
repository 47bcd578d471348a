"""Limits in Slack, for admins: the form, whose exceptions it shows, and saving it."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BadForm, BotError
from bot.service import Service
from bot.slack.ack import within_ack
from bot.slack.modals import open_or_tell, redraw, tell
from bot.ui import limits_form, replies
from bot.ui.blocks import Block, Message


def register(app: AsyncApp, service: Service, _catalog: Catalog) -> None:
    """Register the listeners."""

    async def opened(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = await within_ack(_form(service, body), replies.not_answered)
        if isinstance(form, Message):
            await ack()
            await tell(client, body["user"]["id"], form)
        else:
            await open_or_tell(ack, body, client, form)

    async def chosen(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        action = body["actions"][0]
        subject = action.get("selected_user") or action.get("selected_conversation") or ""
        form = await within_ack(_form(service, body, subject), replies.not_answered)
        if isinstance(form, Message):
            await tell(client, body["user"]["id"], form)
        else:
            await redraw(client, body["view"], form)
        await ack()

    async def saved(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(**await within_ack(_save(service, body), _not_saved))

    app.action(limits_form.OPEN)(opened)
    app.action(limits_form.PERSON)(chosen)
    app.action(limits_form.CHANNEL)(chosen)
    app.view(limits_form.CALLBACK_ID)(saved)


async def _form(service: Service, body: dict[str, Any], subject: str = "") -> Block | Message:
    limits = await service.limits(body["user"]["id"])
    return limits_form.build_limits(
        limits.changes, limits.policy, subject=subject, allowed=limits.allowed
    )


async def _save(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    try:
        change = limits_form.read_limits(body["view"])
    except BadForm as error:
        return {"response_action": "errors", "errors": error.errors}
    await service.change_limits(body["user"]["id"], body["team"]["id"], change)
    return {}


def _not_saved(error: BotError) -> dict[str, Any]:
    words = replies.refused_in_form(error, replies.DATABASE_DOWN_FORM)
    return {"response_action": "errors", "errors": {limits_form.SOFT: words}}
