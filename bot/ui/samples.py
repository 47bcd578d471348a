"""Samples of every card and reply, to look at and to compare with the golden files."""

from dataclasses import replace
from decimal import Decimal

from bot.drafts import pending
from bot.errors import CannotPost, PostRefusal, Source
from bot.jobs import (
    NOT_A_VIDEO,
    Decision,
    Job,
    JobError,
    JobState,
    Note,
    Verdict,
    decided,
)
from bot.request import Fit, InputReference, VideoRequest
from bot.ui import failures
from bot.ui.approvals import answered, question
from bot.ui.blocks import Message
from bot.ui.cards import job_card, not_started, status_reply
from bot.ui.drafts import ask_to_confirm
from bot.ui.progress import ProgressContext, TypicalDuration

_REQUEST = VideoRequest(
    prompt="a timelapse of clouds", model="sora-2", seconds="4", size="720x1280"
)
_JOB = Job(
    id="0123456789",
    request_key="sample",
    team_id="T0123456789",
    user_id="U0123456789",
    channel_id="C0123456789",
    request=_REQUEST,
    created_at=0,
    card_ts="1.000001",
    permalink="https://example.slack.com/archives/C0123456789/p1000001",
    server="localhost:8000",
    price=Decimal("0.40"),
    submitted_at=0,
)
_REFUSED = JobError("moderation_blocked", "Your request was blocked by our moderation system.")
_LOST = JobError("outcome_unknown", failures.UNCERTAIN)
_TYPICAL = TypicalDuration(low=60, middle=90, high=120)
_DECISION = Decision(
    verdict=Verdict.DECLINED, user_id="U9876543210", reason="Try a shorter one first.", at=0
)
_DECLINED = decided(replace(_JOB, state=JobState.PROPOSED), _DECISION, now=75)
_IMAGE = InputReference(file_id="F0123456789", user_id="U0123456789", fit=Fit.CROP)


def samples() -> dict[str, Message]:
    """The messages by name."""
    return {**_cards_on_the_way(), **_cards_at_the_end(), **_words()}


def _cards_on_the_way() -> dict[str, Message]:
    rendering = replace(_JOB, state=JobState.RENDERING, video_id="video_1")
    at_40 = replace(rendering, progress=40)
    with_image = replace(_REQUEST, input_reference=_IMAGE)
    queued = ProgressContext(elapsed=5, is_queued=True, ahead=2)
    return {
        "waiting for approval": job_card(replace(_JOB, state=JobState.PROPOSED)),
        "starting": job_card(_JOB),
        "starting, with a starting image": job_card(
            replace(_JOB, request=with_image, reference_size="4032x3024")
        ),
        "queued": job_card(rendering, queued),
        "rendering, percent": job_card(at_40, ProgressContext(elapsed=40, typical=_TYPICAL)),
        "rendering, estimate": job_card(rendering, ProgressContext(elapsed=45, typical=_TYPICAL)),
        "rendering, unknown progress": job_card(rendering, ProgressContext(elapsed=45)),
        "rendering, longer than usual": job_card(
            rendering, ProgressContext(elapsed=300, typical=_TYPICAL)
        ),
        "rendering, no response": job_card(
            replace(at_40, attempts=3, silent_since=188), ProgressContext(elapsed=300)
        ),
        "late": job_card(replace(rendering, state=JobState.OVERDUE)),
        "delivering": job_card(replace(_JOB, state=JobState.DELIVERING)),
    }


def _cards_at_the_end() -> dict[str, Message]:
    ready = replace(
        _JOB,
        state=JobState.DELIVERED,
        finished_at=75,
        permalink="https://example.slack.com/archives/C0123456789/p1000002",
    )
    cancelled = replace(_JOB, state=JobState.CANCELLED)
    rendering = replace(_JOB, state=JobState.RENDERING, video_id="video_1")
    long = replace(_REQUEST, prompt="clouds, and then more clouds; " * 100)
    return {
        "ready": job_card(ready),
        "ready, a long prompt": job_card(replace(ready, request=long)),
        "ready, a remix": job_card(replace(ready, remix_of="9876543210")),
        "ready, the original is gone": job_card(
            replace(ready, remix_of="9876543210", note=Note.ORIGINAL_GONE)
        ),
        "ready, cannot be remixed": job_card(
            replace(ready, remix_of="9876543210", note=Note.NEW_VIDEO)
        ),
        "ready, without the image": job_card(replace(ready, note=Note.WITHOUT_PICTURE)),
        "failed": job_card(
            replace(_JOB, state=JobState.FAILED, error=_REFUSED, reply_ts="1.000002")
        ),
        "failed, asked again": job_card(
            replace(_JOB, state=JobState.FAILED, note=Note.ASKED_AGAIN)
        ),
        "unclear": job_card(replace(_JOB, state=JobState.UNCERTAIN, error=_LOST)),
        "cancelled, not started": job_card(replace(cancelled, note=Note.NOT_SUBMITTED)),
        "cancelled, stopped": job_card(replace(cancelled, note=Note.STOPPED)),
        "cancelled, declined": job_card(_DECLINED),
        "cancelled, not approved": job_card(replace(cancelled, note=Note.EXPIRED)),
        "cancelling": job_card(replace(rendering, note=Note.CANCELLING)),
        "cancelled, already finished": job_card(replace(cancelled, note=Note.ALREADY_RENDERED)),
        "cancelled, not stopped": job_card(replace(cancelled, note=Note.NOT_STOPPED)),
        "deleted": job_card(replace(ready, state=JobState.DELETED)),
        "deleted, a copy is left": job_card(
            replace(ready, state=JobState.DELETED, note=Note.SERVER_COPY_KEPT)
        ),
    }


def _words() -> dict[str, Message]:
    failed = replace(_JOB, state=JobState.FAILED, error=_REFUSED)
    refusal = CannotPost(PostRefusal.ARCHIVED, code="is_archived", bot_name="video")
    closed = JobError(refusal.code, failures.describe(refusal), Source.SLACK)
    late = JobError("timeout", failures.overdue(1800))
    key = JobError("invalid_api_key", "Incorrect API key provided: [key].")
    waiting = replace(_JOB, state=JobState.ANNOUNCED, error=key)
    sent = "text/html: 502 Bad Gateway"
    return {
        "paused": job_card(waiting, has_admins=True),
        "reply: paused": status_reply(waiting, has_admins=True),
        "reply: not a video": status_reply(
            replace(_JOB, state=JobState.DELIVERING, error=JobError(NOT_A_VIDEO, sent))
        ),
        "reply: failed": status_reply(failed),
        "reply: late": status_reply(replace(_JOB, state=JobState.OVERDUE, error=late)),
        "reply: unclear": status_reply(replace(_JOB, state=JobState.UNCERTAIN, error=_LOST)),
        "reply: declined": status_reply(_DECLINED),
        "reply: not approved": status_reply(
            replace(_JOB, state=JobState.CANCELLED, note=Note.EXPIRED)
        ),
        "to admins: question": question(
            _JOB, "*This month:* <@U0123456789> $12.40 of $50 · everyone $120.00 of $500"
        ),
        "to admins: approved": answered(_JOB, replace(_DECISION, verdict=Verdict.APPROVED)),
        "to admins: declined": answered(_JOB, _DECISION),
        "privately: price": ask_to_confirm(pending(_JOB, Decimal("0.40"))),
        "privately: not started": not_started(replace(failed, card_ts=None, error=closed))[0],
    }
