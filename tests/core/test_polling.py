"""How often a video is polled."""

from typing import Any, cast

import pytest

from bot.runner import JobRunner
from bot.timings import Timings
from bot.videos.wire import InProgress
from tests.support.jobs import make_job


class Parts:
    """Only the dependencies that a runner needs to compute its intervals."""

    store = servers = delivery = clock = homes = None
    timings = Timings()


@pytest.mark.parametrize(
    ("hint", "delay"), [(None, 10), (0.0, 1), (0.001, 1), (7.5, 7.5), (300.0, 300), (86_400.0, 300)]
)
def test_poll_hints_are_clamped_between_one_second_and_five_minutes(
    hint: float | None, delay: float
) -> None:
    runner = JobRunner(make_job(), cast("Any", Parts()))
    assert runner._poll_delay(InProgress(poll_after=hint)) == delay
