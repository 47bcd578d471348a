"""Back to the previous release: today's code on the tables of a version that doesn't exist yet."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot import migrations
from bot.config import Settings
from bot.errors import MisconfiguredError
from bot.sandbox.world import World
from tests.store.test_migrations import connected
from tests.support.channel import Thread, ready
from tests.support.installation import RunBot

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"

def upgrade():
    op.add_column("jobs", sa.Column("mood", sa.Text))
    op.create_table("moods", sa.Column("name", sa.Text, primary_key=True))
"""


def migrate_to_the_next_version(url: str, folder: Path) -> None:
    """Run a migration that this version doesn't have."""
    scripts = folder / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, scripts)
    newest = migrations.revisions(url)[1]
    (scripts / "versions" / "v9999_next.py").write_text(NEXT.format(newest=newest))
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with connected(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@pytest.fixture
def next_version(settings: Settings, tmp_path: Path) -> str:
    """The database after an upgrade to the next version."""
    url = settings.database_url.get_secret_value()
    migrations.upgrade(url)
    migrate_to_the_next_version(url, tmp_path)
    return url


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def rewrite(url: str, change: str) -> None:
    with connected(url) as connection:
        connection.execute(sa.text(change))


async def test_todays_code_starts_on_the_next_tables_and_keeps_what_it_does_not_know(
    world: World, run_bot: RunBot, next_version: str
) -> None:
    thread, ada = Thread(world), world.slack.ada
    migrations.upgrade(next_version)
    world.videos.hold()
    async with run_bot():
        await ada.command("clouds")
        await world.until(lambda: world.videos.creates)
    rewrite(next_version, "UPDATE jobs SET mood = 'calm', state = 'dreaming', owner = NULL")
    [before] = rows(next_version, "SELECT * FROM jobs")
    world.videos.release()
    async with run_bot():
        await ada.command("rain")
        await world.until(lambda: any("*Ready:*" in str(card.blocks) for card in thread.cards))
        await ada.command("list")
    after = rows(next_version, "SELECT * FROM jobs ORDER BY created_at")
    assert after[0] == before
    assert len(after) == len(world.videos.creates) == 2
    assert rows(next_version, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_an_unknown_column_of_a_running_job_is_kept(
    world: World, run_bot: RunBot, next_version: str
) -> None:
    thread = Thread(world)
    world.videos.hold()
    async with run_bot():
        await world.slack.ada.command("clouds")
        [video] = await world.until(lambda: world.videos.creates)
        rewrite(next_version, "UPDATE jobs SET mood = 'calm'")
        world.videos.finish(video.id)
        await world.until(ready(thread))
    assert rows(next_version, "SELECT mood FROM jobs") == [("calm",)]


def test_tables_that_need_newer_code_are_refused(next_version: str) -> None:
    rewrite(next_version, "UPDATE compatibility SET oldest = '9999'")
    with pytest.raises(MisconfiguredError, match="newer version"):
        migrations.upgrade(next_version)
