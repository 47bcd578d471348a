"""Uploads to the fake Slack in three steps, and downloads, with slack_sdk and httpx."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.sandbox import faults
from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.slack.state import Conversation, File
from tests.support.pictures import picture

CLIP = b"not really a clip"


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    sandbox = SlackSandbox(Changes(), Faults())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def videos(slack: SlackSandbox) -> Conversation:
    return slack.workspace.videos


@pytest.fixture
def client(slack: SlackSandbox) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as http:
        yield http


@pytest.fixture
async def uploaded(slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient) -> File:
    """A file whose bytes are uploaded, but not completed."""
    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=len(CLIP))
    response = await http.post(ticket["upload_url"], content=CLIP)
    assert (response.status_code, response.text) == (200, f"OK - {len(CLIP)}")
    return slack.workspace.file(ticket["file_id"])


@pytest.fixture
async def card(client: AsyncWebClient, videos: Conversation) -> str:
    return str((await client.chat_postMessage(channel=videos.id, text="card"))["ts"])


async def complete(client: AsyncWebClient, file: File, **more: Any) -> Any:  # noqa: ANN401 -- any response
    arguments = {"files": [{"id": file.id, "title": "Clouds"}], **more}
    return await client.api_call("files.completeUploadExternal", json=arguments)


async def refusal(call: Any) -> str:  # noqa: ANN401 -- any of the client's coroutines
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_file_is_shared_in_its_thread_shortly_after_completion(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, uploaded: File, card: str
) -> None:
    slack.workspace.shares.hold()
    response = await complete(
        client, uploaded, channel_id=videos.id, thread_ts=card, initial_comment="Done"
    )
    assert (response["files"][0]["shares"], response["files"][0]["mimetype"]) == ({}, "")
    assert slack.workspace.replies(videos, card) == []
    slack.workspace.shares.release()
    [message] = slack.workspace.replies(videos, card)
    assert (message.text, message.files, uploaded.title) == ("Done", [uploaded], "Clouds")
    found = (await client.files_info(file=uploaded.id))["file"]
    [share] = found["shares"]["public"][videos.id]
    assert (share["ts"], share["thread_ts"]) == (message.ts, card)
    assert (found["mimetype"], found["size"]) == ("video/mp4", len(CLIP))
    assert uploaded.data == CLIP


async def test_a_share_completes_without_further_calls(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, uploaded: File
) -> None:
    await complete(client, uploaded, channel_id=videos.id)
    await slack.changes.until(lambda: uploaded.shares)


async def test_slack_sdks_own_upload_works(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, card: str
) -> None:
    await client.files_upload_v2(
        channel=videos.id, thread_ts=card, content="hello", filename="prompt.txt", title="Prompt"
    )
    [message] = await slack.changes.until(lambda: slack.workspace.replies(videos, card))
    assert [file.data for file in message.files] == [b"hello"]
    assert slack.complaints == []


async def test_a_file_can_be_completed_only_once(
    client: AsyncWebClient, videos: Conversation, uploaded: File
) -> None:
    await complete(client, uploaded, channel_id=videos.id)
    again = complete(client, uploaded, channel_id=videos.id)
    assert await refusal(again) == "file_not_found"


async def test_uploading_requires_membership_although_posting_does_not(
    slack: SlackSandbox, client: AsyncWebClient, uploaded: File
) -> None:
    channel = slack.workspace.add_channel("elsewhere", bot_is_member=False)
    await client.chat_postMessage(channel=channel.id, text="a card")
    assert await refusal(complete(client, uploaded, channel_id=channel.id)) == "not_in_channel"
    await client.conversations_join(channel=channel.id)
    await complete(client, uploaded, channel_id=channel.id)


async def test_sharing_a_file_requires_the_id_of_a_channel_that_accepts_posts(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, uploaded: File, card: str
) -> None:
    workspace = slack.workspace
    reply = await client.chat_postMessage(channel=videos.id, text="r", thread_ts=card)
    secret = workspace.add_channel("secret", private=True, bot_is_member=False)
    archived = workspace.add_channel("old", archived=True)
    read_only = workspace.add_channel("news", posting="read_only")

    async def error(channel: str, **more: str) -> str:
        return await refusal(complete(client, uploaded, channel_id=channel, **more))

    assert await error(workspace.ada.id) == "invalid_arguments"
    assert await error("#videos") == "invalid_arguments"
    assert await error("C0NOWHERE1") == "channel_not_found"
    assert await error(secret.id) == "channel_not_found"
    assert await error(archived.id) == "posting_to_channel_denied"
    assert await error(read_only.id) == "posting_to_channel_denied"
    assert await error(videos.id, thread_ts=reply["ts"]) == "invalid_arguments"
    direct = await client.conversations_open(users=[workspace.ada.id])
    await complete(client, uploaded, channel_id=direct["channel"]["id"])
    await slack.changes.until(lambda: uploaded.shares)
    shares = (await client.files_info(file=uploaded.id))["file"]["shares"]
    assert list(shares["private"]) == [direct["channel"]["id"]]


async def test_a_video_with_alt_text_is_never_shared(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient, videos: Conversation
) -> None:
    ticket = await client.files_getUploadURLExternal(
        filename="clip.mp4", length=len(CLIP), alt_txt="clouds"
    )
    await http.post(ticket["upload_url"], content=CLIP)
    file = slack.workspace.file(ticket["file_id"])
    slack.workspace.shares.hold()
    assert (await complete(client, file, channel_id=videos.id))["ok"] is True
    slack.workspace.shares.release()
    assert (await client.files_info(file=file.id))["file"]["shares"] == {}


async def test_the_declared_name_and_length_are_checked(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    async def error(**more: Any) -> str:  # noqa: ANN401 -- any argument
        arguments = {"filename": "clip.mp4", "length": 5, **more}
        return await refusal(client.api_call("files.getUploadURLExternal", params=arguments))

    assert await error(length=0) == "missing_argument"
    assert await error(length="many") == "invalid_arguments"
    assert await error(filename="") == "invalid_arguments"
    assert await error(alt_txt="x" * 1001) == "alt_txt_too_large"
    assert await error(snippet_type="text", length=1_000_001) == "snippet_too_large"
    slack.workspace.largest_upload = 4
    assert await error() == "file_upload_size_restricted"


async def test_the_number_of_bytes_must_match_the_declared_length(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=5)
    for content in (b"1234", b"123456"):
        assert (await http.post(ticket["upload_url"], content=content)).status_code == 400
    file = slack.workspace.file(ticket["file_id"])
    assert await refusal(complete(client, file)) == "file_not_found"
    assert (await http.post(ticket["upload_url"], content=b"12345")).status_code == 200
    assert (await http.post(ticket["upload_url"], content=b"12345")).status_code == 404
    await complete(client, file)


async def test_bytes_can_be_sent_as_a_form_but_not_without_a_length(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"12345"

    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=5)
    assert (await http.post(ticket["upload_url"], content=chunks())).status_code == 411
    form = {"file": ("clip.mp4", b"12345")}
    assert (await http.post(ticket["upload_url"], files=form)).status_code == 200
    assert slack.workspace.file(ticket["file_id"]).data == b"12345"


async def test_a_token_sent_to_the_upload_url_is_a_complaint(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=5)
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    response = await http.post(ticket["upload_url"], content=b"12345", headers=headers)
    assert response.status_code == 400
    assert slack.complaints == ["a token was sent to the upload URL"]


async def test_a_large_upload_is_streamed_to_disk(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    piece, pieces = bytes(range(256)) * 4096, 40

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield piece

    size = len(piece) * pieces
    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=size)
    headers = {"Content-Length": str(size)}
    await http.post(ticket["upload_url"], content=chunks(), headers=headers)
    file = slack.workspace.file(ticket["file_id"])
    assert (file.size, file.path.stat().st_size) == (size, size)
    assert file.sha256 == hashlib.sha256(piece * pieces).hexdigest()


async def test_a_fault_after_the_upload_leaves_the_bytes(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    slack.faults.inject("upload", faults.drop, when="after")
    ticket = await client.files_getUploadURLExternal(filename="clip.mp4", length=5)
    with pytest.raises(httpx.TransportError):
        await http.post(ticket["upload_url"], content=b"12345")
    await complete(client, slack.workspace.file(ticket["file_id"]))


async def test_a_deleted_file_is_gone_everywhere(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, uploaded: File
) -> None:
    await complete(client, uploaded, channel_id=videos.id, initial_comment="Done")
    await slack.changes.until(lambda: uploaded.shares)
    await client.files_delete(file=uploaded.id)
    [message] = slack.workspace.messages(videos)
    assert message.files == []
    assert not uploaded.path.exists()
    assert await refusal(client.files_info(file=uploaded.id)) == "file_deleted"


async def test_a_persons_file_is_readable_once_shared_where_the_bot_is_a_member(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient, videos: Conversation
) -> None:
    file = slack.ada.upload("prompt.txt", b"clouds", "text/plain")
    assert await refusal(client.files_info(file=file.id)) == "file_not_found"
    slack.ada.post("this one", channel=videos, files=[file])
    found = (await client.files_info(file=file.id))["file"]
    assert (found["mode"], found["user"], found["is_external"]) == ("snippet", slack.ada.id, False)
    assert httpx.URL(found["url_private_download"]).host == slack.host
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    response = await http.get(found["url_private_download"], headers=headers)
    assert (response.content, response.headers["content-type"]) == (b"clouds", "text/plain")
    assert await refusal(client.files_delete(file=file.id)) == "cant_delete_file"


async def test_a_download_without_permission_is_a_login_page_with_status_200(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient, videos: Conversation
) -> None:
    file = slack.ada.upload("photo.png", b"png", "image/png")
    slack.ada.post("", channel=videos, files=[file])
    url = (await client.files_info(file=file.id))["file"]["url_private"]
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    without_token = await http.get(url)
    slack.workspace.scopes.remove("files:read")
    without_scope = await http.get(url, headers=headers)
    for response in (without_token, without_scope):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
    assert [call.error for call in slack.calls_of("download")] == ["login page"] * 2


async def test_a_remote_file_is_marked_as_external(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    file = slack.ada.upload("photo.png", b"png", "image/png")
    slack.ada.post("look", files=[file])
    file.overrides |= {"mode": "external", "is_external": True, "url_private": "http://evil.test"}
    found = (await client.files_info(file=file.id))["file"]
    assert (found["mode"], found["url_private"]) == ("external", "http://evil.test")


async def test_an_image_block_shows_a_file_once_slack_knows_its_type(
    slack: SlackSandbox, client: AsyncWebClient, http: httpx.AsyncClient, videos: Conversation
) -> None:
    data = picture("JPEG", (16, 9))
    ticket = await client.files_getUploadURLExternal(filename="a.jpg", length=len(data))
    file = slack.workspace.file(ticket["file_id"])
    image = {"type": "image", "slack_file": {"id": file.id}, "alt_text": "a sky"}

    async def show() -> AsyncSlackResponse:
        return await client.chat_postMessage(channel=videos.id, text="card", blocks=[image])

    assert await refusal(show()) == "invalid_blocks"
    await http.post(ticket["upload_url"], content=data)
    slack.workspace.shares.hold()
    await complete(client, file)
    assert await refusal(show()) == "invalid_blocks"
    slack.workspace.shares.release()
    assert not slack.workspace.may_read(slack.grace.id, file)
    await show()
    assert slack.workspace.may_read(slack.grace.id, file)
    assert file.shares == []


async def test_an_image_block_shows_no_video(
    slack: SlackSandbox, client: AsyncWebClient, videos: Conversation, uploaded: File
) -> None:
    await complete(client, uploaded, channel_id=videos.id)
    await slack.changes.until(lambda: uploaded.shares)
    image = {"type": "image", "slack_file": {"id": uploaded.id}, "alt_text": "a sky"}
    refused = client.chat_postMessage(channel=videos.id, text="card", blocks=[image])
    assert await refusal(refused) == "invalid_blocks"
