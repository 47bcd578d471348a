"""A short random run, always with the same harm; `make chaos` is the long one."""

from pathlib import Path

import pytest

from bot.sandbox import chaos


@pytest.mark.both_databases
async def test_random_kills_and_freezes_double_nothing_and_lose_nothing(
    database_url: str, tmp_path: Path
) -> None:
    replicas = 1 if database_url.startswith("sqlite") else 3
    # Nobody is frozen past the lease, which is the one double that is foreseen.
    plan = chaos.Plan(24, replicas, seed=7, pressing=5.0, longest_freeze=chaos.LEASE / 2)
    outcome = await chaos.run(database_url, plan, tmp_path)
    assert (outcome.wrong, outcome.foreseen) == ([], [])
    assert outcome.harm.kills > 0
    assert outcome.harm.freezes > 0
    assert outcome.ends["delivered"] >= outcome.acknowledged > 0
