"""HTTP mode, and the health page of both modes."""

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.config import Settings
from bot.sandbox.faults import respond_with
from bot.sandbox.world import World
from tests.support.installation import RunBot


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def http_bot(
    run_bot: RunBot, settings: Settings, world: World, port: int
) -> AsyncIterator[Bot]:
    http_mode = settings.model_copy(
        update={
            "slack_app_token": None,
            "slack_signing_secret": SecretStr(world.slack.signing_secret),
            "port": port,
        }
    )
    world.slack.deliver_by_http(f"http://127.0.0.1:{port}/slack/events")
    async with run_bot(settings=http_mode) as bot:
        yield bot


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.mark.usefixtures("http_bot")
async def test_the_same_story_by_http(world: World) -> None:
    answer = await world.slack.ada.command("clouds")
    assert answer.delivered
    videos = world.slack.workspace.videos
    await world.until(lambda: "*Ready*" in str(videos.messages[0].blocks if videos.messages else 0))
    assert len(videos.messages) == 2


@pytest.mark.usefixtures("http_bot")
@pytest.mark.parametrize(
    ("age", "secret"), [(0, "wrong"), (3600, None), ("yesterday", None), ("", None)]
)
async def test_a_forged_or_old_request_is_refused(
    world: World, client: httpx.AsyncClient, age: int | str, secret: str | None
) -> None:
    body = "command=/video&text=clouds"
    timestamp = age if isinstance(age, str) else str(int(time.time()) - age)
    headers = signed(body, timestamp, secret or world.slack.signing_secret)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = await client.post("/slack/events", content=body, headers=headers)
    assert answer.status_code == 401


def signed(body: str, timestamp: str, secret: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest.hexdigest()}",
    }


@pytest.mark.usefixtures("http_bot")
async def test_slacks_question_whether_the_address_is_ours_is_answered(
    world: World, client: httpx.AsyncClient
) -> None:
    body = '{"type": "url_verification", "challenge": "3eZbrw1a", "token": "t"}'
    headers = signed(body, str(int(time.time())), world.slack.signing_secret)
    headers["Content-Type"] = "application/json"
    answer = await client.post("/slack/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1a"})


@pytest.mark.usefixtures("http_bot")
async def test_events_come_by_http_too(world: World) -> None:
    ada = world.slack.ada
    heard = await ada.direct_message("clouds")
    assert heard is not None
    assert heard.delivered
    place = world.slack.workspace.direct_message(ada.user)
    await world.until(lambda: len(place.messages) == 3)
    await ada.open_home()
    await world.until(lambda: ada.home)


@pytest.mark.usefixtures("http_bot")
async def test_a_body_over_a_megabyte_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/slack/events", json={"text": "x" * 1_000_000})
    assert answer.status_code == 413


@pytest.mark.usefixtures("http_bot")
async def test_other_content_types_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/slack/events", content="x", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


@pytest.mark.usefixtures("http_bot")
async def test_there_is_nothing_else_to_see(client: httpx.AsyncClient) -> None:
    assert (await client.get("/slack/events")).status_code == 405
    assert (await client.get("/slack/install")).status_code == 404


async def test_health_is_well_while_everything_is(http_bot: Bot, client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"database": True, "worker": True}
    http_bot.work.cancel()
    await asyncio.wait({http_bot.work})
    answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "worker": False}


async def test_health_in_socket_mode_wants_the_socket(
    run_bot: RunBot, settings: Settings, world: World, port: int, client: httpx.AsyncClient
) -> None:
    async with run_bot(settings=settings.model_copy(update={"port": port})):
        well = await client.get("/healthz")
        assert well.status_code == 200
        assert well.json() == {"database": True, "worker": True, "socket": True}
        trouble = respond_with(200, {"ok": False, "error": "internal_error"})
        world.faults.inject("apps.connections.open", trouble, times=99)
        await world.slack.sockets.cut()
        await world.until(lambda: not world.slack.sockets.connected)
        unwell = await client.get("/healthz")
        assert unwell.status_code == 503
        assert unwell.json()["socket"] is False
