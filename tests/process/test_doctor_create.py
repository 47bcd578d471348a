"""`python -m bot doctor --create`: one real video."""

from pathlib import Path

import pytest

from bot import doctor
from bot.config import Settings
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.videos.dialects import DIALECTS
from bot.sandbox.world import World
from tests.process.test_doctor import run


async def test_one_video_is_created_and_its_cost_is_shown(world: World, tmp_path: Path) -> None:
    code, shown = await run(world, tmp_path, "--create", "--yes")
    assert code == 0
    assert "about $0.40" in shown
    assert "downloaded and deleted" in shown
    assert len(world.videos.creates) == 1


async def test_nothing_is_created_while_something_is_wrong(world: World, tmp_path: Path) -> None:
    world.faults.inject("auth.test", respond_with(200, {"ok": False, "error": "invalid_auth"}))
    code, shown = await run(world, tmp_path, "--create", "--yes")
    assert code == 1
    assert "No video was made: correct what is WRONG first." in shown
    assert world.videos.creates == []


async def lines(settings: Settings) -> list[str]:
    return [str(finding) async for finding in doctor.create(settings)]


async def test_a_refused_create_is_reported_with_its_remedy(
    world: World, settings: Settings
) -> None:
    refusal = respond_with(401, {"error": {"message": "No.", "code": "bad"}})
    for operation in ("create", "models"):
        world.faults.inject(operation, refusal)
    [line] = await lines(settings)
    assert line.startswith("WRONG  real video: bad: No. Check OPENAI_API_KEY")


async def test_a_create_with_a_lost_response_is_not_repeated(
    world: World, settings: Settings
) -> None:
    world.faults.inject("create", drop, when="after")
    [line] = await lines(settings)
    assert "The request may have arrived" in line
    assert len(world.videos.creates) == 1


async def test_a_failed_video_is_reported(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PROMPT", "something forbidden")
    *_, last = await lines(settings)
    assert last.startswith("WRONG  real video: moderation_blocked")
    assert [call.operation for call in world.videos.calls].count("content") == 0


async def test_waiting_for_the_video_is_limited_by_the_job_timeout(
    world: World, settings: Settings
) -> None:
    world.videos.hold()
    patience = settings.model_copy(update={"job_timeout_minutes": 0.002})
    *_, last = await lines(patience)
    assert "not finished in time" in last


@pytest.mark.parametrize(
    ("dialect", "said"),
    [("openai", "the server deletes videos"), ("sglang", "the server doesn't confirm it")],
)
async def test_the_created_video_shows_what_a_delete_does(
    world: World, settings: Settings, dialect: str, said: str
) -> None:
    world.videos.dialect = DIALECTS[dialect]()
    *_, last = await lines(settings)
    assert last.startswith(f"ok     delete: {said}")
