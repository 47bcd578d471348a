"""`search`: finds a person's own videos by words in their prompts, in private pages."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.person import Person
from bot.sandbox.world import World
from bot.store import Store
from bot.ui.search import MAX_WORDS, PAGE, read_button, search_results
from tests.support.channel import shown
from tests.support.jobs import REQUEST, make_job

LONG = make_job(request=replace(REQUEST, prompt="&" * 32_000, model="m" * 150))


@given(st.text(min_size=1, max_size=MAX_WORDS), st.integers(0, PAGE), st.integers(0, 9))
def test_every_page_of_search_results_is_valid_block_kit(words: str, found: int, page: int) -> None:
    message = search_results(words, [LONG] * found, page=page, has_older=True)
    assert block_kit.problems_of_message(message.blocks) == []
    assert not block_kit.is_too_long(message.blocks)
    assert read_button(message.blocks[-1]["elements"][-1]["value"]) == (page + 1, words)


@pytest.fixture
async def found(world: World, database_url: str) -> None:
    """More of Ada's videos than fit on one page, with prompts `lake 0` to `lake 11`."""
    store = Store.open(database_url)
    for number in range(12):
        request = replace(REQUEST, prompt=f"lake {number}")
        made = make_job(number, request=request, user_id=world.slack.ada.id, created_at=number)
        await store.add(replace(made, closed_at=1.0))
    await store.close()


def prompts(person: Person) -> list[str]:
    quotes = [block for block in person.private[-1].blocks if block["type"] == "rich_text"]
    return [quote["elements"][0]["elements"][0]["text"] for quote in quotes]


@pytest.mark.usefixtures("bot", "found")
async def test_search_results_are_paginated_in_place(world: World) -> None:
    ada = world.slack.ada
    await ada.command("search LAKE")
    assert prompts(ada) == [f"lake {n}" for n in range(11, 1, -1)]
    await ada.click(ada.private[-1], "search_older")
    await world.until(lambda: prompts(ada) == ["lake 1", "lake 0"])
    await ada.click(ada.private[-1], "search_newer")
    await world.until(lambda: len(prompts(ada)) == PAGE)
    assert len(ada.private) == 1
    assert world.videos.creates == []


@pytest.mark.usefixtures("bot", "found")
async def test_a_search_without_a_match_says_so(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    await ada.command("search <!channel>")
    await grace.command("search lake")
    for person, words in ((ada, "&lt;!channel&gt;"), (grace, "lake")):
        assert f"no videos whose prompt contains “{words}”" in person.private[-1].text


@pytest.mark.usefixtures("bot")
async def test_an_empty_search_explains_how_to_search(world: World) -> None:
    await world.slack.ada.command("search")
    assert "`/video search clouds`" in world.slack.ada.private[-1].text


@pytest.mark.usefixtures("bot", "found")
async def test_a_search_page_that_fails_to_load_keeps_the_current_page(
    world: World, database_url: str
) -> None:
    ada = world.slack.ada
    await ada.command("search lake")
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        other.execute("ALTER TABLE jobs RENAME TO gone")
        await ada.click(ada.private[0], "search_older")
        await world.until(lambda: len(ada.private) == 2)
        other.execute("ALTER TABLE gone RENAME TO jobs")
    assert "Try again" in shown(ada.private[1])
    assert "lake 11" in shown(ada.private[0])
