"""The page: every message is displayed, and it works by keyboard, screen reader and phone."""

import json
import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FloatRect, Locator, expect

from bot.sandbox.page.play import Play
from bot.sandbox.slack.state import Conversation, Message
from bot.sandbox.slack.web_api.views import push
from bot.ui.cards import CONFIRM_CANCEL
from bot.ui.samples import samples
from tests.browser.chromium import Window
from tests.browser.conftest import OpenWindow

NARROW = {"width": 360, "height": 700}


def post(play: Play, channel: Conversation, blocks: list[Any], text: str = "") -> Message:
    """Post a message as the bot, which is not involved."""
    workspace = play.world.slack.workspace
    message = Message(workspace.new_ts(), channel.id, workspace.bot_user_id, text)
    message.blocks = blocks
    return workspace.post(message)


async def test_every_message_of_the_bot_is_drawn(
    ada: Window, channel: Conversation, play: Play
) -> None:
    for name, message in samples().items():
        post(play, channel, [*message.blocks, {"type": "divider"}], name)
    await expect(ada.messages(channel)).to_have_count(len(samples()))
    assert await ada.page.locator(".unknown, .no-emoji").all_text_contents() == []


@pytest.mark.parametrize(
    "block",
    [
        {"type": "mystery"},
        {"type": "actions", "elements": [{"type": "mystery", "action_id": "a"}]},
        {"type": "rich_text", "elements": [{"type": "mystery", "elements": []}]},
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "mystery"}]}],
        },
        {"type": "section", "text": {"type": "mystery", "text": "x"}},
    ],
)
async def test_an_unsupported_block_is_marked_as_unknown(
    ada: Window, channel: Conversation, play: Play, block: dict[str, Any]
) -> None:
    post(play, channel, [block])
    box = ada.page.locator(".unknown")
    await expect(box).to_contain_text("mystery")
    await expect(box).to_have_css("border-color", "rgb(221, 0, 0)")


async def test_text_is_never_rendered_as_html(
    ada: Window, channel: Conversation, play: Play
) -> None:
    evil = "<img src=x onerror=alert(1)> <script>alert(1)</script> <@U1> *bold*"
    await ada.send(channel, evil)
    await expect(ada.messages(channel).last).to_contain_text(evil)
    post(play, channel, [], "&lt;b&gt; *bold* <https://example.com|a link> `code`")
    last = ada.messages(channel).last
    await expect(last.get_by_role("link", name="a link")).to_be_visible()
    await expect(last).to_contain_text("<b> bold a link code")


async def test_a_video_can_be_requested_and_cancelled_by_keyboard_alone(
    ada: Window, channel: Conversation
) -> None:
    keyboard = ada.page.keyboard
    await ada.flip("Video server is slow", on=True)
    await ada.composer(channel).focus()
    await keyboard.type("/vi")
    await expect(ada.page.get_by_role("option", name="/video")).to_be_visible()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    form = ada.dialog("Create a video")
    await expect(form.get_by_role("textbox", name="Prompt")).to_be_focused()
    await keyboard.press("Escape")
    await expect(form).to_be_hidden()
    await expect(ada.composer(channel)).to_be_focused()
    await keyboard.type("/video a windmill")
    await keyboard.press("Enter")
    cancel = ada.messages(channel).get_by_role("button", name="Cancel")
    await cancel.wait_for()
    for _ in range(10):
        await keyboard.press("Shift+Tab")
        if await ada.focused() == "Cancel":
            break
    await keyboard.press("Enter")
    question = ada.dialog("Cancel this video?")
    await expect(question.get_by_role("button", name=CONFIRM_CANCEL.no)).to_be_focused()
    await keyboard.press("Tab")
    await expect(question.get_by_role("button", name=CONFIRM_CANCEL.yes)).to_be_focused()
    await keyboard.press("Enter")
    await expect(ada.card(channel, "a windmill")).to_contain_text("Cancelled")
    # The button has been removed, so the focus moves to the message field.
    await expect(ada.composer(channel)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_accessibility_violations(
    open_window: OpenWindow, channel: Conversation, play: Play, scheme: str
) -> None:
    ada = await open_window(color_scheme=scheme)
    for name, sample in samples().items():
        post(play, channel, sample.blocks, name)
    await ada.send(channel, "What is new?")
    message = ada.card(channel, "What is new?")
    await message.hover()
    await message.get_by_role("button", name="Reply in thread").click()
    await ada.button("Behind the scenes").click()
    await ada.page.get_by_role("switch").first.wait_for()
    await check_with_axe(ada)
    await ada.button("Close Behind the scenes").click()
    await ada.send(channel, "/video")
    await ada.dialog("Create a video").wait_for()
    await check_with_axe(ada)
    await ada.page.keyboard.press("Escape")
    await ada.open("ada", "home")
    await ada.button("Create a video").wait_for()
    await check_with_axe(ada)


async def check_with_axe(window: Window) -> None:
    results = await Axe().run(window.page)
    found = [
        (violation["id"], [node["html"] for node in violation["nodes"]][:3])
        for violation in results.response["violations"]
    ]
    assert found == [], json.dumps(found, indent=1)


def option(words: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": words}, "value": words.lower()}


FIELDS: dict[str, dict[str, Any]] = {
    "Text": {"type": "plain_text_input"},
    "Number": {"type": "number_input", "is_decimal_allowed": False},
    "Address": {"type": "email_text_input"},
    "Link": {"type": "url_text_input"},
    "Day": {"type": "datepicker"},
    "Hour": {"type": "timepicker"},
    "Choice": {"type": "static_select", "options": [option("Red"), option("Green")]},
    "Choices": {"type": "multi_static_select", "options": [option("Red"), option("Green")]},
    "Person": {"type": "users_select"},
    "People": {"type": "multi_users_select"},
    "Channel": {"type": "conversations_select"},
    "Radio": {"type": "radio_buttons", "options": [option("Here"), option("There")]},
    "Boxes": {"type": "checkboxes", "options": [option("Salt"), option("Pepper")]},
    "File": {"type": "file_input"},
}


def modal(title: str, fields: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- any JSON
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Back"},
        "blocks": [
            {
                "type": "input",
                "block_id": label.lower(),
                "label": {"type": "plain_text", "text": label},
                "element": {**element, "action_id": label.lower()},
            }
            for label, element in fields.items()
        ],
        **more,
    }


async def test_every_type_of_modal_field_accepts_input(ada: Window, play: Play) -> None:
    view = push(play.world.slack.workspace, play.world.slack.ada.id, modal("Fields", FIELDS))
    form = ada.dialog("Fields")
    for label, value in {
        "Text": "words",
        "Number": "42",
        "Address": "ada@example.com",
        "Link": "https://example.com",
        "Day": "2026-11-24",
        "Hour": "13:37",
    }.items():
        await form.get_by_label(label, exact=True).fill(value)
    for label, chosen in {
        "Choice": "Green",
        "Choices": ["Red", "Green"],
        "Person": "Grace",
        "People": ["Ada", "Grace"],
        "Channel": "#random",
    }.items():
        await form.get_by_label(label, exact=True).select_option(chosen)
    await form.get_by_role("radiogroup", name="Radio").get_by_label("There", exact=True).check()
    await form.get_by_role("group", name="Boxes").get_by_label("Pepper").check()
    await form.get_by_label("File", exact=True).set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"}
    )
    await expect(form).to_contain_text("a.txt")
    await play.world.until(lambda: all(map(is_filled, view.values.values())))
    assert await form.locator(".unknown").count() == 0
    play.world.slack.workspace.close_all(play.world.slack.ada.id)


def is_filled(states: dict[str, dict[str, Any]]) -> bool:
    [state] = states.values()
    return any(value for name, value in state.items() if name != "type")


async def test_closing_a_modal_restores_the_one_below_unchanged(ada: Window, play: Play) -> None:
    workspace, person = play.world.slack.workspace, play.world.slack.ada
    text = {"Text": FIELDS["Text"]}
    first = push(workspace, person.id, modal("First", text))
    await ada.dialog("First").get_by_label("Text").fill("typed before")
    await play.world.until(lambda: "typed before" in str(first.values))
    push(workspace, person.id, modal("Second", text))
    await expect(ada.dialog("Second").get_by_label("Text")).to_have_value("")
    await ada.dialog("Second").get_by_role("button", name="Back").click()
    await expect(ada.dialog("First").get_by_label("Text")).to_have_value("typed before")
    await ada.dialog("First").get_by_label("Text").fill("")
    await ada.dialog("First").get_by_role("button", name="Send").click()
    await expect(ada.dialog("First").get_by_label("Text")).to_have_accessible_description(
        re.compile("This field is required")
    )
    workspace.close_all(person.id)


async def test_an_ephemeral_message_is_marked_and_shown_to_one_person_only(
    ada: Window, channel: Conversation, open_window: OpenWindow
) -> None:
    await ada.send(channel, "/video help")
    await expect(ada.messages(channel)).to_contain_text("Only visible to you")
    grace = await open_window("grace")
    await grace.page.get_by_text("No messages in").wait_for()
    await expect(grace.messages(channel)).to_have_count(0)


async def test_a_message_that_cannot_be_sent_is_kept_with_the_reason(
    ada: Window, channel: Conversation
) -> None:
    await ada.send(channel, "/dance to the music")
    await expect(ada.page.get_by_role("alert")).to_contain_text("/dance is not a command")
    await expect(ada.composer(channel)).to_have_value("/dance to the music")
    await ada.page.reload()
    await expect(ada.composer(channel)).to_have_value("/dance to the music")


async def test_a_message_with_a_dropped_file_can_open_the_form(
    ada: Window, channel: Conversation
) -> None:
    drop = """(field) => {
        const data = new DataTransfer();
        data.items.add(new File(["not really a picture"], "sky.png", {type: "image/png"}));
        field.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    }"""
    await ada.composer(channel).evaluate(drop)
    await expect(ada.page.get_by_role("list", name="Attached files")).to_contain_text("sky.png")
    await ada.send(channel, "a sky like this one")
    message = ada.card(channel, "a sky like this one")
    await expect(message).to_contain_text("sky.png")
    await message.hover()
    await message.get_by_role("button", name="More actions").click()
    await ada.page.get_by_role("menuitem", name="Make a video of this").click()
    form = ada.dialog("Create a video")
    await expect(form.get_by_role("textbox", name="Prompt")).to_have_value("a sky like this one")
    await expect(form.get_by_label("Use the current image")).to_be_checked()
    await form.get_by_role("button", name="Use another image").click()
    await expect(form.get_by_label("Use the current image")).to_be_hidden()
    await expect(form.get_by_label("Starting image")).to_be_visible()
    await form.get_by_role("button", name="Cancel").click()


async def test_the_shortcuts_menu_opens_the_form_and_posts_to_the_chosen_channel(
    ada: Window, channel: Conversation
) -> None:
    await ada.button("Shortcuts").click()
    await expect(ada.page.get_by_role("menuitem", name="Create a video")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    form = ada.dialog("Create a video")
    await form.get_by_role("textbox", name="Prompt").fill("a lantern")
    await form.get_by_label("Where to post").select_option(f"#{channel.name}")
    await form.get_by_role("button", name="Create").click()
    await expect(ada.card(channel, "a lantern")).to_be_visible()


async def box(locator: Locator) -> FloatRect:
    """The element's position in the window."""
    found = await locator.bounding_box()
    assert found is not None
    return found


async def test_a_long_message_is_collapsed(ada: Window, channel: Conversation) -> None:
    await ada.send(channel, "clouds, and then more clouds; " * 60)
    message = ada.messages(channel).last
    folded = (await box(message))["height"]
    await message.get_by_role("button", name="Show more").click()
    await expect(message.get_by_role("button", name="Show less")).to_be_visible()
    assert (await box(message))["height"] > folded * 2


async def test_on_a_phone_one_pane_is_shown_at_a_time(
    open_window: OpenWindow, channel: Conversation
) -> None:
    phone = await open_window(viewport=NARROW)
    await phone.send(channel, "Hello from the tram")
    message = phone.card(channel, "Hello from the tram")
    await message.hover()
    await message.get_by_role("button", name="Reply in thread").click()
    await expect(phone.thread).to_be_visible()
    await expect(phone.composer(channel)).to_be_hidden()
    await phone.button("Close thread").click()
    await phone.button("Channels").click()
    places = phone.page.get_by_role("navigation", name="Channels and direct messages")
    await places.get_by_role("link", name="#random").click()
    await expect(phone.page.get_by_role("textbox", name="Message #random")).to_be_visible()
    await expect(places).to_be_hidden()
    width = await phone.page.evaluate("() => document.documentElement.scrollWidth")
    assert width == NARROW["width"]


async def test_an_edit_above_does_not_move_the_visible_messages(
    ada: Window, channel: Conversation, play: Play
) -> None:
    first = post(play, channel, [], "one line")
    for number in range(40):
        post(play, channel, [], f"message {number}")
    message = ada.messages(channel).filter(has_text="message 20")
    await message.scroll_into_view_if_needed()
    before = (await box(message))["y"]
    play.world.slack.workspace.edit(first, "many\nlines\n" * 5, [], "none")
    await expect(ada.messages(channel).first).to_contain_text("many")
    assert abs((await box(message))["y"] - before) < 2


async def test_an_archived_channel_has_no_message_field(open_window: OpenWindow) -> None:
    window = await open_window("ada", "old-projects")
    await expect(window.page.get_by_text("an archived channel")).to_be_visible()
    await expect(window.page.get_by_role("textbox")).to_have_count(0)


async def test_home_searches_when_enter_is_pressed(ada: Window, channel: Conversation) -> None:
    await ada.send(channel, f"/video fireflies in {channel.name}")
    await ada.card(channel, "Ready").wait_for()
    await ada.open("ada", "home")
    field = ada.page.get_by_role("textbox", name="Search your videos")
    await field.fill("no such words")
    await field.press("Enter")
    await expect(ada.page.get_by_text("You have no videos whose prompt contains")).to_be_visible()
    await field.fill(f"FIREFLIES {channel.name}")
    await field.press("Enter")
    await expect(ada.page.get_by_text(f"fireflies in {channel.name}")).to_have_count(1)
    await expect(ada.page.get_by_role("link", name="Watch it")).to_have_count(1)


async def test_the_person_can_be_changed(ada: Window, channel: Conversation) -> None:
    you = ada.page.get_by_role("combobox", name="You are")
    await you.select_option("Grace")
    await ada.send(channel, "I am Grace")
    await expect(ada.messages(channel).last).to_contain_text("Grace")
    await ada.page.reload()
    await expect(you).to_have_value("grace")
