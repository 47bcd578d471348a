"""Any text from people and any bytes sent to the bot's port: a response and no traceback."""

import asyncio
import contextlib
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.app import Bot
from bot.sandbox.slack import http_mode
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.sockets import Ack, Envelope
from bot.sandbox.slack.state import PrivateMessage
from bot.sandbox.world import World
from bot.slack.shortcuts import CREATE_VIDEO, VIDEO_OF_MESSAGE
from bot.ui import drafts
from tests.support.fuzzing import Here, bounded, long_text, search, watched, words

SLACKS = re.compile(r"type|command|token|user|channel|team|.*url|(.*_)?(id|ts)")
"""Fields whose values are chosen by Slack or the bot."""

typed = words | long_text
kinds = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "a/b; charset=zz"]
)
small = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40).map(
    str.strip
)


@pytest.fixture
def secrets(world: World) -> list[str]:
    slack = world.slack
    return [slack.bot_token, slack.app_token, slack.signing_secret, world.videos.api_key]


@pytest.mark.usefixtures("http_bot")
async def test_any_text_in_a_payload_is_handled_without_tracebacks_or_leaks(
    world: World,
    secrets: list[str],
    port: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real payloads of every kind, with one text at a time replaced by a hostile one."""
    samples = await record(world, monkeypatch)
    signed = http_mode.SignedRequests(
        f"http://127.0.0.1:{port}/slack/events",
        world.slack.signing_secret,
        world.slack.clock,
        lambda: 30,
    )

    def test(here: Here) -> None:
        @bounded
        @given(which=st.integers(0, 999), place=st.integers(0, 999), text=typed, key=st.uuids())
        def requests(which: int, place: int, text: str, key: object) -> None:
            sample = samples[which % len(samples)]
            payload = json.loads(json.dumps(sample.payload))
            *path, last = places(payload)[place % len(places(payload))]
            target = payload
            for name in path:
                target = target[name]
            target[last] = text.encode("utf-8", "replace").decode()
            for name in {"trigger_id", "event_id"} & payload.keys():
                payload[name] = str(key)  # otherwise it counts as a redelivery
            answers: list[Ack] = []
            envelope = Envelope(sample.type, payload)
            seen.check(lambda: answers.append(here(signed.deliver(envelope))), *secrets)
            assert answers[-1].delivered, answers[-1].error

        requests()

    with watched(caplog, monkeypatch) as seen:
        await search(test)


async def record(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    """One payload of each kind, as the bot receives it."""
    recorded: list[Envelope] = []
    deliver = http_mode.SignedRequests.deliver

    async def keep(signed: http_mode.SignedRequests, envelope: Envelope) -> Any:  # noqa: ANN401 -- passed on
        recorded.append(copy.deepcopy(envelope))
        return await deliver(signed, envelope)

    monkeypatch.setattr(http_mode.SignedRequests, "deliver", keep)
    ada = world.slack.ada
    await ada.command("clouds --seconds 4")
    await ada.command("list")
    await ada.command("")
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await ada.direct_message("clouds over the sea")
    await ada.mention("clouds over the sea")
    await ada.open_home()
    await ada.global_shortcut(CREATE_VIDEO)
    await ada.mention("thanks!")
    question = await world.until(lambda: next(iter(asked(ada)), None))
    await ada.click(question, drafts.START)
    await ada.command("clouds --second 8")
    await ada.click(ada.private[-1], drafts.FORM)
    message = ada.post("a cloud")
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    monkeypatch.setattr(http_mode.SignedRequests, "deliver", deliver)
    return recorded


def asked(person: Person) -> list[PrivateMessage]:
    """The questions that this person has not answered."""
    return [message for message in person.private if drafts.FORGET in json.dumps(message.blocks)]


def places(payload: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- JSON
    """The paths of texts in the payload that people or other apps choose."""
    return [*_places(payload, path)]


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 -- JSON
    if isinstance(value, dict):
        for name, inner in value.items():
            if not (isinstance(inner, str) and SLACKS.fullmatch(name)):
                yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*path, index))
    elif isinstance(value, str):
        yield path


async def test_any_bytes_sent_to_the_port_get_a_response_or_a_closed_connection(
    http_bot: Bot,
    secrets: list[str],
    port: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def post(kind: str, timestamp: str, signature: str, body: bytes) -> int:
        headers = [
            (b"Content-Type", kind.encode()),
            (b"X-Slack-Request-Timestamp", timestamp.encode("latin-1")),
            (b"X-Slack-Signature", signature.encode("latin-1")),
        ]
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{port}/slack/events"
            return (await client.post(url, content=body, headers=headers)).status_code

    async def send(request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            writer.write_eof()
            await reader.read()
        writer.close()

    def test(here: Here) -> None:
        @bounded
        @example(kind="application/json", timestamp="9" * 5_000, signature="", body=b"")
        @example(kind="application/json", timestamp="1", signature="v0=\xe9", body=b"\xff")
        @given(
            kind=kinds,
            timestamp=small | st.just("9" * 5_000),
            signature=small,
            body=st.binary(max_size=400),
        )
        def posts(kind: str, timestamp: str, signature: str, body: bytes) -> None:
            def run() -> None:
                assert here(post(kind, timestamp, signature, body)) in {400, 401, 415}

            seen.check(run, *secrets)

        @bounded
        @given(
            st.binary(max_size=400)
            | st.builds(
                lambda line, rest: line + rest,
                st.sampled_from([b"POST /slack/events HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\n"]),
                st.lists(
                    st.sampled_from(
                        [
                            *(b"Host: x\r\n", b"\r\n", b"Content-Length: -1\r\n", b"x" * 9_000),
                            *(b"Transfer-Encoding: chunked\r\n", b"ffffffff\r\n", b": \r\n"),
                            b"\0",
                        ]
                    ),
                    max_size=8,
                ).map(b"".join),
            )
        )
        def bytes_(request: bytes) -> None:
            seen.check(lambda: here(send(request)), *secrets)

        posts()
        bytes_()

    with watched(caplog, monkeypatch) as seen:
        await search(test)
    assert (await http_bot.health())["worker"]
