"""What screen readers and notifications get: each message's text has the full meaning."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.jobs import Job, JobError, JobState, Note
from bot.ui import cards
from bot.ui.blocks import Message
from bot.ui.progress import ProgressContext, TypicalDuration
from tests.support.jobs import REQUEST, make_job

JOB = make_job(request=replace(REQUEST, prompt="a fox & <@U1>"), card_ts="1.1")
RENDERING = replace(JOB, state=JobState.RENDERING, video_id="v", submitted_at=1000.0)
BLOCKED = JobError("moderation_blocked", "Your request was blocked by our moderation system.")
LOST = JobError("outcome_unknown", "The response was lost.")
KEY = JobError("invalid_api_key", "Incorrect API key.")

ENDS = [
    (
        replace(JOB, state=JobState.FAILED, error=BLOCKED),
        ["Failed", "blocked by moderation", "not charged", "Rephrase the prompt."],
    ),
    (
        replace(JOB, state=JobState.UNCERTAIN, error=LOST),
        ["Unclear", "may not have received", "may have been charged", "you may pay for both"],
    ),
    (
        replace(RENDERING, state=JobState.OVERDUE, error=JobError("timeout", "Late.")),
        ["Late", "not finished in time", "may have been charged", "I'll keep checking"],
    ),
    (
        replace(JOB, state=JobState.ANNOUNCED, error=KEY),
        ["Paused", "isn't accepting requests", "not charged", "will start by itself"],
    ),
]


@pytest.mark.parametrize(("job", "words"), ENDS, ids=[job.state for job, _ in ENDS])
@pytest.mark.parametrize("build", [cards.job_card, cards.status_reply])
def test_the_text_has_prompt_state_reason_charge_and_next_step(
    build: Callable[[Job], Message], job: Job, words: list[str]
) -> None:
    text = build(job).text
    for each in ("a fox &amp; &lt;@U1&gt;", *words):
        assert each in text


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (Note.NOT_SUBMITTED, "not charged"),
        (Note.STOPPED, "may have been charged"),
        (Note.ALREADY_RENDERED, "charged"),
        (Note.NOT_STOPPED, "may have been charged"),
    ],
)
def test_the_text_of_a_cancelled_video_says_how_and_what_it_cost(note: Note, words: str) -> None:
    text = cards.job_card(replace(JOB, state=JobState.CANCELLED, note=note)).text
    assert "Cancelled: " in text
    assert words in text


def test_the_text_has_the_number_that_the_bar_shows() -> None:
    progress = ProgressContext(elapsed=40, typical=TypicalDuration(low=60, middle=90, high=120))
    assert "Rendering: 40%." in cards.job_card(replace(RENDERING, progress=40), progress).text


@pytest.mark.parametrize("job", [job for job, _ in ENDS])
def test_no_text_has_an_emoji_or_a_bar(job: Job) -> None:
    text = cards.job_card(job).text
    assert ":x:" not in text
    assert "▓" not in text
    assert "░" not in text


@pytest.mark.parametrize("job", [RENDERING, replace(RENDERING, state=JobState.DELIVERED)])
def test_delete_and_cancel_are_red(job: Job) -> None:
    offered = [each for block in cards.buttons(job) for each in block["elements"]]
    red = {each["action_id"] for each in offered if each.get("style") == "danger"}
    assert red == {cards.CANCEL, cards.DELETE} & {each["action_id"] for each in offered} != set()
