"""The Home tab: a person's own jobs with their buttons, always up to date."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs import HomePage, Job, JobState, Note, Totals
from bot.request import VideoRequest
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.person import Person
from bot.sandbox.world import World
from bot.spending import LimitKind, Used
from bot.store import Store
from bot.ui.blocks import Block
from bot.ui.home import PAGE, build_home, build_unavailable
from bot.ui.replies import job_list, job_status
from bot.ui.spending import NOTHING_USED
from tests.support.channel import Thread, ready, start_rendering, until_idle
from tests.support.installation import RunBot
from tests.support.jobs import make_job

PUBLISH = "views.publish"

requests = st.builds(
    VideoRequest,
    prompt=st.text(min_size=1),
    model=st.text(max_size=75),
    seconds=st.sampled_from(["", "4", "8.5"]),
    size=st.sampled_from(["", "720x1280"]),
)
generated_jobs = st.builds(
    Job,
    id=st.just("0123456789"),
    request_key=st.just(""),
    team_id=st.just("T1"),
    user_id=st.just("U1"),
    channel_id=st.sampled_from(["C0VIDEOS1", "D0VIDEOS1"]),
    request=requests
    | requests.map(lambda request: replace(request, prompt="&" * 32_000, model="m" * 150)),
    created_at=st.floats(0, 4e9),
    state=st.sampled_from(JobState),
    note=st.none() | st.sampled_from(Note),
    price=st.none() | st.decimals(0, 10_000, places=4),
    progress=st.none() | st.integers(0, 100),
    in_public=st.none() | st.booleans(),
    permalink=st.none() | st.just("https://sandbox.slack.com/archives/C1/p1"),
)


totals = st.builds(
    Totals,
    videos=st.integers(0, 10**6),
    seconds=st.decimals(0, 10**8, places=3),
    unpriced=st.integers(0, 10**6),
)


@given(st.lists(generated_jobs, max_size=PAGE), st.integers(0, 9), st.booleans(), totals)
def test_every_home_view_is_valid_block_kit(
    jobs: list[Job],
    page: int,
    has_older: bool,  # noqa: FBT001 -- hypothesis gives it
    made: Totals,
) -> None:
    home = build_home(jobs, page=HomePage(page), has_older=has_older, made=made)
    assert block_kit.problems_of_view(home) == []
    assert not block_kit.is_too_large(home)


@given(st.lists(generated_jobs, min_size=1, max_size=PAGE))
def test_every_list_and_status_reply_is_valid_block_kit(jobs: list[Job]) -> None:
    for message in (job_list(jobs), job_status(jobs[0])):
        assert block_kit.problems_of_message(message.blocks) == []
        assert not block_kit.is_too_long(message.blocks)


def test_the_home_view_for_a_database_outage_is_valid_block_kit() -> None:
    assert block_kit.problems_of_view(build_unavailable()) == []


@pytest.mark.parametrize(
    ("made", "used", "words"),
    [
        (Totals(), {}, "no videos yet"),
        (
            Totals(videos=2, seconds=Decimal(8)),
            {LimitKind.PERSON_MONTH_USD: Used(used=1_200_000, limit=None)},
            "*This month:* $1.20 · 2 videos · 8 seconds",
        ),
        (
            Totals(videos=2, unpriced=1),
            {LimitKind.PERSON_MONTH_USD: Used(used=400_000, limit=None)},
            "$0.40 · 2 videos, 1 at an unknown price",
        ),
        (Totals(videos=1, unpriced=1), {}, "price unknown · 1 video"),
        (
            Totals(videos=1),
            {
                LimitKind.PERSON_MONTH_USD: Used(used=12_400_000, limit=50_000_000),
                LimitKind.PERSON_OPEN: Used(used=2, limit=3),
            },
            "*This month:* $12.40 of $50 · 1 video · 2 of 3 running",
        ),
        (
            Totals(),
            {
                LimitKind.PERSON_MONTH_USD: Used(used=0, limit=12_500_000),
                LimitKind.PERSON_DAY_USD: Used(used=0, limit=1_000_000),
                LimitKind.PERSON_DAY_VIDEOS: Used(used=1, limit=4),
            },
            "*This month:* $0.00 of $12.50 · today: $0.00 of $1 and 1 of 4 videos",
        ),
    ],
)
def test_home_says_what_was_used_of_the_limits(
    made: Totals, used: dict[LimitKind, Used], words: str
) -> None:
    home = build_home(
        [], page=HomePage(), has_older=False, made=made, used={**NOTHING_USED, **used}
    )
    assert words in shown(home["blocks"])


@pytest.mark.parametrize(
    ("contact", "words"),
    [
        ("U012AB3CD", "<@U012AB3CD>"),
        ("C012AB3CD", "<#C012AB3CD>"),
        ("help@example.com & <co>", "help@example.com &amp; &lt;co&gt;"),
    ],
)
def test_home_says_whom_to_ask(contact: str, words: str) -> None:
    for home in (
        build_home([], page=HomePage(), has_older=False, made=Totals(), contact=contact),
        build_unavailable(contact),
    ):
        assert f"Ask {words}." in shown(home["blocks"])
        assert block_kit.problems_of_view(home) == []
    without = build_home([], page=HomePage(), has_older=False, made=Totals())
    assert "Questions?" not in shown(without["blocks"])


def test_home_tells_what_is_in_progress_from_what_is_done() -> None:
    rendering = make_job(1, state=JobState.RENDERING)
    ready_one = make_job(2, state=JobState.DELIVERED)
    home = build_home([rendering, ready_one], page=HomePage(), has_older=False, made=Totals())
    words = shown(home["blocks"])
    places = [words.index(each) for each in ("In progress", "Rendering", "Done", "Ready")]
    assert places == sorted(places)
    assert "In progress" not in shown(
        build_home([ready_one], page=HomePage(), has_older=False, made=Totals())["blocks"]
    )


def test_ones_own_home_does_not_offer_to_notify_oneself() -> None:
    home = build_home(
        [make_job(1, state=JobState.RENDERING)], page=HomePage(), has_older=False, made=Totals()
    )
    assert "Cancel" in shown(home["blocks"])
    assert "Notify me too" not in shown(home["blocks"])


# In the running bot


def home_of(person: Person) -> str:
    """The whole content of the person's Home tab, as one text."""
    view = person.home
    return shown(view.blocks) if view is not None else ""


def shown(blocks: list[Block]) -> str:
    return json.dumps(blocks, ensure_ascii=False)


def prompts_of(person: Person) -> list[str]:
    view = person.home
    assert view is not None
    quotes = [block for block in view.blocks if block["type"] == "rich_text"]
    return [quote["elements"][0]["elements"][0]["text"] for quote in quotes]


async def opened(world: World, person: Person) -> None:
    before = len(world.slack.calls_of(PUBLISH))
    await person.open_home()
    await world.until(lambda: len(world.slack.calls_of(PUBLISH)) > before and home_of(person))


@pytest.mark.usefixtures("bot")
async def test_an_empty_home_explains_how_to_create_a_video(world: World) -> None:
    await opened(world, world.slack.ada)
    for words in ("haven't made a video yet", "no videos yet", "Create a video", "How it works"):
        assert words in home_of(world.slack.ada)


@pytest.mark.usefixtures("bot")
async def test_opening_the_messages_tab_does_not_publish_home(world: World) -> None:
    await world.slack.ada.open_home(tab="messages")
    await opened(world, world.slack.grace)
    assert world.slack.ada.home is None


@pytest.mark.usefixtures("bot")
async def test_home_shows_only_a_persons_own_jobs(world: World) -> None:
    thread, ada, grace = Thread(world), world.slack.ada, world.slack.grace
    await ada.command("a <!channel> of clouds --seconds 8")
    await world.until(ready(thread))
    await opened(world, ada)
    await opened(world, grace)
    assert prompts_of(ada) == ["a <!channel> of clouds"]
    for words in ("*Ready:*", "|Watch it>", "$0.80 · 1 video · 8 seconds"):
        assert words in home_of(ada)
    assert prompts_of(grace) == []
    assert "no videos yet" in home_of(grace)


@pytest.mark.usefixtures("bot")
async def test_an_open_home_is_updated_as_the_job_changes(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    video = await start_rendering(world)
    await world.until(lambda: "*Rendering*" in home_of(ada))
    world.videos.finish(video.id)
    await world.until(lambda: "*Ready:*" in home_of(ada))
    assert world.slack.grace.home is None


@pytest.mark.usefixtures("bot")
async def test_progress_updates_do_not_republish_home(world: World) -> None:
    ada, thread = world.slack.ada, Thread(world)
    video = await start_rendering(world)
    await opened(world, ada)
    await world.until(lambda: "*Rendering*" in home_of(ada))
    published = len(world.slack.calls_of(PUBLISH))
    for percent in range(10, 60, 10):
        world.videos.progress(video.id, percent)
        await world.until(lambda percent=percent: thread.says(f"{percent}%"))  # type: ignore[misc]  # a default binds the loop's value
    assert len(world.slack.calls_of(PUBLISH)) <= published + 1
    assert "%" not in home_of(ada)


@pytest.mark.usefixtures("bot")
async def test_a_home_opened_long_ago_is_not_updated(world: World, database_url: str) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    await opened(world, ada)
    await opened(world, grace)
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        long_ago = "UPDATE homes SET opened_at = opened_at - 601 WHERE user_id = ?"
        other.execute(long_ago, (ada.id,))
        other.commit()
    await ada.command("clouds")
    await world.until(ready(Thread(world)))
    await grace.command("rain")
    await world.until(lambda: "*Ready:*" in home_of(grace))
    people = [call.args["user_id"] for call in world.slack.calls_of(PUBLISH)]
    assert people.count(ada.id) == 1


async def test_home_is_updated_when_another_process_runs_the_job(
    world: World, run_bot: RunBot
) -> None:
    ada = world.slack.ada
    async with run_bot():
        await opened(world, ada)
    async with run_bot():
        await ada.command("clouds")
        await world.until(lambda: "*Ready:*" in home_of(ada))


@pytest.mark.usefixtures("bot")
async def test_a_job_is_cancelled_from_home(world: World) -> None:
    ada, thread = world.slack.ada, Thread(world)
    await opened(world, ada)
    await start_rendering(world)
    view = await world.until(lambda: ada.home if "Cancel" in home_of(ada) else None)
    await ada.click(view, "cancel")
    await world.until(lambda: thread.says("*Cancelled:*"))
    await world.until(lambda: "*Cancelled:*" in home_of(ada))


@pytest.mark.usefixtures("bot")
async def test_a_video_is_deleted_from_home(world: World) -> None:
    ada, thread = world.slack.ada, Thread(world)
    await opened(world, ada)
    await ada.command("clouds")
    view = await world.until(lambda: ada.home if "Delete" in home_of(ada) else None)
    await until_idle()
    await ada.click(view, "delete")
    await world.until(lambda: "*Deleted" in home_of(ada))
    assert "|Watch it>" not in home_of(ada)
    assert thread.replies[0].files == []


@pytest.mark.usefixtures("bot")
async def test_a_video_is_made_again_from_home(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    await ada.command("clouds")
    view = await world.until(lambda: ada.home if "Make it again" in home_of(ada) else None)
    await ada.click(view, "make_again")
    await world.until(lambda: home_of(ada).count("*Ready:*") == 2)
    assert len(Thread(world).cards) == 2


async def delivered_in_private(world: World, ada: Person) -> None:
    """Deliver a video of Ada's in a private channel, which she may have left since."""
    secret = world.slack.workspace.add_channel("secret", private=True)
    await opened(world, ada)
    await ada.command("clouds", channel=secret)
    await world.until(lambda: "Delete" in home_of(ada))
    await until_idle()


@pytest.mark.usefixtures("bot")
async def test_home_has_no_button_that_posts_in_a_private_channel(world: World) -> None:
    await delivered_in_private(world, world.slack.ada)
    for action in ("remix", "make_again"):
        assert f'"{action}"' not in home_of(world.slack.ada)


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("action", ["remix", "make_again", "ask_again", "edit_and_try_again"])
async def test_an_outdated_home_button_does_not_post_in_a_private_channel(
    world: World, action: str
) -> None:
    ada = world.slack.ada
    await delivered_in_private(world, ada)
    assert ada.home is not None
    [button] = [
        each
        for block in ada.home.blocks
        for each in block.get("elements", [])
        if each.get("action_id") == "delete"
    ]
    button["action_id"] = action  # as another version may have published it
    await ada.click(ada.home, action)
    place = world.slack.workspace.direct_message(ada.user)
    [told] = await world.until(lambda: place.messages)
    assert "button on the video's card" in told.text
    assert ada.view is None
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("private", [False, True])
async def test_a_failed_row_offers_to_try_again_where_the_channel_is_surely_readable(
    world: World, *, private: bool
) -> None:
    ada = world.slack.ada
    place = world.slack.workspace.add_channel("studio", private=private)
    await opened(world, ada)
    await ada.command("a sentinel, then clouds forbidden", channel=place)
    await world.until(lambda: "*Failed:*" in home_of(ada))
    await until_idle()
    await opened(world, ada)
    assert ("edit_and_try_again" in home_of(ada)) is not private


@pytest.mark.usefixtures("bot")
async def test_each_row_links_to_its_card_or_to_what_the_thread_says(world: World) -> None:
    ada, thread = world.slack.ada, Thread(world)
    await opened(world, ada)
    await ada.command("a sentinel")
    await world.until(lambda: "*Failed:*" in home_of(ada))
    await start_rendering(world, "clouds")
    await world.until(lambda: home_of(ada).count("|Open it>") == 2)
    base = f"https://{world.slack.workspace.domain}.slack.com/archives/{thread.channel.id}"
    failed, rendering = thread.cards
    [reply] = thread.replies
    link = f"{base}/p{reply.ts.replace('.', '')}?thread_ts={failed.ts}&cid={thread.channel.id}"
    assert link in home_of(ada)
    assert f"<{link}|Open the thread>" in shown(failed.blocks)
    assert f"<{base}/p{rendering.ts.replace('.', '')}|Open it>" in home_of(ada)


@pytest.mark.usefixtures("bot")
async def test_home_searches_ones_own_videos_and_shows_all_again(world: World) -> None:
    ada = world.slack.ada
    for prompt in ("clouds", "rain"):
        await ada.command(prompt)
    await world.until(lambda: all("*Ready:*" in shown(c.blocks) for c in Thread(world).cards))
    await opened(world, ada)
    assert ada.home is not None
    await ada.choose("home_search", "RAIN", where=ada.home)
    await world.until(lambda: prompts_of(ada) == ["rain"])
    await ada.click(ada.home, "home_all")
    await world.until(lambda: prompts_of(ada) == ["rain", "clouds"])


@pytest.mark.usefixtures("bot")
async def test_an_update_keeps_what_home_searches_for(world: World) -> None:
    ada = world.slack.ada
    await ada.command("clouds")
    await world.until(ready(Thread(world)))
    await opened(world, ada)
    assert ada.home is not None
    await ada.choose("home_search", "rain", where=ada.home)
    await world.until(lambda: "You have no videos whose prompt contains" in home_of(ada))
    await ada.command("rain")
    await world.until(lambda: prompts_of(ada) == ["rain"] and "*Ready:*" in home_of(ada))


@pytest.mark.usefixtures("bot")
async def test_home_offers_make_it_again_for_a_video_in_a_direct_message(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    await ada.direct_message("clouds over the sea")
    await world.until(lambda: "Make it again" in home_of(ada))


@pytest.mark.usefixtures("bot")
async def test_a_video_is_created_with_the_form_from_home(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    assert ada.home is not None
    await ada.click(ada.home, "home_create")
    await ada.fill({"prompt": "clouds", "channel": world.slack.workspace.videos.id})
    await ada.submit()
    await world.until(ready(Thread(world)))


@pytest.mark.usefixtures("bot")
async def test_a_form_that_fails_to_open_from_home_is_explained(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    world.faults.inject("views.open", respond_with(200, {"ok": False, "error": "internal_error"}))
    assert ada.home is not None
    await ada.click(ada.home, "home_create")
    place = world.slack.workspace.direct_message(ada.user)
    [told] = await world.until(lambda: place.messages)
    assert "can't open the form" in told.text


async def fill_pages(world: World, number: int) -> None:
    for n in range(number):
        await world.slack.ada.command(f"clouds {n}")
    await world.until(lambda: len(Thread(world).replies) == number)
    await until_idle()


@pytest.mark.usefixtures("bot")
async def test_home_is_paginated(world: World) -> None:
    ada = world.slack.ada
    await fill_pages(world, 12)
    await opened(world, ada)
    assert ada.home is not None
    assert prompts_of(ada) == [f"clouds {n}" for n in range(11, 1, -1)]
    assert "home_newer" not in home_of(ada)
    await ada.click(ada.home, "home_older")
    await world.until(lambda: prompts_of(ada) == ["clouds 1", "clouds 0"])
    assert "home_older" not in home_of(ada)
    await ada.click(ada.home, "home_newer")
    await world.until(lambda: len(prompts_of(ada)) == 10)


@pytest.mark.usefixtures("bot")
async def test_an_update_keeps_the_open_page_of_home(world: World) -> None:
    ada = world.slack.ada
    await fill_pages(world, 11)
    await opened(world, ada)
    assert ada.home is not None
    await ada.click(ada.home, "home_older")
    await world.until(lambda: prompts_of(ada) == ["clouds 0"])
    await ada.command("one more")
    await world.until(lambda: prompts_of(ada) == ["clouds 1", "clouds 0"])


@pytest.mark.usefixtures("bot")
async def test_home_explains_a_database_outage_and_recovers(
    world: World, database_url: str
) -> None:
    ada = world.slack.ada
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        other.execute("ALTER TABLE homes RENAME TO gone")
        await opened(world, ada)
        assert "my database isn't responding" in home_of(ada)
        other.execute("ALTER TABLE gone RENAME TO homes")
    await opened(world, ada)
    assert "haven't made a video yet" in home_of(ada)


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "fault", [drop, respond_with(429, {"ok": False, "error": "ratelimited"}, Retry_After="0")]
)
async def test_a_failed_home_update_is_published_later(world: World, fault: object) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    world.faults.inject(PUBLISH, fault, times=3)  # type: ignore[arg-type]  # a fault's type is private
    await ada.command("clouds")
    await world.until(lambda: "*Ready:*" in home_of(ada))


@pytest.mark.usefixtures("bot")
async def test_a_disabled_home_tab_does_not_stop_the_bot(world: World) -> None:
    ada = world.slack.ada
    await opened(world, ada)
    world.slack.workspace.app_home = {**world.slack.workspace.app_home, "home_tab_enabled": False}
    heard = await ada.open_home()
    assert heard is not None
    assert heard.delivered
    await ada.command("clouds")
    await world.until(ready(Thread(world)))


@pytest.mark.both_databases
async def test_the_store_remembers_who_opened_home_and_on_which_page(migrated_url: str) -> None:
    store = Store.open(migrated_url)
    await store.home_opened("U1", now=100.0)
    await store.home_opened("U2", now=100.0)
    await store.home_opened("U2", now=200.0, page=HomePage(3, "sky"))
    assert await store.homes_since(100.0) == {"U1": HomePage(), "U2": HomePage(3, "sky")}
    assert await store.homes_since(150.0) == {"U2": HomePage(3, "sky")}
    await store.close()
