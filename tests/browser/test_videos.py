"""From a prompt to a video, and the actions on it."""

import re

from playwright.async_api import expect

from bot.sandbox.page.behind import Switch
from bot.sandbox.page.play import Play
from bot.sandbox.slack.state import Conversation
from bot.ui.cards import CONFIRM_CANCEL
from tests.browser.chromium import Window
from tests.browser.conftest import OpenWindow
from tests.support.pictures import picture


async def test_a_command_becomes_a_video_that_plays(ada: Window, channel: Conversation) -> None:
    await ada.send(channel, "/video a timelapse of clouds")
    await ada.button("1 reply").click()
    video = ada.thread.locator("video")
    assert await ada.plays(video)
    await expect(ada.thread.get_by_role("article")).to_have_count(2)
    await expect(ada.thread.get_by_role("link", name="Download")).to_be_visible()
    await expect(ada.thread.get_by_text("kB")).to_be_visible()
    assert await video.evaluate("video => video.seekable.length && video.seekable.end(0)") > 0.5
    frame = ada.messages(channel).get_by_role("img", name="A frame of the video")
    await expect(frame).to_be_visible()
    assert await frame.evaluate("image => image.naturalWidth") > 0


async def test_the_form_creates_a_video_with_every_field_and_a_starting_image(
    ada: Window, channel: Conversation, play: Play
) -> None:
    await ada.send(channel, "/video")
    form = ada.dialog("Create a video")
    await form.get_by_label("Model").select_option("sora-2-pro")
    await form.get_by_label("Size").select_option("1792x1024")
    await form.get_by_label("8 seconds").check()
    await expect(form).to_contain_text("$4.00")
    await form.get_by_role("textbox", name="Prompt").fill("a lighthouse in a storm")
    await form.get_by_label("Starting image").set_input_files(
        {"name": "sky.jpg", "mimeType": "image/jpeg", "buffer": picture("JPEG", (400, 300))}
    )
    await expect(form).to_contain_text("sky.jpg")
    await form.get_by_label("Who to notify").select_option("Grace")
    await form.get_by_role("button", name="Create").click()
    fit = ada.dialog("Fit the image")
    await fit.get_by_label("Show all of it, with black bars").check()
    await fit.get_by_role("button", name="Create").click()
    question = ada.dialog("Make this video?")
    await expect(question).to_contain_text("about $4.00")
    await question.get_by_role("button", name="Make it for $4.00").click()
    await expect(form).to_be_hidden()
    await ada.button("1 reply").click()
    await expect(ada.thread).to_contain_text("@ada @grace")
    video = play.world.videos.creates[-1]
    asked = (video.prompt, video.model, video.seconds, video.size)
    assert asked == ("a lighthouse in a storm", "sora-2-pro", "8", "1792x1024")
    assert video.input_reference is not None


async def test_a_missing_prompt_is_marked_on_its_field_and_can_be_corrected(
    ada: Window, channel: Conversation
) -> None:
    await ada.send(channel, "/video")
    form = ada.dialog("Create a video")
    prompt = form.get_by_role("textbox", name="Prompt")
    await form.get_by_label("8 seconds").check()
    await form.get_by_role("button", name="Create").click()
    await expect(prompt).to_have_attribute("aria-invalid", "true")
    await expect(form.get_by_label("8 seconds")).to_be_checked()
    await expect(prompt).to_have_accessible_description(re.compile("prompt", re.IGNORECASE))
    await expect(prompt).to_be_focused()
    await prompt.fill("a red fox in the snow")
    await form.get_by_role("button", name="Create").click()
    await expect(ada.card(channel, "a red fox in the snow")).to_be_visible()


async def test_a_text_file_takes_the_place_of_the_prompt(
    ada: Window, channel: Conversation, play: Play
) -> None:
    await ada.send(channel, "/video")
    form = ada.dialog("Create a video")
    await form.get_by_label("8 seconds").check()
    await form.get_by_role("button", name="Use a text file instead").click()
    await form.get_by_label("Prompt as a text file").set_input_files(
        {"name": "prompt.txt", "mimeType": "text/plain", "buffer": b"a heron at dawn"}
    )
    await expect(form.get_by_label("8 seconds")).to_be_checked()
    await form.get_by_role("button", name="Create").click()
    await expect(ada.card(channel, "a heron at dawn")).to_be_visible()
    await play.world.until(
        lambda: "a heron at dawn" in {video.prompt for video in play.world.videos.creates}
    )


async def test_cancel_asks_for_confirmation_and_restores_the_focus(
    ada: Window, channel: Conversation
) -> None:
    await ada.flip("Video server is slow", on=True)
    await ada.send(channel, "/video a train at dusk")
    card = ada.card(channel, "a train at dusk")
    await card.get_by_role("button", name="Cancel").click()
    question = ada.dialog("Cancel this video?")
    await question.get_by_role("button", name=CONFIRM_CANCEL.no).click()
    await expect(card.get_by_role("button", name="Cancel")).to_be_focused()
    await card.get_by_role("button", name="Cancel").click()
    await question.get_by_role("button", name=CONFIRM_CANCEL.yes).click()
    await expect(card).to_contain_text("Cancelled")


async def test_a_remix_is_requested_in_its_own_form(ada: Window, channel: Conversation) -> None:
    await ada.send(channel, "/video a quiet lake")
    await ada.button("Remix").click()
    form = ada.page.get_by_role("dialog")
    await form.get_by_role("textbox").fill("the same, at night")
    await form.get_by_role("button").last.click()
    await expect(ada.card(channel, "the same, at night")).to_contain_text("Ready")


async def test_a_failure_is_explained_in_the_thread_and_can_be_tried_again(
    ada: Window, channel: Conversation
) -> None:
    await ada.flip("Video server fails while rendering", on=True)
    await ada.send(channel, "/video a desert road")
    await expect(ada.card(channel, "a desert road")).to_contain_text("Failed")
    await ada.button("1 reply").click()
    await expect(ada.thread).to_contain_text("out of memory")
    await ada.flip("Video server fails while rendering", on=False)
    await ada.thread.get_by_role("button", name="Try again").last.click()
    question = ada.dialog("Try again?")
    await expect(question).to_contain_text("$0.40")
    await question.get_by_role("button", name="Try again").click()
    await expect(ada.card(channel, "Ready")).to_contain_text("a desert road")


async def test_home_lists_the_videos_and_opens_the_form(
    ada: Window, channel: Conversation, play: Play
) -> None:
    await ada.flip("Video server is slow", on=True)
    await ada.send(channel, "/video paper boats")
    await ada.card(channel, "paper boats").wait_for()
    places = ada.page.get_by_role("navigation", name="Channels and direct messages")
    await places.get_by_role("link", name="video", exact=True).click()
    await ada.page.get_by_role("tab", name="Home").click()
    home = ada.page.get_by_role("region", name="Home")
    await expect(home).to_contain_text("paper boats")
    await home.get_by_role("button", name="Create a video").click()
    form = ada.dialog("Create a video")
    await form.wait_for()
    # Home updates behind the form, and must keep the button that opened it.
    shown = ada.page.locator(".home")
    before = await shown.inner_text()
    await play.behind.flip(Switch.SLOW, on=False)
    await expect(shown).not_to_have_text(before, use_inner_text=True)
    await form.get_by_role("button", name="Cancel").click()
    await expect(home.get_by_role("button", name="Create a video")).to_be_focused()


async def test_a_mention_in_a_thread_gets_its_video_there(
    ada: Window, channel: Conversation
) -> None:
    await ada.send(channel, "What shall we watch?")
    message = ada.card(channel, "What shall we watch?")
    await message.hover()
    await message.get_by_role("button", name="Reply in thread").click()
    await ada.thread.get_by_role("textbox").fill("@video a kite over the sea")
    await ada.thread.get_by_role("textbox").press("Enter")
    await expect(ada.thread.locator("video")).to_be_visible()
    await expect(ada.thread).to_contain_text("What shall we watch?")


async def test_a_prompt_in_a_direct_message_gets_its_video_there(open_window: OpenWindow) -> None:
    window = await open_window("grace", "messages")
    field = window.page.get_by_role("textbox", name="Message video")
    await field.fill("rain on a window")
    await field.press("Enter")
    await window.button("1 reply").click()
    await expect(window.thread.locator("video")).to_be_visible()


async def test_cancelling_another_persons_video_is_refused_privately(
    ada: Window, channel: Conversation, open_window: OpenWindow
) -> None:
    await ada.flip("Video server is slow", on=True)
    await ada.send(channel, "/video northern lights")
    await ada.card(channel, "northern lights").wait_for()
    grace = await open_window("grace")
    await grace.button("Cancel").click()
    await grace.dialog("Cancel this video?").get_by_role("button").last.click()
    await expect(grace.messages(channel).filter(has_text="Only visible to you")).to_be_visible()
    await expect(ada.messages(channel)).to_have_count(1)


async def test_a_reload_keeps_the_card_and_the_open_thread(
    ada: Window, channel: Conversation
) -> None:
    await ada.flip("Video server is slow", on=True)
    await ada.send(channel, "/video tall ships")
    await expect(ada.card(channel, "tall ships")).to_contain_text("%")
    await ada.page.reload()
    await expect(ada.card(channel, "tall ships")).to_contain_text("%")
    await ada.flip("Video server is slow", on=False)
    await expect(ada.card(channel, "tall ships")).to_contain_text("Ready")
    await ada.button("1 reply").click()
    await ada.page.reload()
    await expect(ada.thread.locator("video")).to_be_visible()


async def test_a_bot_that_is_killed_and_restarted_finishes_the_same_card(
    ada: Window, channel: Conversation, play: Play
) -> None:
    await ada.flip("Video server is slow", on=True)
    await ada.send(channel, "/video a harbour in fog")
    await expect(ada.card(channel, "a harbour in fog")).to_contain_text("%")
    before = play.bot.pid
    await ada.button("Behind the scenes").click()
    await ada.button("Kill and restart the bot").click()
    await ada.page.get_by_role("switch", name="Video server is slow").uncheck()
    await expect(ada.card(channel, "a harbour in fog")).to_contain_text("Ready")
    await expect(ada.messages(channel)).to_have_count(1)
    assert play.bot.pid not in {before, None}
    await ada.button("1 reply").click()
    await expect(ada.thread.locator("video")).to_have_count(1)
