"""What people do in the fake Slack, and what a real Bolt app receives."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.state import Impossible

Body = dict[str, Any]


def words(text: str) -> Body:
    return {"type": "plain_text", "text": text}


def option(value: str) -> Body:
    return {"text": words(value), "value": value}


def field(block_id: str, element: Body, **more: Any) -> Body:  # noqa: ANN401 -- any JSON value
    return {"type": "input", "block_id": block_id, "label": words("L"), "element": element, **more}


PROMPT = field("prompt", {"type": "plain_text_input", "action_id": "text", "max_length": 20})
MODEL = field(
    "model",
    {
        "type": "static_select",
        "action_id": "pick",
        "options": [option("small"), option("large")],
        "initial_option": option("small"),
    },
    dispatch_action=True,
)
PICTURE = field(
    "picture", {"type": "file_input", "action_id": "file", "max_files": 1}, optional=True
)


def form(*blocks: Body, **more: Any) -> Body:  # noqa: ANN401 -- any JSON value
    return {
        "type": "modal",
        "callback_id": "form",
        "title": words("A video"),
        "submit": words("Go"),
        "blocks": list(blocks or (PROMPT, MODEL, PICTURE)),
        **more,
    }


class Clock:
    """A clock that tests set."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class App:
    """A Bolt app that opens a form, and responds as the test specifies."""

    def __init__(self, slack: SlackSandbox) -> None:
        self.seen: list[Body] = []
        self.reaction: Body = {}
        self.client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
        self.bolt = AsyncApp(client=self.client)
        self.bolt.shortcut("new")(self.open_form)
        self.bolt.view("form")(self.submitted)
        self.bolt.view_closed("form")(self.note)
        self.bolt.shortcut("about_message")(self.note)
        self.bolt.action("cancel")(self.note)
        self.bolt.action("pick")(self.note)
        self.bolt.command("/video")(self.note)

    async def open_form(self, ack: Any, body: Body, client: AsyncWebClient) -> None:  # noqa: ANN401 -- Bolt's
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=form())

    async def submitted(self, ack: Any, body: Body) -> None:  # noqa: ANN401 -- Bolt's
        self.seen.append(body)
        await ack(**self.reaction)

    async def note(self, ack: Any, body: Body) -> None:  # noqa: ANN401 -- Bolt's
        self.seen.append(body)
        await ack()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[SlackSandbox]:
    sandbox = SlackSandbox(Changes(), Faults(), clock)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def app(slack: SlackSandbox) -> AsyncIterator[App]:
    app = App(slack)
    handler = AsyncSocketModeHandler(app.bolt, slack.app_token)
    await handler.connect_async()  # type: ignore[no-untyped-call] # Bolt's
    await slack.changes.until(lambda: slack.sockets.connected)
    yield app
    await handler.close_async()  # type: ignore[no-untyped-call] # Bolt's


@pytest.fixture
async def ada(slack: SlackSandbox, app: App) -> Person:
    """Ada, with the form open."""
    assert app.seen == []
    assert (await slack.ada.global_shortcut("new")).delivered
    await slack.changes.until(lambda: slack.ada.view)
    return slack.ada


async def refusal(call: Any) -> str:  # noqa: ANN401 -- any of the client's coroutines
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


# Modals


async def test_a_submission_contains_the_entered_values(ada: Person, app: App) -> None:
    file = ada.upload("photo.png", b"png", "image/png")
    await ada.fill({"prompt": "clouds", "picture": [file]})
    await ada.submit()
    assert ada.view is None
    values = app.seen[0]["view"]["state"]["values"]
    assert values["prompt"]["text"] == {"type": "plain_text_input", "value": "clouds"}
    assert values["model"]["pick"]["selected_option"]["value"] == "small"
    [picture] = values["picture"]["file"]["files"]
    assert (picture["id"], picture["mimetype"], picture["mode"]) == (file.id, "image/png", "hosted")
    assert (await app.client.files_info(file=file.id))["ok"] is True


async def test_errors_keep_the_form_open_with_its_values(ada: Person, app: App) -> None:
    app.reaction = {"response_action": "errors", "errors": {"prompt": "Too dull"}}
    await ada.fill({"text": "clouds"})
    await ada.submit()
    assert ada.view is not None
    assert ada.view.errors == {"prompt": "Too dull"}
    assert ada.view.values["prompt"]["text"]["value"] == "clouds"
    app.reaction = {}
    await ada.submit()
    assert ada.view is None


async def test_errors_must_refer_to_input_blocks(
    slack: SlackSandbox, ada: Person, app: App
) -> None:
    app.reaction = {"response_action": "errors", "errors": {"text": "an action_id"}}
    await ada.fill({"prompt": "clouds"})
    assert (await ada.submit()).error == "invalid_errors"
    assert ada.view is not None
    assert slack.complaints


async def test_a_submission_can_update_push_or_clear_views(ada: Person, app: App) -> None:
    await ada.fill({"prompt": "clouds"})
    app.reaction = {"response_action": "update", "view": form(title=words("Again"))}
    await ada.submit()
    assert ada.view is not None
    assert (ada.view.title, ada.view.values["prompt"]["text"]["value"]) == ("Again", "clouds")
    app.reaction = {"response_action": "push", "view": form(title=words("On top"))}
    await ada.submit()
    assert (ada.view.title, ada.view.previous_view_id) == ("On top", ada.view.root_view_id)
    await ada.fill({"prompt": "clouds"})
    app.reaction = {"response_action": "clear"}
    await ada.submit()
    assert ada.view is None


async def test_fields_are_validated_before_the_app_receives_them(ada: Person, app: App) -> None:
    with pytest.raises(Impossible, match="this field is required"):
        await ada.submit()
    with pytest.raises(Impossible, match="too long"):
        await ada.fill({"prompt": "x" * 21})
    with pytest.raises(Impossible, match="no option"):
        await ada.fill({"model": "huge"})
    with pytest.raises(Impossible, match="too many files"):
        await ada.fill({"picture": [ada.upload(name, b"x") for name in ("a.png", "b.png")]})
    assert app.seen == []


async def test_a_choice_is_dispatched_and_an_update_keeps_the_entered_values(
    ada: Person, app: App
) -> None:
    file = ada.upload("photo.png", b"png", "image/png")
    await ada.fill({"prompt": "clouds", "picture": [file]})
    ack = await ada.choose("model", "large")
    assert ack.delivered
    [body] = app.seen
    assert body["actions"][0]["selected_option"]["value"] == "large"
    assert body["container"] == {"type": "view", "view_id": body["view"]["id"]}
    assert body["view"]["state"]["values"]["prompt"]["text"]["value"] == "clouds"
    renamed = {**PROMPT, "block_id": "another"}
    await app.client.views_update(
        view_id=body["view"]["id"], hash=body["view"]["hash"], view=form(renamed, MODEL, PICTURE)
    )
    assert ada.view is not None
    assert ada.view.values["another"]["text"]["value"] is None
    assert ada.view.values["model"]["pick"]["selected_option"]["value"] == "large"
    assert ada.view.values["picture"]["file"]["files"][0]["id"] == file.id


async def test_an_update_requires_a_current_hash_and_an_open_view(ada: Person, app: App) -> None:
    assert ada.view is not None
    view_id, old = ada.view.id, ada.view.hash
    update = app.client.views_update
    await update(view_id=view_id, hash=old, view=form())
    assert await refusal(update(view_id=view_id, hash=old, view=form())) == "hash_conflict"
    await ada.close_view()
    assert await refusal(update(view_id=view_id, view=form())) == "not_found"


async def test_the_stack_holds_three_views(ada: Person, app: App, slack: SlackSandbox) -> None:
    async def push() -> Any:  # noqa: ANN401 -- the client's response
        assert ada.view is not None
        trigger = slack.workspace.issue_trigger(ada.id, ada.view.id)
        return await app.client.views_push(trigger_id=trigger, view=form())

    await push()
    await push()
    assert await refusal(push()) == "push_limit_reached"


async def test_a_trigger_works_once_within_three_seconds(
    slack: SlackSandbox, app: App, clock: Clock
) -> None:
    await slack.ada.command("clouds")
    trigger = app.seen[0]["trigger_id"]
    await app.client.views_open(trigger_id=trigger, view=form())

    async def error(trigger_id: str) -> str:
        return await refusal(app.client.views_open(trigger_id=trigger_id, view=form()))

    assert await error(trigger) == "exchanged_trigger_id"
    assert await error("1.2.3") == "invalid_trigger_id"
    await slack.ada.command("clouds")
    clock.now += 3.1
    assert await error(app.seen[1]["trigger_id"]) == "expired_trigger_id"


async def test_views_are_checked(slack: SlackSandbox, app: App) -> None:
    async def error(**more: Any) -> str:  # noqa: ANN401 -- any JSON value
        trigger = slack.workspace.issue_trigger(slack.ada.id)
        return await refusal(app.client.views_open(trigger_id=trigger, view=form(**more)))

    assert await error(private_metadata="x" * 3001) == "invalid_arguments"
    assert await error(title=words("x" * 25)) == "invalid_arguments"
    assert await error(blocks=[PROMPT, PROMPT]) == "invalid_arguments"
    long = [{**PROMPT, "block_id": f"{n}", "hint": words("x" * 2000)} for n in range(100)]
    long = [{**block, "label": words("x" * 2000)} for block in long]
    assert await error(blocks=long) == "view_too_large"
    slack.workspace.scopes.discard("files:read")
    assert await error() == "missing_scope"


async def test_closing_a_form_is_reported_only_with_notify_on_close(
    slack: SlackSandbox, app: App
) -> None:
    for asks in (False, True):
        trigger = slack.workspace.issue_trigger(slack.ada.id)
        view = form(notify_on_close=asks)
        await app.client.views_open(trigger_id=trigger, view=view)
        ack = await slack.ada.close_view()
        assert (ack is not None) == asks
    assert [body["type"] for body in app.seen] == ["view_closed"]


# Buttons, shortcuts, Home


def card(*names: str) -> list[Body]:
    buttons = [
        {"type": "button", "action_id": name, "text": words(name), "value": "job-1"}
        for name in names
    ]
    return [{"type": "actions", "elements": buttons}]


async def test_a_button_can_be_clicked_while_it_is_visible(slack: SlackSandbox, app: App) -> None:
    post = await app.client.chat_postMessage(
        channel=slack.workspace.videos.id, text="card", blocks=card("cancel")
    )
    [message] = slack.workspace.messages("videos")
    assert (await slack.grace.click(message, "cancel")).delivered
    [body] = app.seen
    assert body["actions"][0]["value"] == "job-1"
    assert (body["user"]["id"], body["message"]["ts"]) == (slack.grace.id, post["ts"])
    await app.client.chat_update(channel=message.channel, ts=message.ts, text="cancelled")
    with pytest.raises(Impossible, match="no button cancel"):
        await slack.grace.click(message, "cancel")


async def test_a_click_in_an_ephemeral_message_has_no_message_object(
    slack: SlackSandbox, app: App
) -> None:
    await app.client.chat_postEphemeral(
        channel=slack.workspace.videos.id, user=slack.ada.id, text="?", blocks=card("cancel")
    )
    await slack.ada.click(slack.ada.private[0], "cancel")
    assert "message" not in app.seen[0]
    assert app.seen[0]["container"]["is_ephemeral"] is True


async def test_a_message_shortcut_contains_the_message_as_slack_stores_it(
    slack: SlackSandbox, app: App
) -> None:
    message = slack.ada.post("rain & <wind>")
    await slack.grace.message_shortcut("about_message", message)
    shown = app.seen[0]["message"]
    assert shown["text"] == "rain &amp; &lt;wind&gt;"
    assert shown["blocks"][0]["elements"][0]["elements"][0]["text"] == "rain & <wind>"
    assert (app.seen[0]["type"], app.seen[0]["channel"]["name"]) == ("message_action", "videos")


async def test_a_home_tab_is_published_for_one_person(slack: SlackSandbox, app: App) -> None:
    view = {"type": "home", "blocks": card("cancel")}
    published: Any = await app.client.views_publish(user_id=slack.ada.id, view=view)
    assert slack.grace.home is None
    assert slack.ada.home is not None
    await slack.ada.click(slack.ada.home, "cancel", value="job-1")
    assert app.seen[0]["view"]["type"] == "home"
    await app.client.views_publish(user_id=slack.ada.id, view=view, hash=published["view"]["hash"])
    stale = app.client.views_publish(user_id=slack.ada.id, view=view, hash="0.0")
    assert await refusal(stale) == "hash_conflict"
    titled = app.client.views_publish(user_id=slack.ada.id, view={**view, "title": words("x")})
    assert await refusal(titled) == "invalid_arguments"


async def test_a_person_cannot_use_a_conversation_they_cannot_see(
    slack: SlackSandbox, app: App
) -> None:
    secret = slack.workspace.add_channel("secret", private=True, members=[slack.ada.user])
    assert (await slack.ada.command("clouds", channel=secret)).delivered
    assert app.seen[0]["channel_name"] == "privategroup"
    with pytest.raises(Impossible):
        await slack.grace.command("clouds", channel=secret)
    theirs = slack.workspace.direct_message(slack.ada.user, slack.grace.user)
    await slack.grace.command("clouds", channel=theirs)
    assert app.seen[1]["channel_name"] == "directmessage"


async def test_a_choice_in_a_message_is_dispatched(slack: SlackSandbox, app: App) -> None:
    blocks = [{"type": "actions", "block_id": "again", "elements": [MODEL["element"]]}]
    await app.client.chat_postMessage(channel=slack.workspace.videos.id, text="card", blocks=blocks)
    [message] = slack.workspace.messages("videos")
    await slack.ada.choose("pick", "large", where=message)
    [body] = app.seen
    assert body["actions"][0]["selected_option"] == option("large")
    assert body["state"]["values"]["again"]["pick"]["selected_option"] == option("large")


# Response URLs


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as http:
        yield http


async def test_a_response_url_works_five_times_even_where_the_bot_is_not_a_member(
    slack: SlackSandbox, app: App, http: httpx.AsyncClient
) -> None:
    theirs = slack.workspace.direct_message(slack.ada.user, slack.grace.user)
    await slack.ada.command("clouds", channel=theirs)
    url = app.seen[0]["response_url"]
    statuses = [(await http.post(url, json={"text": "hello"})).status_code for _ in range(6)]
    assert statuses == [200, 200, 200, 200, 200, 404]
    assert len(slack.ada.private) == 5
    assert slack.workspace.messages(theirs) == []
    assert slack.calls_of("response_url")[-1].error == "used_url"


async def test_a_response_url_works_for_half_an_hour(
    slack: SlackSandbox, app: App, http: httpx.AsyncClient, clock: Clock
) -> None:
    await slack.ada.command("clouds")
    clock.now += 30 * 60 + 1
    response = await http.post(app.seen[0]["response_url"], json={"text": "late"})
    assert (response.status_code, response.json()["error"]) == (404, "expired_url")


async def test_the_message_of_a_command_cannot_be_replaced(
    slack: SlackSandbox, app: App, http: httpx.AsyncClient
) -> None:
    await slack.ada.command("clouds")
    for body in ({"replace_original": True, "text": "x"}, {"delete_original": True}, {}, [1]):
        response = await http.post(app.seen[0]["response_url"], json=body)
        assert response.status_code == 400


async def test_a_response_to_a_click_replaces_or_deletes_the_message(
    slack: SlackSandbox, app: App, http: httpx.AsyncClient
) -> None:
    await app.client.chat_postEphemeral(
        channel=slack.workspace.videos.id, user=slack.ada.id, text="?", blocks=card("cancel")
    )
    await slack.ada.click(slack.ada.private[0], "cancel")
    url = app.seen[0]["response_url"]
    await http.post(url, json={"replace_original": True, "text": "sure?"})
    assert [(m.text, m.blocks) for m in slack.ada.private] == [("sure?", [])]
    public = {"response_type": "in_channel", "text": "to all"}
    assert (await http.post(url, json=public)).status_code == 400
    await http.post(url, json={"delete_original": True})
    assert slack.ada.private == []


async def test_a_form_can_issue_a_response_url_for_a_channel(
    slack: SlackSandbox, app: App, http: httpx.AsyncClient
) -> None:
    element = {
        "type": "conversations_select",
        "action_id": "where",
        "response_url_enabled": True,
        "default_to_current_conversation": True,
    }
    trigger = slack.workspace.issue_trigger(slack.ada.id)
    await app.client.views_open(trigger_id=trigger, view=form(field("channel", element)))
    await slack.ada.fill({"channel": slack.workspace.videos.id})
    await slack.ada.submit()
    [given] = app.seen[0]["response_urls"]
    assert (given["block_id"], given["channel_id"]) == ("channel", slack.workspace.videos.id)
    public = {"response_type": "in_channel", "text": "to all"}
    await http.post(given["response_url"], json=public)
    assert [message.text for message in slack.workspace.messages("videos")] == ["to all"]


async def test_bolts_respond_function_works(slack: SlackSandbox, app: App) -> None:
    async def respond_to(ack: Any, respond: Any) -> None:  # noqa: ANN401 -- Bolt's
        await ack()
        await respond("only you", response_type="ephemeral")

    app.bolt.command("/ask")(respond_to)
    await slack.ada.command(command="/ask")
    [message] = await slack.changes.until(lambda: slack.ada.private)
    assert message.text == "only you"


async def test_people_of_other_organizations_have_neither_commands_nor_shortcuts() -> None:
    slack = SlackSandbox(Changes(), Faults())
    mallory = slack.person(slack.workspace.add_user("mallory", role="external").id)
    slack.workspace.videos.members.add(mallory.id)
    with pytest.raises(Impossible, match="doesn't have this app"):
        await mallory.command("clouds")
    with pytest.raises(Impossible, match="doesn't have this app"):
        await mallory.global_shortcut("create_video")
