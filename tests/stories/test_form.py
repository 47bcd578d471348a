"""The form in the pretend Slack: filled in, submitted, wrong, late, and from a message."""

import json
import sqlite3
import tracemalloc
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox import faults
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import View
from bot.sandbox.world import World
from bot.slack.shortcuts import CREATE_VIDEO, VIDEO_OF_MESSAGE, read_message
from bot.ui.replies import OPEN_FORM
from tests.support.channel import Thread, created_at, failed, joined_at, ready, shown
from tests.support.installation import MANIFEST
from tests.support.pictures import picture, size_of

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture
async def ada(world: World) -> Person:
    """Somebody with the form open."""
    await world.slack.ada.command("")
    assert the_form(world.slack.ada).title == "Create a video"
    return world.slack.ada


def the_form(person: Person) -> View:
    assert person.view is not None
    return person.view


def block(view: View, name: str) -> dict[str, Any]:
    """A field of the form, or the line with the price."""
    [found] = [each for each in view.blocks if each["block_id"].partition(":")[0] == name]
    return found


def offered(view: View, name: str) -> list[str]:
    return [option["value"] for option in block(view, name)["element"]["options"]]


def price(view: View) -> str:
    return str(block(view, "price")["elements"][0]["text"])


# Each row of the table


async def test_every_field_reaches_the_video_server_and_the_thread(
    world: World, ada: Person, clip: bytes
) -> None:
    elsewhere = world.slack.workspace.add_channel("elsewhere")
    grace = world.slack.grace
    await ada.choose("model", "sora-2-pro")
    await ada.choose("seconds", "12")
    await ada.choose("size", "1024x1792")
    await ada.fill(
        {
            "prompt": "a timelapse\nof <clouds> & @here",
            "input_reference": [ada.upload("sky.png", picture("PNG", (400, 300)), "image/png")],
            "fit": "pad",
            "channel": elsewhere.id,
            "notify": [grace.id, ada.id],
        }
    )
    answer = await ada.submit()
    assert (answer.payload, ada.view) == (None, None)
    thread = Thread(world, elsewhere)
    await world.until(ready(thread))

    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds, video.size) == (
        "a timelapse\nof <clouds> & @here",
        "sora-2-pro",
        "12",
        "1024x1792",
    )
    assert video.input_reference is not None
    assert (video.input_reference.mime, size_of(video.input_reference.content)) == (
        "image/png",
        ("PNG", 1024, 1792),
    )
    [reply] = thread.replies
    assert reply.mentions == {ada.id, grace.id}
    assert [file.data for file in reply.files] == [clip]
    assert "starting image fitted with bars from 400 × 300" in shown(thread.card)  # noqa: RUF001 -- the sign
    assert Thread(world).messages == []


async def test_the_form_begins_with_the_defaults_and_the_current_conversation(
    world: World, ada: Person
) -> None:
    form = the_form(ada)
    assert offered(form, "model") == [
        "sora-2",
        "sora-2-pro",
        "sora-2-2025-10-06",
        "sora-2-pro-2025-10-06",
        "sora-2-2025-12-08",
    ]
    assert offered(form, "seconds") == ["4", "8", "12"]
    assert offered(form, "size") == ["720x1280", "1280x720"]
    words = [o["text"]["text"] for o in block(form, "size")["element"]["options"]]
    assert words == ["Portrait 720 × 1280", "Landscape 1280 × 720"]  # noqa: RUF001 -- the sign
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.model, video.seconds, video.size) == ("sora-2", "4", "720x1280")
    assert video.input_reference is None


async def test_a_prompt_of_31000_characters_comes_verbatim_from_a_file(
    world: World, ada: Person
) -> None:
    prompt = ("Wolken ☁ ziehen\r\n\tüber  <das> Land & mehr\n" * 800)[:31_000] + " "
    await ada.fill({"prompt_file": [ada.upload("prompt.txt", prompt.encode(), "text/plain")]})
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == prompt


async def test_the_mark_that_windows_puts_before_text_is_no_prompt(
    world: World, ada: Person
) -> None:
    file = ada.upload("prompt.md", b"\xef\xbb\xbfclouds", "text/markdown")
    await ada.fill({"prompt_file": [file]})
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == "clouds"


# Choosing


async def test_another_model_brings_its_sizes_and_its_price_and_nothing_typed_is_lost(
    world: World, ada: Person
) -> None:
    sky = ada.upload("sky.png", picture("PNG", (720, 1280)), "image/png")
    await ada.fill({"prompt": "clouds", "input_reference": [sky], "notify": [world.slack.grace.id]})
    await ada.choose("seconds", "8")
    assert price(the_form(ada)) == "*Price:* about $0.80 for 8 seconds"
    await ada.choose("model", "sora-2-pro")
    form = the_form(ada)
    assert offered(form, "size") == ["720x1280", "1280x720", "1024x1792", "1792x1024"]
    assert price(form) == "*Price:* about $2.40 for 8 seconds"
    await ada.choose("size", "1792x1024")
    assert price(the_form(ada)) == "*Price:* about $4.00 for 8 seconds"
    await ada.choose("model", "sora-2-2025-12-08")
    assert price(the_form(ada)) == "*Price:* about $0.80 for 8 seconds"
    await ada.submit()
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds, video.size) == (
        "clouds",
        "sora-2-2025-12-08",
        "8",
        "720x1280",
    )
    assert video.input_reference is not None
    assert Thread(world).replies[0].mentions == {ada.id, world.slack.grace.id}


async def test_a_choice_in_a_form_that_has_changed_since_is_harmless(
    world: World, ada: Person
) -> None:
    conflict = faults.respond_with(200, {"ok": False, "error": "hash_conflict"})
    world.faults.inject("views.update", conflict)
    answer = await ada.choose("model", "sora-2-pro")
    assert answer.delivered
    assert offered(the_form(ada), "size") == ["720x1280", "1280x720"]
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].model == "sora-2-pro"


async def test_a_real_stale_hash_changes_nothing(world: World, ada: Person) -> None:
    answer = await ada.choose("model", "sora-2-pro")
    before = the_form(ada).body
    again = await world.slack.redeliver(answer.envelope)
    assert again.delivered
    assert the_form(ada).body == before
    [_, stale] = world.slack.calls_of("views.update")
    assert stale.error == "hash_conflict"


async def test_a_size_that_the_model_does_not_make_is_an_error_on_the_size(
    world: World, ada: Person
) -> None:
    await ada.choose("model", "sora-2-pro")
    await ada.choose("size", "1792x1024")
    world.faults.inject(
        "views.update", faults.respond_with(200, {"ok": False, "error": "not_found"})
    )
    await ada.choose("model", "sora-2")
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    [(name, sentence)] = the_form(ada).errors.items()
    assert name.startswith("size:")
    assert "sora-2 doesn't support this. Choose 720 × 1280, 1280 × 720." in sentence  # noqa: RUF001 -- the sign
    assert world.videos.calls == []


# Wrong input


async def test_without_a_prompt_the_prompt_is_asked_for(world: World, ada: Person) -> None:
    await ada.fill({"prompt": "  \n"})
    await ada.submit()
    assert list(the_form(ada).errors) == ["prompt"]
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))


async def test_everything_that_is_wrong_is_said_at_once(world: World, ada: Person) -> None:
    await ada.fill(
        {
            "prompt": "clouds",
            "prompt_file": [ada.upload("p.txt", b"clouds", "text/plain")],
            "input_reference": [ada.upload("cat.gif", b"GIF89a", "image/gif")],
        }
    )
    await ada.submit()
    assert list(the_form(ada).errors) == ["input_reference", "prompt_file"]
    assert the_form(ada).values["prompt"]["prompt"]["value"] == "clouds"
    assert world.videos.calls == []


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\xff\xfec\x00l\x00o\x00", "UTF-8"),
        (b"   \n", "prompt is missing"),
        (b"x" * 32_001, "32,001 characters. The limit is 32,000"),
        (b"x" * 200_000, "The limit is 128 kB"),
        (b"nul \x00", "can't be sent"),
    ],
)
async def test_a_wrong_prompt_file_is_an_error_on_its_field(
    world: World, ada: Person, content: bytes, hint: str
) -> None:
    await ada.fill({"prompt_file": [ada.upload("p.txt", content, "text/plain")]})
    answer = await ada.submit()
    assert answer.delivered
    [(name, sentence)] = the_form(ada).errors.items()
    assert name == "prompt_file"
    assert hint in sentence
    assert world.videos.calls == []


async def test_a_prompt_file_that_slack_keeps_back_is_an_error_on_its_field(
    world: World, ada: Person
) -> None:
    await ada.fill({"prompt_file": [ada.upload("p.txt", b"clouds", "text/plain")]})
    login = faults.respond_with(200, "<!DOCTYPE html>Sign in", Content_Type="text/html")
    world.faults.inject("download", login)
    await ada.submit()
    assert "I can't access this file" in the_form(ada).errors["prompt_file"]
    world.faults.inject("download", faults.hang)
    answer = await ada.submit()
    assert answer.delivered
    assert "in time" in the_form(ada).errors["prompt_file"]
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == "clouds"


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ({"mode": "external", "is_external": True}, "only linked"),
        ({"size": 20_000_001}, "20,000 kB"),
        ({"user": "U0STRANGER"}, "Someone else"),
        ({"mimetype": "image/heic"}, "JPG, PNG or WebP"),
    ],
)
async def test_what_slack_says_about_a_picture_is_checked_at_once(
    world: World, ada: Person, overrides: dict[str, Any], hint: str
) -> None:
    file = ada.upload("sky.png", picture("PNG", (72, 128)), "image/png")
    file.overrides = overrides
    await ada.fill({"prompt": "clouds", "input_reference": [file]})
    await ada.submit()
    assert hint in the_form(ada).errors["input_reference"]
    assert (world.videos.calls, world.slack.calls_of("download")) == ([], [])


async def test_a_picture_that_shows_nothing_of_itself_yet_is_looked_at_later(
    world: World, ada: Person
) -> None:
    file = ada.upload("sky.png", picture("PNG", (720, 1280)), "image/png")
    # docs.slack.dev: file object, "check_file_info"
    file.overrides = {"file_access": "check_file_info", "mode": None, "user": None, "mimetype": ""}
    await ada.fill({"prompt": "clouds", "input_reference": [file]})
    file.overrides = {}
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None


async def test_half_a_picture_is_fetched_again(world: World, ada: Person) -> None:
    half = faults.respond_with(200, "half", Content_Type="image/png")
    world.faults.inject("download", half)
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None


# What can only be found out later


async def submit_with(ada: Person, name: str, data: bytes, **overrides: Any) -> None:  # noqa: ANN401 -- any JSON
    mime = "image/jpeg" if name.endswith(".jpg") else "image/png"
    file = ada.upload(name, data, mime)
    await ada.fill({"prompt": "a timelapse of clouds", "input_reference": [file]})
    file.overrides = overrides
    await ada.submit()
    assert ada.view is None


async def told_privately(world: World, person: Person) -> str:
    place = world.slack.workspace.direct_message(person.user)
    [message] = await world.until(lambda: world.slack.workspace.messages(place))
    return shown(message)


async def assert_it_cost_nothing(world: World, ada: Person, hint: str) -> None:
    """Told privately, with the prompt and what to do; nothing was asked or posted."""
    told = await told_privately(world, ada)
    assert "I can't use your starting image" in told
    assert "nothing was charged" in told
    assert "a timelapse of clouds" in told
    assert hint in told
    assert world.videos.calls == []
    assert Thread(world).messages == []


async def test_a_bomb_of_50_megapixels_is_refused_and_costs_nothing(
    world: World, ada: Person
) -> None:
    await submit_with(ada, "bomb.png", picture("PNG", (10_000, 5_000), mode="1"))
    await assert_it_cost_nothing(world, ada, "29 megapixels")


async def test_a_login_page_in_place_of_the_picture_costs_nothing(
    world: World, ada: Person
) -> None:
    login = faults.respond_with(200, "<!DOCTYPE html>Sign in", Content_Type="text/html")
    world.faults.inject("download", login)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_it_cost_nothing(world, ada, "I can't access this file")


async def test_a_text_that_calls_itself_a_picture_costs_nothing(world: World, ada: Person) -> None:
    await submit_with(ada, "sky.jpg", b"<!DOCTYPE html>" * 100)
    await assert_it_cost_nothing(world, ada, "can't read")


async def test_a_picture_deleted_in_between_costs_nothing(world: World, ada: Person) -> None:
    file = ada.upload("sky.png", picture("PNG", (72, 128)), "image/png")
    await ada.fill({"prompt": "a timelapse of clouds", "input_reference": [file]})
    world.slack.workspace.delete_file(file)
    await ada.submit()
    await assert_it_cost_nothing(world, ada, "It was deleted, or")


async def test_a_picture_that_cannot_be_fetched_for_long_costs_nothing(
    world: World, ada: Person
) -> None:
    world.faults.inject("download", faults.respond_with(503, "busy"), times=99)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_it_cost_nothing(world, ada, "Try again")
    assert len(world.slack.calls_of("download")) == 5


async def test_a_compressed_picture_is_not_decompressed(world: World, ada: Person) -> None:
    compressed = faults.compressed(200, picture("PNG", (72, 128)))
    world.faults.inject("download", compressed, times=99)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_it_cost_nothing(world, ada, "Try again")


async def test_a_picture_that_comes_at_the_third_time_is_used(world: World, ada: Person) -> None:
    world.faults.inject("download", faults.respond_with(503, "busy"))
    world.faults.inject("download", faults.drop, nth=2)
    world.faults.inject(
        "files.info", faults.respond_with(429, {"ok": False, "error": "ratelimited"})
    )
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None
    assert len(Thread(world).cards) == 1


async def test_a_server_that_is_busy_gets_the_picture_again(world: World, ada: Person) -> None:
    world.faults.inject("create", faults.respond_with(503, {"detail": "busy"}))
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None
    assert len(Thread(world).cards) == 1


async def test_a_picture_that_is_gone_when_the_server_has_time_is_told_in_the_thread(
    world: World, ada: Person
) -> None:
    file = ada.upload("sky.png", picture("PNG", (720, 1280)), "image/png")

    async def busy_while_it_goes(request: web.Request) -> web.StreamResponse:
        world.slack.workspace.delete_file(file)
        return await faults.respond_with(503, {"detail": "busy"})(request)

    world.faults.inject("create", busy_while_it_goes)
    await ada.fill({"prompt": "clouds", "input_reference": [file]})
    await ada.submit()
    await world.until(failed(Thread(world)))
    assert "It was deleted, or" in shown(Thread(world).replies[0])
    assert world.videos.creates == []


async def test_a_closed_channel_is_told_in_the_direct_message_and_costs_nothing(
    world: World, ada: Person
) -> None:
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    await ada.fill({"prompt": "a timelapse of clouds", "channel": closed.id})
    await ada.submit()
    told = await told_privately(world, ada)
    assert "/invite @videobot" in told
    assert "a timelapse of clouds" in told
    assert world.videos.calls == []


async def test_a_channel_of_strangers_is_joined_before_anything_is_paid(
    world: World, ada: Person
) -> None:
    strangers = world.slack.workspace.add_channel("strangers", bot_is_member=False)
    await ada.fill({"prompt": "clouds", "channel": strangers.id})
    await ada.submit()
    await world.until(ready(Thread(world, strangers)))
    assert joined_at(world) < created_at(world)


async def test_what_a_response_url_answers_is_not_read(world: World) -> None:
    ada = world.slack.ada
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    world.faults.inject("response_url", faults.compressed(404, b"x" * 30_000_000))
    tracemalloc.start()
    await ada.command("a timelapse of clouds", channel=closed)
    assert "/invite" in await told_privately(world, ada)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 15_000_000


async def test_an_old_response_url_is_not_the_last_word(world: World) -> None:
    ada = world.slack.ada
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    world.faults.inject(
        "response_url", faults.respond_with(404, {"ok": False, "error": "expired_url"})
    )
    await ada.command("a timelapse of clouds", channel=closed)
    assert "/invite" in await told_privately(world, ada)
    assert ada.private == []


# The token


class Foreigner:
    """A web server that is not Slack, and would like a token."""

    def __init__(self) -> None:
        self.heard: list[web.BaseRequest] = []
        self.url = ""

    async def hear(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heard.append(request)
        return web.Response(body=picture("PNG", (72, 128)), content_type="image/png")


@pytest.fixture
async def foreigner() -> Any:  # noqa: ANN401 -- an async generator fixture
    foreigner = Foreigner()
    runner = web.ServerRunner(web.Server(foreigner.hear))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    foreigner.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sky.png"
    yield foreigner
    await runner.cleanup()


async def test_a_foreign_address_never_sees_the_token(
    world: World, ada: Person, foreigner: Foreigner
) -> None:
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)), url_private_download=foreigner.url)
    await assert_it_cost_nothing(world, ada, "Upload it in the form")
    assert foreigner.heard == []


@pytest.mark.parametrize("disguise", ["http://{slack}@{foreign}", "http://{slack}.{foreign}"])
async def test_a_foreign_address_in_slacks_clothes_never_sees_the_token(
    world: World, ada: Person, foreigner: Foreigner, disguise: str
) -> None:
    url = disguise.format(
        slack=f"{world.slack.host}", foreign=foreigner.url.removeprefix("http://")
    )
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)), url_private_download=url)
    await assert_it_cost_nothing(world, ada, "Upload it in the form")
    assert foreigner.heard == []


async def test_a_redirect_is_not_followed(world: World, ada: Person, foreigner: Foreigner) -> None:
    world.faults.inject("download", faults.respond_with(302, "", Location=foreigner.url))
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_it_cost_nothing(world, ada, "Upload it in the form")
    assert foreigner.heard == []


# Pressed twice, too late, or while nobody answers


async def test_a_double_submission_is_one_job(world: World, ada: Person) -> None:
    await ada.fill({"prompt": "clouds"})
    answer = await ada.submit()
    again = await world.slack.redeliver(answer.envelope)
    assert again.delivered
    thread = Thread(world)
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


async def test_a_database_that_does_not_answer_in_time_keeps_the_form_open(
    world: World, ada: Person, database_url: str
) -> None:
    await ada.fill({"prompt": "clouds"})
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        other.execute("BEGIN IMMEDIATE")  # and nobody else can write
        answer = await ada.submit()
        assert answer.delivered
        assert "press the button again" in the_form(ada).errors["prompt"]
        assert ada.view is not None
    await ada.submit()
    thread = Thread(world)
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == 1


async def test_an_expired_trigger_is_answered_privately(world: World) -> None:
    ada = world.slack.ada
    answer = await ada.command("help")
    payload = answer.envelope.payload
    world.slack.workspace.triggers[payload["trigger_id"]].issued -= 4
    payload["text"] = ""
    await world.slack.redeliver(answer.envelope)
    assert ada.view is None
    assert "three seconds" in ada.private[-1].text


@pytest.mark.parametrize("code", ["expired_trigger_id", "internal_error"])
async def test_a_shortcut_that_opens_no_form_says_so_privately(world: World, code: str) -> None:
    ada = world.slack.ada
    world.faults.inject("views.open", faults.respond_with(200, {"ok": False, "error": code}))
    answer = await ada.global_shortcut(CREATE_VIDEO)
    assert answer.delivered
    assert "Try again" in await told_privately(world, ada)


async def test_a_command_that_comes_twice_opens_one_form(world: World) -> None:
    ada = world.slack.ada
    answer = await ada.command("")
    await world.slack.redeliver(answer.envelope)
    assert ada.private == []
    assert len(world.slack.workspace.stack(ada.id)) == 1


# Other ways to the form


async def test_a_command_may_prefill_the_form(world: World) -> None:
    ada = world.slack.ada
    await ada.command("clouds & <rain> --seconds 8 --size 1792x1024 --model sora-2-pro --form")
    assert world.videos.calls == []
    assert price(the_form(ada)) == "*Price:* about $4.00 for 8 seconds"
    await ada.submit()
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds, video.size) == (
        "clouds & <rain>",
        "sora-2-pro",
        "8",
        "1792x1024",
    )


async def test_a_prompt_too_long_for_the_field_is_given_back_with_a_way(world: World) -> None:
    ada = world.slack.ada
    prompt = "clouds " * 500
    await ada.command(f"{prompt} --form")
    assert "text file" in json.dumps(block(the_form(ada), "prompt")["hint"])
    [told] = ada.private
    assert "3,499 characters" in told.text
    assert prompt.strip() in shown(told)


async def test_no_prompt_is_hidden_in_the_form(world: World) -> None:
    ada = world.slack.ada
    await ada.command("a secret --form")
    assert the_form(ada).private_metadata == ""


async def test_the_usage_has_a_button_to_the_form(world: World) -> None:
    ada = world.slack.ada
    await ada.command("help")
    await ada.click(ada.private[-1], OPEN_FORM)
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))


async def test_the_global_shortcut_asks_where_to_post(world: World) -> None:
    ada = world.slack.ada
    await ada.global_shortcut(CREATE_VIDEO)
    await ada.fill({"prompt": "clouds", "channel": world.slack.workspace.videos.id})
    await ada.submit()
    await world.until(ready(Thread(world)))


async def test_a_message_becomes_a_form_with_its_words_and_its_first_picture(
    world: World,
) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    files = [
        grace.upload("notes.txt", b"notes", "text/plain"),
        grace.upload("sky.jpg", picture("JPEG", (1280, 720)), "image/jpeg"),
        grace.upload("two.png", picture("PNG", (8, 8)), "image/png"),
    ]
    message = grace.post("Clouds <3 & more", files=files)
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.choose("size", "1280x720")
    await ada.submit()
    await world.until(lambda: any("*Ready:*" in shown(each) for each in Thread(world).cards))
    [video] = world.videos.creates
    assert video.prompt == "Clouds <3 & more"
    assert video.input_reference is not None
    assert size_of(video.input_reference.content) == ("JPEG", 1280, 720)


async def test_the_messages_picture_can_be_left_out_or_replaced(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    sky = grace.upload("sky.jpg", picture("JPEG", (1280, 720)), "image/jpeg")
    message = grace.post("clouds", files=[sky])
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.fill({"given_reference": []})
    await ada.choose("seconds", "8")
    await ada.submit()
    await world.until(lambda: len(world.videos.creates) == 1)
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    mine = ada.upload("mine.png", picture("PNG", (720, 1280)), "image/png")
    await ada.fill({"input_reference": [mine]})
    await ada.submit()
    await world.until(lambda: len(Thread(world).replies) == 2)
    without, replaced = world.videos.creates
    assert without.input_reference is None
    assert replaced.input_reference is not None
    assert replaced.input_reference.mime == "image/png"


async def test_a_messages_picture_where_the_bot_is_not_costs_nothing(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    private = world.slack.workspace.add_channel("private", private=True, bot_is_member=False)
    sky = grace.upload("sky.jpg", picture("JPEG", (72, 128)), "image/jpeg")
    message = grace.post("a timelapse of clouds", channel=private, files=[sky])
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.fill({"channel": world.slack.workspace.videos.id})
    await ada.submit()
    await assert_it_cost_nothing(world, ada, "I'm not in")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a &lt;b&gt; &amp;lt; c", "a <b> &lt; c"),
        ("like <https://example.com/?a=1&amp;b=2>", "like https://example.com/?a=1&b=2"),
        ("like <https://example.com|this one>, <@U0GRACE>", "like this one, @U0GRACE"),
        ("", ""),
    ],
)
def test_a_messages_text_is_read_without_slacks_markup(text: str, prompt: str) -> None:
    assert read_message({"text": text}).prompt == prompt


def test_the_manifest_has_the_shortcuts() -> None:
    named = {each["callback_id"]: each for each in MANIFEST["features"]["shortcuts"]}
    assert {name: (each["type"], each["name"]) for name, each in named.items()} == {
        CREATE_VIDEO: ("global", "Create a video"),
        VIDEO_OF_MESSAGE: ("message", "Make a video of this"),
    }
    assert all(len(each["name"]) <= 24 for each in named.values())
    assert all(len(each["description"]) <= 150 for each in named.values())
