"""Above CONFIRM_ABOVE_USD, people are asked before a video starts, however they request it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from bot.config import Settings
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Message, PrivateMessage
from bot.sandbox.world import World
from bot.ui import cards, drafts
from tests.support.channel import Thread, ready, shown, until_idle
from tests.support.installation import RunBot

PRO = "a timelapse of clouds --model sora-2-pro --seconds 12"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"confirm_above_usd": Decimal(1)})


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


async def question(world: World, person: Person) -> PrivateMessage:
    await world.until(lambda: person.private)
    return person.private[-1]


async def nothing_started(world: World) -> None:
    await until_idle()
    assert (world.videos.creates, Thread(world).messages) == ([], [])


@pytest.mark.usefixtures("bot")
async def test_an_expensive_video_is_started_only_after_its_price_is_confirmed(
    world: World, ada: Person
) -> None:
    await ada.command(PRO)
    asked = await question(world, ada)
    assert "a timelapse of clouds" in shown(asked)
    assert " · 12 s · sora-2-pro · " in shown(asked)
    assert ": about $3.60" in shown(asked)
    rows = [block["elements"] for block in asked.blocks if block["type"] == "actions"]
    labels = [button["text"]["text"] for row in rows for button in row]
    assert labels == ["Make it for $3.60", "Edit", "Never mind"]
    await nothing_started(world)
    await ada.click(asked, drafts.CONFIRM)
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds) == (
        "a timelapse of clouds",
        "sora-2-pro",
        "12",
    )
    assert "Making a video" in ada.private[-1].text


@pytest.mark.usefixtures("bot")
async def test_a_video_at_the_threshold_starts_without_a_question(
    world: World, ada: Person
) -> None:
    await ada.command("clouds --seconds 8")
    await world.until(ready(Thread(world)))
    assert ada.private == []


@pytest.mark.usefixtures("bot")
async def test_never_mind_starts_nothing(world: World, ada: Person) -> None:
    await ada.command(PRO)
    await ada.click(await question(world, ada), drafts.FORGET)
    await world.until(lambda: not ada.private)
    await nothing_started(world)


@pytest.mark.usefixtures("bot")
async def test_edit_opens_the_form_with_the_request(world: World, ada: Person) -> None:
    await ada.command(PRO)
    await ada.click(await question(world, ada), drafts.FORM)
    await world.until(lambda: ada.view)
    await ada.choose("seconds", "4")
    await ada.choose("model", "sora-2")
    await ada.submit()
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds) == ("a timelapse of clouds", "sora-2", "4")


async def test_two_presses_in_two_processes_make_one_video(
    world: World, ada: Person, run_bot: RunBot
) -> None:
    async with run_bot(), run_bot():
        await ada.command(PRO)
        asked = await question(world, ada)
        await asyncio.gather(*(ada.click(asked, drafts.CONFIRM) for _ in range(6)))
        await world.until(ready(Thread(world)))
        await until_idle()
    assert len(world.videos.creates) == len(Thread(world).cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_redelivered_command_asks_about_the_same_video(world: World, ada: Person) -> None:
    ack = await ada.command(PRO)
    await world.slack.redeliver(ack.envelope)
    await world.until(lambda: len(ada.private) == 2)
    for asked in ada.private:
        await ada.click(asked, drafts.CONFIRM)
    await world.until(ready(Thread(world)))
    await until_idle()
    assert len(world.videos.creates) == 1


async def test_the_question_is_still_valid_after_a_restart(
    world: World, ada: Person, run_bot: RunBot
) -> None:
    async with run_bot():
        await ada.command(PRO)
        asked = await question(world, ada)
        blocks = asked.blocks
    async with run_bot():
        await ada.click(asked, drafts.CONFIRM)
        await world.until(ready(Thread(world)))
    async with run_bot():
        # As if the bot had been killed before it could take the buttons away.
        asked.blocks = blocks
        await ada.click(asked, drafts.CONFIRM)
        await until_idle()
    assert len(world.videos.creates) == len(Thread(world).cards) == 1


@pytest.mark.usefixtures("bot")
async def test_after_an_hour_the_question_starts_nothing(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada.command(PRO)
    asked = await question(world, ada)
    monkeypatch.setattr("bot.service.DRAFT_LIFETIME", -1.0)
    await ada.click(asked, drafts.CONFIRM)
    await world.until(lambda: len(ada.private) == 2)
    assert "kept for one hour" in ada.private[-1].text
    await nothing_started(world)


@pytest.mark.usefixtures("bot")
async def test_nobody_else_can_confirm(world: World, ada: Person) -> None:
    await ada.command(PRO)
    asked = await question(world, ada)
    asked.user = world.slack.grace.id  # as if Slack had shown it to another person
    await world.slack.grace.click(asked, drafts.CONFIRM)
    await world.until(lambda: len(world.slack.grace.private) == 2)
    assert f"Only <@{ada.id}>" in world.slack.grace.private[-1].text
    await nothing_started(world)


def direct(world: World, person: Person) -> list[Message]:
    """The messages in the person's direct message with the bot."""
    workspace = world.slack.workspace
    return workspace.messages(workspace.direct_message(person.user))


# Every way to request a video


async def by_command(world: World, ada: Person) -> None:
    await ada.command(PRO)
    await ada.click(await question(world, ada), drafts.CONFIRM)


async def by_mention(world: World, ada: Person) -> None:
    await ada.mention(PRO)
    await ada.click(await question(world, ada), drafts.CONFIRM)


async def by_direct_message(world: World, ada: Person) -> None:
    await ada.direct_message(PRO)
    asked = await world.until(lambda: direct(world, ada)[1:])
    await ada.click(asked[-1], drafts.CONFIRM)


async def by_form(world: World, ada: Person) -> None:
    await ada.command(f"{PRO} --form")
    await world.until(lambda: ada.view)
    await ada.submit()
    assert ada.view is not None
    assert ada.view.title == "Make this video?"
    assert ada.view.body["submit"]["text"] == "Make it for $3.60"
    assert "about $3.60 · 12 s · sora-2-pro" in str(ada.view.blocks)
    await ada.submit()
    assert ada.view is None


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("request_it", [by_command, by_mention, by_direct_message, by_form])
async def test_each_way_to_request_a_video_asks_for_the_price(
    world: World, ada: Person, request_it: Callable[[World, Person], Awaitable[None]]
) -> None:
    await request_it(world, ada)
    await world.until(lambda: world.videos.creates)
    await until_idle()
    assert len(world.videos.creates) == 1


async def test_a_message_that_may_be_chat_is_asked_about_first_and_then_its_price(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot(settings=settings.model_copy(update={"confirm_above_usd": Decimal(0)})):
        await ada.mention("clouds")
        asked = await question(world, ada)
        await ada.click(asked, drafts.START)
        await world.until(lambda: "about $0.40" in shown(asked))
        await ada.click(asked, drafts.CONFIRM)
        await world.until(lambda: world.videos.creates)
        await until_idle()
    assert len(world.videos.creates) == 1


async def test_no_price_is_asked_about_that_a_limit_does_not_allow(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot(settings=settings.model_copy(update={"limit_day_usd": Decimal(3)})):
        await ada.command(PRO)
        refusal = await question(world, ada)
        assert "$3.00 is left of this workspace's limit" in shown(refusal)
        assert "Make it for $3.60" not in shown(refusal)
        await nothing_started(world)


async def test_a_limit_that_is_lowered_while_a_question_waits_applies_when_it_is_confirmed(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot():
        await ada.command(PRO)
        asked = await question(world, ada)
    async with run_bot(settings=settings.model_copy(update={"limit_day_usd": Decimal(3)})):
        await ada.click(asked, drafts.CONFIRM)
        await world.until(lambda: len(ada.private) == 2)
        assert "limit" in shown(ada.private[-1])
        await nothing_started(world)


async def test_a_price_that_has_risen_since_is_asked_about_again(
    world: World, ada: Person, run_bot: RunBot, settings: Settings, tmp_path: Path
) -> None:
    async with run_bot():
        await ada.command(PRO)
        asked = await question(world, ada)
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('[[models]]\nname = "sora-2-pro"\nprice_per_second = 0.5\n')
    async with run_bot(settings=settings.model_copy(update={"video_catalog": catalog})):
        await ada.click(asked, drafts.CONFIRM)
        await world.until(lambda: "Make it for $6.00" in shown(asked))
        await nothing_started(world)
        await ada.click(asked, drafts.CONFIRM)
        await world.until(lambda: world.videos.creates)
        await until_idle()


@pytest.mark.usefixtures("bot")
async def test_a_form_that_is_changed_after_the_question_makes_one_video(
    world: World, ada: Person
) -> None:
    await ada.command(f"{PRO} --form")
    await world.until(lambda: ada.view)
    await ada.submit()
    await ada.close_view()
    await ada.fill({"prompt": "clouds at night"})
    await ada.submit()
    await ada.submit()
    assert ada.view is None
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert video.prompt == "clouds at night"


@pytest.mark.usefixtures("bot")
async def test_an_expired_question_in_the_form_says_so_and_keeps_the_form(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada.command(f"{PRO} --form")
    await world.until(lambda: ada.view)
    await ada.submit()
    monkeypatch.setattr("bot.service.DRAFT_LIFETIME", -1.0)
    for _ in range(2):
        await ada.submit()
        assert ada.view is not None
        assert str(ada.view.blocks).count("kept for one hour") == 1
    await nothing_started(world)


# Buttons of cards


async def expensive(
    run_bot: RunBot, settings: Settings, world: World, ada: Person, prompt: str = "clouds"
) -> Message:
    """The card of an expensive video that was made before there was a threshold."""
    async with run_bot(settings=settings.model_copy(update={"confirm_above_usd": None})):
        await ada.command(f"{prompt} --model sora-2-pro --seconds 12")
        await world.until(lambda: Thread(world).cards)
        await until_idle()
    return Thread(world).card


async def test_make_it_again_and_remix_ask_for_the_price(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    card = await expensive(run_bot, settings, world, ada)
    async with run_bot():
        await ada.click(card, cards.MAKE_AGAIN)
        await ada.click(await question(world, ada), drafts.CONFIRM)
        await world.until(lambda: len(world.videos.creates) == 2)
        await ada.click(card, cards.REMIX)
        await world.until(lambda: ada.view)
        await ada.fill({"prompt": "the same at night"})
        await ada.submit()
        assert len(world.videos.creates) == 2
        await ada.submit()
        await world.until(lambda: len(world.videos.creates) == 3)
        await until_idle()
    assert world.videos.creates[-1].remixed_from_video_id == world.videos.creates[0].id


async def test_try_again_is_one_video_even_if_its_price_is_confirmed_twice(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    card = await expensive(run_bot, settings, world, ada, "a crash")
    assert "Failed" in shown(card)
    [reply] = Thread(world).replies
    async with run_bot():
        for _ in range(2):
            await ada.click(reply, cards.ASK_AGAIN)
        first, second = await world.until(lambda: ada.private[1:] and ada.private)
        for asked in (first, second):
            await ada.click(asked, drafts.CONFIRM)
        await world.until(lambda: len(Thread(world).cards) == 2)
        await ada.click(reply, cards.ASK_AGAIN)
        await until_idle()
    assert len(Thread(world).cards) == 2
