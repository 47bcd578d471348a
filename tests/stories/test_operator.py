"""Errors that affect every job, such as a revoked key: jobs are paused, and none is lost."""

from collections.abc import Iterator

import pytest
import structlog

from bot.sandbox.faults import Fault, respond_with
from bot.sandbox.world import World
from bot.videos import circuit_breaker
from tests.support.channel import Thread, ready, shown

pytestmark = pytest.mark.usefixtures("logs", "bot")

KEY = "sk-sandbox-0123456789"


def refusal(status: int, code: str, message: str) -> Fault:
    envelope = {"message": message, "type": "t", "param": None, "code": code}
    return respond_with(status, {"error": envelope})


REVOKED = refusal(401, "invalid_api_key", f"Incorrect API key provided: {KEY}.")
REFUSALS = {
    "wrong key": REVOKED,
    "retired": refusal(410, "retired", "The Videos API was shut down."),
    "no such address": respond_with(404, {"detail": "Not Found"}),
    "moved": respond_with(308, "", Location="https://example.com/v1/videos"),
}


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


def waiting(thread: Thread) -> bool:
    return bool(thread.replies) and thread.says("*Paused:*")


def asked(world: World) -> int:
    return [call.operation for call in world.videos.calls].count("create")


def revoke_key(world: World, *, times: int) -> None:
    """Refuse creates, and the probe that checks whether the key is refused for everything."""
    for operation in ("create", "models"):
        world.faults.inject(operation, REVOKED, times=times)


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_paused_job_is_announced_in_the_thread_and_resumes_on_recovery(
    world: World, thread: Thread, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(circuit_breaker, "CIRCUIT_RESET_TIMEOUT", 0.2)
    world.faults.inject("create", REFUSALS[name])
    world.faults.inject("models", REFUSALS[name])
    await world.slack.ada.command("clouds")
    await world.until(lambda: waiting(thread))
    [reply] = thread.replies
    assert "isn't accepting requests" in shown(reply)
    assert reply.mentions == {world.slack.ada.id}
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == 1
    assert [len(reply.files) for reply in thread.replies] == [0, 1]


async def test_the_servers_words_about_it_stay_out_of_the_channel(
    world: World, thread: Thread
) -> None:
    revoke_key(world, times=1)
    await world.slack.ada.command("clouds")
    await world.until(lambda: waiting(thread))
    told = str([shown(message) for message in thread.messages])
    for words in ("invalid_api_key", "Incorrect API key", KEY):
        assert words not in told


async def test_an_open_circuit_breaker_blocks_other_creates_and_logs_one_error(
    world: World, thread: Thread, logs: list[structlog.typing.EventDict]
) -> None:
    revoke_key(world, times=99)
    await world.slack.ada.command("clouds")
    await world.until(lambda: waiting(thread))
    for number in range(5):
        await world.slack.ada.command(f"clouds {number}")
    await world.until(lambda: len(thread.replies) == 6)
    assert asked(world) == 1
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert line["code"] == "invalid_api_key"
    assert "OPENAI_API_KEY" in line["event"]
    assert KEY not in str(logs)


async def test_each_thread_is_notified_once_however_long_its_job_is_paused(
    world: World, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "CIRCUIT_RESET_TIMEOUT", 0.0)
    key, world.videos.api_key = world.videos.api_key, "another"
    world.faults.inject("models", REVOKED, times=10_000)
    for prompt in ("clouds", "rain"):
        await world.slack.ada.command(prompt)
    await world.until(lambda: len(thread.replies) == 2)
    asked_before = asked(world)
    await world.until(lambda: asked(world) >= asked_before + 6)
    world.videos.api_key = key
    await world.until(lambda: all("*Ready:*" in shown(card) for card in thread.cards))
    for card in thread.cards:
        replies = [reply for reply in thread.replies if reply.thread_ts == card.ts]
        assert [len(reply.files) for reply in replies] == [0, 1]


async def test_a_rendering_video_is_delivered_after_a_pause(
    world: World, thread: Thread, logs: list[structlog.typing.EventDict]
) -> None:
    world.videos.hold()
    await world.slack.ada.command("clouds")
    [video] = await world.until(lambda: world.videos.creates)
    world.faults.inject("retrieve", REVOKED, times=5)
    await world.until(lambda: waiting(thread))
    world.videos.finish(video.id)
    await world.until(ready(thread))
    assert len(world.videos.creates) == 1
    assert [len(reply.files) for reply in thread.replies] == [0, 1]
    assert [line["log_level"] for line in logs].count("error") == 1


async def test_a_finished_video_is_delivered_after_a_pause(world: World, thread: Thread) -> None:
    world.faults.inject("content", REVOKED, times=4)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    assert [len(reply.files) for reply in thread.replies] == [0, 1]


async def test_a_paused_job_can_be_cancelled(world: World, thread: Thread) -> None:
    revoke_key(world, times=99)
    await world.slack.ada.command("clouds")
    await world.until(lambda: waiting(thread))
    await world.slack.ada.click(thread.card, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    assert "not charged" in shown(thread.card)
    assert world.videos.creates == []
