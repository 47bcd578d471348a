"""A short run with the same random disruptions every time; `make chaos` runs longer."""

from pathlib import Path

import pytest

from bot.sandbox import chaos


@pytest.mark.both_databases
async def test_random_kills_and_freezes_cause_no_duplicates_or_losses(
    database_url: str, tmp_path: Path
) -> None:
    replicas = 1 if database_url.startswith("sqlite") else 3
    # No freeze outlasts a lease, so no duplicates are expected.
    plan = chaos.Plan(24, replicas, seed=7, duration=5.0, max_freeze=chaos.LEASE / 2)
    outcome = await chaos.run(database_url, plan, tmp_path)
    assert (outcome.problems, outcome.expected) == ([], [])
    assert outcome.bill.is_right
    assert outcome.bill.spent > 0
    assert outcome.disruptions.kills > 0
    assert outcome.disruptions.freezes > 0
    assert outcome.states["delivered"] >= outcome.acknowledged
    assert outcome.states["delivered"] > 0  # on a slow machine, none may be acknowledged in time
