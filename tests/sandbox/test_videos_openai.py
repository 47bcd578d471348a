"""The fake Videos server is as strict as OpenAI's."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.sandbox.changes import Changes
from bot.sandbox.clip import tiny_clip
from bot.sandbox.faults import Faults, drop, respond_with
from bot.sandbox.videos import VideosSandbox

START = 1_800_000_000
SMALL = "'720x1280' and '1280x720'"
ALL_SIZES = "'720x1280', '1280x720', '1024x1792', and '1792x1024'"
MODELS = (
    "'sora-2', 'sora-2-pro', 'sora-2-2025-10-06', 'sora-2-pro-2025-10-06', and 'sora-2-2025-12-08'"
)
OCTET_STREAM = (
    "Invalid file 'input_reference': unsupported mimetype ('application/octet-stream'). "
    "Supported file formats are 'image/jpeg', 'image/png', 'image/webp', and 'video/mp4'."
)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def videos(clock: Clock, faults: Faults) -> AsyncIterator[VideosSandbox]:
    sandbox = VideosSandbox(Changes(), faults, clock=clock, render_seconds=10, clip=tiny_clip())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def client(videos: VideosSandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {videos.api_key}"}
    async with httpx.AsyncClient(base_url=videos.base_url, headers=headers) as client:
        yield client


def form(**fields: str) -> list[tuple[str, Any]]:
    """Write fields as httpx sends them in a multipart form."""
    return [(name, (None, text)) for name, text in fields.items()]


def picture(size: tuple[int, int] = (720, 1280), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


async def created(client: httpx.AsyncClient, **fields: str) -> str:
    response = await client.post("/videos", files=form(**{"prompt": "clouds"} | fields))
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    return dict(response.json()["error"])


# The life cycle of a video


async def test_a_form_creates_a_queued_video_with_every_key_of_the_spec(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(
        "/videos", files=form(prompt="clouds", model="sora-2", size="1280x720", seconds="8")
    )
    video = response.json()
    assert video.pop("id").startswith("video_")
    assert video == {
        "object": "video",
        "model": "sora-2",
        "status": "queued",
        "progress": 0,
        "created_at": START,
        "completed_at": None,
        "expires_at": None,
        "prompt": "clouds",
        "size": "1280x720",
        "seconds": "8",
        "remixed_from_video_id": None,
        "error": None,
    }


async def test_json_creates_a_video_and_omitted_fields_have_defaults(
    client: httpx.AsyncClient,
) -> None:
    video = (await client.post("/videos", json={"prompt": "clouds"})).json()
    assert (video["model"], video["size"], video["seconds"]) == ("sora-2", "720x1280", "4")


async def test_the_clock_advances_a_video_from_queued_to_completed(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    video_id = await created(client)
    seen = []
    for _ in range(11):
        video = (await client.get(f"/videos/{video_id}")).json()
        seen.append((video["status"], video["progress"]))
        clock.now += 1
    assert seen[0] == ("queued", 0)
    assert seen[1:10] == [("in_progress", percent) for percent in range(10, 100, 10)]
    assert seen[10] == ("completed", 100)


async def test_a_finished_video_has_times_of_completion_and_expiry(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    video_id = await created(client)
    clock.now += 60
    video = (await client.get(f"/videos/{video_id}")).json()
    assert video["completed_at"] == START + 10
    assert video["expires_at"] == START + 10 + 3600


async def test_responses_about_unfinished_videos_include_a_poll_hint(
    client: httpx.AsyncClient, clock: Clock, videos: VideosSandbox
) -> None:
    videos.poll_after_ms = 2500
    response = await client.post("/videos", files=form(prompt="clouds"))
    assert response.headers["openai-poll-after-ms"] == "2500"
    clock.now += 10
    response = await client.get(f"/videos/{response.json()['id']}")
    assert "openai-poll-after-ms" not in response.headers


async def test_held_videos_wait_until_they_are_released(
    client: httpx.AsyncClient, clock: Clock, videos: VideosSandbox
) -> None:
    videos.hold()
    video_id = await created(client)
    clock.now += 100
    assert videos.videos[video_id].status == "queued"
    videos.release()
    assert videos.videos[video_id].status == "completed"


async def test_a_test_can_control_a_video(
    client: httpx.AsyncClient, clock: Clock, videos: VideosSandbox
) -> None:
    video_id = await created(client)

    async def retrieve() -> tuple[Any, ...]:
        video = (await client.get(f"/videos/{video_id}")).json()
        return video["status"], video["progress"], video["error"]

    videos.progress(video_id, 40)
    clock.now += 1000
    assert await retrieve() == ("in_progress", 40, None)
    videos.fail(video_id, "internal_error", "Oh dear.")
    assert await retrieve() == ("failed", 40, {"code": "internal_error", "message": "Oh dear."})
    videos.queue(video_id)
    assert await retrieve() == ("queued", 0, None)
    videos.finish(video_id)
    assert await retrieve() == ("completed", 100, None)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("a Forbidden forest", "moderation_blocked"), ("a car crash", "server_error")],
)
async def test_trigger_words_make_a_video_fail_while_rendering(
    client: httpx.AsyncClient, clock: Clock, prompt: str, code: str
) -> None:
    video_id = await created(client, prompt=prompt)
    clock.now += 4
    assert (await client.get(f"/videos/{video_id}")).json()["status"] == "in_progress"
    clock.now += 1
    video = (await client.get(f"/videos/{video_id}")).json()
    assert (video["status"], video["error"]["code"]) == ("failed", code)
    assert video["completed_at"] is None


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [("a sentinel", 400, "sentinel_block"), ("my quota", 429, "insufficient_quota")],
)
async def test_trigger_words_make_a_create_fail_immediately(
    client: httpx.AsyncClient, videos: VideosSandbox, prompt: str, status: int, code: str
) -> None:
    response = await client.post("/videos", files=form(prompt=prompt))
    assert refusal(response, status)["code"] == code
    assert not videos.creates


async def test_trigger_words_inside_other_words_have_no_effect(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    video_id = await created(client, prompt="waves crashing, unforbidden")
    clock.now += 10
    assert (await client.get(f"/videos/{video_id}")).json()["status"] == "completed"


async def test_lost_videos_and_all_videos_after_a_restart_are_not_found(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    first, second = await created(client), await created(client)
    videos.forget(first)
    response = await client.get(f"/videos/{first}")
    assert refusal(response, 404)["message"] == f"Video with id '{first}' not found."
    assert (await client.get(f"/videos/{second}")).status_code == 200
    videos.restart()
    assert (await client.get(f"/videos/{second}")).status_code == 404
    assert [video.id for video in videos.creates] == [first, second]


async def test_a_slow_server_stays_queued_and_at_99_percent_for_a_long_time(clock: Clock) -> None:
    sandbox = VideosSandbox(
        Changes(), Faults(), clock=clock, render_seconds=10, behaviour="slow", clip=tiny_clip()
    )
    await sandbox.start()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
        video = sandbox.videos[await created(client)]
    seen = []
    for _ in range(10):
        assert sandbox.videos
        seen.append((video.status, video.progress))
        clock.now += 10
    assert seen[:6] == [("queued", 0)] * 6
    assert seen[7:] == [("in_progress", 99)] * 3
    assert sandbox.videos[video.id].status == "completed"
    await sandbox.stop()


async def test_a_busy_server_refuses_the_first_creates() -> None:
    sandbox = VideosSandbox(Changes(), Faults(), behaviour="busy")
    await sandbox.start()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
        responses = [await client.post("/videos", files=form(prompt="clouds")) for _ in range(3)]
    await sandbox.stop()
    assert [response.status_code for response in responses] == [429, 429, 200]
    assert refusal(responses[0], 429)["code"] == "rate_limit_exceeded"
    assert responses[0].headers["Retry-After"] == "2"


# Invalid requests


@pytest.mark.parametrize(
    ("headers", "message", "code"),
    [
        ({}, "You didn't provide an API key.", None),
        ({"Authorization": "Basic abc"}, "You didn't provide an API key.", None),
        (
            {"Authorization": "Bearer sk-wrong-12345678"},
            "Incorrect API key provided: sk-**********5678.",
            "invalid_api_key",
        ),
    ],
)
async def test_requests_require_the_api_key(
    videos: VideosSandbox, headers: dict[str, str], message: str, code: str | None
) -> None:
    async with httpx.AsyncClient(base_url=videos.base_url, headers=headers) as stranger:
        for path in ("/videos", "/videos/video_1", "/videos/video_1/content", "/models"):
            error = refusal(await stranger.get(path), 401)
            assert error["message"].startswith(message)
            assert error["code"] == code


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"width": "720"}, "width", "Unknown parameter: 'width'."),
        (
            {"seconds": "5"},
            "seconds",
            "Invalid value: '5'. Supported values are: '4', '8', and '12'.",
        ),
        (
            {"size": "1080x1080"},
            "size",
            f"Invalid value: '1080x1080'. Supported values are: {ALL_SIZES}.",
        ),
        (
            {"size": "1024x1792"},
            "size",
            f"Invalid value: '1024x1792'. Supported values are: {SMALL}.",
        ),
        (
            {"model": "sora-3"},
            "model",
            f"Invalid value: 'sora-3'. Supported values are: {MODELS}.",
        ),
    ],
)
async def test_an_unsupported_value_is_refused_with_openais_message(
    client: httpx.AsyncClient, fields: dict[str, str], param: str, message: str
) -> None:
    error = refusal(await client.post("/videos", files=form(prompt="clouds", **fields)), 400)
    assert (error["param"], error["message"]) == (param, message)


async def test_only_the_pro_model_accepts_large_sizes(client: httpx.AsyncClient) -> None:
    await created(client, model="sora-2-pro", size="1792x1024")
    response = await client.post("/videos", json={"prompt": "clouds", "size": "1792x1024"})
    assert response.status_code == 400


async def test_the_guide_dialect_accepts_the_values_in_the_guide(clock: Clock) -> None:
    sandbox = VideosSandbox(Changes(), Faults(), clock=clock, dialect="openai_guide")
    await sandbox.start()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
        await created(client, model="sora-2-pro", size="1920x1080", seconds="20")
        response = await client.post("/videos", files=form(prompt="clouds", size="1920x1080"))
        assert SMALL in refusal(response, 400)["message"]
    await sandbox.stop()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required parameter: 'prompt'."),
        ({"prompt": 1}, "Invalid type for 'prompt': expected a string, but got an integer"),
        ({"prompt": ""}, "Invalid 'prompt': string too short."),
        ({"prompt": "x" * 32001}, "Invalid 'prompt': string too long."),
        (
            {"prompt": "x", "seconds": 4},
            "Invalid type for 'seconds': expected one of '4', '8', or '12', but got an integer",
        ),
        (
            {"prompt": "x", "input_reference": "http://x/y.png"},
            "Invalid type for 'input_reference': expected an object, but got a string",
        ),
    ],
)
async def test_json_field_types_are_checked(
    client: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    error = refusal(await client.post("/videos", json=body), 400)
    assert error["message"].startswith(message)


async def test_a_prompt_of_32000_characters_is_accepted(client: httpx.AsyncClient) -> None:
    await created(client, prompt="x" * 32000)


async def test_a_urlencoded_form_and_broken_json_are_refused(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    response = await client.post("/videos", data={"prompt": "clouds"})
    assert refusal(response, 400)["code"] == "unsupported_content_type"
    headers = {"Content-Type": "application/json"}
    refusal(await client.post("/videos", content=b"{", headers=headers), 400)
    refusal(await client.post("/videos", content=b"[]", headers=headers), 400)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refusal(await client.post("/videos", content=b"garbage", headers=headers), 400)
    refusal(await client.post("/videos", content=b"clouds"), 400)
    kinds = ["urlencoded", "broken", "broken", "broken", "other"]
    assert [call.body_kind for call in videos.calls] == kinds


async def test_unknown_routes_return_an_error_object(client: httpx.AsyncClient) -> None:
    refusal(await client.put("/videos"), 405)
    refusal(await client.delete("/videos/x/content"), 405)
    refusal(await client.get("/nowhere"), 404)


# Starting images


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_starting_image_of_the_videos_size_is_accepted(
    client: httpx.AsyncClient, videos: VideosSandbox, kind: str
) -> None:
    mime, content = f"image/{kind.lower()}", picture(kind=kind)
    reference = ("input_reference", ("start", content, mime))
    response = await client.post("/videos", files=[*form(prompt="clouds"), reference])
    assert response.status_code == 200
    assert videos.creates[0].input_reference == ("start", mime, content)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            ("start.png", picture(), "application/octet-stream"),
            OCTET_STREAM,
        ),
        (
            ("start.png", picture((1280, 720)), "image/png"),
            "Inpaint image must match the requested width and height",
        ),
        (
            ("start.png", b"no picture", "image/png"),
            "Invalid file 'input_reference': cannot be read as an image.",
        ),
        (
            ("start.png", picture()[:100], "image/png"),
            "Invalid file 'input_reference': cannot be read as an image.",
        ),
        (
            (None, "http://x/y.png"),
            "Invalid type for 'input_reference': expected a file, but got a string instead.",
        ),
    ],
)
async def test_any_other_starting_image_is_refused(
    client: httpx.AsyncClient, reference: tuple[str | bytes | None, ...], message: str
) -> None:
    files = [*form(prompt="clouds"), ("input_reference", reference)]
    assert refusal(await client.post("/videos", files=files), 400)["message"] == message


async def test_json_refers_to_a_starting_image_by_data_url_or_file_id(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    videos.dialect.uploads["file-1"] = picture()
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    for reference, status in (
        ({"image_url": url}, 200),
        ({"file_id": "file-1"}, 200),
        ({"file_id": "file-2"}, 404),
        ({"image_url": "data:image/png;base64,?"}, 400),
        ({"image_url": "https://example.com/a.png"}, 400),
        ({"image_url": url, "file_id": "file-1"}, 400),
        ({}, 400),
    ):
        body = {"prompt": "clouds", "input_reference": reference}
        assert (await client.post("/videos", json=body)).status_code == status, reference


# The list, deletion, and changes


async def test_the_list_is_paginated_from_the_newest(client: httpx.AsyncClient) -> None:
    ids = [await created(client) for _ in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = (await client.get("/videos", params=query)).json()
        rows = [video["id"] for video in page["data"]]
        assert (page["object"], page["first_id"], page["last_id"]) == ("list", rows[0], rows[-1])
        seen += rows
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert seen == ids[::-1]


async def test_the_list_can_start_with_the_oldest_and_be_empty(client: httpx.AsyncClient) -> None:
    empty: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None}
    empty |= {"has_more": False}
    assert (await client.get("/videos")).json() == empty
    ids = [await created(client) for _ in range(3)]
    page = (await client.get("/videos?order=asc")).json()
    assert [video["id"] for video in page["data"]] == ids
    assert (await client.get("/videos?limit=0")).json() == empty | {"has_more": True}


@pytest.mark.parametrize(
    "query", ["limit=101", "limit=-1", "limit=x", "order=up", "page=2", "custom_llm_provider=x"]
)
async def test_invalid_list_parameters_are_refused(client: httpx.AsyncClient, query: str) -> None:
    refusal(await client.get(f"/videos?{query}"), 400)


async def test_a_page_after_an_unknown_video_is_not_found(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/videos?after=video_x"), 404)


async def test_only_finished_videos_can_be_deleted(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    video_id = await created(client)
    refusal(await client.delete(f"/videos/{video_id}"), 400)
    videos.fail(video_id, "server_error", "Oh dear.")
    response = await client.delete(f"/videos/{video_id}")
    assert response.json() == {"id": video_id, "object": "video.deleted", "deleted": True}
    assert not videos.videos
    refusal(await client.delete(f"/videos/{video_id}"), 404)


async def test_a_completed_video_can_be_remixed_and_edited(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    source = await created(client, size="1280x720")
    body = {"prompt": "at night"}
    refusal(await client.post(f"/videos/{source}/remix", json=body), 400)
    videos.finish(source)
    remix = (await client.post(f"/videos/{source}/remix", files=form(**body))).json()
    edit = (await client.post("/videos/edits", json=body | {"video": {"id": source}})).json()
    for video in (remix, edit):
        assert video["remixed_from_video_id"] == source
        assert (video["prompt"], video["size"], video["status"]) == (
            "at night",
            "1280x720",
            "queued",
        )
    refusal(await client.post("/videos/edits", json=body), 400)
    refusal(await client.post(f"/videos/{source}/remix", json=body | {"seconds": "8"}), 400)


async def test_the_models_can_be_listed(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()["data"]
    assert "sora-2-pro" in [model["id"] for model in models]


# Helpers for tests


async def test_every_request_is_recorded(client: httpx.AsyncClient, videos: VideosSandbox) -> None:
    content = picture()
    reference = ("input_reference", ("start.png", content, "image/png"))
    await client.post("/videos", files=[*form(prompt="clouds"), reference])
    await client.post("/videos", json={"prompt": ""})
    await client.get("/videos?limit=3")
    await client.get("/nowhere")
    first, second, third, fourth = videos.calls
    assert (first.operation, first.method, first.path) == ("create", "POST", "/v1/videos")
    assert (first.body_kind, first.status, first.at) == ("multipart", 200, START)
    assert first.fields == {"prompt": "clouds"}
    assert first.files == {"input_reference": ("start.png", "image/png", content)}
    assert first.headers["authorization"] == f"Bearer {videos.api_key}"
    assert (second.fields, second.body_kind, second.status) == ({"prompt": ""}, "json", 400)
    assert (third.operation, third.query) == ("list", {"limit": "3"})
    assert (fourth.operation, fourth.status) == ("unknown", 404)


async def test_a_response_can_be_lost_after_the_video_was_created(
    client: httpx.AsyncClient, videos: VideosSandbox, faults: Faults
) -> None:
    faults.inject("create", drop, when="after")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/videos", files=form(prompt="clouds"))
    assert [video.prompt for video in videos.creates] == ["clouds"]
    assert videos.calls[0].status is None


async def test_a_fault_can_be_injected_into_every_operation(
    client: httpx.AsyncClient, videos: VideosSandbox, faults: Faults
) -> None:
    video_id = await created(client)
    videos.finish(video_id)
    for operation, method, path in (
        ("create", "POST", "/videos"),
        ("retrieve", "GET", f"/videos/{video_id}"),
        ("content", "GET", f"/videos/{video_id}/content"),
        ("list", "GET", "/videos"),
        ("delete", "DELETE", f"/videos/{video_id}"),
        ("remix", "POST", f"/videos/{video_id}/remix"),
        ("edit", "POST", "/videos/edits"),
        ("models", "GET", "/models"),
    ):
        faults.inject(operation, respond_with(503, "later"))
        response = await client.request(method, path)
        assert (response.status_code, response.text) == (503, "later")
        assert videos.calls[-1].status == 503
    assert video_id in videos.videos


async def test_changes_wake_waiters_for_a_request_or_a_state(clock: Clock) -> None:
    changes = Changes()
    sandbox = VideosSandbox(changes, Faults(), clock=clock, clip=tiny_clip())
    await sandbox.start()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
        making = asyncio.create_task(created(client))
        video = (await changes.until(lambda: sandbox.creates))[0]
        waiting = asyncio.create_task(changes.until(lambda: video.status == "completed"))
        await making
        sandbox.finish(video.id)
        assert await waiting
    await sandbox.stop()


async def test_the_sandbox_can_be_restarted_with_its_videos(
    client: httpx.AsyncClient, videos: VideosSandbox
) -> None:
    video_id = await created(client)
    port = httpx.URL(videos.base_url).port
    await videos.stop()
    with pytest.raises(httpx.TransportError):
        await client.get(f"/videos/{video_id}")
    await videos.start(port=port or 0)
    assert (await client.get(f"/videos/{video_id}")).status_code == 200
