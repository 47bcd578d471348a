"""What people can request. Writes rows; the worker runs them."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NoReturn

import sqlalchemy as sa

from bot.audit import Act, record
from bot.catalog import Catalog
from bot.database import Priority
from bot.drafts import NotConfirmed, OverLimit, SavedDraft, confirmed, draft_id, pending
from bot.errors import BadRequest, Impossible, NotPossible, RequestProblem
from bot.files import Files
from bot.homes import Homes
from bot.jobs import (
    CANCELLABLE,
    FIRST_PAGE,
    Decision,
    HomePage,
    Job,
    JobState,
    Note,
    Signal,
    Verdict,
    again_key,
    proposal_of,
)
from bot.request import MAX_PROMPT_BYTES, Draft, VideoRequest, cheapest, check_prompt, make_request
from bot.spending import (
    Bill,
    By,
    LimitReached,
    LimitsChange,
    LimitsInDetail,
    Policy,
    in_dollars,
    month_at,
)
from bot.store import Store
from bot.timings import DRAFT_LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who makes a request, and where.

    `request_key` identifies the click or command: Slack repeats deliveries with the same
    `trigger_id` or `view.id`.
    """

    request_key: str
    team_id: str
    user_id: str
    channel_id: str
    response_url: str | None = None
    thread_ts: str | None = None
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator allows."""

    policy: Policy
    confirm_above: Decimal | None = None
    """The price in US dollars above which people are asked first; None: never."""
    approve_above: Decimal | None = None
    """The price in US dollars above which an admin has to approve; None: never."""
    approval_timeout: float = 86400.0
    """Seconds in which an admin has to decide."""
    admins: Collection[str] = ()

    def needs_approval(self, price: Decimal) -> bool:
        """Whether a video at this price has to be approved by an admin."""
        return self.approve_above is not None and price > self.approve_above


class Service:
    """Every way to start, change or read a job.

    Whatever starts a job raises NotConfirmed if its price is above `Rules.confirm_above`: it
    starts once `confirm` is called with the draft of that error.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        homes: Homes,
        catalog: Catalog,
        *,
        wake: Callable[[], None],
        rules: Rules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._files = files
        self._homes = homes
        self._catalog = catalog
        self._wake = wake
        self._rules = rules
        self._clock = clock

    async def start(
        self,
        origin: Origin,
        request: VideoRequest,
        *,
        remix_of: str | None = None,
        note: Note | None = None,
    ) -> Job:
        """Start a video; a repeated delivery returns the same job.

        Raises:
            TemporaryError: the database does not respond.
        """
        return await self._add(self._job(origin, request, remix_of=remix_of, note=note))

    async def keep_form(self, origin: Origin, request: VideoRequest) -> SavedDraft:
        """Keep a submitted form while a question about it is open; `confirm` starts its video.

        Raises:
            TemporaryError: the database does not respond.
        """
        saved = pending(self._job(origin, request), None)
        await self._store.keep_draft(saved)
        return saved

    async def ask_again(self, job_id: str, origin: Origin) -> Job:
        """Repeat one's own request; however often this is clicked, that is one job.

        Raises:
            NotPossible: someone else requested it, it is unknown or deleted, or as
                `check_reachable` says.
            TemporaryError: the database does not respond.
        """
        job = await self.own(job_id, origin.user_id)
        check_reachable(job, origin)
        again = await self._add(
            Job(
                id=_new_id(),
                request_key=again_key(job.id),
                team_id=job.team_id,
                user_id=job.user_id,
                channel_id=job.channel_id,
                thread_ts=job.thread_ts,
                notify=job.notify,
                request=job.request,
                remix_of=job.remix_of,
                created_at=self._clock(),
            )
        )
        await self._store.settle(job.id)
        return again

    async def dismiss(self, job_id: str, user_id: str) -> None:
        """Do nothing more about a job whose outcome nobody knows.

        Raises:
            NotPossible: someone else requested it, or it is unknown.
            TemporaryError: the database does not respond.
        """
        job = await self.owned(job_id, user_id)
        await self._store.settle(job.id)

    async def make_again(
        self, job_id: str, origin: Origin, *, without_picture: bool = False
    ) -> Job:
        """Start a new video with the same request, for whoever clicks.

        `without_picture`: leave out a starting image that this person may not use.

        Raises:
            NotPossible: it is not ready (nor cancelled by this person), unknown or deleted,
                this person may not use its starting image, or as `check_reachable` says.
            TemporaryError: the database does not respond.
        """
        job = await self.undeleted(job_id)
        check_reachable(job, origin)
        if job.state is JobState.CANCELLED:
            _check_requester(job, origin.user_id)
        elif job.state is not JobState.DELIVERED:
            raise NotPossible(Impossible.NOT_READY)
        request, note = job.request, None
        if not job.lends_picture_to(origin.user_id):
            if not without_picture:
                raise NotPossible(Impossible.PICTURE_NOT_YOURS)
            request, note = replace(request, input_reference=None), Note.WITHOUT_PICTURE
        return await self.start(_where(job, origin), request, remix_of=job.remix_of, note=note)

    async def remix(self, job_id: str, prompt: str, origin: Origin) -> Job:
        """Start a remix of a finished video.

        Raises:
            BadRequest: the prompt is empty or too long.
            NotPossible: it is not ready, unknown or deleted.
            TemporaryError: the database does not respond.
        """
        check_prompt(prompt)
        original = await self.ready(job_id)
        request = _remixed(original, prompt, origin.user_id)
        return await self.start(_where(original, origin), request, remix_of=original.id)

    async def keep(
        self, origin: Origin, draft: Draft, *, remix_of: str | None = None
    ) -> SavedDraft:
        """Keep what someone typed for an hour; a repeated delivery keeps the same draft.

        Raises:
            TemporaryError: the database does not respond.
        """
        saved = SavedDraft(
            id=draft_id(origin.request_key),
            team_id=origin.team_id,
            user_id=origin.user_id,
            channel_id=origin.channel_id,
            thread_ts=origin.thread_ts,
            draft=draft,
            remix_of=remix_of,
            created_at=self._clock(),
        )
        await self._store.keep_draft(saved)
        return saved

    async def draft(self, draft_id: str, user_id: str) -> SavedDraft:
        """One's own draft.

        Raises:
            NotPossible: someone else typed it, or it is no longer kept.
            TemporaryError: the database does not respond.
        """
        try:
            saved = await self._store.draft(draft_id, since=self._clock() - DRAFT_LIFETIME)
        except LookupError:
            raise NotPossible(Impossible.UNKNOWN_DRAFT) from None
        if saved.user_id != user_id:
            raise NotPossible(Impossible.NOT_YOURS, requester=saved.user_id)
        return saved

    async def start_draft(self, saved: SavedDraft, click: Origin) -> Job:
        """Start the video of a draft where it was typed; however often, that is one job.

        Raises:
            BadRequest: the catalog no longer allows it.
            NotPossible: this person has too many unfinished videos.
            TemporaryError: the database does not respond.
        """
        return await self.start(_typed_at(saved, click), make_request(saved.draft, self._catalog))

    async def remix_draft(self, saved: SavedDraft, click: Origin) -> Job:
        """Start a remix of the video in the draft's thread, there; otherwise as `start_draft`.

        Raises:
            NotPossible: as above, or the video was deleted.
        """
        original = await self.ready(saved.remix_of or "")
        request = _remixed(original, saved.draft.prompt, click.user_id)
        return await self.start(_typed_at(saved, click), request, remix_of=original.id)

    async def confirm(self, saved: SavedDraft, click: Origin) -> Job:
        """Start the video that waits for this confirmation; however often, that is one job.

        Raises:
            NotConfirmed: its price has risen since.
            NotPossible: this person has too many unfinished videos.
            TemporaryError: the database does not respond.
        """
        job = confirmed(saved, job_id=_new_id(), response_url=click.response_url, now=self._clock())
        return await self._add(job, agreed=saved.price)

    async def cancel(self, job_id: str, user_id: str) -> Job:
        """Cancel a job that has not ended.

        Raises:
            NotPossible: someone else requested it, or it is in the wrong state.
            TemporaryError: the database does not respond.
        """
        job = await self.owned(job_id, user_id)
        if job.state not in CANCELLABLE:
            raise NotPossible(Impossible.NOTHING_TO_CANCEL)
        await self._store.add_signal(
            job.id, Signal.CANCEL, user_id, *_records(job, user_id, Act.CANCELLED)
        )
        await self._store.make_due(job.id, now=self._clock())
        self._wake()
        return job

    async def bill(self, user_id: str, *, months_ago: int) -> Bill:
        """The bill of a month, for an admin.

        Raises:
            NotPossible: this person is no admin.
            TemporaryError: the database does not respond.
        """
        if user_id not in self._rules.admins:
            raise NotPossible(Impossible.ADMINS_ONLY)
        since, before = month_at(self._clock(), ago=months_ago)
        lines = {by: await self._store.bill(by, since=since, before=before) for by in By}
        return Bill(month=since, lines=lines)

    async def approve(self, job_id: str, user_id: str) -> Decision:
        """Let a proposed job begin, unless someone has decided already; as `_decide`.

        Raises:
            LimitReached: a limit that isn't soft does not allow it any more.
        """
        return await self._decide(job_id, Verdict.APPROVED, user_id)

    async def decline(self, job_id: str, user_id: str, reason: str = "") -> Decision:
        """End a proposed job, unless someone has decided already; as `_decide`."""
        return await self._decide(job_id, Verdict.DECLINED, user_id, reason)

    async def undecided(self, job_id: str, user_id: str) -> Job:
        """The proposed job about which this person can decide.

        Raises:
            NotPossible: this person is no admin, or it doesn't wait for approval.
            TemporaryError: the database does not respond.
        """
        self._check_admin(user_id)
        job = await self.known(job_id)
        is_over = self._clock() >= job.created_at + self._rules.approval_timeout
        if job.state is not JobState.PROPOSED or is_over:
            raise NotPossible(Impossible.NOTHING_TO_DECIDE)
        return job

    async def fetch_again(self, job_id: str, user_id: str) -> Job:
        """Download a finished video once more, now.

        Raises:
            NotPossible: someone else requested it, or it is in the wrong state.
            TemporaryError: the database does not respond.
        """
        job = await self.owned(job_id, user_id)
        if job.state is not JobState.DELIVERING:
            raise NotPossible(Impossible.NOTHING_TO_WAIT_FOR)
        await self._store.make_due(job.id, now=self._clock())
        self._wake()
        return job

    async def delete(self, job_id: str, user_id: str) -> Job:
        """Delete a finished video, in Slack and at the server.

        Raises:
            NotPossible: someone else requested it, or it is in the wrong state.
            TemporaryError: the database does not respond.
        """
        job = await self.owned(job_id, user_id)
        if job.state is not JobState.DELIVERED:
            raise NotPossible(Impossible.NOTHING_TO_DELETE)
        records = _records(job, user_id, Act.DELETED)
        await self._store.delete(job.id, user_id, *records, now=self._clock())
        self._wake()
        return job

    async def notify_too(self, job_id: str, user_id: str) -> Job:
        """Mention one more person when the video is ready.

        Raises:
            NotPossible: someone else requested it, or it is in the wrong state.
            TemporaryError: the database does not respond.
        """
        job = await self.known(job_id)
        if job.state not in CANCELLABLE:
            raise NotPossible(Impossible.NOTHING_TO_WAIT_FOR)
        await self._store.add_signal(job.id, Signal.NOTIFY, user_id)
        return job

    async def latest(self, user_id: str, *, limit: int) -> list[Job]:
        """This person's jobs: open ones first, then the newest.

        Raises:
            TemporaryError: the database does not respond.
        """
        return await self._store.list_of(user_id, limit=limit)

    async def search(self, user_id: str, words: str, *, limit: int, offset: int = 0) -> list[Job]:
        """This person's jobs whose prompts contain all the words, newest first.

        Raises:
            TemporaryError: the database does not respond.
        """
        return await self._store.search(user_id, words, limit=limit, offset=offset)

    async def delivered_in(self, channel_id: str, thread_ts: str) -> Job | None:
        """The newest job whose finished video is in this thread.

        Raises:
            TemporaryError: the database does not respond.
        """
        return await self._store.delivered_in(channel_id, thread_ts)

    async def limits(self, user_id: str) -> LimitsInDetail:
        """Everything that is limited, for an admin.

        Raises:
            NotPossible: this person is no admin.
            TemporaryError: the database does not respond.
        """
        self._check_admin(user_id)
        changes, allowed = await self._store.limits()
        return LimitsInDetail(policy=self._rules.policy, changes=changes, allowed=allowed)

    async def change_limits(self, user_id: str, team_id: str, change: LimitsChange) -> None:
        """Replace the limits of a person, a channel or everyone.

        Raises:
            NotPossible: this person is no admin.
            TemporaryError: the database does not respond.
        """
        self._check_admin(user_id)
        await self._store.change_limits(change, actor=user_id, team_id=team_id)

    async def show_home(self, user_id: str, page: HomePage = FIRST_PAGE) -> None:
        """Show this person their Home tab.

        Raises:
            BotError: Slack refuses it.
        """
        await self._homes.open(user_id, page)

    async def own(self, job_id: str, user_id: str) -> Job:
        """The job, if this person requested it and has not deleted its video.

        Raises:
            NotPossible: someone else requested it, or it is unknown or deleted.
            TemporaryError: the database does not respond.
        """
        job = await self.undeleted(job_id)
        _check_requester(job, user_id)
        return job

    async def ready(self, job_id: str) -> Job:
        """The job, if its video has been delivered and is still there.

        Raises:
            NotPossible: it is not ready, unknown or deleted.
            TemporaryError: the database does not respond.
        """
        job = await self.undeleted(job_id)
        if job.state is not JobState.DELIVERED:
            raise NotPossible(Impossible.NOT_READY)
        return job

    async def undeleted(self, job_id: str) -> Job:
        """The job, unless someone has deleted its video, or wants to, or it was emptied.

        Raises:
            NotPossible: it is unknown, deleted or emptied.
            TemporaryError: the database does not respond.
        """
        job = await self.known(job_id)
        if job.state is JobState.DELETED or await self._is_being_deleted(job):
            raise NotPossible(Impossible.DELETED_VIDEO)
        if job.is_emptied:
            raise NotPossible(Impossible.PROMPT_NOT_KEPT)
        return job

    async def owned(self, job_id: str, user_id: str) -> Job:
        """The job, if this person requested it or is an admin.

        Raises:
            NotPossible: someone else requested it, or it is unknown.
            TemporaryError: the database does not respond.
        """
        job = await self.known(job_id)
        if user_id not in {job.user_id, *self._rules.admins}:
            raise NotPossible(Impossible.NOT_YOURS, requester=job.user_id)
        return job

    async def known(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotPossible: it is unknown.
            TemporaryError: the database does not respond.
        """
        try:
            return await self._store.get(job_id)
        except LookupError:
            raise NotPossible(Impossible.UNKNOWN_VIDEO) from None

    async def prompt_in(self, file_id: str, *, user_id: str) -> str:
        """The prompt in a text file that this user uploaded, unchanged.

        Raises:
            BadRequest: it is not UTF-8 text, or not a valid prompt.
            FileRefused, TemporaryError, MisconfiguredError: the file can't be fetched.
        """
        content = await self._files.fetch(file_id, user_id=user_id, limit=MAX_PROMPT_BYTES)
        try:
            prompt = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadRequest(RequestProblem.PROMPT_NOT_UTF8, field="prompt") from None
        check_prompt(prompt)
        return prompt

    def _check_admin(self, user_id: str) -> None:
        if user_id not in self._rules.admins:
            raise NotPossible(Impossible.ADMINS_ONLY)

    async def _is_being_deleted(self, job: Job) -> bool:
        if job.state is not JobState.DELIVERED:
            return False
        signals = await self._store.signals(job.id, priority=Priority.PERSON)
        return any(kind is Signal.DELETE for kind, _ in signals)

    async def _add(self, job: Job, *, agreed: Decimal | None = None) -> Job:
        """Add the job, whichever way it was requested, if its price needs no confirmation.

        `agreed` is the price that the person has confirmed.
        """
        request = job.request
        price = self._catalog.price(model=request.model, seconds=request.seconds, size=request.size)
        model = self._catalog.find(request.model)
        job = replace(
            job, price=price, charges_failures=model is not None and model.charges_failures
        )
        if price is not None and self._must_ask(price, agreed):
            return await self._existing(job) or await self._ask(job, price)
        try:
            added = await self._start_or_propose(job)
        except LimitReached as reached:
            raise await self._over_limit(job, reached) from reached
        self._wake()
        return added

    def _job(
        self,
        origin: Origin,
        request: VideoRequest,
        *,
        remix_of: str | None = None,
        note: Note | None = None,
    ) -> Job:
        return Job(
            id=_new_id(),
            request_key=origin.request_key,
            team_id=origin.team_id,
            user_id=origin.user_id,
            channel_id=origin.channel_id,
            response_url=origin.response_url,
            thread_ts=origin.thread_ts,
            notify=origin.notify,
            request=request,
            remix_of=remix_of,
            note=note,
            created_at=self._clock(),
        )

    async def _decide(
        self, job_id: str, verdict: Verdict, user_id: str, reason: str = ""
    ) -> Decision:
        """Decide about a proposed job; returns the decision that holds: the first one.

        Raises:
            NotPossible: as `undecided` says.
            TemporaryError: the database does not respond.
        """
        earlier = await self._store.decision(job_id)
        if earlier is not None and user_id in self._rules.admins:
            return earlier
        job = await self.undecided(job_id, user_id)
        decision = Decision(verdict=verdict, user_id=user_id, reason=reason, at=self._clock())
        act = Act.APPROVED if verdict is Verdict.APPROVED else Act.DENIED
        entry = record(user_id, act, job.user_id, job.id)
        held = await self._store.decide(job, decision, self._rules.policy, entry)
        self._wake()
        return held

    async def _start_or_propose(self, job: Job) -> Job:
        """Add the job, or propose it if only an admin can allow its price."""
        rules = self._rules
        if job.price is not None and rules.needs_approval(job.price):
            return await self._store.add(proposal_of(job), rules.policy)
        try:
            return await self._store.add(job, rules.policy)
        except LimitReached as error:
            if not error.reached.is_soft or not rules.admins:
                raise
        return await self._store.add(proposal_of(job), rules.policy)

    def _must_ask(self, price: Decimal, agreed: Decimal | None) -> bool:
        free = self._rules.confirm_above
        return free is not None and price > max(free, agreed or free)

    async def _existing(self, job: Job) -> Job | None:
        """The job of an earlier delivery or click, which is not asked about again."""
        return await self._store.find(job.request_key)

    async def _over_limit(self, job: Job, reached: LimitReached) -> OverLimit:
        """What to tell the person, with a draft for each of the buttons."""
        saved, cheaper = pending(job, job.price), None
        await self._store.keep_draft(saved)
        fits = None
        if job.remix_of is None:  # a remix is like its original
            most = in_dollars(reached.affordable)
            fits = cheapest(job.request, self._catalog, at_most=most)
        if fits is not None:
            price = self._catalog.price(model=fits.model, seconds=fits.seconds, size=fits.size)
            cheaper = pending(replace(job, request=fits), price)
            await self._store.keep_draft(cheaper)
        return OverLimit(reached, saved, cheaper=cheaper, admins=[*self._rules.admins])

    async def _ask(self, job: Job, price: Decimal) -> NoReturn:
        try:
            past_soft = bool(self._rules.admins)
            await self._store.check(job, self._rules.policy, past_soft=past_soft)
        except LimitReached as reached:
            raise await self._over_limit(job, reached) from reached
        saved = pending(job, price)
        await self._store.keep_draft(saved)
        raise NotConfirmed(saved)


def _remixed(original: Job, prompt: str, user_id: str) -> VideoRequest:
    """The request with another prompt, and with its starting image if this person may use that."""
    request = replace(original.request, prompt=prompt)
    if original.lends_picture_to(user_id):
        return request
    return replace(request, input_reference=None)


def check_reachable(job: Job, origin: Origin) -> None:
    """Check that whoever clicks can read the conversation in which a new job would post.

    A click on the Home tab, which is in no channel, doesn't show that.

    Raises:
        NotPossible: they may have been removed from it.
    """
    if not origin.channel_id and not job.is_surely_readable:
        raise NotPossible(Impossible.ONLY_ON_CARD)


def _check_requester(job: Job, user_id: str) -> None:
    if user_id != job.user_id:
        raise NotPossible(Impossible.NOT_YOURS, requester=job.user_id)


def _records(job: Job, user_id: str, act: Act) -> list[sa.Executable]:
    """What the audit log says about it: nothing if the job is this person's own."""
    return [] if user_id == job.user_id else [record(user_id, act, job.user_id, job.id)]


def _where(job: Job, origin: Origin) -> Origin:
    """A new job goes where the job went that it comes from."""
    return replace(origin, channel_id=job.channel_id, thread_ts=job.thread_ts)


def _typed_at(saved: SavedDraft, click: Origin) -> Origin:
    """Where the draft was typed, with the way to reach the person who clicks."""
    return replace(
        click,
        request_key=saved.request_key,
        channel_id=saved.channel_id,
        thread_ts=saved.thread_ts,
    )


def _new_id() -> str:
    """Short enough to read out, long enough not to be guessed."""
    return secrets.token_hex(5)
