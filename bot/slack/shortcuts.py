"""Shortcuts: the form from anywhere, or from a message with its text and picture."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.pictures import EXTENSIONS
from bot.request import Draft, InputReference
from bot.service import Service
from bot.slack.modals import open_or_tell
from bot.slack.text import typed
from bot.ui.form import build_form

CREATE_VIDEO = "create_video"
VIDEO_OF_MESSAGE = "video_of_message"
"""The callback_ids in the app's manifest."""


def register(app: AsyncApp, _service: Service, catalog: Catalog) -> None:
    """Register the listeners."""

    async def create_video(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = build_form(Draft(), catalog)
        await open_or_tell(ack, body, client, form)

    async def video_of_message(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        form = build_form(read_message(body["message"]), catalog, channel_id=body["channel"]["id"])
        await open_or_tell(ack, body, client, form)

    app.global_shortcut(CREATE_VIDEO)(create_video)
    app.message_shortcut(VIDEO_OF_MESSAGE)(video_of_message)


def read_message(message: Mapping[str, Any]) -> Draft:
    """The message's text as the prompt, and its first picture as the starting picture."""
    pictures = [file for file in message.get("files") or [] if file.get("mimetype") in EXTENSIONS]
    return Draft(prompt=typed(message.get("text") or ""), input_reference=_reference(pictures))


def _reference(pictures: list[dict[str, Any]]) -> InputReference | None:
    if not pictures:
        return None
    first = pictures[0]
    return InputReference(file_id=first["id"], user_id=first["user"])
