"""Above APPROVE_ABOVE_USD, a video waits, with its card, until an admin approves it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.app import Bot
from bot.audit import Act
from bot.config import Settings
from bot.sandbox.replica import FAST
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Conversation, Message
from bot.sandbox.world import World
from bot.spending import LimitKind, micros
from bot.store import Store
from bot.tables import limits
from bot.ui import approvals, cards, drafts
from tests.support.channel import Thread, ready, shown, until_idle
from tests.support.installation import RunBot

PRO = "a timelapse of clouds --model sora-2-pro --seconds 12"


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


@pytest.fixture
def admin(world: World) -> Person:
    return world.slack.person(world.slack.workspace.add_user("alan", role="admin").id)


@pytest.fixture
def second(world: World) -> Person:
    return world.slack.grace


@pytest.fixture
def settings(settings: Settings, admin: Person, second: Person) -> Settings:
    return settings.model_copy(
        update={"approve_above_usd": Decimal(1), "admin_users": [admin.id, second.id]}
    )


def direct(world: World, person: Person) -> list[Message]:
    """The messages in the person's direct message with the bot, except warnings about limits."""
    workspace = world.slack.workspace
    messages = workspace.messages(workspace.direct_message(person.user))
    return [message for message in messages if "limit for everyone" not in message.text]


async def asked(world: World, person: Person) -> Message:
    """The question in the person's direct message."""
    [question] = await world.until(lambda: direct(world, person))
    return question


def has_buttons(message: Message) -> bool:
    return any(block["type"] == "actions" for block in message.blocks)


def job_id(question: Message) -> str:
    [buttons] = [block for block in question.blocks if block["type"] == "actions"]
    return str(buttons["elements"][0]["value"])


async def proposed(world: World, ada: Person) -> Thread:
    await ada.command(PRO)
    await world.until(lambda: Thread(world).says("Waiting for approval"))
    return Thread(world)


@pytest.mark.usefixtures("bot")
async def test_an_approved_video_is_made_and_keeps_its_card(
    world: World, ada: Person, admin: Person, second: Person
) -> None:
    thread = await proposed(world, ada)
    card = thread.card
    assert "about $3.60" in shown(card)
    questions = [await asked(world, person) for person in (admin, second)]
    for words in ("a timelapse of clouds", "about $3.60", ada.id, thread.channel.id):
        assert words in shown(questions[0])
    await until_idle()
    assert world.videos.creates == []
    await admin.click(questions[0], approvals.APPROVE)
    await world.until(lambda: not has_buttons(questions[0]))
    await world.until(ready(thread))
    assert thread.card is card
    await world.until(lambda: not has_buttons(questions[1]))
    assert f"Approved by <@{admin.id}>" in shown(questions[1])
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_a_cheap_video_needs_no_approval(world: World, ada: Person, admin: Person) -> None:
    await ada.command("clouds")
    await world.until(ready(Thread(world)))
    assert direct(world, admin) == []


@pytest.mark.usefixtures("bot")
async def test_a_declined_video_ends_with_the_reason_in_its_thread(
    world: World, ada: Person, admin: Person, second: Person
) -> None:
    thread = await proposed(world, ada)
    question, other = await asked(world, admin), await asked(world, second)
    await admin.click(question, approvals.DECLINE)
    await world.until(lambda: admin.view)
    await admin.fill({approvals.REASON: "try *sora-2* first"})
    await admin.submit()
    assert admin.view is None
    await world.until(lambda: thread.says("*Not approved:*") and thread.replies)
    [reply] = thread.replies
    assert "try *sora-2* first" in shown(reply)
    assert ada.id in reply.mentions
    assert "not charged" in shown(thread.card)
    await world.until(lambda: not has_buttons(question) and not has_buttons(other))
    await until_idle()
    assert world.videos.creates == []


@pytest.mark.usefixtures("bot")
async def test_a_reason_is_optional(world: World, ada: Person, admin: Person) -> None:
    thread = await proposed(world, ada)
    await admin.click(await asked(world, admin), approvals.DECLINE)
    await world.until(lambda: admin.view)
    await admin.submit()
    await world.until(lambda: thread.replies)
    assert f"*Not approved:* <@{admin.id}> declined it" in shown(thread.card)


@pytest.mark.usefixtures("bot")
async def test_only_admins_can_decide(world: World, ada: Person, admin: Person) -> None:
    await proposed(world, ada)
    question = await asked(world, admin)
    channel = world.slack.workspace.direct_message(admin.user)
    channel.members.add(ada.id)  # as if Slack had shown it to another person
    for button in (approvals.APPROVE, approvals.DECLINE):
        await ada.click(question, button)
        await world.until(lambda: ada.private)
        assert "Only the admins of this app" in ada.private.pop().text
    await until_idle()
    assert world.videos.creates == []
    assert has_buttons(question)


@pytest.mark.usefixtures("bot")
async def test_an_approval_is_in_the_audit_log(
    world: World, ada: Person, admin: Person, settings: Settings
) -> None:
    thread = await proposed(world, ada)
    await admin.click(await asked(world, admin), approvals.APPROVE)
    await world.until(ready(thread))
    store = Store.open(settings.database_url.get_secret_value())
    [entry] = await store.audit_log(since=0)
    await store.close()
    assert (entry.actor, entry.act, entry.subject) == (admin.id, Act.APPROVED, ada.id)


@pytest.mark.usefixtures("bot")
async def test_an_admin_can_approve_their_own_video(world: World, admin: Person) -> None:
    world.slack.workspace.videos.members.add(admin.id)
    await admin.command(PRO)
    await admin.click(await asked(world, admin), approvals.APPROVE)
    await world.until(ready(Thread(world)))


@pytest.mark.usefixtures("bot")
async def test_the_second_admin_learns_who_was_first(
    world: World, ada: Person, admin: Person, second: Person
) -> None:
    await proposed(world, ada)
    first, other = await asked(world, admin), await asked(world, second)
    await second.click(other, approvals.DECLINE)
    await world.until(lambda: second.view)
    await admin.click(first, approvals.APPROVE)
    await second.submit()
    assert second.view is not None
    assert f"Approved by <@{admin.id}>" in str(second.view.blocks)
    await world.until(ready(Thread(world)))
    assert len(world.videos.creates) == 1


async def test_simultaneous_decisions_in_two_processes_have_one_outcome(
    world: World, ada: Person, admin: Person, second: Person, run_bot: RunBot
) -> None:
    async with run_bot(), run_bot():
        for number in range(4):
            await ada.command(f"clouds {number} --model sora-2-pro")
        await world.until(lambda: len(direct(world, second)) == 4 == len(direct(world, admin)))
        others = {job_id(question): question for question in direct(world, second)}
        for mine in direct(world, admin):
            theirs = others[job_id(mine)]
            await second.click(theirs, approvals.DECLINE)
            await world.until(lambda: second.view)
            await asyncio.gather(admin.click(mine, approvals.APPROVE), second.submit())
            if second.view is not None:
                await second.close_view()
        await world.until(lambda: not any(map(has_buttons, direct(world, second))))
        over = ("*Ready:*", "*Not approved:*")
        await world.until(
            lambda: all(any(w in shown(c) for w in over) for c in Thread(world).cards)
        )
        await until_idle()
    made = [card for card in Thread(world).cards if "*Ready:*" in shown(card)]
    assert len(world.videos.creates) == len(made)
    approved = [each for each in direct(world, second) if "Approved by" in shown(each)]
    assert len(approved) == len(made)


async def test_approving_after_the_deadline_starts_nothing(
    world: World, ada: Person, admin: Person, run_bot: RunBot
) -> None:
    async with run_bot():
        await proposed(world, ada)
        question = await asked(world, admin)
        await until_idle()
    async with run_bot(replace(FAST, approval_timeout=0.0)):
        await admin.click(question, approvals.APPROVE)
        await world.until(lambda: admin.private)
        assert "no longer waiting for approval" in admin.private[-1].text
    assert world.videos.creates == []


async def test_an_expired_question_loses_its_buttons_and_the_thread_says_so(
    world: World, ada: Person, admin: Person, run_bot: RunBot
) -> None:
    async with run_bot(replace(FAST, approval_timeout=0.5)):
        thread = await proposed(world, ada)
        await world.until(lambda: thread.says("*Not approved:*") and thread.replies)
        assert "nobody" in shown(await asked(world, admin)).lower()
        assert not has_buttons(await asked(world, admin))
    assert world.videos.creates == []


@pytest.mark.usefixtures("bot")
async def test_cancelling_a_proposed_video_closes_its_questions(
    world: World, ada: Person, admin: Person
) -> None:
    thread = await proposed(world, ada)
    question = await asked(world, admin)
    await ada.click(thread.card, cards.CANCEL)
    await world.until(lambda: thread.says("*Cancelled:*") and not has_buttons(question))
    assert "cancelled before anybody decided" in shown(question)
    assert thread.replies == []


async def test_the_questions_survive_a_restart(
    world: World, ada: Person, admin: Person, run_bot: RunBot
) -> None:
    async with run_bot():
        thread = await proposed(world, ada)
        question = await asked(world, admin)
        await until_idle()
    async with run_bot():
        await admin.click(question, approvals.APPROVE)
        await world.until(ready(thread))
    assert len(direct(world, admin)) == 1


@pytest.fixture
def spending(world: World, admin: Person, second: Person) -> Conversation:
    return world.slack.workspace.add_channel("spending", members=[admin.user, second.user])


async def test_the_question_goes_to_the_approvals_channel(
    world: World,
    ada: Person,
    admin: Person,
    run_bot: RunBot,
    settings: Settings,
    spending: Conversation,
) -> None:
    channel = {"approvals_channel": spending.id}
    async with run_bot(settings=settings.model_copy(update=channel)):
        await proposed(world, ada)
        [question] = await world.until(lambda: world.slack.workspace.messages(spending))
        await admin.click(question, approvals.APPROVE)
        await world.until(ready(Thread(world)))
    assert direct(world, admin) == []


async def test_without_access_to_the_approvals_channel_each_admin_is_asked(
    world: World,
    ada: Person,
    admin: Person,
    second: Person,
    run_bot: RunBot,
    settings: Settings,
    spending: Conversation,
) -> None:
    spending.archived = True
    channel = {"approvals_channel": spending.id}
    async with run_bot(settings=settings.model_copy(update=channel)):
        await proposed(world, ada)
        for person in (admin, second):
            await asked(world, person)


async def test_a_confirmed_price_still_needs_approval(
    world: World, ada: Person, admin: Person, run_bot: RunBot, settings: Settings
) -> None:
    both = settings.model_copy(update={"confirm_above_usd": Decimal(1)})
    async with run_bot(settings=both):
        await ada.command(PRO)
        await world.until(lambda: ada.private)
        assert direct(world, admin) == []
        await ada.click(ada.private[-1], drafts.CONFIRM)
        await admin.click(await asked(world, admin), approvals.APPROVE)
        await world.until(ready(Thread(world)))


# Limits


@pytest.fixture
async def limited_bot(run_bot: RunBot, settings: Settings) -> AsyncIterator[Bot]:
    """A bot for which the month's limit is $4.00, the price of one 12-second video and a bit."""
    limit = {"limit_month_usd": Decimal(4)}
    async with run_bot(settings=settings.model_copy(update=limit)) as bot:
        yield bot


async def make_soft(bot: Bot, limit: LimitKind, amount: Decimal) -> None:
    row = {"kind": limit, "subject": "", "amount": micros(amount), "is_soft": True}
    await bot._store._database.execute(limits.insert().values(row))


@pytest.mark.usefixtures("limited_bot")
async def test_a_video_beyond_a_limit_is_refused_instead_of_proposed(
    world: World, ada: Person, admin: Person
) -> None:
    await ada.command("clouds --model sora-2-pro --seconds 12 --size 1024x1792")
    await world.until(lambda: ada.private)
    assert "limit" in shown(ada.private[-1])
    await until_idle()
    assert (direct(world, admin), Thread(world).cards) == ([], [])


@pytest.mark.usefixtures("limited_bot")
async def test_an_approval_reserves_the_price(world: World, ada: Person, admin: Person) -> None:
    world.videos.hold()
    await proposed(world, ada)
    await ada.command("cheap clouds")
    await world.until(lambda: world.videos.creates)
    await admin.click(await asked(world, admin), approvals.APPROVE)
    await world.until(lambda: len(world.videos.creates) == 2)
    await ada.command("more clouds")
    await world.until(lambda: ada.private)
    assert "limit" in shown(ada.private[-1])
    assert len(Thread(world).cards) == 2


@pytest.mark.usefixtures("limited_bot")
async def test_the_question_says_what_is_used_of_the_limits(
    world: World, ada: Person, admin: Person
) -> None:
    await ada.command("cheap clouds")
    await world.until(ready(Thread(world)))
    await ada.command(PRO)
    question = await asked(world, admin)
    assert f"*This month:* <@{ada.id}> $0.40 · everyone $0.40 of $4" in shown(question)


@pytest.mark.usefixtures("limited_bot")
async def test_what_was_spent_while_a_video_waited_keeps_it_from_being_approved(
    world: World, ada: Person, admin: Person
) -> None:
    thread = await proposed(world, ada)
    question = await asked(world, admin)
    for number in (1, 2):
        await ada.command(f"cheap clouds {number}")
    await world.until(lambda: len(world.videos.creates) == 2)
    await admin.click(question, approvals.APPROVE)
    await world.until(lambda: admin.private)
    assert "limit" in shown(admin.private[-1])
    await until_idle()
    assert has_buttons(question)
    assert "Waiting for approval" in shown(thread.cards[0])
    assert len(world.videos.creates) == 2


async def test_a_video_beyond_a_soft_limit_is_proposed(
    world: World, ada: Person, admin: Person, limited_bot: Bot
) -> None:
    await make_soft(limited_bot, LimitKind.MONTH_USD, Decimal("0.50"))
    await ada.command("clouds 1")
    await world.until(lambda: world.videos.creates)
    assert direct(world, admin) == []
    await ada.command("clouds 2")
    await admin.click(await asked(world, admin), approvals.APPROVE)
    await world.until(lambda: len(world.videos.creates) == 2)


async def test_a_soft_limit_without_an_admin_is_a_hard_one(
    world: World, ada: Person, run_bot: RunBot, settings: Settings
) -> None:
    nobody = settings.model_copy(update={"approve_above_usd": None, "admin_users": []})
    async with run_bot(settings=nobody) as bot:
        await make_soft(bot, LimitKind.MONTH_USD, Decimal("0.10"))
        await ada.command("clouds")
        await world.until(lambda: ada.private)
        assert "limit" in shown(ada.private[-1])
    assert Thread(world).cards == []
