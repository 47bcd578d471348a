"""The buttons of the question whether a video is approved, and the form for a reason."""

from collections.abc import Awaitable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BotError
from bot.jobs import Decision, Verdict
from bot.service import Service
from bot.slack.ack import within_ack
from bot.slack.modals import open_form, tell
from bot.slack_errors import CALL_ERRORS
from bot.ui import approvals, cards, replies
from bot.ui.blocks import Message

log = structlog.get_logger()


def register(app: AsyncApp, service: Service, _catalog: Catalog) -> None:
    """Register the listeners."""

    async def approve(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        outcome = await _decided(service.approve(*_click(body)))
        await ack()
        await _show(outcome, Verdict.APPROVED, body, client, respond)

    async def decline(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        async def open_it() -> Message | None:
            form = approvals.decline_form(await service.undecided(*_click(body)))
            return await open_form(client, body["trigger_id"], form)

        problem = await within_ack(open_it(), _refused)
        await ack()
        if problem is not None:
            await _tell(problem, body, client, respond)

    async def submit(ack: AsyncAck, body: dict[str, Any]) -> None:
        job_id, reason = approvals.read_decline(body["view"])
        outcome = await _decided(service.decline(job_id, body["user"]["id"], reason))
        words = _words(outcome, Verdict.DECLINED, body["user"]["id"])
        if words is None:
            await ack()
        else:
            await ack(response_action="update", view=approvals.not_declined(words))

    app.action(approvals.APPROVE)(approve)
    app.action(approvals.DECLINE)(decline)
    app.view(approvals.CALLBACK_ID)(submit)


def _click(body: dict[str, Any]) -> tuple[str, str]:
    return body["actions"][0]["value"], body["user"]["id"]


async def _decided(deciding: Awaitable[Decision]) -> Decision | Message:
    """The decision that holds, or why there is none."""

    async def decide() -> Decision | Message:
        return await deciding

    return await within_ack(decide(), _refused)


def _refused(error: BotError) -> Message:
    return replies.refused(error, replies.CANNOT_ANSWER)


async def _show(
    outcome: Decision | Message,
    wanted: Verdict,
    body: dict[str, Any],
    client: AsyncWebClient,
    respond: AsyncRespond,
) -> None:
    """Take the buttons of this copy away at once; the job's runner updates all copies.

    A click on the Home tab has no message and no response URL; the tab is published again.
    """
    if isinstance(outcome, Decision) and "message" in body:
        answered = cards.answered(body["message"], approvals.in_words(outcome))
        await _respond(respond, replace_original=True, **answered.content)
    if (words := _words(outcome, wanted, body["user"]["id"])) is not None:
        await _tell(Message(words), body, client, respond)


async def _tell(
    message: Message, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
) -> None:
    if "response_url" in body:
        await _respond(respond, replace_original=False, **_privately(message))
    else:
        await tell(client, body["user"]["id"], message)


def _words(outcome: Decision | Message, wanted: Verdict, user_id: str) -> str | None:
    """What to tell the person privately; None: what they wanted was done."""
    if isinstance(outcome, Message):
        return outcome.text
    is_theirs = (outcome.verdict, outcome.user_id) == (wanted, user_id)
    return None if is_theirs else approvals.too_late(outcome).text


def _privately(message: Message) -> dict[str, Any]:
    return {"response_type": "ephemeral", **message.content}


async def _respond(respond: AsyncRespond, **message: Any) -> None:  # noqa: ANN401 -- as AsyncRespond
    try:
        await respond(**message)
    except CALL_ERRORS as error:
        # The decision is stored; only the reply is lost.
        log.warning("reply to a decision not delivered", reason=type(error).__name__)
