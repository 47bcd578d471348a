"""The life cycle of a job, as pure functions."""

from dataclasses import replace

import pytest

from bot import jobs
from bot.jobs import Job, JobState
from bot.request import InputReference
from tests.support.jobs import make_job


@pytest.fixture
def job() -> Job:
    return make_job(created_at=100.0, response_url="https://hooks.example/secret", attempts=3)


def test_the_transitions_lead_from_a_request_to_a_delivered_video(job: Job) -> None:
    job = jobs.announced(job, channel_id="C1", card_ts="1.1")
    job = jobs.submission_started(job, server="localhost", now=101)
    job = jobs.accepted(job, video_id="video_1")
    job = jobs.rendered(job, now=150)
    job = jobs.upload_started(job, file_id="F1")
    job = jobs.delivered(
        job, reply_ts="1.2", permalink="https://x.example/1", in_public=True, now=160
    )
    assert job.state is JobState.DELIVERED
    assert job.took == 60


def test_a_state_change_resets_failed_attempts(job: Job) -> None:
    assert jobs.announced(job, channel_id="C1", card_ts="1.1").attempts == 0


def test_progress_never_decreases_or_exceeds_100_percent(job: Job) -> None:
    job = jobs.progressed(job, percent=60)
    assert jobs.progressed(job, percent=20).progress == 60
    assert jobs.progressed(job, percent=None).progress == 60
    assert jobs.progressed(job, percent=257).progress == 100


def test_unknown_progress_is_not_zero_percent(job: Job) -> None:
    assert jobs.progressed(job, percent=None).progress is None
    assert jobs.progressed(job, percent=0).progress == 0


def test_closing_a_job_clears_its_response_url(job: Job) -> None:
    assert jobs.closed(job, now=170).response_url is None


def test_a_request_that_was_not_received_can_be_sent_again(job: Job) -> None:
    begun = jobs.submission_started(job, server="localhost", now=101)
    assert jobs.submission_not_received(begun).state is JobState.ANNOUNCED


def test_retry_delays_grow_to_at_most_a_minute() -> None:
    assert [jobs.retry_delay(n) for n in (0, 1, 5, 6, 60)] == [1, 2, 32, 60, 60]


def test_jitter_spreads_out_simultaneous_retries() -> None:
    assert [jobs.retry_delay(2, jitter=jitter) for jitter in (0, 0.5, 1)] == [4, 4.5, 5]
    assert jobs.retry_delay(0, hint=30, jitter=1) == 37.5


def test_a_retry_hint_is_clamped_between_one_second_and_five_minutes() -> None:
    assert jobs.retry_delay(0, hint=30) == 30
    assert jobs.retry_delay(0, hint=86_400) == 300
    assert jobs.retry_delay(0, hint=-1) == 1


def test_a_short_hint_does_not_replace_the_backoff() -> None:
    assert [jobs.retry_delay(n, hint=1) for n in (0, 3, 6)] == [1, 8, 60]


def test_the_response_url_is_kept_for_half_an_hour(job: Job) -> None:
    assert jobs.response_url_expired(job, now=100 + 1800).response_url == job.response_url
    assert jobs.response_url_expired(job, now=100 + 1801).response_url is None


def test_a_deleted_job_has_no_prompt_or_starting_image(job: Job) -> None:
    request = replace(job.request, input_reference=InputReference(file_id="F1", user_id="U1"))
    deleted = jobs.deleted(replace(job, request=request), server_copy_kept=False)
    assert (deleted.request.prompt, deleted.request.input_reference) == ("", None)
