"""The explanation of a failure: its cause, who is to blame, and whether it was charged."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot import jobs
from bot.errors import CannotPost, FileProblem, FileRefused, PostRefusal, Source
from bot.jobs import Job, JobState
from bot.ui import cards
from bot.ui.failures import Blame, Charge, Failure, describe, explain
from tests.support.jobs import make_job

JOB = jobs.announced(make_job(created_at=100.0), channel_id="C1", card_ts="1.1")
ACCEPTED = jobs.accepted(JOB, video_id="v1")
RENDERED = jobs.rendered(ACCEPTED, now=150)


def failed(job: Job, code: str, message: str = "No.") -> Job:
    return jobs.failed(job, code=code, message=message, now=160)


def explained(job: Job) -> Failure:
    failure = explain(job)
    assert failure is not None
    return failure


def test_a_job_without_an_error_has_no_explanation() -> None:
    assert explain(ACCEPTED) is None


CASES = [
    ("moderation_blocked", "Your request was blocked by our moderation system.", Blame.PROMPT),
    ("sentinel_block", "Hmmm something didn't look right with your request.", Blame.PROMPT),
    ("400", "Your request was blocked by our moderation system.", Blame.PROMPT),
    ("x", "Possible reasons: people-in-user-uploads. Blocked by our moderation.", Blame.IMAGE),
    ("x", "Inpaint image must match the requested width and height", Blame.IMAGE),
    ("x", "Invalid file 'input_reference': unsupported mimetype ('a/b').", Blame.IMAGE),
    ("http_400", "'wan2.2' does not support input_reference.", Blame.IMAGE),
    ("invalid_value", "Invalid value: '5'. Supported values are: '4'.", Blame.SETTINGS),
    ("400", "Model mismatch: request specifies 'a' but server is running 'b'.", Blame.SETTINGS),
    ("model_not_found", "The model `x` does not exist.", Blame.SETTINGS),
    ("video_generation_user_error", "The API deployment 'x' does not exist.", Blame.SETTINGS),
    ("http_422", "seconds: Input should be a valid integer", Blame.SETTINGS),
    ("string_above_max_length", "Invalid 'prompt': string too long.", Blame.PROMPT),
    ("insufficient_quota", "You exceeded your current quota.", Blame.BUDGET),
    ("http_429", "You exceeded your current quota, please check your plan.", Blame.BUDGET),
    ("billing_hard_limit_reached", "Billing hard limit has been reached", Blame.BUDGET),
    ("400", "Input was blocked by the configured guardrails.", Blame.PROMPT),
    ("400", "The height must be divisible by 16.", Blame.SETTINGS),
    ("too_large", "The finished video has more than 1,000 MB.", Blame.SETTINGS),
]


@pytest.mark.parametrize(("code", "message", "blame"), CASES)
def test_a_failure_names_what_must_change_before_a_retry(
    code: str, message: str, blame: Blame
) -> None:
    failure = explained(failed(JOB, code, message))
    assert failure.blame is blame
    assert failure.may_work_again is (blame is Blame.BUDGET)


PASSING = [
    ("server_error", "We're under heavy load, please try again later."),
    ("500", "CUDA out of memory."),
    ("generation_error", "out of memory"),
    ("rate_limit_exceeded", "Rate limit reached."),
    ("expired", "The server gave no reason."),
    ("cancelled", "The server gave no reason."),
    ("invalid_request_error", "Video with id 'v1' not found."),
    ("http_410", "Gone."),
    ("timeout", "The video server has not finished within a day."),
    ("gave_up", "The video server does not answer (ReadTimeout)."),
    ("who_knows", "Something new."),
]


@pytest.mark.parametrize(("code", "message"), PASSING)
def test_a_server_side_failure_can_be_retried(code: str, message: str) -> None:
    failure = explained(failed(ACCEPTED, code, message))
    assert failure.blame is Blame.SERVER
    assert failure.may_work_again


def test_an_unknown_refusal_refers_to_the_servers_message() -> None:
    failure = explained(failed(JOB, "who_knows", "Something new."))
    assert "Its message says why" in failure.advice
    assert not failure.may_work_again


def test_an_error_from_slack_is_not_blamed_on_the_video_server() -> None:
    for code in ("file_uploads_disabled", "is_archived", "internal_error", "who_knows"):
        refusal = jobs.failed(RENDERED, code=code, message="", now=160, source=Source.SLACK)
        assert explained(refusal).blame is Blame.SLACK


def test_a_bug_in_the_bot_is_not_blamed_on_the_video_server() -> None:
    defect = jobs.failed(RENDERED, code="gave_up", message="", now=160, source=Source.BOT)
    assert explained(defect).blame is Blame.BOT


@pytest.mark.parametrize(
    ("job", "charge"),
    [
        (failed(JOB, "sentinel_block"), Charge.NOT_CHARGED),
        (failed(ACCEPTED, "moderation_blocked"), Charge.UNKNOWN),
        (failed(RENDERED, "too_large"), Charge.CHARGED),
        (jobs.left_uncertain(JOB, message="Who knows.", now=1), Charge.UNKNOWN),
        (jobs.overdue(ACCEPTED, message="Late."), Charge.UNKNOWN),
    ],
)
def test_a_failure_states_whether_the_video_was_charged_if_known(job: Job, charge: Charge) -> None:
    assert explained(job).charge is charge


@pytest.mark.parametrize("job", [failed(JOB, "sentinel_block", "Hmmm."), failed(ACCEPTED, "x")])
def test_the_status_reply_shows_code_message_meaning_blame_and_charge(job: Job) -> None:
    reply = json.dumps(cards.status_reply(job).blocks)
    assert job.error is not None
    failure = explained(job)
    for words in (
        job.error.code,
        job.error.message,
        failure.reason[1:],
        failure.advice,
        failure.blame,
        failure.charge,
    ):
        assert words in reply


def test_a_paused_job_is_not_described_as_failed() -> None:
    held = jobs.paused(ACCEPTED, server="s", code="invalid_api_key", message="No.")
    reply = json.dumps(cards.status_reply(held).blocks)
    assert "isn't accepting requests" in reply
    assert "couldn't be made" not in reply


def test_a_resumed_job_clears_the_error_that_paused_it() -> None:
    held = replace(jobs.paused(ACCEPTED, server="s", code="c", message="m"), reply_ts="1.2")
    assert held.is_paused
    for job in (jobs.progressed(held, percent=None), jobs.rendered(held, now=1)):
        assert (job.error, job.reply_ts, job.is_paused) == (None, None, False)
    uploading = jobs.paused(RENDERED, server="s", code="c", message="m")
    assert not jobs.upload_started(uploading, file_id="F1").is_paused
    assert not jobs.accepted(
        jobs.paused(JOB, server="s", code="c", message="m"), video_id="v"
    ).is_paused


def test_an_overdue_job_keeps_its_error_when_progress_is_reported() -> None:
    late = jobs.overdue(ACCEPTED, message="Late.")
    later = jobs.progressed(late, percent=50)
    assert (later.state, later.error) == (JobState.OVERDUE, late.error)


@pytest.mark.parametrize("file_problem", FileProblem)
def test_every_file_problem_has_a_sentence(file_problem: FileProblem) -> None:
    error = FileRefused(file_problem, limit=20_000_000, reason="Slack cannot be reached.")
    words = describe(error)
    assert words.endswith(".")
    assert "{" not in words


def test_file_problem_sentences_include_the_limit_or_the_reason() -> None:
    assert "20,000 kB" in describe(FileRefused(FileProblem.TOO_LARGE, limit=20_000_000))
    assert "29 megapixels" in describe(FileRefused(FileProblem.TOO_MANY_PIXELS, limit=29_491_200))
    fetched = FileRefused(FileProblem.NOT_FETCHED, reason="Slack cannot {be} reached.")
    assert "I can't download the file. Slack cannot {be} reached." in describe(fetched)


@pytest.mark.parametrize("refusal", PostRefusal)
def test_every_refusal_of_a_post_says_what_to_do(refusal: PostRefusal) -> None:
    words = describe(CannotPost(refusal, code="refused", bot_name="clips"))
    assert re.search(r"Use |Try again|Invite|Ask ", words)
    assert ("@clips" in words) is (refusal is PostRefusal.NOT_A_MEMBER)


UNEXPLAINED = {
    "other_gateways: problem+json with nothing but a title",
    "new_api: failure",
    "sglang: failed without a code",
    "other_gateways: a message that is no text",
    "other_gateways: OpenRouter: an error that is a string",
    "vllm_omni: failed is an HTTP 400 with the video",
}


def test_every_recorded_failure_is_explained_except_the_listed_ones() -> None:
    unknown = set()
    for path in (Path(__file__).parents[1] / "videos" / "servers").glob("*.json"):
        for name, answer in json.loads(path.read_text())["answers"].items():
            for kind, job in (("RequestRefused", JOB), ("Failed", ACCEPTED)):
                if kind in (answer["means"] or {}):
                    told = explained(failed(job, **answer["means"][kind]))
                    if "Its message says why" in told.advice or "couldn't make it" in told.reason:
                        unknown.add(f"{path.stem}: {name}")
    assert unknown == UNEXPLAINED


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("file_refused", None),
        ("private_address", None),
        ("timeout", None),
        ("http_500", "HTTP 500"),
        ("moderation_blocked", "moderation_blocked"),
    ],
)
def test_a_code_that_no_server_sent_is_not_shown(code: str, shown: str | None) -> None:
    reply = cards.status_reply(failed(ACCEPTED, code, "The reason."))
    words = json.dumps(reply.blocks) + reply.text
    assert "The reason." in words
    assert (shown or "The reason.") in words
    assert (code in words) is (code == shown)
