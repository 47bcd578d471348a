"""What a job counts as, from the request to its end."""

from bot import jobs
from bot.jobs import Job, Note
from bot.spending import Charge
from tests.support.jobs import make_job

NOW = 2000.0


def rendering(*, charges_failures: bool = False) -> Job:
    job = make_job(charges_failures=charges_failures)
    job = jobs.announced(job, channel_id="C1", card_ts="1.2")
    return jobs.accepted(submitting(job), video_id="v1")


def submitting(job: Job) -> Job:
    return jobs.submission_started(job, server="videos.example", now=NOW)


def failed(job: Job) -> Job:
    return jobs.failed(job, code="no", message="No.", now=NOW)


def render_failed(job: Job) -> Job:
    return jobs.render_failed(job, code="no", message="No.", now=NOW)


def cancelled(job: Job, note: Note) -> Job:
    return jobs.cancelled(job, note=note, now=NOW)


def test_a_job_is_held_from_the_request_until_its_video_is_rendered() -> None:
    assert make_job().charge is Charge.HELD
    assert rendering().charge is Charge.HELD
    assert jobs.overdue(rendering(), message="Late.").charge is Charge.HELD
    assert jobs.rendered(rendering(), now=NOW).charge is Charge.SPENT


def test_what_was_refused_before_or_at_the_create_is_free() -> None:
    assert failed(make_job()).charge is Charge.FREE
    assert failed(submitting(make_job(charges_failures=True))).charge is Charge.FREE


def test_a_video_that_the_server_could_not_make_is_free_unless_it_charges_for_failures() -> None:
    assert render_failed(rendering()).charge is Charge.FREE
    assert render_failed(rendering(charges_failures=True)).charge is Charge.SPENT


def test_a_video_that_nobody_waits_for_any_more_is_spent() -> None:
    late = jobs.overdue(rendering(), message="Late.")
    assert failed(late).charge is Charge.SPENT
    assert jobs.superseded(late, now=NOW).charge is Charge.SPENT


def test_a_late_video_is_spent() -> None:
    late = jobs.rendered(jobs.overdue(rendering(), message="Late."), now=NOW)
    assert late.charge is Charge.SPENT


def test_a_rendered_video_stays_spent_whatever_happens_to_it() -> None:
    rendered = jobs.rendered(rendering(), now=NOW)
    for ended in (
        failed(rendered),
        render_failed(rendered),
        cancelled(rendered, Note.STOPPED),
        jobs.deleted(rendered, server_copy_kept=False),
    ):
        assert ended.charge is Charge.SPENT


def test_a_cancelled_video_is_free_only_if_it_is_certain_that_it_is_not_rendered() -> None:
    assert cancelled(make_job(), Note.NOT_SUBMITTED).charge is Charge.FREE
    assert cancelled(rendering(), Note.STOPPED).charge is Charge.FREE
    assert cancelled(rendering(), Note.NOT_STOPPED).charge is Charge.SPENT
    assert cancelled(rendering(), Note.ALREADY_RENDERED).charge is Charge.SPENT


def test_an_uncertain_job_stays_held() -> None:
    uncertain = jobs.left_uncertain(submitting(make_job()), message="?", now=NOW)
    assert uncertain.charge is Charge.HELD
