"""The question whether a video is approved, its answers, and the form for a reason."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.jobs import Decision, Job, Verdict
from bot.ui.blocks import (
    Block,
    Message,
    actions,
    button,
    context,
    plain_text,
    section,
)
from bot.ui.cards import EXCERPT, SHOW_PROMPT, describe, named, prompt_excerpt

APPROVE = "approve"
DECLINE = "decline"
"""Actions of the question's buttons; their value is the job's id."""
CALLBACK_ID = "decline_form"
REASON = "reason"
MAX_REASON = 500


def question(job: Job, spent: str = "") -> Message:
    """Asks an admin to decide; `spent` is what is used of the limits (mrkdwn)."""
    return Message(
        f"<@{job.user_id}> asks for approval. {named(job)}",
        [
            *_subject(job),
            *([context(spent)] if spent else []),
            actions(
                button("Approve", APPROVE, job.id),
                button("Decline…", DECLINE, job.id),
                *_whole_prompt(job),
            ),
        ],
    )


def answered(job: Job, decision: Decision) -> Message:
    """The question without its buttons, with the decision."""
    words = in_words(decision)
    return Message(f"{named(job)} {words}", [*_subject(job), context(words)])


def in_words(decision: Decision) -> str:
    """The decision as a sentence; mrkdwn."""
    match decision.verdict:
        case Verdict.APPROVED:
            return f"Approved by <@{decision.user_id}> {_when(decision.at)}."
        case Verdict.DECLINED:
            return f"Declined by <@{decision.user_id}> {_when(decision.at)}."
        case Verdict.EXPIRED:
            return "Nobody decided within a day, so the video was cancelled."
        case Verdict.WITHDRAWN:
            return "The video was cancelled before anybody decided."


def too_late(decision: Decision) -> Message:
    """The reply to an admin who decided after someone else."""
    return Message(f"This has already been decided. {in_words(decision)}")


def decline_form(job: Job) -> Block:
    """The form for an optional reason."""
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "private_metadata": job.id,
        "title": plain_text("Decline this video?"),
        "submit": plain_text("Decline"),
        "close": plain_text("Cancel"),
        "blocks": [
            prompt_excerpt(job, EXCERPT),
            {
                "type": "input",
                "block_id": REASON,
                "label": plain_text("Reason"),
                "hint": plain_text("It is posted in the video's thread."),
                "optional": True,
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "max_length": MAX_REASON,
                },
            },
        ],
    }


def read_decline(view: Mapping[str, Any]) -> tuple[str, str]:
    """The job's id, and the reason."""
    typed = view["state"]["values"][REASON][REASON]["value"] or ""
    return view["private_metadata"], typed.strip()


def not_declined(words: str) -> Block:
    """The form once it is too late or not possible to decline; mrkdwn."""
    return {
        "type": "modal",
        "title": plain_text("Not declined"),
        "close": plain_text("Close"),
        "blocks": [section(words)],
    }


def _subject(job: Job) -> list[Block]:
    return [
        section(f"<@{job.user_id}> asks for approval of a video in <#{job.channel_id}>:"),
        prompt_excerpt(job, EXCERPT),
        context(describe(job)),
    ]


def _whole_prompt(job: Job) -> list[Block]:
    is_cut = len(job.request.prompt) > EXCERPT
    return [button("Show full prompt", SHOW_PROMPT, job.id)] if is_cut else []


def _when(at: float) -> str:
    plainly = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at)}^{{date_short_pretty}} {{time}}|{plainly}>"
