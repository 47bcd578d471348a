"""Limits on spending: a refusal says what is left and what still fits, on every path."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from bot.app import Bot
from bot.config import Settings
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import PrivateMessage, View
from bot.sandbox.world import World
from bot.ui import cards, drafts
from tests.support.channel import Thread, ready, shown, until_idle
from tests.support.installation import RunBot

CHEAP = "clouds --model sora-2 --seconds 4"
"""$0.40."""


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


@pytest.fixture
def limits() -> dict[str, Any]:
    """Overridden by parametrization."""
    return {"limit_month_usd": Decimal("0.90")}


@pytest.fixture
def settings(settings: Settings, limits: dict[str, Any], ada: Person) -> Settings:
    return settings.model_copy(update={"admin_users": [ada.user.id], **limits})


@pytest.fixture
async def bot(run_bot: RunBot) -> AsyncIterator[Bot]:
    async with run_bot() as bot:
        yield bot


async def refusal(world: World, person: Person) -> PrivateMessage:
    await world.until(lambda: person.private)
    return person.private[-1]


def the_form(person: Person) -> View:
    assert person.view is not None
    return person.view


def labels(message: PrivateMessage) -> list[str]:
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [button["text"]["text"] for row in rows for button in row]


@pytest.mark.usefixtures("bot")
async def test_a_refusal_names_the_limit_and_offers_the_cheapest_choice_that_fits(
    world: World, ada: Person
) -> None:
    await ada.command(CHEAP)
    await world.until(ready(Thread(world)))
    await ada.command("a storm --model sora-2-pro --seconds 12")
    refused = await refusal(world, ada)
    assert len(ada.private) == 1
    words = shown(refused)
    assert "This video costs $3.60, and $0.50 is left of this workspace's limit of $0.90" in words
    assert "<!date^" in words
    assert f"<@{ada.user.id}>" in words
    assert "a storm" in words
    cheaper, fix = labels(refused)
    assert cheaper.startswith("Make it for $0.40 · 4 s · sora-2 ·")
    assert fix == "Fix in the form"
    await ada.click(refused, drafts.CONFIRM)
    await world.until(lambda: len(world.videos.creates) == 2)
    assert (world.videos.creates[1].prompt, world.videos.creates[1].model) == ("a storm", "sora-2")


@pytest.mark.parametrize("limits", [{"limit_person_day_videos": 1}])
@pytest.mark.usefixtures("bot")
async def test_a_limit_of_videos_keeps_the_prompt_and_offers_the_form(
    world: World, ada: Person
) -> None:
    await ada.command(CHEAP)
    await world.until(ready(Thread(world)))
    await ada.command("a storm")
    refused = await refusal(world, ada)
    assert "You have made 1 video today, which is the limit per person." in shown(refused)
    assert labels(refused) == ["Fix in the form"]
    await ada.click(refused, drafts.FORM)
    await world.until(lambda: ada.view)
    assert the_form(ada).values["prompt"]["prompt"]["value"] == "a storm"


async def by_command(ada: Person, _thread: Thread) -> None:
    await ada.command(CHEAP)


async def by_mention(ada: Person, _thread: Thread) -> None:
    await ada.mention(CHEAP)


async def by_direct_message(ada: Person, _thread: Thread) -> None:
    await ada.direct_message(CHEAP)


async def by_make_again(ada: Person, thread: Thread) -> None:
    await ada.click(thread.card, cards.MAKE_AGAIN)


PATHS = [by_command, by_mention, by_direct_message, by_make_again]


@pytest.mark.parametrize("limits", [{"limit_day_usd": Decimal("0.40")}])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.usefixtures("bot")
async def test_every_path_is_limited(
    world: World, ada: Person, path: Callable[[Person, Thread], Awaitable[None]]
) -> None:
    await ada.command(CHEAP)
    await world.until(ready(Thread(world)))
    await path(ada, Thread(world))
    words = "is left of this workspace's limit of $0.40 per day"
    direct = Thread(world, world.slack.workspace.direct_message(ada.user))
    await world.until(
        lambda: (
            any(words in shown(m) for m in ada.private)
            or any(words in shown(m) for m in direct.messages)
        )
    )
    await until_idle()
    assert len(world.videos.creates) == 1


@pytest.mark.parametrize("limits", [{"limit_person_day_usd": Decimal("0.40")}])
@pytest.mark.usefixtures("bot")
async def test_the_form_keeps_what_was_entered(world: World, ada: Person) -> None:
    await ada.command("clouds --form")
    await world.until(lambda: ada.view)
    await ada.choose("model", "sora-2")
    await ada.choose("seconds", "8")
    await ada.submit()
    [error] = the_form(ada).errors.values()
    assert "This video costs $0.80, and $0.40 is left of your limit of $0.40 per day." in error
    assert "The cheapest choice that still fits is 4 s · sora-2" in error
    assert world.videos.creates == []


@pytest.mark.parametrize(
    "limits", [{"limit_day_usd": Decimal("0.40"), "confirm_above_usd": Decimal(1)}]
)
@pytest.mark.usefixtures("bot")
async def test_a_price_is_not_asked_about_if_a_limit_does_not_allow_it(
    world: World, ada: Person
) -> None:
    await ada.command("a storm --model sora-2-pro --seconds 12")
    assert "is left of this workspace's limit" in shown(await refusal(world, ada))
