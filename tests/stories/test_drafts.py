"""Text that may not be a prompt starts no video, and a prompt that is refused is not lost."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from bot.app import Bot
from bot.config import Settings
from bot.drafts import SavedDraft
from bot.errors import TemporaryError
from bot.sandbox.faults import respond_with
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Message, PrivateMessage
from bot.sandbox.world import World
from bot.service import Service
from bot.store import Store
from bot.timings import DRAFT_LIFETIME
from bot.ui import drafts
from tests.support.channel import Thread, ready, shown
from tests.support.installation import RunBot

Told = Message | PrivateMessage


def labels(message: Told) -> list[str]:
    """The labels of a message's buttons."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [button["text"]["text"] for row in rows for button in row]


def quoted(messages: Sequence[Told]) -> str:
    """The text that the messages quote."""
    texts = [block for each in messages for block in each.blocks if block["type"] == "rich_text"]
    return "".join(text["elements"][0]["elements"][0]["text"] for text in texts)


async def told(world: World, person: Person, count: int = 1) -> PrivateMessage:
    """Wait for `count` private messages; return the newest."""
    await world.until(lambda: len(person.private) >= count)
    return person.private[-1]


async def delivered(world: World) -> Message:
    """The card of a finished video in the channel."""
    await world.slack.ada.command("clouds over the sea")
    await world.until(ready(Thread(world)))
    return Thread(world).card


# Subcommands


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cancel", "add its ID"),
        ("status", "haven't made a video yet"),
        ("cancel it", "“it” is not the ID of a video"),
        ("cancel <!channel>", "“channel” is not the ID"),
        ("cancel 614d33068", "“614d33068” is not the ID of a video"),
        ("status now", "“now” is not the ID of a video"),
        ("lst", "haven't made a video yet"),
        ("help me", "--seconds"),
    ],
)
async def test_a_subcommand_starts_nothing_but_offers_its_text_as_a_prompt(
    world: World, text: str, words: str
) -> None:
    ada = world.slack.ada
    await ada.command(text)
    reply = await told(world, ada)
    assert words in shown(reply)
    assert labels(reply)[-1] == f"Make a video of “{text}” (about $0.40)"
    assert world.videos.calls == []
    await ada.click(reply, drafts.START)
    [video] = await world.until(lambda: world.videos.creates)
    assert video.prompt == text
    assert "Making a video" in reply.text


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("text", ["list", "help", "--help", "?", "status 0123456789"])
async def test_an_exact_subcommand_does_not_offer_to_make_a_video(world: World, text: str) -> None:
    ada = world.slack.ada
    await ada.command(text)
    assert "Make a video of" not in shown(await told(world, ada))


@pytest.mark.usefixtures("bot")
async def test_options_without_a_prompt_open_a_prefilled_form(world: World) -> None:
    ada = world.slack.ada
    await ada.command("--seconds 8 --size wide")
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    [video] = await world.until(lambda: world.videos.creates)
    assert (video.seconds, video.size) == ("8", "1280x720")


@pytest.mark.usefixtures("bot")
async def test_help_works_without_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await away(monkeypatch)
    await world.slack.ada.command("help me")
    reply = await told(world, world.slack.ada)
    assert "--seconds" in shown(reply)
    assert "Make a video of" not in shown(reply)


async def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call of the service fail for lack of a database."""

    async def fail(*_: object, **__: object) -> None:
        raise TemporaryError("The database does not respond.")

    for method in ("keep", "draft", "start", "delivered_in"):
        monkeypatch.setattr(Service, method, fail)


# Messages that may be chat


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("text", ["thanks!", "is it done yet?", "hello there"])
async def test_possible_chat_in_a_thread_gets_a_private_question(world: World, text: str) -> None:
    ada, root = world.slack.ada, world.slack.grace.post("shall we?")
    await ada.mention(text, thread_ts=root.ts)
    question = await told(world, ada)
    assert question.text == f"Make a video of “{text}”? About $0.40"
    assert labels(question) == ["Make it", "Never mind"]
    assert question.thread_ts == root.ts
    assert len(world.slack.workspace.replies(root.channel, root.ts)) == 1, "what Ada wrote"
    await ada.click(question, drafts.FORGET)
    await world.until(lambda: ada.private == [])
    assert world.videos.calls == []


@pytest.mark.usefixtures("bot")
async def test_confirming_the_question_creates_one_video_in_the_same_thread(world: World) -> None:
    ada, root = world.slack.ada, world.slack.grace.post("shall we?")
    await ada.mention("clouds", thread_ts=root.ts)
    question = await told(world, ada)
    # Two clicks, the second before the response to the first.
    await asyncio.gather(*(ada.click(question, drafts.START) for _ in range(2)))
    thread = Thread(world)
    await world.until(lambda: any("*Ready:*" in shown(reply) for reply in thread.replies))
    assert thread.cards == [root]
    assert len(world.videos.creates) == 1
    assert question.text == "Making a video of “clouds”."


@pytest.mark.usefixtures("bot")
async def test_a_redelivered_mention_creates_one_video_even_if_both_questions_are_confirmed(
    world: World,
) -> None:
    ada = world.slack.ada
    heard = await ada.mention("clouds")
    assert heard is not None
    await world.slack.redeliver(heard.envelope)
    await told(world, ada, 2)
    for question in ada.private:
        await ada.click(question, drafts.START)
    await world.until(lambda: any("*Ready:*" in shown(each) for each in Thread(world).messages))
    assert len(world.videos.creates) == 1


@pytest.mark.usefixtures("bot")
async def test_possible_chat_in_a_direct_message_gets_a_question_there(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    await ada.direct_message("thanks!")
    _, question = await world.until(lambda: place.messages[1:] and place.messages)
    assert labels(question) == ["Make it", "Never mind"]
    await ada.click(question, drafts.FORGET)
    await world.until(lambda: len(place.messages) == 1)
    await ada.direct_message("hi")
    *_, question = await world.until(lambda: place.messages[2:] and place.messages)
    await ada.click(question, drafts.START)
    await world.until(lambda: any("*Ready:*" in shown(message) for message in place.messages))
    assert [video.prompt for video in world.videos.creates] == ["hi"]


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "text", ["/video clouds", "/videobot clouds", '"clouds"', "-- clouds", "clouds --seconds 4"]
)
async def test_an_explicit_prompt_creates_a_video_without_a_question(
    world: World, text: str
) -> None:
    await world.slack.ada.direct_message(text)
    [video] = await world.until(lambda: world.videos.creates)
    assert video.prompt == "clouds"


@pytest.mark.usefixtures("bot")
async def test_a_command_typed_in_a_direct_message_is_run(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.direct_message(world.slack.ada.user)
    await ada.direct_message("/video list")
    _, listed = await world.until(lambda: place.messages[1:] and place.messages)
    assert "haven't made a video yet" in shown(listed)
    assert world.videos.calls == []


# In the thread of a finished video


@pytest.mark.usefixtures("bot")
async def test_a_mention_in_the_thread_of_a_finished_video_offers_a_remix_first(
    world: World,
) -> None:
    ada, grace, card = world.slack.ada, world.slack.grace, await delivered(world)
    await grace.mention("slower, at night", thread_ts=card.ts)
    question = await told(world, grace)
    assert labels(question) == ["Remix this video", "New video", "Never mind"]
    assert question.text.count("About $0.40") == 2
    assert ada.private == []
    await grace.click(question, drafts.REMIX)
    _, remix = await world.until(lambda: world.videos.creates[1:] and world.videos.creates)
    assert (remix.prompt, remix.remixed_from_video_id) == (
        "slower, at night",
        world.videos.creates[0].id,
    )
    await world.until(
        lambda: any("Remix of video" in shown(reply) for reply in Thread(world).replies)
    )
    assert len(Thread(world).cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_new_video_can_be_chosen_instead_and_stays_in_the_thread(world: World) -> None:
    grace, card = world.slack.grace, await delivered(world)
    await grace.mention("slower, at night", thread_ts=card.ts)
    await grace.click(await told(world, grace), drafts.START)
    _, video = await world.until(lambda: world.videos.creates[1:] and world.videos.creates)
    assert (video.prompt, video.remixed_from_video_id) == ("slower, at night", None)
    assert len(Thread(world).cards) == 1


@pytest.mark.usefixtures("bot")
async def test_a_deleted_video_cannot_be_remixed(world: World) -> None:
    ada, card = world.slack.ada, await delivered(world)
    await ada.mention("slower, at night", thread_ts=card.ts)
    question = await told(world, ada)
    await ada.click(card, "delete")
    await ada.click(question, drafts.REMIX)
    assert "was deleted" in (await told(world, ada, 2)).text
    assert labels(question) == ["Remix this video", "New video", "Never mind"]


# Refusals


@pytest.mark.usefixtures("bot")
async def test_an_invalid_option_returns_the_prompt_and_can_be_fixed_in_the_form(
    world: World,
) -> None:
    ada = world.slack.ada
    await ada.command("clouds & <rain> --second 8 ")
    refusal = await told(world, ada)
    assert "Did you mean `--seconds`?" in refusal.text
    assert quoted([refusal]) == "clouds & <rain> --second 8"
    assert labels(refusal) == ["Fix in the form"]
    await ada.click(refusal, drafts.FORM)
    await ada.submit()
    [video] = await world.until(lambda: world.videos.creates)
    assert (video.prompt, video.seconds) == ("clouds & <rain>", "8")


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("place", ["the thread", "another channel"])
async def test_the_form_of_a_thread_posts_in_that_thread_unless_another_channel_is_chosen(
    world: World, place: str
) -> None:
    ada, root = world.slack.ada, world.slack.grace.post("shall we?")
    other = world.slack.workspace.add_channel("elsewhere")
    await ada.mention("clouds --second 8", thread_ts=root.ts)
    await ada.click(await told(world, ada), drafts.FORM)
    await ada.choose("model", "sora-2-pro")  # which draws the form again
    if place == "another channel":
        await ada.fill({"channel": other.id})
    await ada.submit()
    thread = Thread(world, other if place == "another channel" else None)
    await world.until(lambda: any("*Ready:*" in shown(message) for message in thread.messages))
    [card] = [message for message in thread.messages if "*Ready:*" in shown(message)]
    assert card.thread_ts == (root.ts if place == "the thread" else card.ts)


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("door", ["command", "mention", "direct_message"])
async def test_a_prompt_that_is_too_long_is_returned_in_full(world: World, door: str) -> None:
    ada, text = world.slack.ada, "".join(f"{number} clouds, " for number in range(3_500)).strip()
    assert len(text) > 40_000
    place = world.slack.workspace.direct_message(ada.user)
    await getattr(ada, door)(text)
    received: Callable[[], list[Told]] = lambda: [*ada.private, *place.messages[1:]]  # noqa: E731 -- two kinds of places
    await world.until(lambda: len(received()) == 5)
    pieces = sorted(received(), key=_part)
    assert quoted(pieces) == text
    assert [*map(labels, pieces)] == [[]] * 5
    assert world.videos.calls == []


def _part(message: Told) -> str:
    return message.text if message.text.startswith("Your prompt, part") else ""


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("text", ["clouds over the sea", "clouds --second 8", "thanks!"])
async def test_without_the_database_the_prompt_is_returned_without_buttons(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    await away(monkeypatch)
    ada = world.slack.ada
    await ada.mention(text)
    refusal = await told(world, ada)
    assert quoted([refusal]) == text
    assert labels(refusal) == []


async def test_one_video_too_many_returns_the_prompt_and_the_form_has_it(
    world: World, run_bot: RunBot, settings: Settings
) -> None:
    ada = world.slack.ada
    world.videos.hold()
    async with run_bot(settings=settings.model_copy(update={"max_open_per_person": 1})):
        await ada.command("clouds over the sea")
        await ada.command("rain on the sea")
        refusal = await told(world, ada)
        assert quoted([refusal]) == "rain on the sea"
        await ada.click(refusal, drafts.FORM)
        assert ada.view is not None
        assert "rain on the sea" in json.dumps(ada.view.blocks)


@pytest.mark.usefixtures("bot")
async def test_a_closed_channel_returns_the_prompt_and_can_prefill_the_form(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.add_channel("closed", posting="restricted")
    prompt = "clouds over the sea " * 100
    await ada.command(prompt, channel=place)
    refusal = await told(world, ada)
    assert quoted([refusal]) == prompt.strip()
    await ada.click(refusal, "edit_and_try_again")
    assert ada.view is not None
    assert json.dumps(prompt.strip()) in json.dumps(ada.view.blocks)


@pytest.mark.usefixtures("bot")
async def test_a_closed_channel_returns_a_long_prompt_in_full(world: World) -> None:
    ada, place = world.slack.ada, world.slack.workspace.add_channel("closed", posting="restricted")
    prompt = "".join(f"{number} clouds, " for number in range(2_500)).strip()
    await ada.command(prompt, channel=place)
    await told(world, ada, 4)
    assert quoted(sorted(ada.private, key=_part)) == prompt


@pytest.mark.usefixtures("bot")
async def test_a_form_that_fails_to_open_returns_the_prompt(world: World) -> None:
    ada = world.slack.ada
    expired = respond_with(200, {"ok": False, "error": "expired_trigger_id"})
    world.faults.inject("views.open", expired)
    await ada.command("clouds over the sea --form")
    assert quoted([await told(world, ada)]) == "clouds over the sea"


# Owner and lifetime of a draft


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("action_id", [drafts.START, drafts.FORM])
async def test_only_the_author_of_a_draft_can_use_its_buttons(world: World, action_id: str) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    await (ada.command("clouds --second 8") if action_id == drafts.FORM else ada.mention("hi"))
    question = await told(world, ada)
    question.user = grace.id  # as if Slack had shown it to another person
    await grace.click(question, action_id)
    assert f"Only <@{ada.id}>" in (await told(world, grace, 2)).text
    assert grace.view is None
    assert world.videos.calls == []


async def test_an_expired_draft_is_deleted_and_cannot_be_used(world: World, bot: Bot) -> None:
    ada, store = world.slack.ada, bot._store
    await ada.mention("hi")
    question = await told(world, ada)
    [saved] = await _all(store, question)
    await store.delete_drafts(before=saved.created_at)
    assert await _all(store, question) == [saved]
    await store.delete_drafts(before=saved.created_at + DRAFT_LIFETIME)
    await ada.click(question, drafts.START)
    assert "Type it again" in (await told(world, ada, 2)).text
    assert world.videos.calls == []


async def test_the_bot_deletes_old_drafts_by_itself(
    world: World, run_bot: RunBot, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_bot() as bot:
        await world.slack.ada.mention("hi")
        [saved] = await _all(bot._store, await told(world, world.slack.ada))
        await bot._store.keep_draft(replace(saved, id="old", created_at=0.0))
    deleted, delete = asyncio.Event(), Store.delete_drafts

    async def watched(store: Store, *, before: float) -> None:
        await delete(store, before=before)
        deleted.set()

    monkeypatch.setattr(Store, "delete_drafts", watched)
    async with run_bot():
        await asyncio.wait_for(deleted.wait(), 10)
    with closing(sqlite3.connect(migrated_url.partition("///")[2])) as database:
        assert database.execute("SELECT id FROM drafts").fetchall() == [(saved.id,)]


async def _all(store: Store, question: PrivateMessage) -> list[SavedDraft]:
    rows = [block["elements"] for block in question.blocks if block["type"] == "actions"]
    ids = {button["value"] for row in rows for button in row}
    return [await store.draft(draft_id, since=0) for draft_id in ids]
