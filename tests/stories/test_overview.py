"""What admins see and receive: everyone's spending, videos that wait for approval, the bill."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.app import _policy
from bot.config import Settings
from bot.jobs import HomePage, JobState, Totals
from bot.limit_warnings import LimitWarnings
from bot.sandbox.faults import respond_with
from bot.sandbox.replica import FAST
from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Message
from bot.sandbox.world import World
from bot.spending import BillLine, By, month_at
from bot.timings import Timings
from bot.ui import approvals
from bot.ui.home import PAGE, build_home
from bot.ui.spending import MAX_WAITING, NOTHING_USED, SEND_BILL, Overview
from bot.warning_store import WarningStore
from tests.support.channel import Thread, ready, shown
from tests.support.installation import RunBot
from tests.support.jobs import REQUEST, make_job


@pytest.fixture
def timings() -> Timings:
    """Limits are checked often."""
    return replace(FAST, warning_interval=0.1)


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


@pytest.fixture
def admin(world: World) -> Person:
    return world.slack.grace


@pytest.fixture
def settings(settings: Settings, admin: Person) -> Settings:
    limits = {"approve_above_usd": Decimal(1), "limit_month_usd": Decimal(50)}
    return settings.model_copy(update={"admin_users": [admin.id], **limits})


async def home_of(world: World, person: Person) -> str:
    await person.open_home()
    home = await world.until(lambda: person.home)
    return str(home.blocks)


def direct(world: World, person: Person) -> list[Message]:
    workspace = world.slack.workspace
    return workspace.messages(workspace.direct_message(person.user))


@pytest.mark.usefixtures("bot")
async def test_only_admins_see_what_everyone_has_spent(
    world: World, ada: Person, admin: Person
) -> None:
    await ada.command("clouds")
    await world.until(ready(Thread(world)))
    theirs = await home_of(world, admin)
    for words in (
        "*Everyone this month:* $0.40 of $50 · today: $0.40",
        f"*People:* <@{ada.id}> $0.40",
        f"*Channels:* <#{Thread(world).channel.id}> $0.40",
        "*Models:* sora-2 $0.40",
    ):
        assert words in theirs
    assert "Everyone this month" not in await home_of(world, ada)


@pytest.mark.usefixtures("bot")
async def test_an_admin_can_approve_on_the_home_tab(
    world: World, ada: Person, admin: Person
) -> None:
    await home_of(world, admin)
    await ada.command("clouds --model sora-2-pro")
    await world.until(lambda: admin.home and "Waiting for approval" in str(admin.home.blocks))
    assert admin.home is not None
    await admin.click(admin.home, approvals.APPROVE)
    await world.until(ready(Thread(world)))
    await world.until(lambda: admin.home and "Waiting for approval" not in str(admin.home.blocks))
    [question] = direct(world, admin)
    assert f"Approved by <@{admin.id}>" in shown(question)


@pytest.mark.usefixtures("bot")
async def test_an_admin_gets_the_bill_as_files_in_the_direct_message(
    world: World, ada: Person, admin: Person
) -> None:
    await ada.command("clouds")
    await world.until(ready(Thread(world)))
    await home_of(world, admin)
    assert admin.home is not None
    await admin.click(admin.home, SEND_BILL)
    await world.until(lambda: any(message.files for message in direct(world, admin)))
    words, share = direct(world, admin)
    assert "Total: $0.40." in words.text
    files = {file.name.rpartition("-by-")[2]: file.data.decode() for file in share.files}
    assert files == {
        "person.csv": csv("person", ada.id),
        "channel.csv": csv("channel", Thread(world).channel.id),
        "model.csv": csv("model", "sora-2"),
    }


def csv(by: str, name: str) -> str:
    return f"{by},videos,spent_usd,reserved_usd,unpriced_videos\n{name},1,0.4,0,0\n"


async def test_someone_who_is_no_admin_any_more_gets_no_bill(
    world: World, admin: Person, run_bot: RunBot, settings: Settings
) -> None:
    async with run_bot():
        await home_of(world, admin)
    former: dict[str, Any] = {"admin_users": [], "approve_above_usd": None}
    async with run_bot(settings=settings.model_copy(update=former)):
        assert admin.home is not None
        await admin.click(admin.home, SEND_BILL)
        [told] = await world.until(lambda: direct(world, admin))
        assert "Only the admins of this app" in told.text


def test_months_are_counted_back_over_the_turn_of_the_year() -> None:
    january = 1_768_435_200.0  # 2026-01-15
    december = month_at(january, ago=1)
    assert december == (1_764_547_200.0, 1_767_225_600.0)
    assert month_at(december[0]) == december


def test_a_full_home_tab_with_a_full_overview_is_valid_block_kit() -> None:
    request = replace(REQUEST, prompt="&" * 32_000)
    jobs = [make_job(n, state=JobState.DELIVERED, request=request) for n in range(PAGE)]
    waiting = [make_job(n, state=JobState.PROPOSED, request=request) for n in range(9)]
    line = BillLine(name="m" * 150, videos=1, spent=10**12, held=10**12, unpriced=1)
    overview = Overview(used=NOTHING_USED, bills=dict.fromkeys(By, [line] * 50), waiting=waiting)
    home = build_home(jobs, page=HomePage(1), has_older=True, made=Totals(), overview=overview)
    assert block_kit.problems_of_view(home) == []
    assert not block_kit.is_too_large(home)
    assert f"… and {9 - MAX_WAITING} more" in str(home)


# Warnings


async def test_admins_are_warned_once_at_80_and_at_100_percent_of_a_limit(
    world: World, ada: Person, admin: Person, run_bot: RunBot, settings: Settings
) -> None:
    world.videos.hold()
    limit = {"limit_month_usd": None, "limit_day_usd": Decimal("1.00"), "approve_above_usd": None}
    limited = settings.model_copy(update=limit)
    async with run_bot(settings=limited), run_bot(settings=limited):
        await ada.command("clouds 1")
        await world.until(lambda: world.videos.creates)
        assert direct(world, admin) == []
        await ada.command("clouds 2")
        [at_80] = await world.until(lambda: direct(world, admin))
        assert "Today's limit for everyone is 80% used: $0.80 of $1." in at_80.text
    full = settings.model_copy(update=limit | {"limit_day_usd": Decimal("0.80")})
    async with run_bot(settings=full), run_bot(settings=full):
        await world.until(lambda: len(direct(world, admin)) == 2)
        assert "is used up: $0.80 of $0.80." in direct(world, admin)[1].text
    async with run_bot(settings=full) as bot:
        await LimitWarnings(
            bot._store,
            WarningStore(bot._store.database),
            bot._delivery,
            policy=_policy(full),
            admins=full.admin_users,
        ).watch()
    assert len(direct(world, admin)) == 2


async def test_a_warning_that_slack_refuses_is_sent_later(
    world: World, ada: Person, admin: Person, run_bot: RunBot, settings: Settings
) -> None:
    world.videos.hold()
    async with run_bot():
        await ada.command("clouds")
        await world.until(lambda: world.videos.creates)
    refused = respond_with(200, {"ok": False, "error": "internal_error"})
    world.faults.inject("chat.postMessage", refused)
    limited = settings.model_copy(update={"limit_month_usd": Decimal("0.50")})
    async with run_bot(settings=limited):
        [warning] = await world.until(lambda: direct(world, admin))
        assert "is 80% used: $0.40 of $0.50." in warning.text
    assert len(world.slack.calls_of("chat.postMessage")) == 3  # the card, and two attempts
