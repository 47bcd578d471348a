"""KEEP_DAYS: an old video's buttons explain what is no longer possible, and Delete still works."""

import pytest
import sqlalchemy as sa

from bot.config import Settings
from bot.sandbox.world import World
from bot.store import Store
from bot.tables import CONTENT, jobs
from bot.timings import DAY
from bot.ui import cards
from tests.support.channel import Thread, ready, shown, until_idle
from tests.support.installation import RunBot
from tests.support.rows import until_rows


async def age(settings: Settings, *, days: float) -> None:
    """Make all jobs older."""
    store = Store.open(settings.database_url.get_secret_value())
    await store.database.execute(jobs.update().values(closed_at=jobs.c.closed_at - days * DAY))
    await store.close()


async def until_emptied(settings: Settings) -> None:
    """Wait for the hourly task, which first runs when the bot starts."""
    store = Store.open(settings.database_url.get_secret_value())

    async def is_emptied() -> bool:
        return not await store.database.execute(sa.select(jobs).where(CONTENT))

    await until_rows(is_emptied)
    await store.close()


@pytest.fixture
async def old(world: World, run_bot: RunBot, settings: Settings) -> Thread:
    """A video that was delivered a month ago."""
    async with run_bot():
        await world.slack.ada.command("moonlit harbour")
        await world.until(ready(Thread(world)))
        await until_idle()
    await age(settings, days=31)
    return Thread(world)


async def test_an_old_video_cannot_be_repeated_but_deleted(
    world: World, run_bot: RunBot, settings: Settings, old: Thread
) -> None:
    ada = world.slack.ada
    keeping = settings.model_copy(update={"keep_days": 30})
    async with run_bot(settings=keeping):
        await until_emptied(keeping)
        for number, action in enumerate((cards.MAKE_AGAIN, cards.REMIX), 1):
            await ada.click(old.card, action)
            await world.until(lambda: len(ada.private) == number)  # noqa: B023 -- awaited at once
            assert "no longer kept" in shown(ada.private[-1])
        await ada.open_home()
        await world.until(lambda: ada.home)
        assert "prompt is no longer kept" in str(ada.home)
        assert "moonlit" not in str(ada.home)
        await ada.click(old.card, cards.DELETE)
        await world.until(lambda: "eleted" in shown(old.card))
    assert len(world.videos.creates) == 1


async def test_without_the_setting_prompts_are_kept(
    world: World, run_bot: RunBot, old: Thread
) -> None:
    async with run_bot():
        await world.slack.ada.click(old.card, cards.MAKE_AGAIN)
        await world.until(lambda: len(world.videos.creates) == 2)
    assert {video.prompt for video in world.videos.creates} == {"moonlit harbour"}
