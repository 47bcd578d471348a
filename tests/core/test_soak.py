"""What `make soak` counts as growth."""

import pytest

from bot.sandbox.soak import Sample, growth


def samples(*values: float, of: str) -> list[Sample]:
    steady = {"minutes": 1.0, "memory": 100.0, "files": 20, "tasks": 30, "lag": 1.0, "rows": 9}
    return [Sample(**steady | {of: value}) for value in values]  # type: ignore[arg-type]  # one of the fields


@pytest.mark.parametrize(
    ("of", "values"),
    [
        ("memory", (60, 90, 100, 101, 104, 103)),
        ("files", (9, 20, 20, 21, 29, 28)),
        ("tasks", (9, 30, 30, 33, 38, 39)),
        ("rows", (1, 100, 200, 300, 400, 500)),
    ],
)
def test_a_warm_up_and_fluctuations_are_no_growth(of: str, values: tuple[float, ...]) -> None:
    assert growth(samples(*values, of=of)) == []


@pytest.mark.parametrize(
    ("of", "values"),
    [
        ("memory", (100, 100, 100, 103, 107, 110)),
        ("files", (20, 20, 22, 25, 35, 40)),
        ("tasks", (30, 30, 32, 40, 50, 60)),
    ],
)
def test_growth_after_the_warm_up_is_a_problem(of: str, values: tuple[float, ...]) -> None:
    [problem] = growth(samples(*values, of=of))
    assert of in problem
