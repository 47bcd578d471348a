"""Typed text from any listener: the slash command, a mention, a direct message."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bot.catalog import Catalog
from bot.command import Cancel, Help, List, OpenForm, Search, Start, Status, parse
from bot.errors import BadRequest
from bot.request import Draft, InputReference
from bot.service import Origin, Service
from bot.slack.ack import within_ack
from bot.slack.search import find
from bot.ui import replies
from bot.ui.blocks import Message
from bot.ui.search import no_words

MAX_LISTED = 10
"""Jobs in the reply to `list`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """Text that someone typed, and how its listener can act on it."""

    text: str
    origin: Origin
    name: str
    """What people type to reach the bot: `/video` or `@video`."""
    open_form: Callable[[Draft], Awaitable[Message | None]]
    picture: InputReference | None = None
    """The starting picture that came with the text."""


async def handle_text(typed: Typed, service: Service, catalog: Catalog) -> Message | None:
    """Do what the text says; returns what to tell the person privately, if anything."""
    try:
        command = parse(typed.text, catalog)
    except BadRequest as error:
        return replies.bad_request(typed.name, error)
    if isinstance(command, OpenForm):
        # Opening a form has its own time limit and its own error messages.
        return await typed.open_form(command.draft)
    explain = replies.refused if isinstance(command, Start) else replies.not_answered
    return await within_ack(_execute(command, typed, service, catalog), explain)


async def _execute(
    command: Start | List | Status | Cancel | Search | Help,
    typed: Typed,
    service: Service,
    catalog: Catalog,
) -> Message | None:
    user_id = typed.origin.user_id
    match command:
        case Start(request):
            await service.start(typed.origin, replace(request, input_reference=typed.picture))
            return None
        case List():
            return replies.job_list(await service.latest(user_id, limit=MAX_LISTED))
        case Status(job_id):
            return replies.job_status(await service.owned(job_id, user_id))
        case Cancel(job_id):
            return replies.cancelling(await service.cancel(job_id, user_id))
        case Search(words):
            return await find(service, user_id, words) if words else no_words(typed.name)
        case Help():
            return replies.usage(typed.name, catalog)
