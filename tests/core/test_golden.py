"""Every card and reply matches its golden copy, so that no change is accidental.

`python -m bot cards > tests/core/golden/cards.json` updates them; each `blocks` can be pasted
into Block Kit Builder.
"""

import json
from pathlib import Path

import pytest

from bot import cli
from bot.jobs import JobState
from bot.sandbox.slack.blocks import problems_of_message
from bot.ui.samples import samples

GOLDEN = Path(__file__).parent / "golden" / "cards.json"


@pytest.mark.parametrize("name", samples())
def test_each_message_matches_its_golden_copy(name: str) -> None:
    message = samples()[name]
    golden = json.loads(GOLDEN.read_text())[name]
    assert {"text": message.text, "blocks": message.blocks} == golden


@pytest.mark.parametrize("name", samples())
def test_every_message_is_valid_block_kit(name: str) -> None:
    assert problems_of_message(samples()[name].blocks) == []


def test_every_state_has_a_sample() -> None:
    names = " ".join(samples())
    words = {
        JobState.PROPOSED: "waiting for approval",
        JobState.REQUESTED: "starting",
        JobState.ANNOUNCED: "starting",
        JobState.SUBMITTING: "starting",
        JobState.RENDERING: "rendering",
        JobState.OVERDUE: "late",
        JobState.DELIVERING: "delivering",
        JobState.DELIVERED: "ready",
        JobState.FAILED: "failed",
        JobState.UNCERTAIN: "unclear",
        JobState.CANCELLED: "cancelled",
        JobState.DELETED: "deleted",
    }
    assert [state for state in JobState if words[state] not in names] == []


def test_the_cards_command_prints_every_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cards"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(GOLDEN.read_text())
