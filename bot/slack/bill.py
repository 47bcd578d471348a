"""The buttons on an admin's Home tab that ask for the bill: files in their direct message."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BotError
from bot.service import Service
from bot.slack.ack import within_ack
from bot.slack.modals import tell
from bot.slack_errors import CALL_ERRORS, translate
from bot.spending import Bill
from bot.ui import bill as words
from bot.ui import replies
from bot.ui.blocks import Message
from bot.ui.spending import SEND_BILL, SEND_LAST_BILL

log = structlog.get_logger()


def register(app: AsyncApp, service: Service, _catalog: Catalog) -> None:
    """Register the listener."""

    async def send_bill(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        user_id = body["user"]["id"]
        months_ago = int(body["actions"][0]["action_id"] == SEND_LAST_BILL)
        found = await within_ack(_bill(service, user_id, months_ago), _refused)
        await ack()
        if isinstance(found, Message):
            await tell(client, user_id, found)
        else:
            await _send(client, user_id, found)

    app.action(SEND_BILL)(send_bill)
    app.action(SEND_LAST_BILL)(send_bill)


async def _bill(service: Service, user_id: str, months_ago: int) -> Bill | Message:
    return await service.bill(user_id, months_ago=months_ago)


def _refused(error: BotError) -> Message:
    return replies.refused(error, replies.CANNOT_ANSWER)


async def _send(client: AsyncWebClient, user_id: str, bill: Bill) -> None:
    """Post a message, whose response has the id of the direct message, and the files there."""
    files = [
        {"content": content, "filename": name, "title": name}
        for name, content in words.files(bill).items()
    ]
    try:
        posted = await client.chat_postMessage(channel=user_id, text=words.sent(bill), parse="none")
        await client.files_upload_v2(channel=posted["channel"], file_uploads=files)
    except CALL_ERRORS as error:
        log.warning("bill not sent", user=user_id, reason=translate(error).message)
