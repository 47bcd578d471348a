"""The Home tab: opening it, turning its pages, and opening the form from it."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.errors import BotError
from bot.jobs import FIRST_PAGE, HomePage
from bot.request import Draft
from bot.service import Service
from bot.slack.modals import open_or_tell
from bot.ui import home
from bot.ui.form import build_form

log = structlog.get_logger()


def register(app: AsyncApp, service: Service, catalog: Catalog) -> None:
    """Register the listeners."""

    async def opened(event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            await _show(service, event["user"])

    async def turned(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        await _show(service, body["user"]["id"], home.read_button(body["actions"][0]["value"]))

    async def searched(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        words = home.read_words(body["actions"][0])
        await _show(service, body["user"]["id"], HomePage(words=words[: home.MAX_WORDS]))

    async def create(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        await open_or_tell(ack, body, client, build_form(Draft(), catalog))

    app.event("app_home_opened")(opened)
    app.action(home.OLDER)(turned)
    app.action(home.NEWER)(turned)
    app.action(home.ALL)(turned)
    app.action(home.SEARCH)(searched)
    app.action(home.CREATE)(create)


async def _show(service: Service, user_id: str, page: HomePage = FIRST_PAGE) -> None:
    try:
        await service.show_home(user_id, page)
    except BotError as error:
        # Slack keeps showing the previous tab; the next visit tries again.
        log.warning("home not published", user=user_id, reason=error.message)
