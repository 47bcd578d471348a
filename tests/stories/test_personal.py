"""One person's data: exported as a whole, and forgotten without a trace but the figures."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from bot import app, cli
from bot.config import Settings
from bot.jobs import pseudonym
from bot.personal import PEOPLE, PersonalData
from bot.sandbox.world import World
from bot.store import Store
from bot.tables import jobs, metadata
from bot.ui import cards
from tests.support.channel import Thread, shown, start_rendering, until_idle
from tests.support.installation import RunBot
from tests.support.rows import until_rows

PROMPT = "moonlit harbour"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FORGET_PEOPLE_INTERVAL", 0.02)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = Store.open(settings.database_url.get_secret_value())
    yield store
    await store.close()


async def ready(world: World, prompt: str = PROMPT) -> None:
    """Deliver a video of Ada's, in which Grace wants to be notified, too."""
    thread = Thread(world)
    video = await start_rendering(world, prompt)
    await world.slack.grace.click(thread.cards[-1], cards.NOTIFY)
    world.videos.finish(video.id)
    await world.until(lambda: "*Ready:*" in shown(thread.cards[-1]))
    await until_idle()


async def until_forgotten(store: Store, user_id: str) -> None:
    async def is_forgotten() -> bool:
        return await PersonalData(store.database).unfinished(user_id) is None

    await until_rows(is_forgotten)


def contents(settings: Settings) -> str:
    """Every value of every row."""
    path = settings.database_url.get_secret_value().partition("///")[2]
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())


async def test_an_export_has_all_of_the_persons_rows_and_no_other_persons(
    world: World, run_bot: RunBot, store: Store
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    async with run_bot():
        await ready(world)
        await grace.command("grace's own prompt")
    data = PersonalData(store.database)
    found = await data.export(ada.id, actor="operator")
    assert [job["prompt"] for job in found["jobs"]] == [PROMPT]
    assert "grace's own prompt" not in str(found)
    assert "hooks" not in str(found)
    of_grace = await data.export(grace.id, actor="operator")
    assert PROMPT not in str(of_grace)
    [signal] = of_grace["signals"]
    assert signal["job_id"] == found["jobs"][0]["id"]
    log = await store.audit_log(since=0)
    assert [(entry.act, entry.subject) for entry in log] == [
        ("exported", ada.id),
        ("exported", grace.id),
    ]


async def test_a_forgotten_person_is_nowhere_in_the_database_and_the_figures_stay(
    world: World, run_bot: RunBot, settings: Settings, store: Store
) -> None:
    ada, thread = world.slack.ada, Thread(world)
    async with run_bot():
        await ready(world)
        before = await store.totals(ada.id, since=0.0)
        await ada.open_home()
        await start_rendering(world, "second prompt")
        await PersonalData(store.database).forget(ada.id, actor=ada.id, files=False)
        await world.until(lambda: "*Cancelled:*" in shown(thread.cards[-1]))
        await until_forgotten(store, ada.id)
    everything = contents(settings)
    for trace in (ada.id, PROMPT, "second prompt", "slack.com/archives"):
        assert trace not in everything, trace
    assert await store.totals(pseudonym(ada.id), since=0.0) == before
    [entry] = await store.audit_log(since=0)
    assert (entry.actor, entry.subject) == (pseudonym(ada.id), pseudonym(ada.id))
    assert len(thread.replies[0].files) == 1


async def test_forgetting_with_files_deletes_the_videos_in_slack_and_at_the_server(
    world: World, run_bot: RunBot, store: Store
) -> None:
    ada, thread = world.slack.ada, Thread(world)
    async with run_bot():
        await ready(world)
        await PersonalData(store.database).forget(ada.id, actor=ada.id, files=True)
        await world.until(lambda: "eleted" in shown(thread.card))
        await until_forgotten(store, ada.id)
    assert [call.operation for call in world.videos.calls].count("delete") == 1
    assert not [file for reply in thread.replies for file in reply.files]
    assert PROMPT not in shown(thread.card)


async def test_others_mentions_of_a_forgotten_person_are_removed(
    world: World, run_bot: RunBot, settings: Settings, store: Store
) -> None:
    grace = world.slack.grace
    async with run_bot():
        await ready(world)
    data = PersonalData(store.database)
    # As the form stores them, and as a repeated video of Ada's with Grace's starting image.
    chosen = jobs.update().values(
        notify=f"U77 {grace.id} U78", reference_file_id="F1", reference_user_id=grace.id
    )
    await store.database.execute(chosen.values(reference_fit="pad"))
    assert len((await data.export(grace.id, actor="operator"))["mentioned_in"]) == 1
    await data.forget(grace.id, actor="operator", files=True)
    await data.run()
    assert await data.unfinished(grace.id) is None
    [job] = await store.list_of(world.slack.ada.id, limit=9)
    assert job.request.prompt == PROMPT
    assert job.notify == ("U77", "U78")
    assert job.request.input_reference is None
    assert grace.id not in contents(settings)


async def test_the_command_says_what_it_waits_for(
    world: World,
    run_bot: RunBot,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ada = world.slack.ada
    monkeypatch.setattr(cli, "FORGET_WAIT", -1.0)
    async with run_bot():
        await start_rendering(world)
    assert await cli._forget_person(store, ada.id, files=False) == 1
    assert "1 videos must be cancelled" in capsys.readouterr().out
    async with run_bot():
        await until_forgotten(store, ada.id)
    assert await cli._forget_person(store, ada.id, files=False) == 0


def test_every_column_with_a_person_is_known() -> None:
    about = {"user_id", "actor", "subject"}
    named = {
        column.name
        for table in metadata.tables.values()
        for column in table.c
        if isinstance(column.type, sa.Text)
        and (column.name in about or column.name.endswith(("user_id", "_by")))
    }
    assert named == PEOPLE
