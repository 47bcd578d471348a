"""What someone typed or chose that is not a job (yet): kept for the buttons below the reply."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.errors import BotError, Impossible, NotPossible
from bot.jobs import Job, Note
from bot.request import Draft, Fit, VideoRequest
from bot.spending import LimitReached


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDraft:
    """A draft, whose it is and where it was typed; stored as a row of the table `drafts`."""

    id: str
    team_id: str
    user_id: str
    channel_id: str
    thread_ts: str | None
    draft: Draft
    remix_of: str | None = None
    """The job whose video was in the thread, or is to be remixed."""
    created_at: float
    notify: tuple[str, ...] = ()
    note: Note | None = None
    starts: str | None = None
    """The request key of the job that waits for a confirmation; None: nothing waits."""
    price: Decimal | None = None
    """In US dollars, as shown in the question."""

    @property
    def request_key(self) -> str:
        """The request key of the job that is started from it, however often it is confirmed."""
        return self.starts or f"draft:{self.id}"


class NotConfirmed(BotError):
    """The video costs more than what starts without a question; the draft waits for the answer."""

    def __init__(self, saved: SavedDraft) -> None:
        super().__init__(f"waits for a confirmation of {saved.price}")
        self.saved = saved


class OverLimit(NotPossible):
    """A limit on spending does not allow a video, whose request is kept."""

    def __init__(
        self,
        reached: LimitReached,
        saved: SavedDraft,
        *,
        cheaper: SavedDraft | None,
        admins: Sequence[str],
    ) -> None:
        super().__init__(Impossible.OVER_LIMIT)
        self.reached = reached
        self.saved = saved
        self.cheaper = cheaper
        """The cheapest choice that all limits allow, which starts when it is confirmed."""
        self.admins = admins
        """Whom to ask."""


def draft_id(request_key: str) -> str:
    """The id of the draft from this delivery: a repeated delivery has the same draft."""
    return hashlib.sha256(request_key.encode("utf-8", "replace")).hexdigest()[:20]


def pending(job: Job, price: Decimal | None) -> SavedDraft:
    """A job that starts once its price, if it is known, is confirmed.

    A form that is changed and submitted again has the same request key but another draft.
    """
    return SavedDraft(
        id=draft_id(f"{job.request_key} {job.request} {job.channel_id} {job.notify} {price}"),
        team_id=job.team_id,
        user_id=job.user_id,
        channel_id=job.channel_id,
        thread_ts=job.thread_ts,
        draft=as_draft(job.request),
        remix_of=job.remix_of,
        created_at=job.created_at,
        notify=job.notify,
        note=job.note,
        starts=job.request_key,
        price=price,
    )


def fitted(saved: SavedDraft, fit: Fit) -> SavedDraft:
    """The draft with its starting image cropped or not."""
    reference = saved.draft.input_reference
    image = None if reference is None else replace(reference, fit=fit)
    return replace(saved, draft=replace(saved.draft, input_reference=image))


def confirmed(saved: SavedDraft, *, job_id: str, response_url: str | None, now: float) -> Job:
    """The job that waited for a confirmation; `response_url` is of the click."""
    draft = saved.draft
    return Job(
        id=job_id,
        request_key=saved.request_key,
        team_id=saved.team_id,
        user_id=saved.user_id,
        channel_id=saved.channel_id,
        thread_ts=saved.thread_ts,
        response_url=response_url,
        notify=saved.notify,
        request=VideoRequest(
            prompt=draft.prompt,
            model=draft.model or "",
            seconds=draft.seconds or "",
            size=draft.size or "",
            input_reference=draft.input_reference,
        ),
        remix_of=saved.remix_of,
        note=saved.note,
        created_at=now,
    )


def as_draft(request: VideoRequest) -> Draft:
    """The request as a draft, which can be changed."""
    return Draft(
        prompt=request.prompt,
        model=request.model,
        seconds=request.seconds or None,
        size=request.size or None,
        input_reference=request.input_reference,
    )
