"""The form: filled in, submitted, invalid, late, and opened from a message."""

import json
import sqlite3
import tracemalloc
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox import faults
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Impossible, View
from bot.sandbox.world import World
from bot.slack.shortcuts import CREATE_VIDEO, VIDEO_OF_MESSAGE, read_message
from bot.ui.form import SHOW_INPUT_REFERENCE, SHOW_PROMPT_FILE
from bot.ui.replies import OPEN_FORM
from tests.support.channel import Thread, created_at, failed, joined_at, ready, shown, until_idle
from tests.support.installation import MANIFEST
from tests.support.pictures import picture, size_of

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture
async def ada(world: World) -> Person:
    """Ada, with the form open."""
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


async def add_prompt_file(person: Person, name: str, content: bytes) -> None:
    await person.click(the_form(person), SHOW_PROMPT_FILE)
    mime = "text/markdown" if name.endswith(".md") else "text/plain"
    await person.fill({"prompt_file": [person.upload(name, content, mime)]})


def price(view: View) -> str:
    return str(block(view, "price")["elements"][0]["text"])


# Each field


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
            "channel": elsewhere.id,
            "notify": [grace.id, ada.id],
        }
    )
    await ada.submit()
    assert the_form(ada).title == "Fit the image"
    await ada.fill({"fit": "pad"})
    await ada.submit()
    assert ada.view is None
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


async def test_the_form_opens_with_the_defaults_and_the_current_conversation(
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


async def test_a_prompt_file_of_31000_characters_is_used_verbatim(
    world: World, ada: Person
) -> None:
    prompt = ("Wolken ☁ ziehen\r\n\tüber  <das> Land & mehr\n" * 800)[:31_000] + " "
    await add_prompt_file(ada, "prompt.txt", prompt.encode())
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == prompt


async def test_a_byte_order_mark_is_not_part_of_the_prompt(world: World, ada: Person) -> None:
    await add_prompt_file(ada, "prompt.md", b"\xef\xbb\xbfclouds")
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == "clouds"


# Choices that update the form


async def test_changing_the_model_updates_sizes_and_price_and_keeps_all_input(
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


async def test_a_hash_conflict_when_choosing_a_model_is_harmless(world: World, ada: Person) -> None:
    conflict = faults.respond_with(200, {"ok": False, "error": "hash_conflict"})
    world.faults.inject("views.update", conflict)
    answer = await ada.choose("model", "sora-2-pro")
    assert answer.delivered
    assert offered(the_form(ada), "size") == ["720x1280", "1280x720"]
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].model == "sora-2-pro"


async def test_a_stale_view_hash_does_not_change_the_form(world: World, ada: Person) -> None:
    answer = await ada.choose("model", "sora-2-pro")
    before = the_form(ada).body
    again = await world.slack.redeliver(answer.envelope)
    assert again.delivered
    assert the_form(ada).body == before
    [_, stale] = world.slack.calls_of("views.update")
    assert stale.error == "hash_conflict"


async def test_a_size_that_the_model_does_not_support_is_an_error_on_the_size_field(
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


async def test_the_text_file_field_appears_on_request_and_keeps_all_input(
    world: World, ada: Person
) -> None:
    sky = ada.upload("sky.png", picture("PNG", (720, 1280)), "image/png")
    grace = world.slack.grace
    await ada.choose("seconds", "8")
    await ada.fill({"prompt": "clouds", "input_reference": [sky], "notify": [grace.id]})
    await ada.click(the_form(ada), SHOW_PROMPT_FILE)
    form = the_form(ada)
    assert ".txt or .md" in block(form, "prompt_file")["hint"]["text"]
    assert form.values["prompt"]["prompt"]["value"] == "clouds"
    with pytest.raises(Impossible):
        await ada.click(form, SHOW_PROMPT_FILE)
    await ada.fill({"prompt_file": [ada.upload("p.txt", b"rain", "text/plain")]})
    await ada.choose("model", "sora-2-pro")
    await ada.submit()
    assert list(the_form(ada).errors) == ["prompt_file"]
    await ada.fill({"prompt": None})
    await ada.submit()
    await world.until(ready(Thread(world)))
    [video] = world.videos.creates
    assert (video.prompt, video.model, video.seconds) == ("rain", "sora-2-pro", "8")
    assert video.input_reference is not None
    assert Thread(world).replies[0].mentions == {ada.id, grace.id}


@pytest.mark.parametrize("code", ["hash_conflict", "not_found"])
async def test_a_text_file_field_that_cannot_be_shown_leaves_the_form_usable(
    world: World, ada: Person, code: str
) -> None:
    world.faults.inject("views.update", faults.respond_with(200, {"ok": False, "error": code}))
    answer = await ada.click(the_form(ada), SHOW_PROMPT_FILE)
    assert answer.delivered
    await add_prompt_file(ada, "p.txt", b"clouds")
    await ada.submit()
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].prompt == "clouds"


# Invalid input


async def test_a_missing_prompt_is_an_error_on_the_prompt_field(world: World, ada: Person) -> None:
    await ada.fill({"prompt": "  \n"})
    await ada.submit()
    assert list(the_form(ada).errors) == ["prompt"]
    await ada.fill({"prompt": "clouds"})
    await ada.submit()
    await world.until(ready(Thread(world)))


async def test_all_invalid_fields_are_reported_together(world: World, ada: Person) -> None:
    gif = ada.upload("cat.gif", b"GIF89a", "image/gif")
    await ada.fill({"prompt": "clouds", "input_reference": [gif]})
    await add_prompt_file(ada, "p.txt", b"clouds")
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
async def test_an_invalid_prompt_file_is_an_error_on_its_field(
    world: World, ada: Person, content: bytes, hint: str
) -> None:
    await add_prompt_file(ada, "p.txt", content)
    answer = await ada.submit()
    assert answer.delivered
    [(name, sentence)] = the_form(ada).errors.items()
    assert name == "prompt_file"
    assert hint in sentence
    assert world.videos.calls == []


async def test_a_prompt_file_that_cannot_be_downloaded_is_an_error_on_its_field(
    world: World, ada: Person
) -> None:
    await add_prompt_file(ada, "p.txt", b"clouds")
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
async def test_the_metadata_of_a_starting_image_is_checked_before_downloading(
    world: World, ada: Person, overrides: dict[str, Any], hint: str
) -> None:
    file = ada.upload("sky.png", picture("PNG", (72, 128)), "image/png")
    file.overrides = overrides
    await ada.fill({"prompt": "clouds", "input_reference": [file]})
    await ada.submit()
    assert hint in the_form(ada).errors["input_reference"]
    assert (world.videos.calls, world.slack.calls_of("download")) == ([], [])


async def test_a_starting_image_without_metadata_is_checked_later(
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


async def test_a_truncated_starting_image_is_downloaded_again(world: World, ada: Person) -> None:
    half = faults.respond_with(200, "half", Content_Type="image/png")
    world.faults.inject("download", half)
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None


# Errors found after submission


async def submit_with(ada: Person, name: str, data: bytes, **overrides: Any) -> None:  # noqa: ANN401 -- any JSON
    mime = "image/jpeg" if name.endswith(".jpg") else "image/png"
    file = ada.upload(name, data, mime)
    await ada.fill({"prompt": "a timelapse of clouds", "input_reference": [file]})
    file.overrides = overrides
    await ada.submit()
    assert ada.view is None


async def direct_message_text(world: World, person: Person) -> str:
    place = world.slack.workspace.direct_message(person.user)
    [message] = await world.until(lambda: world.slack.workspace.messages(place))
    return shown(message)


async def assert_refused_at_no_cost(world: World, ada: Person, hint: str) -> None:
    """A direct message repeats the prompt and says what to do; nothing was created or posted."""
    told = await direct_message_text(world, ada)
    assert "I can't use your starting image" in told
    assert "nothing was charged" in told
    assert "a timelapse of clouds" in told
    assert hint in told
    assert world.videos.calls == []
    assert Thread(world).messages == []


async def test_a_50_megapixel_starting_image_is_refused_and_costs_nothing(
    world: World, ada: Person
) -> None:
    await submit_with(ada, "bomb.png", picture("PNG", (5_310, 9_440), mode="1"))
    await assert_refused_at_no_cost(world, ada, "29 megapixels")


async def test_a_login_page_instead_of_the_starting_image_costs_nothing(
    world: World, ada: Person
) -> None:
    login = faults.respond_with(200, "<!DOCTYPE html>Sign in", Content_Type="text/html")
    world.faults.inject("download", login)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_refused_at_no_cost(world, ada, "I can't access this file")


async def test_a_text_file_uploaded_as_an_image_costs_nothing(world: World, ada: Person) -> None:
    await submit_with(ada, "sky.jpg", b"<!DOCTYPE html>" * 100)
    await assert_refused_at_no_cost(world, ada, "can't read")


async def test_a_starting_image_deleted_before_submitting_costs_nothing(
    world: World, ada: Person
) -> None:
    file = ada.upload("sky.png", picture("PNG", (72, 128)), "image/png")
    await ada.fill({"prompt": "a timelapse of clouds", "input_reference": [file]})
    world.slack.workspace.delete_file(file)
    await ada.submit()
    await assert_refused_at_no_cost(world, ada, "It was deleted, or")


async def test_a_starting_image_that_cannot_be_downloaded_costs_nothing(
    world: World, ada: Person
) -> None:
    world.faults.inject("download", faults.respond_with(503, "busy"), times=99)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_refused_at_no_cost(world, ada, "Try again")
    assert len(world.slack.calls_of("download")) == 5


async def test_a_compressed_image_response_is_not_decompressed(world: World, ada: Person) -> None:
    compressed = faults.compressed(200, picture("PNG", (72, 128)))
    world.faults.inject("download", compressed, times=99)
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_refused_at_no_cost(world, ada, "Try again")


async def test_a_starting_image_downloaded_on_the_third_attempt_is_used(
    world: World, ada: Person
) -> None:
    world.faults.inject("download", faults.respond_with(503, "busy"))
    world.faults.inject("download", faults.drop, nth=2)
    world.faults.inject(
        "files.info", faults.respond_with(429, {"ok": False, "error": "ratelimited"})
    )
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None
    assert len(Thread(world).cards) == 1


async def test_a_create_that_is_retried_includes_the_starting_image(
    world: World, ada: Person
) -> None:
    world.faults.inject("create", faults.respond_with(503, {"detail": "busy"}))
    await submit_with(ada, "sky.png", picture("PNG", (720, 1280)))
    await world.until(ready(Thread(world)))
    assert world.videos.creates[0].input_reference is not None
    assert len(Thread(world).cards) == 1


async def test_a_starting_image_deleted_before_a_retry_is_explained_in_the_thread(
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


async def test_a_private_channel_without_the_bot_is_explained_in_a_direct_message(
    world: World, ada: Person
) -> None:
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    await ada.fill({"prompt": "a timelapse of clouds", "channel": closed.id})
    await ada.submit()
    told = await direct_message_text(world, ada)
    assert "/invite @videobot" in told
    assert "a timelapse of clouds" in told
    assert world.videos.calls == []


async def test_the_bot_joins_a_channel_chosen_in_the_form_before_it_creates_the_video(
    world: World, ada: Person
) -> None:
    strangers = world.slack.workspace.add_channel("strangers", bot_is_member=False)
    await ada.fill({"prompt": "clouds", "channel": strangers.id})
    await ada.submit()
    await world.until(ready(Thread(world, strangers)))
    assert joined_at(world) < created_at(world)


async def test_the_response_body_of_a_response_url_is_not_read(world: World) -> None:
    ada = world.slack.ada
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    world.faults.inject("response_url", faults.compressed(404, b"x" * 30_000_000))
    tracemalloc.start()
    await ada.command("a timelapse of clouds", channel=closed)
    assert "/invite" in await direct_message_text(world, ada)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 15_000_000


async def test_an_expired_response_url_falls_back_to_a_direct_message(world: World) -> None:
    ada = world.slack.ada
    closed = world.slack.workspace.add_channel("closed", private=True, bot_is_member=False)
    world.faults.inject(
        "response_url", faults.respond_with(404, {"ok": False, "error": "expired_url"})
    )
    await ada.command("a timelapse of clouds", channel=closed)
    assert "/invite" in await direct_message_text(world, ada)
    assert ada.private == []


# The token


class ForeignServer:
    """A web server other than Slack, which must not receive the token."""

    def __init__(self) -> None:
        self.heard: list[web.BaseRequest] = []
        self.url = ""

    async def hear(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heard.append(request)
        return web.Response(body=picture("PNG", (72, 128)), content_type="image/png")


@pytest.fixture
async def foreign_server() -> Any:  # noqa: ANN401 -- an async generator fixture
    foreign_server = ForeignServer()
    runner = web.ServerRunner(web.Server(foreign_server.hear))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    foreign_server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sky.png"
    yield foreign_server
    await runner.cleanup()


async def test_the_token_is_never_sent_to_a_foreign_host(
    world: World, ada: Person, foreign_server: ForeignServer
) -> None:
    await submit_with(
        ada, "sky.png", picture("PNG", (72, 128)), url_private_download=foreign_server.url
    )
    await assert_refused_at_no_cost(world, ada, "Upload it in the form")
    assert foreign_server.heard == []


@pytest.mark.parametrize("disguise", ["http://{slack}@{foreign}", "http://{slack}.{foreign}"])
async def test_the_token_is_never_sent_to_a_host_disguised_as_slack(
    world: World, ada: Person, foreign_server: ForeignServer, disguise: str
) -> None:
    url = disguise.format(
        slack=f"{world.slack.host}", foreign=foreign_server.url.removeprefix("http://")
    )
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)), url_private_download=url)
    await assert_refused_at_no_cost(world, ada, "Upload it in the form")
    assert foreign_server.heard == []


async def test_a_redirect_is_not_followed(
    world: World, ada: Person, foreign_server: ForeignServer
) -> None:
    world.faults.inject("download", faults.respond_with(302, "", Location=foreign_server.url))
    await submit_with(ada, "sky.png", picture("PNG", (72, 128)))
    await assert_refused_at_no_cost(world, ada, "Upload it in the form")
    assert foreign_server.heard == []


# Submitted twice, too late, or during an outage


async def test_submitting_the_form_twice_creates_one_job(world: World, ada: Person) -> None:
    await ada.fill({"prompt": "clouds"})
    answer = await ada.submit()
    again = await world.slack.redeliver(answer.envelope)
    assert again.delivered
    thread = Thread(world)
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == len(thread.replies) == 1


async def test_a_database_timeout_keeps_the_form_open(
    world: World, ada: Person, database_url: str
) -> None:
    await ada.fill({"prompt": "clouds"})
    with closing(sqlite3.connect(database_url.partition("///")[2])) as other:
        other.execute("BEGIN IMMEDIATE")  # blocks every other writer
        answer = await ada.submit()
        assert answer.delivered
        assert "press the button again" in the_form(ada).errors["prompt"]
        assert ada.view is not None
    await ada.submit()
    thread = Thread(world)
    await world.until(ready(thread))
    assert len(world.videos.creates) == len(thread.cards) == 1


async def test_an_expired_trigger_gets_a_private_reply(world: World) -> None:
    ada = world.slack.ada
    answer = await ada.command("help")
    payload = answer.envelope.payload
    world.slack.workspace.triggers[payload["trigger_id"]].issued -= 4
    payload["text"] = ""
    await world.slack.redeliver(answer.envelope)
    assert ada.view is None
    assert "three seconds" in ada.private[-1].text


@pytest.mark.parametrize("code", ["expired_trigger_id", "internal_error"])
async def test_a_shortcut_that_cannot_open_the_form_is_explained_privately(
    world: World, code: str
) -> None:
    ada = world.slack.ada
    world.faults.inject("views.open", faults.respond_with(200, {"ok": False, "error": code}))
    answer = await ada.global_shortcut(CREATE_VIDEO)
    assert answer.delivered
    assert "Try again" in await direct_message_text(world, ada)


async def test_a_redelivered_command_opens_one_form(world: World) -> None:
    ada = world.slack.ada
    answer = await ada.command("")
    await world.slack.redeliver(answer.envelope)
    assert ada.private == []
    assert len(world.slack.workspace.stack(ada.id)) == 1


# Other ways to open the form


async def test_a_command_can_prefill_the_form(world: World) -> None:
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


async def test_a_prompt_too_long_for_the_field_is_returned_with_instructions(world: World) -> None:
    ada = world.slack.ada
    prompt = "clouds " * 500
    await ada.command(f"{prompt} --form")
    assert "text file" in json.dumps(block(the_form(ada), "prompt")["hint"])
    [told] = ada.private
    assert "3,499 characters" in told.text
    assert prompt.strip() in shown(told)


async def test_the_prompt_is_not_stored_in_the_forms_private_metadata(world: World) -> None:
    ada = world.slack.ada
    await ada.command("a secret --form")
    assert the_form(ada).private_metadata == ""


async def test_the_help_message_has_a_button_that_opens_the_form(world: World) -> None:
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


async def test_the_message_shortcut_uses_the_messages_text_and_first_image(
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


async def test_the_messages_image_can_be_removed_or_replaced(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    sky = grace.upload("sky.jpg", picture("JPEG", (1280, 720)), "image/jpeg")
    message = grace.post("clouds", files=[sky])
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.fill({"given_reference": []})
    await ada.choose("seconds", "8")
    await ada.submit()
    await world.until(lambda: len(world.videos.creates) == 1)
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.click(the_form(ada), SHOW_INPUT_REFERENCE)
    mine = ada.upload("mine.png", picture("PNG", (720, 1280)), "image/png")
    await ada.fill({"input_reference": [mine]})
    await ada.submit()
    await world.until(lambda: len(Thread(world).replies) == 2)
    without, replaced = world.videos.creates
    assert without.input_reference is None
    assert replaced.input_reference is not None
    assert replaced.input_reference.mime == "image/png"


async def test_a_messages_image_from_a_channel_without_the_bot_costs_nothing(world: World) -> None:
    ada, grace = world.slack.ada, world.slack.grace
    private = world.slack.workspace.add_channel("private", private=True, bot_is_member=False)
    sky = grace.upload("sky.jpg", picture("JPEG", (72, 128)), "image/jpeg")
    message = grace.post("a timelapse of clouds", channel=private, files=[sky])
    await ada.message_shortcut(VIDEO_OF_MESSAGE, message)
    await ada.fill({"channel": world.slack.workspace.videos.id})
    await ada.submit()
    await assert_refused_at_no_cost(world, ada, "I'm not in")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a &lt;b&gt; &amp;lt; c", "a <b> &lt; c"),
        ("like <https://example.com/?a=1&amp;b=2>", "like https://example.com/?a=1&b=2"),
        ("like <https://example.com|this one>, <@U0GRACE>", "like this one, @U0GRACE"),
        ("", ""),
    ],
)
def test_slack_markup_is_removed_from_a_messages_text(text: str, prompt: str) -> None:
    assert read_message({"text": text}).prompt == prompt


def test_the_manifest_has_the_shortcuts() -> None:
    named = {each["callback_id"]: each for each in MANIFEST["features"]["shortcuts"]}
    assert {name: (each["type"], each["name"]) for name, each in named.items()} == {
        CREATE_VIDEO: ("global", "Create a video"),
        VIDEO_OF_MESSAGE: ("message", "Make a video of this"),
    }
    assert all(len(each["name"]) <= 24 for each in named.values())
    assert all(len(each["description"]) <= 150 for each in named.values())


# An image of another shape


async def with_image(ada: Person, sides: tuple[int, int]) -> None:
    file = ada.upload("sky.png", picture("PNG", sides), "image/png")
    await ada.fill({"prompt": "clouds", "input_reference": [file]})


@pytest.mark.parametrize("sides", [(720, 1280), (360, 640), (721, 1280)])
async def test_an_image_of_the_videos_shape_starts_at_once(
    world: World, ada: Person, sides: tuple[int, int]
) -> None:
    await with_image(ada, sides)
    await ada.submit()
    assert ada.view is None
    await world.until(lambda: world.videos.creates)


async def test_an_image_whose_shape_is_not_known_yet_is_cropped(world: World, ada: Person) -> None:
    file = ada.upload("sky.png", picture("PNG", (400, 300)), "image/png")
    file.overrides = {"original_w": None, "original_h": None}
    await ada.fill({"prompt": "clouds", "input_reference": [file]})
    await ada.submit()
    assert ada.view is None
    await world.until(lambda: Thread(world).says("starting image cropped"))


async def test_the_question_names_both_shapes_and_going_back_keeps_the_form(
    world: World, ada: Person
) -> None:
    await with_image(ada, (400, 300))
    await ada.submit()
    assert "400 × 300, and the video is 720 × 1280" in str(the_form(ada).blocks)  # noqa: RUF001 -- the sign
    await ada.close_view()
    form = the_form(ada)
    assert form.title == "Create a video"
    assert form.values["prompt"]["prompt"]["value"] == "clouds"
    assert world.videos.calls == []


async def test_answering_twice_makes_one_video(world: World, ada: Person) -> None:
    await with_image(ada, (400, 300))
    await ada.submit()
    question = the_form(ada)
    await ada.submit()
    again = world.slack.workspace.stack(ada.id)
    assert again == []
    again.append(question)
    await ada.submit()
    await world.until(lambda: Thread(world).says("*Ready:*"))
    await until_idle()
    assert len(world.videos.creates) == len(Thread(world).cards) == 1


async def test_an_expired_question_says_so_and_keeps_the_form(
    world: World, ada: Person, database_url: str
) -> None:
    await with_image(ada, (400, 300))
    await ada.submit()
    with closing(sqlite3.connect(database_url.partition("///")[2])) as database, database:
        database.execute("DELETE FROM drafts")
    await ada.submit()
    assert "fit" in the_form(ada).errors
    await ada.close_view()
    assert the_form(ada).values["prompt"]["prompt"]["value"] == "clouds"
    assert world.videos.calls == []
