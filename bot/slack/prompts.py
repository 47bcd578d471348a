"""Typed text from any listener: the slash command, a mention, a direct message."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.catalog import Catalog
from bot.command import OpenForm, Refuse, Run, Start, Subcommand, may_be_chat, parse
from bot.drafts import NotConfirmed, OverLimit, SavedDraft, as_draft
from bot.errors import BotError, NotPossible
from bot.jobs import Job
from bot.request import Draft, InputReference, VideoRequest, make_request
from bot.service import Origin, Service
from bot.slack.ack import within_ack
from bot.slack.search import find
from bot.timings import DRAFT_SAVE_TIMEOUT
from bot.ui import drafts, limits, replies
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
    open_form: Callable[[Draft], Awaitable[Sequence[Message]]]
    picture: InputReference | None = None
    """The starting picture that came with the text."""
    may_be_chat: bool = False
    """Whether it is a message, which may not be meant as a prompt."""


async def handle_text(typed: Typed, service: Service, catalog: Catalog) -> Sequence[Message]:
    """Do what the text says; returns what to tell the person privately, if anything."""
    match parse(typed.text, catalog):
        case OpenForm(draft):
            # Opening a form has its own time limit and its own error messages.
            return await typed.open_form(replace(draft, input_reference=typed.picture))
        case Refuse(error, draft):
            saved = await keep(service, typed, draft)
            words = replies.bad_request(typed.name, error)
            return drafts.returned(words, typed.text, *drafts.fix_in_form(saved))
        case Run() as run:
            saved = await keep(service, typed, run.draft) if run.draft else None
            answering = _answer(run, typed, service, catalog)
            reply = await within_ack(answering, replies.not_answered)
            return [reply if saved is None else _or_make_video(reply, saved, catalog)]
        case Start(request, is_explicit):
            request = replace(request, input_reference=typed.picture)
            if typed.may_be_chat and not is_explicit:
                return await _start_or_ask(request, typed, service, catalog)
            return await _start(request, typed, service)


async def keep(
    service: Service, typed: Typed, draft: Draft, *, remix_of: str | None = None
) -> SavedDraft | None:
    """The draft, once it is saved; None while the database does not respond."""
    draft = replace(draft, input_reference=typed.picture)
    saving = service.keep(typed.origin, draft, remix_of=remix_of)
    return await within_ack(saving, lambda _: None, timeout=DRAFT_SAVE_TIMEOUT)


async def _start(request: VideoRequest, typed: Typed, service: Service) -> Sequence[Message]:
    async def start() -> BotError | None:
        await service.start(typed.origin, request)
        return None

    error = await within_ack(start(), lambda error: error)
    if error is None:
        return []
    if isinstance(error, NotConfirmed):
        return [drafts.ask_to_confirm(error.saved)]
    if isinstance(error, OverLimit):
        return drafts.returned(limits.explain(error), typed.text, *limits.choices(error))
    # Without a database there is nothing to keep it in.
    can_keep = isinstance(error, NotPossible)
    saved = await keep(service, typed, as_draft(request)) if can_keep else None
    return drafts.returned(replies.refused(error).text, typed.text, *drafts.fix_in_form(saved))


async def _start_or_ask(
    request: VideoRequest, typed: Typed, service: Service, catalog: Catalog
) -> Sequence[Message]:
    """Start the video, or ask first if the message may be about something else."""
    origin = typed.origin

    async def ask() -> Sequence[Message] | None:
        original = None
        if origin.thread_ts is not None:
            original = await service.delivered_in(origin.channel_id, origin.thread_ts)
        if original is None and not may_be_chat(request.prompt):
            return None
        remix_of = None if original is None else original.id
        saved = await service.keep(origin, as_draft(request), remix_of=remix_of)
        return [_question(saved, original, request, catalog)]

    def explain(error: BotError) -> Sequence[Message]:
        return drafts.returned(replies.refused(error).text, typed.text)

    question = await within_ack(ask(), explain)
    return await _start(request, typed, service) if question is None else question


def _question(
    saved: SavedDraft, original: Job | None, request: VideoRequest, catalog: Catalog
) -> Message:
    price = _price(request, catalog)
    if original is None:
        return drafts.ask_whether_meant(saved, price)
    remix_price = _price(original.request, catalog)
    return drafts.ask_for_remix(saved, price=price, remix_price=remix_price)


async def _answer(run: Run, typed: Typed, service: Service, catalog: Catalog) -> Message:
    user_id, name = typed.origin.user_id, typed.name
    match run.subcommand:
        case Subcommand.HELP:
            return replies.usage(name, catalog)
        case Subcommand.LIST:
            return replies.job_list(await service.latest(user_id, limit=MAX_LISTED))
        case Subcommand.SEARCH:
            return await find(service, user_id, run.argument) if run.argument else no_words(name)
        case Subcommand.STATUS if run.job_id:
            return replies.job_status(await service.owned(run.job_id, user_id))
        case Subcommand.CANCEL if run.job_id:
            return replies.cancelling(await service.cancel(run.job_id, user_id))
        case Subcommand.STATUS | Subcommand.CANCEL:
            return replies.no_such_id(name, run.subcommand, run.argument)


def _or_make_video(reply: Message, saved: SavedDraft, catalog: Catalog) -> Message:
    price = _price(make_request(saved.draft, catalog), catalog)
    return drafts.or_make_video(reply, saved, price)


def _price(request: VideoRequest, catalog: Catalog) -> Decimal | None:
    return catalog.price(model=request.model, seconds=request.seconds, size=request.size)
