"""Who can create videos: members of the workspace, up to a limit at a time."""

import asyncio

import pytest

from bot.config import Settings
from bot.errors import MisconfiguredError
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import User
from bot.sandbox.world import World
from bot.ui import cards, replies
from tests.support.channel import Thread, ready, shown
from tests.support.installation import RunBot


def person(world: World, user: User) -> Person:
    """Someone who joins the channel of the other tests."""
    world.slack.workspace.videos.members.add(user.id)
    return world.slack.person(user.id)


@pytest.fixture
def stranger(world: World) -> Person:
    """Someone of another organization, in a Slack Connect channel."""
    return person(world, world.slack.workspace.add_user("mallory", role="external"))


@pytest.fixture
def guest(world: World) -> Person:
    return person(world, world.slack.workspace.add_user("gus", role="guest"))


@pytest.mark.usefixtures("bot")
async def test_an_external_user_who_mentions_the_bot_is_refused_privately(
    world: World, stranger: Person
) -> None:
    await stranger.mention("clouds at dusk")
    await world.until(lambda: stranger.private)
    assert stranger.private[0].text == replies.MEMBERS_ONLY
    assert [message for message in Thread(world).messages if message.bot_id] == []


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("field", ["user_team", "source_team"])
async def test_either_team_field_of_an_event_identifies_an_external_user(
    world: World, field: str
) -> None:
    ada = world.slack.ada
    message = ada.post(
        "clouds over the sea", channel=world.slack.workspace.direct_message(ada.user)
    )
    await ada.send_message_event(message, **{field: "T0FOREIGN"})
    place = world.slack.workspace.direct_message(ada.user)
    await world.until(lambda: len(place.messages) == 2)
    assert place.messages[1].text == replies.MEMBERS_ONLY
    assert world.videos.calls == []


@pytest.mark.parametrize("field", ["user_team", "source_team"])
async def test_on_enterprise_grid_members_of_the_organization_are_not_external(
    world: World, run_bot: RunBot, field: str
) -> None:
    workspace, ada = world.slack.workspace, world.slack.ada
    workspace.enterprise_id = "E0SANDBOX"
    async with run_bot():
        place = workspace.direct_message(ada.user)
        message = ada.post("clouds over the sea", channel=place)
        await ada.send_message_event(message, **{field: "E0SANDBOX"})
        await world.until(lambda: world.videos.creates)
        other = ada.post("rain", channel=place)
        await ada.send_message_event(other, **{field: "E0FOREIGN"})
        await world.until(lambda: replies.MEMBERS_ONLY in [each.text for each in place.messages])
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_an_external_user_cannot_submit_a_form(world: World) -> None:
    mallory = world.slack.ada  # as if the form had been opened before the team was compared
    await mallory.command("clouds --form")
    mallory.user.team_id = "T0FOREIGN"
    await mallory.submit()
    place = world.slack.workspace.direct_message(mallory.user)
    [told] = await world.until(lambda: place.messages)
    assert told.text == replies.MEMBERS_ONLY
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("action", [cards.MAKE_AGAIN, cards.REMIX])
async def test_an_external_user_cannot_use_the_buttons(
    world: World, stranger: Person, action: str
) -> None:
    thread = Thread(world)
    await world.slack.ada.command("clouds")
    await world.until(ready(thread))
    await stranger.click(thread.card, action)
    await world.until(lambda: stranger.private)
    assert stranger.private[0].text == replies.MEMBERS_ONLY
    assert stranger.view is None
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_an_external_user_cannot_use_the_message_shortcut(
    world: World, stranger: Person
) -> None:
    await stranger.message_shortcut("video_of_message", stranger.post("clouds"))
    await world.until(lambda: stranger.private)
    assert stranger.private[0].text == replies.MEMBERS_ONLY
    assert stranger.view is None


@pytest.mark.usefixtures("bot")
async def test_guests_can_create_videos_by_default(world: World, guest: Person) -> None:
    await guest.command("clouds")
    await world.until(ready(Thread(world)))
    assert world.slack.calls_of("users.info") == []


async def test_guests_cannot_create_videos_if_allow_guests_is_false(
    world: World, run_bot: RunBot, settings: Settings, guest: Person
) -> None:
    world.slack.workspace.scopes.add("users:read")
    settings = settings.model_copy(update={"allow_guests": False})
    async with run_bot(settings=settings):
        for _ in range(2):
            await guest.command("clouds over the sea")
            assert guest.private[-1].text == replies.NO_GUESTS
            assert "clouds over the sea" in shown(guest.private[-1])
        assert len(world.slack.calls_of("users.info")) == 1
        await guest.mention("clouds at dusk")
        await world.until(lambda: len(guest.private) == 3)
        await world.slack.ada.command("clouds")
        await world.until(lambda: world.videos.creates)
    assert len(world.videos.creates) == 1


async def test_a_guest_check_that_fails_asks_the_person_to_try_again(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    world.slack.workspace.scopes.add("users:read")
    settings = settings.model_copy(update={"allow_guests": False})
    async with run_bot(settings=settings):
        world.slack.workspace.scopes.remove("users:read")
        await world.slack.ada.command("clouds over the sea")
    [refusal] = world.slack.ada.private
    assert refusal.text == replies.MEMBERSHIP_UNKNOWN
    assert "clouds over the sea" in shown(refusal)


async def test_the_bot_does_not_start_without_the_scope_that_identifies_guests(
    run_bot: RunBot, settings: Settings
) -> None:
    with pytest.raises(MisconfiguredError, match="users:read"):
        async with run_bot(settings=settings.model_copy(update={"allow_guests": False})):
            pass


async def test_the_limit_of_unfinished_videos_per_person_is_exact(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    world.videos.hold()
    settings = settings.model_copy(update={"max_open_per_person": 3})
    ada, grace = world.slack.ada, world.slack.grace
    async with run_bot(settings=settings):
        answers = await asyncio.gather(*(ada.command(f"clouds {n}") for n in range(8)))
        refused = [str(answer.payload) for answer in answers if answer.payload]
        assert len(refused) == 5
        assert all("3 unfinished videos" in words for words in refused)
        await grace.command("her own")
        await world.until(lambda: len(world.videos.creates) == 4)
