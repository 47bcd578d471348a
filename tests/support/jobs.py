"""Valid requests and jobs for tests, which can override any field."""

from dataclasses import replace
from typing import Any

from bot.jobs import Job
from bot.request import VideoRequest

REQUEST = VideoRequest(prompt="clouds", model="sora-2", seconds="4", size="720x1280")


def make_job(number: int = 1, **changes: Any) -> Job:  # noqa: ANN401 -- any field of a job
    """A new job, whose id and request key depend on the number."""
    job = Job(
        id=f"job{number}",
        request_key=f"click{number}",
        team_id="T1",
        user_id="U1",
        channel_id="C1",
        request=REQUEST,
        created_at=1000.0,
    )
    return replace(job, **changes)
