"""`python -m bot doctor --create`: one real video."""

from pathlib import Path

import pytest

from bot import doctor
from bot.config import Settings
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.world import World
from tests.process.test_doctor import run


async def test_one_video_is_made_after_saying_what_it_costs(world: World, tmp_path: Path) -> None:
    code, shown = await run(world, tmp_path, "--create", "--yes")
    assert code == 0
    assert "about $0.40" in shown
    assert "downloaded and deleted" in shown
    assert len(world.videos.creates) == 1


async def lines(settings: Settings) -> list[str]:
    return [str(finding) async for finding in doctor.create(settings)]


async def test_a_refusal_is_shown_with_its_cure(world: World, settings: Settings) -> None:
    refusal = respond_with(401, {"error": {"message": "No.", "code": "bad"}})
    for operation in ("create", "models"):
        world.faults.inject(operation, refusal)
    [line] = await lines(settings)
    assert line.startswith("WRONG  real video: bad: No. Check OPENAI_API_KEY")


async def test_a_lost_answer_is_not_asked_again(world: World, settings: Settings) -> None:
    world.faults.inject("create", drop, when="after")
    [line] = await lines(settings)
    assert "The request may have arrived" in line
    assert len(world.videos.creates) == 1


async def test_a_failed_video_is_shown(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PROMPT", "something forbidden")
    *_, last = await lines(settings)
    assert last.startswith("WRONG  real video: moderation_blocked")
    assert [call.operation for call in world.videos.calls].count("content") == 0


async def test_a_server_that_does_not_finish_is_not_waited_for_for_ever(
    world: World, settings: Settings
) -> None:
    world.videos.hold()
    patience = settings.model_copy(update={"job_timeout_minutes": 0.002})
    *_, last = await lines(patience)
    assert "not finished in time" in last
