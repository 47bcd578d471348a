"""docs/architecture.md: its diagram has the states and functions of bot/jobs.py."""

import ast
import re
from typing import NamedTuple

from bot.jobs import JobState
from tests.core.test_docs import ROOT

DIAGRAM = (ROOT / "docs" / "architecture.md").read_text()
JOBS = ast.parse((ROOT / "bot" / "jobs.py").read_text())


class Arrow(NamedTuple):
    """One line of the diagram."""

    source: str
    target: str
    function: str


LINE = re.compile(r"^    (\S+) --> (\w+)(?:: (\w+))?$", re.MULTILINE)
ARROWS = {Arrow(*found) for found in LINE.findall(DIAGRAM)}


def targets_in_code() -> set[tuple[str, str]]:
    """Each function that changes a job's state, with each state that it names."""
    return {
        (function.name, state.attr)
        for function in JOBS.body
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        for state in [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "state")]
        if isinstance(state, ast.Attribute)
        and isinstance(state.value, ast.Name)
        and state.value.id == "JobState"
    }


def test_the_diagram_has_every_state() -> None:
    shown = {name for arrow in ARROWS for name in (arrow.source, arrow.target)} - {"[*]"}
    assert shown == {state.name for state in JobState}


def test_each_arrow_is_a_function_that_leads_to_its_state() -> None:
    drawn = {(arrow.function, arrow.target) for arrow in ARROWS if arrow.function}
    assert drawn == targets_in_code()
