"""HTTP mode, and the health endpoint of both modes."""

import asyncio
import contextlib
import gzip
import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from bot import web
from bot.app import Bot
from bot.config import Settings
from bot.errors import MisconfiguredError
from bot.sandbox.faults import respond_with
from bot.sandbox.world import World
from bot.store import Store
from tests.support.installation import RunBot


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.mark.usefixtures("http_bot")
async def test_a_command_over_http_becomes_a_video(world: World) -> None:
    answer = await world.slack.ada.command("clouds")
    assert answer.delivered
    videos = world.slack.workspace.videos
    await world.until(
        lambda: "*Ready:*" in str(videos.messages[0].blocks if videos.messages else 0)
    )
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
async def test_slacks_url_verification_challenge_is_answered(
    world: World, client: httpx.AsyncClient
) -> None:
    body = '{"type": "url_verification", "challenge": "3eZbrw1a", "token": "t"}'
    headers = signed(body, str(int(time.time())), world.slack.signing_secret)
    headers["Content-Type"] = "application/json"
    answer = await client.post("/slack/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1a"})


@pytest.mark.usefixtures("http_bot")
async def test_events_are_received_over_http(world: World) -> None:
    ada = world.slack.ada
    heard = await ada.direct_message("clouds at dusk, slowly")
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
async def test_other_methods_and_paths_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/slack/events")).status_code == 405
    assert (await client.get("/slack/install")).status_code == 404


async def test_healthz_fails_once_the_worker_has_ended(
    http_bot: Bot, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HEALTH_MAX_AGE", 0)
    answer = await client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"database": True, "worker": True, "slack": True}
    http_bot.work.cancel()
    await asyncio.wait({http_bot.work})
    answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "worker": False, "slack": True}


async def test_healthz_fails_in_socket_mode_without_the_socket(
    run_bot: RunBot,
    settings: Settings,
    world: World,
    port: int,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "HEALTH_MAX_AGE", 0)
    async with run_bot(settings=settings.model_copy(update={"port": port})):
        well = await client.get("/healthz")
        assert well.status_code == 200
        assert well.json() == {"database": True, "worker": True, "slack": True, "socket": True}
        trouble = respond_with(200, {"ok": False, "error": "internal_error"})
        world.faults.inject("apps.connections.open", trouble, times=99)
        await world.slack.sockets.cut()
        await world.until(lambda: not world.slack.sockets.connected)
        unwell = await client.get("/healthz")
        assert unwell.status_code == 503
        assert unwell.json()["socket"] is False


# Hostile clients


@pytest.mark.usefixtures("http_bot")
@pytest.mark.parametrize(
    ("body", "timestamp", "signature", "status"),
    [
        (b"text=\xff\xfe", "now", "right", 400),
        (b"text=clouds", "9" * 5_000, "right", 401),
        (b"text=clouds", "\u0663".encode(), "right", 401),
        (b"text=clouds", "now", "v0=\u00e9".encode(), 401),
        (b"text=clouds", "now", "v0=" + "0" * 64, 401),
        (b"payload={", "now", "right", 400),
        (b"payload=" + b"[" * 100_000, "now", "right", 400),
        (b"payload=[]", "now", "right", 400),
        (b"payload=1", "now", "right", 400),
    ],
)
async def test_a_malformed_or_forged_request_is_refused_without_a_traceback(
    world: World,
    client: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    timestamp: str | bytes,
    signature: str | bytes,
    status: int,
) -> None:
    now = str(int(time.time()))
    secret = world.slack.signing_secret.encode()
    right = hmac.new(secret, f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        b"Content-Type": b"application/x-www-form-urlencoded; charset=utf-16",
        b"X-Slack-Request-Timestamp": now if timestamp == "now" else timestamp,
        b"X-Slack-Signature": f"v0={right}" if signature == "right" else signature,
    }
    answer = await client.post("/slack/events", content=body, headers=headers)  # type: ignore[arg-type]  # bytes and text mixed
    assert answer.status_code == status
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.usefixtures("http_bot")
async def test_a_compressed_request_is_refused(world: World, client: httpx.AsyncClient) -> None:
    body = gzip.compress(b"x" * 900_000)
    headers = signed("", str(int(time.time())), world.slack.signing_secret)
    headers |= {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = await client.post("/slack/events", content=body, headers=headers)
    assert answer.status_code == 400


@pytest.mark.usefixtures("http_bot")
@pytest.mark.parametrize(
    "beginning",
    [
        b"POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        (
            b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 900000\r\n\r\n"
        ),
        b"",
    ],
)
async def test_a_request_that_never_completes_is_closed_after_the_timeout(
    port: int, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(web, "WEB_REQUEST_TIMEOUT", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)

    async def trickle() -> None:
        while beginning:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    trickling.cancel()
    writer.close()


@pytest.mark.usefixtures("http_bot")
async def test_connections_over_the_limit_are_closed_immediately(
    port: int, monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    monkeypatch.setattr(web, "MAX_CONNECTIONS", 3)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    with pytest.raises(httpx.TransportError):
        await client.get("/healthz")
    for _, writer in held:
        writer.close()
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(httpx.TransportError):
                assert (await client.get("/healthz")).status_code == 200
                return


@pytest.mark.usefixtures("http_bot")
async def test_concurrent_health_checks_share_a_query(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    ping = Store.ping

    async def counted(store: Store) -> None:
        nonlocal asked
        asked += 1
        await ping(store)

    monkeypatch.setattr(Store, "ping", counted)
    answers = await asyncio.gather(*(client.get("/healthz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked <= 2  # one, or two if the cached result expired in between


async def test_the_listen_address_is_configurable(
    run_bot: RunBot, settings: Settings, port: int
) -> None:
    here = settings.model_copy(update={"port": port, "host": "127.0.0.2"})
    async with run_bot(settings=here), httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.2:{port}/healthz")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/healthz")
    elsewhere = settings.model_copy(update={"port": port, "host": "192.0.2.1"})
    with pytest.raises(MisconfiguredError, match=f"PORT {port} of HOST 192.0.2.1 cannot be used"):
        async with run_bot(settings=elsewhere):
            pass


@pytest.mark.usefixtures("http_bot")
async def test_an_invalid_http_request_is_refused_without_a_traceback(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\n\0\0: \r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    assert [record for record in caplog.records if record.exc_info] == []
