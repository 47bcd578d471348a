"""The drawer "Behind the scenes": each switch injects its own fault and removes it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app import Bot
from bot.sandbox.page.behind import Behind, Switch
from bot.sandbox.page.play import Play
from bot.sandbox.page.process import BotProcess
from bot.sandbox.videos.state import VideoParams
from bot.sandbox.world import World
from tests.support.channel import Thread, failed, ready


@pytest.fixture
def behind(world: World, tmp_path: Path) -> Behind:
    return Behind(world, BotProcess(tmp_path))


def says(words: str) -> Callable[[Thread], Callable[[], bool]]:
    return lambda thread: lambda: thread.says(words)


@pytest.mark.parametrize(
    ("switch", "outcome"),
    [
        (Switch.REFUSING, failed),
        (Switch.FAILING, failed),
        (Switch.FORGETTING, failed),
        (Switch.SLOW, says("Queued")),
        (Switch.DOWN, says("Cancel")),
    ],
)
async def test_a_switch_injects_its_fault_and_removes_it(
    world: World,
    bot: Bot,
    behind: Behind,
    switch: Switch,
    outcome: Callable[[Thread], Callable[[], bool]],
) -> None:
    assert bot is not None
    world.videos.set_pace(1.0)
    await behind.flip(switch, on=True)
    thread = Thread(world)
    await world.slack.ada.command("clouds")
    await world.until(outcome(thread))
    await behind.flip(switch, on=False)
    other = Thread(world, world.slack.workspace.add_channel("other"))
    await world.slack.ada.command("more clouds", channel=other.channel)
    await world.until(ready(other))


async def test_a_rate_limited_job_is_delayed_but_not_lost(
    world: World, bot: Bot, behind: Behind
) -> None:
    assert bot is not None
    await behind.flip(Switch.LIMITED, on=True)
    await world.slack.ada.command("clouds")
    await world.until(lambda: any(call.error == "ratelimited" for call in world.slack.calls))
    thread = Thread(world)
    assert thread.cards == []
    await behind.flip(Switch.LIMITED, on=False)
    await world.until(ready(thread))


async def test_changing_the_rendering_speed_keeps_the_progress() -> None:
    now = [0.0]
    async with World(lambda: now[0], render_seconds=10) as world:
        video = world.videos.create("video_1", VideoParams("clouds", "sora-2", "720x1280", "4"))
        now[0] = 5
        world.videos.set_pace(100)
        assert world.videos.videos[video.id].progress == 50
        now[0] = 15
        assert world.videos.videos[video.id].progress == 60
        world.videos.set_pace(10)
        now[0] = 19
        assert world.videos.videos[video.id].status == "completed"


async def test_replacing_the_video_server_restarts_the_bot_and_shows_its_activity(
    tmp_path: Path,
) -> None:
    async with Play(tmp_path, render_seconds=0.2) as play:
        until = play.world.until
        await until(lambda: play.world.slack.sockets.connected)
        before = play.bot.pid
        await play.behind.replace_server("vllm_omni")
        await until(lambda: play.bot.pid not in {before, None})
        await until(lambda: play.world.slack.sockets.connected)
        await play.world.slack.ada.command("clouds")
        await until(lambda: posted(play.behind) and play.behind.parts()["jobs"])
        parts = play.behind.parts()
        assert parts["jobs"][0]["model"].startswith("Wan-AI/")
        assert parts["envelopes"][-1]["what"] == "/video"
        assert "event=running" in parts["log"]
        await play.behind.flip(Switch.KILLED, on=True)
        assert play.behind.parts()["bot"]["pid"] is None


def posted(behind: Behind) -> bool:
    return any(call["what"] == "chat.postMessage" for call in behind.parts()["requests"])


@pytest.mark.parametrize("who", ["mary", "edsger"])
async def test_guests_and_other_organizations_see_only_their_channels(
    tmp_path: Path, who: str
) -> None:
    workspace = Play(tmp_path).world.slack
    [user] = [user for user in workspace.workspace.people() if user.name == who]
    person = workspace.person(user.id)
    places = workspace.workspace.conversations.values()
    assert [place.name for place in places if person.sees(place) and place.kind != "im"] == [
        "videos"
    ]
