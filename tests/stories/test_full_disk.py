"""A full disk: new requests are refused, and acknowledged ones are completed."""

import pytest

from bot.app import Bot
from bot.sandbox.world import World
from tests.support.channel import Thread
from tests.support.installation import RunBot


async def limit_pages(bot: Bot, pages: int) -> None:
    """Limit the database to so many pages; beyond that, SQLite reports a full disk."""
    async with bot._store._database._engine.connect() as connection:
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


async def size(bot: Bot) -> int:
    async with bot._store._database._engine.connect() as connection:
        return int((await connection.exec_driver_sql("PRAGMA page_count")).scalar_one())


@pytest.mark.parametrize("spare", [0, 7])
async def test_requests_acknowledged_before_the_disk_filled_up_are_completed(
    world: World, run_bot: RunBot, spare: int
) -> None:
    thread, ada = Thread(world), world.slack.ada
    async with run_bot() as bot:
        world.videos.hold()
        await ada.command("clouds 0")
        await limit_pages(bot, await size(bot) + spare)
        number = 0
        while not ada.private:
            number += 1
            answer = await ada.command(f"clouds {number} " + "x" * 3000)
            assert answer.delivered
        assert "My database isn't responding" in ada.private[0].text
        await limit_pages(bot, 1_000_000)
        world.videos.release()
        await world.until(lambda: len(thread.replies) == number, 30)
    prompts = [video.prompt.split(" x")[0] for video in world.videos.creates]
    assert sorted(prompts) == sorted(f"clouds {each}" for each in range(number))
    assert all(len(reply.files) == 1 for reply in thread.replies)
