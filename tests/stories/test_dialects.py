"""End to end with every server's dialect, and with every kind of connection error."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from bot.sandbox.faults import Fault, drop, hang, respond_with
from bot.sandbox.replica import FAST
from bot.sandbox.videos import Filler
from bot.sandbox.videos.dialects import DIALECTS
from bot.sandbox.world import World
from bot.videos import client, download
from tests.support.channel import Thread, failed, ready, shown, start_rendering
from tests.support.installation import install

MB = 1_000_000

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture
async def world(request: pytest.FixtureRequest, clip: bytes) -> AsyncIterator[World]:
    """A world whose Videos server has the dialect and the behaviour of the test's mark."""
    name, behaviour = getattr(request, "param", ("openai", "normal"))
    dialect = DIALECTS[name]()
    dialect.models = ("sora-2",)  # vLLM: --served-model-name
    async with World(
        render_seconds=0.1, poll_after_ms=10, clip=clip, dialect=dialect, behaviour=behaviour
    ) as world:
        install(world)
        yield world
        assert world.slack.complaints == []


def every(behaviour: str = "normal") -> pytest.MarkDecorator:
    """On every dialect."""
    servers = [pytest.param((name, behaviour), id=name) for name in DIALECTS]
    return pytest.mark.parametrize("world", servers, indirect=True)


def on(*dialects: str) -> pytest.MarkDecorator:
    servers = [pytest.param((name, "normal"), id=name) for name in dialects]
    return pytest.mark.parametrize("world", servers, indirect=True)


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@every()
async def test_a_prompt_becomes_a_video(world: World, thread: Thread, clip: bytes) -> None:
    await world.slack.ada.command("clouds --seconds 8")
    await world.until(ready(thread))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds) == ("clouds", "sora-2", "8")
    assert [file.data for file in thread.replies[0].files] == [clip]


@every("busy")
async def test_a_busy_server_is_retried(world: World, thread: Thread) -> None:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    creates = [call for call in world.videos.calls if call.operation == "create"]
    assert len(creates) == 3
    assert len(world.videos.creates) == len(thread.replies) == 1


@every("slow")
async def test_a_slow_server_receives_one_create(world: World, thread: Thread) -> None:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == 1


CODES = {"vllm_omni": "400", "sglang": "failed", "aquiles": "generation_error"}


@every()
async def test_a_failed_video_shows_the_servers_error(
    world: World, thread: Thread, request: pytest.FixtureRequest
) -> None:
    await world.slack.ada.command("something forbidden")
    await world.until(failed(thread))
    [reply] = thread.replies
    assert "Your request was blocked by our moderation system." in shown(reply)
    dialect = request.node.callspec.id
    assert f'"{CODES.get(dialect, "moderation_blocked")}"' in shown(reply)
    assert reply.mentions == {world.slack.ada.id}


@every()
async def test_a_refused_create_shows_the_servers_error(world: World, thread: Thread) -> None:
    await world.slack.ada.command("a sentinel at dawn")
    await world.until(failed(thread))
    assert "something didn't look right" in shown(thread.replies[0])
    assert world.videos.creates == []


@every()
async def test_an_exceeded_quota_pauses_the_video(world: World, thread: Thread) -> None:
    await world.slack.ada.command("a quota at dawn")
    await world.until(lambda: thread.says("*Paused:*"))
    assert len([call for call in world.videos.calls if call.operation == "create"]) == 1


@every()
async def test_a_video_lost_in_a_server_restart_fails(world: World, thread: Thread) -> None:
    world.videos.hold()
    await world.slack.ada.command("clouds")
    await world.until(lambda: world.videos.creates)
    world.videos.restart()
    await world.until(failed(thread))
    assert "not found" in shown(thread.replies[0])
    assert len(world.videos.creates) == 1


@on("litellm")
async def test_a_remix_through_litellm_arrives(world: World, thread: Thread) -> None:
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    await world.slack.ada.click(thread.card, "remix")
    await world.until(lambda: world.slack.ada.view)
    await world.slack.ada.fill({"prompt": "clouds at night"})
    await world.slack.ada.submit()
    await world.until(lambda: len(thread.cards) == 2 and "*Ready:*" in shown(thread.cards[1]))
    original, remix = world.videos.creates
    assert remix.remixed_from_video_id == original.id


@on("openai", "vllm_omni", "sglang", "aquiles")
async def test_cancelling_a_video_that_the_server_has_forgotten_stops_it(
    world: World, thread: Thread
) -> None:
    await start_rendering(world)
    world.faults.inject("retrieve", respond_with(503, "busy"), times=10_000)
    world.videos.restart()
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert thread.says("the video server stopped it")


@on("openai", "openai_guide", "vllm_omni", "aquiles")
async def test_a_create_with_a_lost_response_is_found_in_the_list(
    world: World, thread: Thread
) -> None:
    world.faults.inject("create", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == 1


@on("sglang", "litellm")
async def test_a_lost_create_is_not_repeated_if_the_list_is_inconclusive(
    world: World, thread: Thread
) -> None:
    world.faults.inject("create", drop, when="after")
    await world.slack.ada.command("clouds")
    await world.until(lambda: thread.says("*Unclear:*"))
    assert len(world.videos.creates) == 1


@every()
async def test_an_interrupted_download_is_completed(world: World, thread: Thread) -> None:
    world.videos.clip = Filler(3 * MB)
    world.videos.cut_content_after(MB, times=2)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert thread.replies[0].files[0].data == Filler(3 * MB).read(0, 3 * MB)


# Connection errors

STORM = respond_with(429, {"error": {"message": "Rate limit reached."}}, Retry_After="0")


@pytest.mark.parametrize("timings", [replace(FAST, retry_scale=0.001)])
@pytest.mark.parametrize("operation", ["create", "retrieve", "content"])
async def test_jobs_survive_a_burst_of_429_responses(
    world: World, thread: Thread, operation: str
) -> None:
    world.faults.inject(operation, STORM, times=15)
    for number in range(10):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: len(thread.replies) == 10, seconds=30)
    assert len(world.videos.creates) == 10
    assert all(reply.files for reply in thread.replies)


@pytest.mark.parametrize(
    "fault", [drop, hang, respond_with(500, "oops"), respond_with(502, "<html>")]
)
@pytest.mark.parametrize("operation", ["retrieve", "content", "list"])
async def test_connection_errors_cause_retries_but_no_duplicates(
    world: World,
    thread: Thread,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    fault: Fault,
) -> None:
    for module in (client, download):
        monkeypatch.setattr(module, "TIMEOUT", httpx.Timeout(0.2))
    if operation == "list":
        world.faults.inject("create", drop, when="after")
    world.faults.inject(operation, fault, times=3)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_create_that_hangs_results_in_one_video(
    world: World, thread: Thread, when: str
) -> None:
    world.faults.inject("create", hang, when="before" if when == "before" else "after")
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.replies) == 1


async def test_a_slow_download_completes(world: World, thread: Thread, clip: bytes) -> None:
    world.videos.drip_content(len(clip) // 20, 0.02)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert thread.replies[0].files[0].data == clip


async def test_a_video_too_large_for_slack_fails_with_an_explanation(
    world: World, thread: Thread
) -> None:
    world.videos.clip = Filler(1001 * MB)
    await world.slack.ada.command("clouds")
    await world.until(failed(thread))
    assert "1,000 MB" in shown(thread.replies[0])
    assert len([call for call in world.videos.calls if call.operation == "content"]) == 1
