"""Nobody can use other people's starting images, deleted prompts or deleted videos."""

import sqlite3
from contextlib import closing

import pytest

from bot.sandbox.faults import respond_with
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import File, Message
from bot.sandbox.world import World
from bot.slack.shortcuts import VIDEO_OF_MESSAGE
from bot.ui import cards, replies
from tests.support.channel import Thread, failed, ready, shown, start_rendering, until_idle
from tests.support.pictures import picture

pytestmark = pytest.mark.usefixtures("bot")

SKY = picture("PNG", (720, 1280))


@pytest.fixture
def thread(world: World) -> Thread:
    return Thread(world)


@pytest.fixture
def ada(world: World) -> Person:
    return world.slack.ada


@pytest.fixture
def grace(world: World) -> Person:
    return world.slack.grace


async def request_with_image(ada: Person, prompt: str = "sunny clouds") -> File:
    """Request a video with a starting image that nobody else has seen."""
    file = ada.upload("sky.png", SKY, "image/png")
    await ada.command(f"{prompt} --form")
    await ada.fill({"input_reference": [file]})
    await ada.submit()
    assert ada.view is None
    return file


async def ready_with_image(world: World, thread: Thread) -> Message:
    await request_with_image(world.slack.ada)
    await world.until(ready(thread))
    return thread.card


async def cancelled_with_image(world: World, thread: Thread) -> Message:
    world.videos.hold()
    await request_with_image(world.slack.ada)
    await world.until(lambda: world.videos.creates and thread.cards)
    await world.slack.ada.click(thread.card, cards.CANCEL)
    await world.until(lambda: thread.says("*Cancelled:*"))
    return thread.card


async def deleted(world: World, thread: Thread) -> Message:
    card = await ready_with_image(world, thread)
    await world.slack.ada.click(card, cards.DELETE)
    await world.until(lambda: thread.says("*Deleted"))
    return card


async def refused(world: World, person: Person) -> str:
    """The private reply; nothing else was created or opened."""
    await world.until(lambda: person.private)
    assert person.view is None
    assert len(world.videos.creates) == 1
    return person.private[-1].text


# Make it again


async def test_make_it_again_offers_other_people_a_video_without_the_starting_image(
    world: World, thread: Thread, grace: Person
) -> None:
    card = await ready_with_image(world, thread)
    await grace.click(card, cards.MAKE_AGAIN)
    assert "without it?" in await refused(world, grace)


async def test_a_video_made_without_the_starting_image_says_so_and_is_created_once(
    world: World, thread: Thread, grace: Person
) -> None:
    card = await ready_with_image(world, thread)
    await grace.click(card, cards.MAKE_AGAIN)
    await world.until(lambda: grace.private)
    [question] = grace.private
    clicked = await grace.click(question, replies.MAKE_WITHOUT_PICTURE)
    clicked.envelope.payload["trigger_id"] = "a second click"
    await world.slack.redeliver(clicked.envelope)
    await world.until(lambda: len(thread.replies) == 2)
    [other] = [each for each in thread.cards if each is not card]
    assert "without the original's starting image" in shown(other)
    assert "without the original's starting image" not in shown(card)
    assert [bool(video.input_reference) for video in world.videos.creates] == [True, False]
    assert "new card" in question.text
    assert question.blocks == []


@pytest.mark.parametrize("person_name", ["ada", "grace"])
async def test_the_requester_and_the_uploader_can_reuse_the_starting_image(
    world: World, thread: Thread, ada: Person, person_name: str
) -> None:
    message = world.slack.grace.post(
        "clouds", files=[world.slack.grace.upload("sky.png", SKY, "image/png")]
    )
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.submit()
    await world.until(lambda: any("*Ready:*" in shown(each) for each in thread.cards))
    [card] = [each for each in thread.cards if each is not message]
    await getattr(world.slack, person_name).click(card, cards.MAKE_AGAIN)
    await world.until(lambda: len(thread.replies) == 2)
    assert all(video.input_reference for video in world.videos.creates)


async def test_only_the_requester_can_make_a_cancelled_video_again(
    world: World, thread: Thread, ada: Person, grace: Person
) -> None:
    card = await cancelled_with_image(world, thread)
    await grace.click(card, cards.MAKE_AGAIN)
    assert ada.id in await refused(world, grace)
    await ada.click(card, cards.MAKE_AGAIN)
    await world.until(lambda: len(world.videos.creates) == 2)
    assert world.videos.creates[1].input_reference is not None


# Edit and try again


async def test_only_the_requester_can_edit_and_try_again(
    world: World, thread: Thread, ada: Person, grace: Person
) -> None:
    await request_with_image(ada, "something forbidden")
    await world.until(failed(thread))
    [reply] = thread.replies
    await grace.click(reply, cards.EDIT)
    assert ada.id in await refused(world, grace)
    await ada.click(reply, cards.EDIT)
    await ada.fill({"prompt": "something allowed"})
    await ada.submit()
    await world.until(lambda: len(world.videos.creates) == 2)
    assert world.videos.creates[1].input_reference is not None


async def test_submitted_form_values_cannot_select_another_starting_image(
    world: World, thread: Thread, ada: Person, grace: Person
) -> None:
    secret = ada.upload("secret.png", picture("PNG", (1280, 720)), "image/png")
    secret.readers.add(world.slack.workspace.bot_user_id)
    mine = grace.upload("sky.png", SKY, "image/png")
    await grace.message_shortcut(VIDEO_OF_MESSAGE, grace.post("clouds", files=[mine]))
    assert grace.view is not None
    chosen = {"value": f"{secret.id} {ada.id}", "text": {"type": "plain_text", "text": "mine"}}
    grace.view.values["given_reference"]["given_reference"]["selected_options"] = [chosen]
    await grace.submit()
    await world.until(lambda: len(thread.replies) == 1)
    [video] = world.videos.creates
    assert video.input_reference is not None
    assert video.input_reference.content == SKY


async def test_submitted_form_values_cannot_add_a_starting_image(
    world: World, ada: Person, grace: Person
) -> None:
    secret = ada.upload("secret.png", SKY, "image/png")
    secret.readers.add(world.slack.workspace.bot_user_id)
    await grace.command("clouds --form")
    assert grace.view is not None
    chosen = {"value": f"{secret.id} {ada.id}", "text": {"type": "plain_text", "text": "mine"}}
    forged = {"type": "checkboxes", "selected_options": [chosen]}
    grace.view.values["given_reference"] = {"given_reference": forged}
    grace.view.body["blocks"].append(
        {
            "type": "input",
            "block_id": "given_reference",
            "optional": True,
            "label": {"type": "plain_text", "text": "Picture"},
            "element": {"type": "checkboxes", "action_id": "given_reference", "options": [chosen]},
        }
    )
    await grace.submit()
    assert list(grace.view.errors) == ["given_reference"]
    assert world.videos.calls == []


async def test_another_persons_upload_in_the_submitted_state_is_refused(
    world: World, ada: Person, grace: Person
) -> None:
    secret = ada.upload("secret.png", SKY, "image/png")
    secret.readers.add(world.slack.workspace.bot_user_id)
    await grace.command("clouds --form")
    assert grace.view is not None
    forged = {"type": "file_input", "files": [{"id": secret.id}]}
    grace.view.values["input_reference"]["input_reference"] = forged
    await grace.submit()
    await world.until(lambda: world.slack.workspace.direct_message(grace.user).messages)
    [told] = world.slack.workspace.direct_message(grace.user).messages
    assert "Someone else" in shown(told)
    assert world.videos.calls == []
    assert world.slack.calls_of("download") == []


# Remix


@pytest.mark.parametrize("name", ["ada", "grace"])
async def test_a_server_that_cannot_remix_gets_the_starting_image_of_whoever_may_use_it(
    world: World, thread: Thread, name: str
) -> None:
    original = await ready_with_image(world, thread)
    for operation in ("remix", "edit"):
        world.faults.inject(operation, respond_with(405, {"detail": "Method Not Allowed"}), times=9)
    await remix(world, getattr(world.slack, name), original)
    await world.until(lambda: len(thread.cards) == 2 and "*Ready:*" in shown(thread.cards[1]))
    video = world.videos.creates[1]
    assert (video.input_reference is not None) is (name == "ada")
    assert ("the prompt and the starting image" in shown(thread.cards[1])) is (name == "ada")


async def test_a_remix_needs_no_starting_image(world: World, thread: Thread) -> None:
    original = await ready_with_image(world, thread)
    world.slack.workspace.files.clear()
    await remix(world, world.slack.ada, original)
    await world.until(lambda: len(thread.cards) == 2 and "*Ready:*" in shown(thread.cards[1]))
    assert world.videos.creates[1].remixed_from_video_id == world.videos.creates[0].id
    assert "starting image" not in shown(thread.cards[1])


async def remix(world: World, person: Person, original: Message) -> None:
    await person.click(original, cards.REMIX)
    await world.until(lambda: person.view)
    await person.fill({"prompt": "sunny clouds at night"})
    await person.submit()


async def test_a_cancelled_video_cannot_be_remixed(
    world: World, thread: Thread, grace: Person
) -> None:
    await start_rendering(world)
    job_id = job_of(thread.card)
    await world.slack.ada.click(thread.card, cards.CANCEL)
    await world.until(lambda: thread.says("*Cancelled:*"))
    put_button(thread.card, cards.REMIX, job_id)
    await grace.click(thread.card, cards.REMIX)
    assert "isn't ready" in await refused(world, grace)


async def test_an_open_remix_form_cannot_remix_a_deleted_video(
    world: World, thread: Thread, ada: Person, grace: Person
) -> None:
    card = await ready_with_image(world, thread)
    await grace.click(card, cards.REMIX)
    await world.until(lambda: grace.view)
    await ada.click(card, cards.DELETE)
    await world.until(lambda: thread.says("*Deleted"))
    await grace.submit()
    assert grace.view is not None
    assert "was deleted" in grace.view.errors["prompt"]
    assert len(world.videos.creates) == 1


# Delete


async def test_delete_also_removes_the_prompt_from_the_card_and_the_database(
    world: World, thread: Thread, database_url: str
) -> None:
    card = await deleted(world, thread)
    assert "sunny clouds" not in shown(card)
    assert "starting image" not in shown(card)
    await until_idle()
    with closing(sqlite3.connect(database_url.partition("///")[2])) as database:
        row = database.execute("SELECT prompt, reference_file_id FROM jobs").fetchone()
    assert row == ("", None)


@pytest.mark.parametrize("person_name", ["ada", "grace"])
@pytest.mark.parametrize(
    "action", [cards.MAKE_AGAIN, cards.REMIX, cards.ASK_AGAIN, cards.EDIT, cards.SHOW_PROMPT]
)
async def test_an_outdated_button_cannot_reuse_a_deleted_video(
    world: World, thread: Thread, action: str, person_name: str
) -> None:
    person: Person = getattr(world.slack, person_name)
    card = await ready_with_image(world, thread)
    job_id = job_of(card)
    await world.slack.ada.click(card, cards.DELETE)
    put_button(card, action, job_id)
    await person.click(card, action)
    assert "was deleted" in await refused(world, person)


async def test_home_and_list_show_a_deleted_video_without_its_prompt(
    world: World, thread: Thread, ada: Person
) -> None:
    await deleted(world, thread)
    await ada.open_home()
    view = await world.until(lambda: ada.home)
    assert "*Deleted*" in str(view.blocks)
    assert "sunny clouds" not in str(view.blocks)
    await ada.command("list")
    assert "sunny clouds" not in shown(ada.private[-1])


def job_of(card: Message) -> str:
    """The id of the job that a card's buttons name."""
    [row] = [block for block in card.blocks if block["type"] == "actions"]
    return str(row["elements"][0]["value"])


def put_button(card: Message, action: str, job_id: str) -> None:
    """Add a button of an earlier card, as an outdated screen might still show it."""
    label = {"type": "plain_text", "text": "An old button"}
    button = {"type": "button", "action_id": action, "value": job_id, "text": label}
    card.blocks = [*card.blocks, {"type": "actions", "block_id": "old", "elements": [button]}]
