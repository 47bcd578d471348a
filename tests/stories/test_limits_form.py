"""Admins set limits, exceptions and who may use the bot in a form, and the audit log records it."""

from typing import Any

import pytest

from bot.config import Settings
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import View
from bot.sandbox.world import World
from bot.store import Store
from bot.ui import limits_form
from tests.support.channel import Thread, ready, shown

CHEAP = "clouds --model sora-2 --seconds 4"

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


@pytest.fixture
def settings(settings: Settings, ada: Person) -> Settings:
    return settings.model_copy(update={"admin_users": [ada.id]})


def the_form(person: Person) -> View:
    assert person.view is not None
    return person.view


async def open_limits(world: World, admin: Person) -> None:
    await admin.open_home()
    await world.until(lambda: admin.home is not None)
    assert admin.home is not None
    await admin.click(admin.home, limits_form.OPEN)
    await world.until(lambda: admin.view)


async def save(world: World, admin: Person, values: dict[str, Any]) -> None:
    await open_limits(world, admin)
    await admin.fill(values)
    await admin.submit()
    assert admin.view is None


async def told(world: World, person: Person) -> str:
    await world.until(lambda: person.private)
    return shown(person.private[-1])


async def test_a_limit_that_an_admin_sets_applies_at_once_and_is_recorded(
    world: World, ada: Person, migrated_url: str
) -> None:
    await save(world, ada, {"day_usd": "0.40", "soft": ["day_usd"]})
    await save(world, ada, {"day_usd": "$0.50", "soft": None})
    await ada.command(CHEAP)
    await world.until(ready(Thread(world)))
    await ada.command(CHEAP)
    assert "$0.10 is left of this workspace's limit of $0.50 per day" in await told(world, ada)
    store = Store.open(migrated_url)
    log = [(each.actor, each.act, each.detail) for each in await store.audit_log(since=0)]
    await store.close()
    assert log == [
        (ada.id, "limit changed", "day_usd: not set -> $0.4, soft"),
        (ada.id, "limit changed", "day_usd: $0.4, soft -> $0.5"),
    ]


async def test_the_form_shows_what_is_set_and_refuses_what_is_no_amount(
    world: World, ada: Person
) -> None:
    await save(world, ada, {"month_usd": "50", "person_day_videos": "none"})
    await open_limits(world, ada)
    values = the_form(ada).values
    assert values["month_usd"]["month_usd"]["value"] == "50"
    assert values["person_day_videos"]["person_day_videos"]["value"] == "none"
    await ada.fill({"month_usd": "a lot", "person_day_videos": "1.5"})
    await ada.submit()
    assert set(the_form(ada).errors) == {"month_usd", "person_day_videos"}
    assert "such as 50 or 0.50" in the_form(ada).errors["month_usd"]


async def test_a_person_can_have_an_exception(world: World, ada: Person) -> None:
    grace = world.slack.grace
    await save(world, ada, {"person_day_videos": "0"})
    await open_limits(world, ada)
    await ada.choose(limits_form.PERSON, grace.id)
    await world.until(lambda: grace.id in str(the_form(ada).blocks))
    assert "month_usd" not in [block["block_id"] for block in the_form(ada).blocks]
    await ada.fill({"person_day_videos": "none"})
    await ada.submit()
    await grace.command(CHEAP)
    await world.until(ready(Thread(world)))
    await ada.command(CHEAP)
    assert "the limit per person" in await told(world, ada)


async def test_admins_choose_who_may_use_the_bot_and_where(world: World, ada: Person) -> None:
    channel = world.slack.workspace.videos.id
    await save(world, ada, {"allowed_people": [ada.id], "allowed_channels": [channel]})
    await world.slack.grace.command(CHEAP)
    assert "haven't allowed you" in await told(world, world.slack.grace)
    await ada.command(CHEAP, channel=world.slack.workspace.add_channel("elsewhere"))
    assert "haven't allowed videos in this channel" in await told(world, ada)
    await ada.command(CHEAP)
    await world.until(ready(Thread(world)))


async def test_only_admins_see_the_button(world: World) -> None:
    grace = world.slack.grace
    await grace.open_home()
    await world.until(lambda: grace.home is not None)
    assert limits_form.OPEN not in str(grace.home)
