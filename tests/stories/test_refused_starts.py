"""An error raised while starting a video is shown to the person, however they requested it."""

import pytest

from bot.errors import (
    BadRequest,
    BotError,
    Impossible,
    MisconfiguredError,
    NotPossible,
    OutcomeUnknown,
    RequestProblem,
    TemporaryError,
)
from bot.sandbox.slack.person import Person
from bot.sandbox.world import World
from bot.service import Service
from tests.support.channel import Thread, ready, shown

NOT_SAVED = "My database isn't responding"
ERRORS = [
    (NotPossible(Impossible.UNKNOWN_VIDEO), "I don't know this video."),
    (BadRequest(RequestProblem.PROMPT_NOT_UTF8, field="prompt"), "This file isn't UTF-8 text."),
    (TemporaryError("the database is away"), NOT_SAVED),
    (OutcomeUnknown("the response was lost"), NOT_SAVED),
    (MisconfiguredError("no such table"), NOT_SAVED),
    (TimeoutError(), NOT_SAVED),
]
errors = pytest.mark.parametrize(
    ("error", "words"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS]
)


def refuse(monkeypatch: pytest.MonkeyPatch, error: BotError) -> None:
    async def start(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Service, "start", start)


@pytest.fixture
async def ada(world: World, bot: object) -> Person:
    assert bot
    return world.slack.ada


@pytest.fixture
def _refusing(monkeypatch: pytest.MonkeyPatch, error: BotError) -> None:
    refuse(monkeypatch, error)


@errors
@pytest.mark.usefixtures("_refusing")
async def test_a_start_error_after_a_command_is_a_private_reply(ada: Person, words: str) -> None:
    await ada.command("clouds")
    [reply] = ada.private
    assert words in reply.text


@errors
@pytest.mark.usefixtures("_refusing")
async def test_a_start_error_after_a_mention_is_a_private_reply(
    world: World, ada: Person, words: str
) -> None:
    await ada.mention("clouds at dusk, slowly")
    await world.until(lambda: ada.private)
    [reply] = ada.private
    assert words in reply.text
    assert Thread(world).replies == []


@errors
@pytest.mark.usefixtures("_refusing")
async def test_a_start_error_after_a_direct_message_is_the_reply(
    world: World, ada: Person, words: str
) -> None:
    place = world.slack.workspace.direct_message(ada.user)
    await ada.direct_message("clouds at dusk, slowly")
    await world.until(lambda: len(world.slack.workspace.messages(place)) == 2)
    assert words in shown(world.slack.workspace.messages(place)[1])


@errors
@pytest.mark.usefixtures("_refusing")
async def test_a_start_error_in_the_form_is_an_error_on_the_prompt_field(
    ada: Person, words: str
) -> None:
    await ada.command("clouds --form")
    await ada.submit()
    assert ada.view is not None
    assert words in ada.view.errors["prompt"]


@errors
async def test_a_start_error_after_a_click_is_a_private_reply(
    world: World, ada: Person, error: BotError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = Thread(world)
    await ada.command("clouds")
    await world.until(ready(thread))
    refuse(monkeypatch, error)
    await ada.click(thread.card, "make_again")
    await world.until(lambda: ada.private)
    assert words in ada.private[0].text
    assert len(thread.cards) == 1
