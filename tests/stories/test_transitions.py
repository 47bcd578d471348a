"""Every change of state in these stories is an arrow of docs/architecture.md."""

import pytest

from bot.jobs import Job
from bot.metrics import Metrics
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.world import World
from bot.ui import cards
from tests.core.test_architecture import ARROWS
from tests.support.channel import Thread, shown, start_rendering
from tests.support.installation import RunBot


async def test_jobs_change_state_only_along_the_arrows(
    world: World, run_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set[tuple[str, str]]()

    def saved(_metrics: Metrics, before: Job, job: Job) -> None:
        if before.state is not job.state:
            seen.add((before.state.name, job.state.name))

    async def ask(says: str) -> None:
        earlier = len(thread.cards)
        await world.slack.ada.command("clouds")
        await world.until(lambda: says in str([*map(shown, thread.cards[earlier:])]))

    monkeypatch.setattr(Metrics, "saved", saved)
    thread = Thread(world)
    async with run_bot():
        await ask("*Ready:*")
        await world.slack.ada.click(thread.card, cards.DELETE)
        await world.until(lambda: "eleted" in shown(thread.card))
        world.faults.inject("create", respond_with(400, {"error": {"message": "No."}}))
        await ask("*Failed:*")
        world.faults.inject("create", drop)
        world.faults.inject("list", respond_with(405, {"detail": "No."}), times=99)
        await ask("*Unclear:*")
        await start_rendering(world)
        await world.slack.ada.click(thread.cards[-1], cards.CANCEL)
        await world.until(lambda: "*Cancelled:*" in shown(thread.cards[-1]))
    assert {end for _, end in seen} >= {"DELETED", "FAILED", "UNCERTAIN", "CANCELLED"}
    assert seen <= {(arrow.source, arrow.target) for arrow in ARROWS}
