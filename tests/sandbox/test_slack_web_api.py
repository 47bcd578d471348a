"""The fake Slack's Web API, called by the real slack_sdk."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import faults
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.slack.state import Conversation, Posting

CARD: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": "a card"}}]
QUOTE: list[dict[str, Any]] = [
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "<!channel> @here"}]}
        ],
    }
]


class Clock:
    """A clock that tests set."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


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
def videos(slack: SlackSandbox) -> Conversation:
    return slack.workspace.videos


@pytest.fixture
def client(slack: SlackSandbox) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])


async def refusal(call: Any) -> str:  # noqa: ANN401 -- any of the client's coroutines
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_auth_test_identifies_the_token_and_its_scopes(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    response = await client.auth_test()
    assert response["team_id"] == slack.workspace.team_id
    assert response["user_id"] == slack.workspace.bot_user_id
    assert response["bot_id"] == slack.workspace.bot_id
    assert "chat:write" in response.headers["X-OAuth-Scopes"]


async def test_every_invalid_token_has_its_own_error(slack: SlackSandbox) -> None:
    def client(token: str | None) -> AsyncWebClient:
        return AsyncWebClient(token, base_url=slack.api_url)

    app = client(None)
    assert await refusal(client(None).auth_test()) == "not_authed"
    assert await refusal(client("xoxb-other").auth_test()) == "invalid_auth"
    assert await refusal(client(slack.app_token).auth_test()) == "not_allowed_token_type"
    assert await refusal(app.apps_connections_open(app_token=slack.bot_token)) == (
        "not_allowed_token_type"
    )
    slack.workspace.token_error = "token_revoked"
    assert await refusal(client(slack.bot_token).auth_test()) == "token_revoked"


async def test_a_token_in_a_json_body_or_a_url_is_ignored(slack: SlackSandbox) -> None:
    async with httpx.AsyncClient(base_url=slack.api_url) as http:
        in_form = await http.post("auth.test", data={"token": slack.bot_token})
        in_json = await http.post("auth.test", json={"token": slack.bot_token})
        in_url = await http.get("auth.test", params={"token": slack.bot_token})
    assert in_form.json()["ok"] is True
    assert in_json.json()["error"] == in_url.json()["error"] == "not_authed"


async def test_a_missing_scope_is_named(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    slack.workspace.scopes.remove("chat:write")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=videos.id, text="hello")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "chat:write"
    assert "files:write" in caught.value.response["provided"]


async def test_unknown_methods_and_arguments_are_refused(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    assert await refusal(client.api_call("chat.shout")) == "unknown_method"
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=videos.id, text="x", colour="red")
    assert caught.value.response["error"] == "invalid_arguments"
    assert "colour" in str(caught.value.response["response_metadata"])
    with_team = await client.chat_postMessage(
        channel=videos.id, text="x", team_id=slack.workspace.team_id
    )
    assert with_team["ok"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "no channel"},
        {"channel": "C1", "text": 5},
        {"channel": "C1", "text": None},
        {"channel": "C1", "text": "x", "thread_ts": 1800000000.0},
        {"channel": "C1", "text": "x", "unfurl_links": "maybe"},
    ],
)
async def test_argument_types_are_checked(
    client: AsyncWebClient, arguments: dict[str, Any]
) -> None:
    assert await refusal(client.api_call("chat.postMessage", json=arguments)) == "invalid_arguments"


async def test_methods_that_only_read_ignore_json(
    client: AsyncWebClient, videos: Conversation
) -> None:
    call = client.api_call("conversations.info", json={"channel": videos.id})
    assert await refusal(call) == "invalid_arguments"
    assert (await client.conversations_info(channel=videos.id))["channel"]["is_member"] is True


async def test_every_call_is_recorded_even_if_it_failed(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    await client.chat_postMessage(channel=videos.id, text="one")
    await refusal(client.chat_postMessage(channel="C0NOWHERE1", text="two"))
    first, second = slack.calls_of("chat.postMessage")
    assert (first.args["text"], first.token, first.ok, first.error) == ("one", "bot", True, None)
    assert (second.args["text"], second.ok, second.error) == ("two", False, "channel_not_found")


# Where a bot can post


async def test_posting_in_a_public_channel_without_membership_needs_its_scope(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    channel = slack.workspace.add_channel("elsewhere", bot_is_member=False)
    await client.chat_postMessage(channel=channel.id, text="hello")
    slack.workspace.scopes.remove("chat:write.public")
    assert await refusal(client.chat_postMessage(channel=channel.id, text="x")) == "not_in_channel"
    await client.conversations_join(channel=channel.id)
    await client.chat_postMessage(channel=channel.id, text="again")
    assert [message.text for message in slack.workspace.messages(channel)] == ["hello", "again"]


async def test_conversations_that_the_bot_cannot_see_are_not_found(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    workspace = slack.workspace
    secret = workspace.add_channel("secret", private=True, bot_is_member=False)
    theirs = workspace.direct_message(workspace.ada, workspace.grace)
    for channel in (secret.id, theirs.id, "C0NOWHERE1", "#videos", workspace.bot_user_id):
        call = client.chat_postMessage(channel=channel, text="hello")
        assert await refusal(call) == "channel_not_found"
    assert await refusal(client.conversations_info(channel=secret.id)) == "channel_not_found"
    assert await refusal(client.conversations_join(channel=secret.id)) == "channel_not_found"


@pytest.mark.parametrize(
    ("posting", "where", "error"),
    [
        ("restricted", "channel", "restricted_action"),
        ("read_only", "channel", "restricted_action_read_only_channel"),
        ("thread_only", "channel", "restricted_action_thread_only_channel"),
        ("non_threadable", "thread", "restricted_action_non_threadable_channel"),
    ],
)
async def test_a_channel_can_restrict_posting(
    client: AsyncWebClient, videos: Conversation, posting: Posting, where: str, error: str
) -> None:
    head = await client.chat_postMessage(channel=videos.id, text="before")
    videos.posting = posting
    more = {"thread_ts": head["ts"]} if where == "thread" else {}
    assert await refusal(client.chat_postMessage(channel=videos.id, text="x", **more)) == error


async def test_nothing_is_posted_or_edited_in_an_archived_channel(
    client: AsyncWebClient, videos: Conversation
) -> None:
    card = await client.chat_postMessage(channel=videos.id, text="before")
    videos.archived = True
    post = client.chat_postMessage(channel=videos.id, text="x")
    assert await refusal(post) == "is_archived"
    edit = client.chat_update(channel=videos.id, ts=card["ts"], text="x")
    assert await refusal(edit) == "is_inactive"
    assert await refusal(client.conversations_join(channel=videos.id)) == "is_archived"


async def test_a_user_id_is_accepted_as_a_channel_only_for_posting(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    ada = slack.workspace.ada.id
    post = await client.chat_postMessage(channel=ada, text="hello")
    assert post["channel"].startswith("D")
    edit = client.chat_update(channel=ada, ts=post["ts"], text="x")
    assert await refusal(edit) == "channel_not_found"
    await client.chat_update(channel=post["channel"], ts=post["ts"], text="edited")
    opened = await client.conversations_open(users=[ada])
    assert opened["channel"]["id"] == post["channel"]
    bot = client.conversations_open(users=[slack.workspace.bot_user_id])
    assert await refusal(bot) == "cannot_dm_bot"


async def test_an_ephemeral_message_requires_the_bot_and_the_person_to_be_members(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    ada = slack.ada
    await client.chat_postEphemeral(channel=videos.id, user=ada.id, text="only you")
    assert [message.text for message in ada.private] == ["only you"]
    assert slack.grace.private == []
    assert slack.workspace.messages(videos) == []
    videos.members.discard(ada.id)
    away = client.chat_postEphemeral(channel=videos.id, user=ada.id, text="x")
    assert await refusal(away) == "user_not_in_channel"
    elsewhere = slack.workspace.add_channel("elsewhere", bot_is_member=False)
    stranger = client.chat_postEphemeral(channel=elsewhere.id, user=ada.id, text="x")
    assert await refusal(stranger) == "not_in_channel"


# Threads, edits, content


async def test_a_reply_requires_a_parent_that_allows_replies(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    head = await client.chat_postMessage(channel=videos.id, text="head")
    reply = await client.chat_postMessage(channel=videos.id, text="r", thread_ts=head["ts"])

    async def error(thread_ts: str) -> str:
        call = client.chat_postMessage(channel=videos.id, text="x", thread_ts=thread_ts)
        return await refusal(call)

    assert await error("soon") == "invalid_thread_ts"
    assert await error("1700000000.000001") == "thread_not_found"
    assert await error(reply["ts"]) == "cannot_reply_to_message"
    thread = slack.workspace.replies(videos, head["ts"])
    assert [message.text for message in thread] == ["r"]
    slack.workspace.messages(videos)[0].locked = True
    assert await error(head["ts"]) == "restricted_action_thread_locked"


async def test_the_bot_can_change_only_its_own_messages(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    theirs = slack.ada.post("hello")
    edit = client.chat_update(channel=videos.id, ts=theirs.ts, text="x")
    assert await refusal(edit) == "cant_update_message"
    delete = client.chat_delete(channel=videos.id, ts=theirs.ts)
    assert await refusal(delete) == "cant_delete_message"
    nothing = client.chat_update(channel=videos.id, ts="1700000000.000001", text="x")
    assert await refusal(nothing) == "message_not_found"


async def test_an_edit_without_blocks_removes_them_and_history_is_kept(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    card = await client.chat_postMessage(channel=videos.id, text="one", blocks=CARD)
    await client.chat_update(channel=videos.id, ts=card["ts"], text="two")
    message = slack.workspace.messages(videos)[0]
    assert (message.text, message.blocks) == ("two", [])
    [(text, blocks)] = message.edits
    assert text == "one"
    assert blocks[0]["text"]["text"] == "a card"
    long = client.chat_update(channel=videos.id, ts=card["ts"], text="x" * 4001)
    assert await refusal(long) == "msg_too_long"


async def test_rich_text_cannot_be_replaced_by_other_blocks(
    client: AsyncWebClient, videos: Conversation
) -> None:
    post = await client.chat_postMessage(channel=videos.id, text="one", blocks=QUOTE)
    edit = client.chat_update(channel=videos.id, ts=post["ts"], text="two", blocks=CARD)
    assert await refusal(edit) == "block_mismatch"
    both = [*QUOTE, *CARD]
    await client.chat_update(channel=videos.id, ts=post["ts"], text="two", blocks=both)


async def test_a_deleted_parent_leaves_a_tombstone(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    head = await client.chat_postMessage(channel=videos.id, text="head")
    await client.chat_postMessage(channel=videos.id, text="reply", thread_ts=head["ts"])
    await client.chat_delete(channel=videos.id, ts=head["ts"])
    assert [message.tombstone for message in slack.workspace.messages(videos)] == [True, False]
    again = client.chat_delete(channel=videos.id, ts=head["ts"])
    assert await refusal(again) == "message_not_found"


async def test_a_message_must_have_content_within_the_limits(
    client: AsyncWebClient, videos: Conversation
) -> None:
    async def error(**content: Any) -> str:  # noqa: ANN401 -- any argument
        call = client.api_call("chat.postMessage", json={"channel": videos.id, **content})
        return await refusal(call)

    long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}} for _ in range(5)]
    assert await error() == "no_text"
    assert await error(text="  ") == "no_text"
    assert await error(text="x" * 4001) == "msg_too_long"
    assert await error(text="x", blocks="[{") == "invalid_blocks_format"
    assert await error(text="x", blocks=[{"type": "section"}]) == "invalid_blocks"
    assert await error(text="x", blocks=long) == "msg_blocks_too_long"
    assert await error(text="x", markdown_text="x") == "markdown_text_conflict"
    assert await error(text="x", username="Somebody else") == "missing_scope"


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"event_type": "job"}, "invalid_metadata_format"),
        ({"event_type": "job", "event_payload": {}, "more": 1}, "invalid_metadata_format"),
        ({"event_type": "job", "event_payload": {"a": {"b": 1}}}, "invalid_metadata_schema"),
        ({"event_type": "job", "event_payload": {"a": "x" * 2000}}, "metadata_too_large"),
    ],
)
async def test_metadata_is_small_and_flat(
    client: AsyncWebClient, videos: Conversation, metadata: dict[str, Any], error: str
) -> None:
    call = client.chat_postMessage(channel=videos.id, text="x", metadata=metadata)
    assert await refusal(call) == error


async def test_metadata_stays_until_it_is_replaced(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    slack.workspace.scopes.add("channels:history")
    metadata = {"event_type": "job", "event_payload": {"id": "j1"}}
    post = await client.chat_postMessage(channel=videos.id, text="x", metadata=metadata)
    await client.chat_update(channel=videos.id, ts=post["ts"], text="y")
    page = await client.conversations_history(channel=videos.id, include_all_metadata=True)
    assert page["messages"][0]["metadata"] == metadata
    await client.chat_update(channel=videos.id, ts=post["ts"], text="z", metadata={})
    assert slack.workspace.messages(videos)[0].metadata is None


async def test_history_needs_its_scope_and_is_paginated(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    assert await refusal(client.conversations_history(channel=videos.id)) == "missing_scope"
    slack.workspace.scopes.add("channels:history")
    posts = [await client.chat_postMessage(channel=videos.id, text=f"{n}") for n in range(3)]
    await client.chat_postMessage(channel=videos.id, text="reply", thread_ts=posts[0]["ts"])
    pages = await client.conversations_history(channel=videos.id, limit=2)
    texts = [m["text"] async for page in pages for m in page["messages"]]
    assert texts == ["2", "1", "0"]
    thread = await client.conversations_replies(channel=videos.id, ts=posts[0]["ts"])
    assert [message["text"] for message in thread["messages"]] == ["0", "reply"]


# Who is notified


async def test_quoted_or_escaped_mentions_notify_nobody(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    verbatim = {"type": "mrkdwn", "text": "@here &lt;!channel&gt;", "verbatim": True}
    plain = {"type": "plain_text", "text": "<!channel> @everyone"}
    blocks = [
        *QUOTE,
        {"type": "section", "text": verbatim},
        {"type": "section", "text": plain},
    ]
    await client.chat_postMessage(channel=videos.id, text="@here", blocks=blocks)
    assert slack.workspace.messages(videos)[0].mentions == frozenset()


@pytest.mark.parametrize(
    ("text", "notified"),
    [
        ("<!channel>", {"channel"}),
        ("<!here|here> and <@U0SBX000002>", {"here", "U0SBX000002"}),
        ("@everyone, look", {"everyone"}),
        ("ask @ada", {"U0SBX000002"}),
        ("<!subteam^S0TEAM0001>", {"S0TEAM0001"}),
        ("mail ada@here.example", set()),
    ],
)
async def test_mentions_in_mrkdwn_notify_people(
    slack: SlackSandbox,
    client: AsyncWebClient,
    videos: Conversation,
    text: str,
    notified: set[str],
) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    await client.chat_postMessage(channel=videos.id, text="card", blocks=blocks)
    assert slack.workspace.messages(videos)[0].mentions == notified


async def test_an_edit_parses_names_in_its_text_unless_parse_is_none(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    post = await client.chat_postMessage(channel=videos.id, text="@here")
    message = slack.workspace.messages(videos)[0]
    assert message.mentions == frozenset()
    await client.chat_update(channel=videos.id, ts=post["ts"], text="@here")
    assert message.mentions == {"here"}
    await client.chat_update(channel=videos.id, ts=post["ts"], text="@here", parse="none")
    assert message.mentions == frozenset()


# Limits and faults


async def test_a_channel_accepts_about_one_message_a_second(clock: Clock) -> None:
    slack = SlackSandbox(Changes(), Faults(), clock, limits=True)
    await slack.start()
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    channel = slack.workspace.videos.id
    for _ in range(3):
        await client.chat_postMessage(channel=channel, text="a short burst")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=channel, text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response["error"] == "ratelimited"
    clock.now += int(caught.value.response.headers["Retry-After"])
    await client.chat_postMessage(channel=channel, text="x")
    await slack.stop()


async def test_edits_are_limited_for_the_whole_workspace(clock: Clock) -> None:
    slack = SlackSandbox(Changes(), Faults(), clock, limits=True)
    await slack.start()
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    channel = slack.workspace.videos.id
    ts = (await client.chat_postMessage(channel=channel, text="x"))["ts"]
    for _ in range(50):
        await client.chat_update(channel=channel, ts=ts, text="x")
    assert await refusal(client.chat_update(channel=channel, ts=ts, text="x")) == "ratelimited"
    clock.now += 60
    await client.chat_update(channel=channel, ts=ts, text="x")
    await slack.stop()


async def test_a_fault_before_a_post_prevents_it_and_a_fault_after_it_does_not(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    slack.faults.inject("chat.postMessage", faults.drop)
    slack.faults.inject("chat.postMessage", faults.drop, nth=2, when="after")
    for text in ("before", "after"):
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=videos.id, text=text)
    assert [message.text for message in slack.workspace.messages(videos)] == ["after"]
    assert [call.ok for call in slack.calls_of("chat.postMessage")] == [False, True]


async def test_a_rate_limit_can_be_injected(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    busy = faults.respond_with(429, {"ok": False, "error": "ratelimited"}, Retry_After="7")
    slack.faults.inject("chat.postMessage", busy)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=videos.id, text="x")
    assert caught.value.response.headers["Retry-After"] == "7"


async def test_the_sandbox_can_be_stopped_while_a_request_hangs(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    slack.faults.inject("auth.test", faults.hang)
    waiting = asyncio.create_task(client.auth_test())
    await slack.changes.until(lambda: slack.calls)
    async with asyncio.timeout(30):
        await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_a_restart_on_the_same_port_keeps_the_state(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation
) -> None:
    post = await client.chat_postMessage(channel=videos.id, text="x")
    port = slack.port
    await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await client.auth_test()
    await slack.start(port)
    await client.chat_update(channel=videos.id, ts=post["ts"], text="y")


async def test_a_permalink_to_a_reply_includes_its_thread(
    client: AsyncWebClient, videos: Conversation
) -> None:
    head = await client.chat_postMessage(channel=videos.id, text="head")
    reply = await client.chat_postMessage(channel=videos.id, text="r", thread_ts=head["ts"])
    link = await client.chat_getPermalink(channel=videos.id, message_ts=reply["ts"])
    assert link["permalink"].endswith(f"?thread_ts={head['ts']}&cid={videos.id}")
