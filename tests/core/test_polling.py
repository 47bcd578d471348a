"""How often a video is polled."""

import pytest

from bot.polling import poll_delay
from bot.timings import Timings
from bot.ui.progress import TypicalDuration

TIMINGS = Timings()


@pytest.mark.parametrize(
    ("hint", "delay"), [(0.0, 1), (0.001, 1), (7.5, 7.5), (300.0, 300), (86_400.0, 300)]
)
def test_poll_hints_are_clamped_between_one_second_and_five_minutes(
    hint: float, delay: float
) -> None:
    assert poll_delay(TIMINGS, elapsed=40, hint=hint) == delay


def polls(duration: float, typical: TypicalDuration | None = None) -> list[float]:
    """When a video that takes this many seconds is polled; the last poll finds it finished."""
    moments = [0.0]
    while moments[-1] < duration:
        elapsed = moments[-1]
        moments.append(elapsed + poll_delay(TIMINGS, elapsed=elapsed, typical=typical))
    return moments


def test_a_short_video_is_noticed_at_once_although_nothing_is_known() -> None:
    assert polls(3)[-1] - 3 <= 1


def test_an_unknown_video_is_polled_at_least_every_ten_seconds() -> None:
    moments = polls(600)
    assert moments[-1] - moments[-2] == TIMINGS.poll_interval
    assert len(polls(90)) <= 30


@pytest.mark.parametrize("finished", [88.0, 90.0, 91.5])
def test_a_typical_video_takes_a_dozen_polls_and_is_noticed_within_two_seconds(
    finished: float,
) -> None:
    moments = polls(finished, TypicalDuration(low=88, middle=90, high=92))
    assert len(moments) <= 12
    assert moments[-1] - finished <= 2


def test_different_durations_do_not_multiply_the_polls() -> None:
    assert len(polls(120, TypicalDuration(low=60, middle=90, high=120))) <= 18


def test_a_video_that_takes_much_longer_than_others_is_polled_every_ten_seconds() -> None:
    moments = polls(600, TypicalDuration(low=88, middle=90, high=92))
    assert moments[-1] - moments[-2] == TIMINGS.poll_interval
