"""The page's server, without a browser: access, event stream and pinned files."""

import asyncio
import hashlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bot.sandbox.page import acts
from bot.sandbox.page.feed import Feed
from bot.sandbox.page.process import BotProcess
from bot.sandbox.page.server import STATIC, PageServer
from bot.sandbox.slack.state import PrivateMessage
from bot.sandbox.world import World

ROOT = Path(__file__).parent.parent.parent
HTM_PREACT = "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
"""preact/standalone.mjs of npm's htm 3.1.1."""


@pytest.fixture
async def server(world: World, tmp_path: Path) -> AsyncIterator[PageServer]:
    server = PageServer(world, BotProcess(tmp_path), [])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def browser(server: PageServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.address) as session:
        yield session


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "127.0.0.1:1", "evil.localhost:80"])
async def test_a_request_for_another_host_is_refused(
    browser: aiohttp.ClientSession, host: str
) -> None:
    async with browser.get("/", headers={"Host": host}) as response:
        assert response.status == 403


async def test_a_request_from_another_page_is_refused(
    browser: aiohttp.ClientSession, server: PageServer
) -> None:
    for origin, status in (("http://example.com", 403), (server.address.rstrip("/"), 404)):
        async with browser.post("/act?as=U1", headers={"Origin": origin}) as response:
            assert response.status == status


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/start", "/nowhere"])
async def test_every_response_has_a_strict_content_security_policy(
    browser: aiohttp.ClientSession, path: str
) -> None:
    async with browser.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy


async def test_the_servers_address_is_on_loopback(server: PageServer) -> None:
    assert server.address == f"http://127.0.0.1:{server.port}/"


async def test_a_command_without_a_running_app_returns_an_error(
    browser: aiohttp.ClientSession, world: World
) -> None:
    act = {"act": "say", "place": world.slack.workspace.videos.id, "text": "/video clouds"}
    async with browser.post(f"/act?as={world.slack.ada.id}", json=act) as response:
        assert (await response.json())["error"].startswith("The app could not be reached")


@pytest.mark.parametrize(
    "act",
    [
        {"act": "submit"},
        {"act": "close"},
        {"act": "say", "place": "videos", "text": "/dance"},
        {"act": "say", "place": "videos", "text": "/video x", "thread_ts": "1.1"},
        {"act": "click", "where": {"view": "V1"}, "action_id": "a", "block_id": "b"},
    ],
)
async def test_an_act_that_slack_does_not_allow_is_refused_with_a_sentence(
    browser: aiohttp.ClientSession, world: World, act: dict[str, Any]
) -> None:
    async with browser.post(f"/act?as={world.slack.ada.id}", json=act) as response:
        assert (await response.json())["error"].endswith(".")


@pytest.mark.parametrize(
    ("act", "status"),
    [({"act": "fly"}, 422), ({"act": "say", "place": "C1", "text": "hello"}, 404)],
)
async def test_an_unknown_act_or_place_is_refused(
    browser: aiohttp.ClientSession, world: World, act: dict[str, Any], status: int
) -> None:
    async with browser.post(f"/act?as={world.slack.ada.id}", json=act) as response:
        assert response.status == status


async def test_nobody_can_act_as_the_bot(browser: aiohttp.ClientSession, world: World) -> None:
    act = {"act": "say", "place": "videos", "text": "hello"}
    bot = world.slack.workspace.bot_user_id
    async with browser.post(f"/act?as={bot}", json=act) as response:
        assert response.status == 404


async def test_a_file_is_served_in_ranges_only_to_people_who_can_see_it(
    browser: aiohttp.ClientSession, world: World
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    file = ada.upload("note.txt", b"0123456789", "text/plain")
    path = f"/{file.id}/note.txt"
    async with browser.get(f"/files/{grace.id}{path}") as response:
        assert response.status == 403
    async with browser.get(f"/files/{ada.id}{path}", headers={"Range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")


async def test_the_stream_starts_with_the_full_state_and_continues_with_changes(
    browser: aiohttp.ClientSession, world: World
) -> None:
    ada = world.slack.ada
    async with browser.get(f"/events?as={ada.id}") as response:
        assert response.content_type == "text/event-stream"
        first = await _event(response)
        assert first["reset"]
        assert f"place/{world.slack.workspace.videos.id}" in first["parts"]
        message = ada.post("hello")
        assert [*(await _event(response))["parts"]] == [f"message/{message.channel}/{message.ts}"]


async def test_a_person_sees_neither_other_peoples_private_channels_nor_their_ephemerals(
    browser: aiohttp.ClientSession, world: World
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    secret = world.slack.workspace.add_channel("secret", private=True, members=[])
    place = world.slack.workspace.videos.id
    world.slack.workspace.notify_privately(
        PrivateMessage(user=ada.id, channel=place, ts="1.1", text="for ada alone", blocks=[])
    )
    async with browser.get(f"/events?as={ada.id}") as response:
        assert "for ada alone" in json.dumps(await _event(response))
    async with browser.get(f"/events?as={grace.id}") as response:
        parts = json.dumps(await _event(response))
    assert secret.id not in parts
    assert "for ada alone" not in parts


async def _event(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 -- any JSON
    async with asyncio.timeout(10):
        async for line in response.content:
            if line.startswith(b"data: "):
                return json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_a_browser_that_reconnects_gets_what_it_missed() -> None:
    state = {"a": 1, "b": 2}
    feed = Feed(lambda: state)
    assert _parts(feed.after(None)) == {"a": 1, "b": 2}
    seen = feed.last_id
    state["b"] = 3
    feed.after(seen)
    del state["a"]
    state["c"] = 4
    assert _parts(feed.after(seen)) == {"a": None, "b": 3, "c": 4}
    assert feed.after(feed.last_id) is None


def test_a_browser_from_an_earlier_run_gets_the_full_state() -> None:
    feed = Feed(lambda: {"a": 1})
    event = feed.after("0123abcd-7")
    assert event is not None
    assert '"reset":true' in event
    assert _parts(event) == {"a": 1}


def _parts(event: str | None) -> Any:  # noqa: ANN401 -- any JSON
    assert event is not None
    return json.loads(event.split("data: ")[1])["parts"]


def test_the_vendored_renderer_is_the_published_one() -> None:
    data = (STATIC / "vendor" / "htm-preact.js").read_bytes()
    assert hashlib.sha256(data).hexdigest() == HTM_PREACT
    assert "Apache License" in (STATIC / "vendor" / "htm-preact.LICENSE").read_text()


def test_commands_and_shortcuts_match_the_manifest() -> None:
    features = yaml.safe_load((ROOT / "manifest.yml").read_text())["features"]
    assert features["bot_user"]["display_name"] == acts.BOT_NAME
    commands = [(each["command"], each["usage_hint"]) for each in features["slash_commands"]]
    assert [(each["command"], each["hint"]) for each in acts.COMMANDS] == commands
    for kind, known in (("global", acts.GLOBAL_SHORTCUTS), ("message", acts.MESSAGE_SHORTCUTS)):
        of_kind = [each for each in features["shortcuts"] if each["type"] == kind]
        assert [{"id": each["callback_id"], "name": each["name"]} for each in of_kind] == known


async def test_the_page_prints_one_loopback_address_and_stops_on_ctrl_c() -> None:
    process = await _play("--port", "0")
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    async with aiohttp.ClientSession() as session, session.get(line.strip()) as response:
        assert response.status == 200
    process.send_signal(signal.SIGINT)
    output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")
    assert line.startswith("http://127.0.0.1:")


async def test_a_port_in_use_prints_one_line_and_exits_with_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await _play("--port", str(port))
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().splitlines() == [
        f"Port {port} is in use. Choose another: make play PORT=8766"
    ]


async def _play(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.sandbox.page", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
