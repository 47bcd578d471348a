"""The fake Videos server imitates other servers."""

import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from bot.sandbox.changes import Changes
from bot.sandbox.clip import tiny_clip
from bot.sandbox.faults import Faults
from bot.sandbox.videos import Behaviour, VideosSandbox
from bot.sandbox.videos.state import Video

WAN = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"


class Server:
    """A sandbox and a client that talks to it."""

    def __init__(self, sandbox: VideosSandbox, client: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.client = client

    async def create(self, **fields: str) -> httpx.Response:
        form = {"prompt": "clouds", "model": self.sandbox.dialect.models[0]} | fields
        return await self.client.post("/videos", files=[(n, (None, t)) for n, t in form.items()])

    async def created(self, **fields: str) -> Video:
        response = await self.create(**fields)
        assert response.status_code == 200, response.text
        return self.sandbox.videos[response.json()["id"]]

    async def retrieve(self, video: Video) -> httpx.Response:
        return await self.client.get(path(video))


def path(video: Video, more: str = "") -> str:
    return f"/videos/{quote(video.id, safe='')}{more}"


def picture(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


@contextlib.asynccontextmanager
async def running(dialect: str, behaviour: Behaviour = "normal") -> AsyncIterator[Server]:
    sandbox = VideosSandbox(
        Changes(),
        Faults(),
        clock=lambda: 1_800_000_000,
        dialect=dialect,
        behaviour=behaviour,
        clip=tiny_clip(),
    )
    await sandbox.start()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
        yield Server(sandbox, client)
    await sandbox.stop()


@pytest.fixture
async def vllm_omni() -> AsyncIterator[Server]:
    async with running("vllm_omni") as server:
        yield server


@pytest.fixture
async def sglang() -> AsyncIterator[Server]:
    async with running("sglang") as server:
        yield server


@pytest.fixture
async def litellm() -> AsyncIterator[Server]:
    async with running("litellm") as server:
        yield server


@pytest.fixture
async def aquiles() -> AsyncIterator[Server]:
    async with running("aquiles") as server:
        yield server


@pytest.mark.parametrize("dialect", ["openai", "vllm_omni", "sglang", "litellm", "aquiles"])
async def test_every_dialect_creates_a_video_that_can_be_polled_and_downloaded(
    dialect: str,
) -> None:
    async with running(dialect) as server:
        video = await server.created(size="1280x720", seconds="4")
        server.sandbox.finish(video.id)
        assert (await server.retrieve(video)).json()["status"] == "completed"
        response = await server.client.get(path(video, "/content"))
        assert response.content == tiny_clip()


# vLLM-Omni


async def test_vllm_omni_accepts_forms_only(vllm_omni: Server) -> None:
    response = await vllm_omni.client.post("/videos", json={"prompt": "clouds"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400
    form = {"prompt": "clouds"}
    assert (await vllm_omni.client.post("/videos", data=form)).status_code == 200
    assert (await vllm_omni.create(width="720")).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "model",
            "sora-2",
            f"Model mismatch: request specifies 'sora-2' but server is running '{WAN}'.",
        ),
        ("seconds", "0", "String should match pattern"),
        ("seconds", "4.5", "String should match pattern"),
        ("size", "large", "String should match pattern"),
        ("prompt", "", "[{'type': 'missing'"),
        ("input_reference", "http://x/y.png", "Value error, Expected UploadFile"),
        ("image_reference", "{", "Invalid JSON"),
        ("image_reference", '{"file_id": "file-1"}', "image_reference.file_id"),
    ],
)
async def test_vllm_omni_has_its_own_error_messages(
    vllm_omni: Server, field: str, value: str, message: str
) -> None:
    response = await vllm_omni.create(**{field: value})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["type"]) == (400, "Bad Request")
    assert error["message"].startswith(message)


async def test_vllm_omni_checks_the_image_instead_of_its_declared_type(vllm_omni: Server) -> None:
    prompt = ("prompt", (None, "clouds"))
    reference = ("input_reference", ("a.bin", picture((10, 10)), "application/octet-stream"))
    response = await vllm_omni.client.post("/videos", files=[prompt, reference])
    assert response.status_code == 200
    url = f"data:image/png;base64,{base64.b64encode(picture((10, 10))).decode()}"
    linked = await vllm_omni.create(image_reference=json.dumps({"image_url": url}))
    assert linked.status_code == 200


async def test_vllm_omni_shows_no_progress_before_the_end(vllm_omni: Server) -> None:
    video = await vllm_omni.created(seconds="7")
    assert video.id.startswith("video_gen_")
    vllm_omni.sandbox.progress(video.id, 80)
    shown = (await vllm_omni.retrieve(video)).json()
    assert (shown["status"], shown["progress"], shown["seconds"]) == ("in_progress", 0, "7")
    vllm_omni.sandbox.finish(video.id)
    assert (await vllm_omni.retrieve(video)).json()["progress"] == 100


@pytest.mark.parametrize(
    ("code", "status"), [("moderation_blocked", 400), ("server_error", 500), (503, 503)]
)
async def test_vllm_omni_returns_an_http_error_for_a_failed_video(
    vllm_omni: Server, code: str | int, status: int
) -> None:
    video = await vllm_omni.created()
    vllm_omni.sandbox.fail(video.id, code, "Out of memory.")
    response = await vllm_omni.retrieve(video)
    assert response.status_code == status
    assert response.json()["status"] == "failed"
    assert response.json()["error"] == {"code": status, "message": "Out of memory."}


async def test_vllm_omni_distinguishes_unfinished_and_failed_downloads(vllm_omni: Server) -> None:
    video = await vllm_omni.created()
    response = await vllm_omni.client.get(path(video, "/content"))
    assert (response.status_code, response.json()["error"]["message"]) == (
        404,
        "Generation is still in-progress",
    )
    vllm_omni.sandbox.fail(video.id, 500, "Out of memory.")
    assert (await vllm_omni.client.get(path(video, "/content"))).status_code == 422


async def test_vllm_omni_aborts_an_unfinished_video_when_it_is_deleted(vllm_omni: Server) -> None:
    video = await vllm_omni.created()
    response = await vllm_omni.client.delete(path(video))
    assert response.json() == {"id": video.id, "object": "video.deleted", "deleted": True}
    response = await vllm_omni.retrieve(video)
    assert (response.status_code, response.json()["error"]["message"]) == (404, "Video not found")


async def test_vllm_omni_has_one_error_for_every_invalid_key(vllm_omni: Server) -> None:
    vllm_omni.client.headers["Authorization"] = "Bearer wrong"
    response = await vllm_omni.create()
    assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})


async def test_vllm_omni_lists_all_and_nothing_after_an_unknown_video(vllm_omni: Server) -> None:
    for _ in range(25):
        await vllm_omni.created()
    page = (await vllm_omni.client.get("/videos")).json()
    assert (len(page["data"]), page["has_more"]) == (25, False)
    assert (await vllm_omni.client.get("/videos?after=x")).json()["data"] == []


# SGLang


async def test_sglang_needs_no_key_and_uses_uuids(sglang: Server) -> None:
    del sglang.client.headers["Authorization"]
    video = await sglang.created(model="anything")
    assert len(video.id) == 36
    shown = (await sglang.retrieve(video)).json()
    assert "prompt" not in shown
    assert shown["model"] == "anything"
    assert shown["file_path"].endswith(f"{video.id}.mp4")


async def test_sglang_reads_seconds_as_a_number(sglang: Server) -> None:
    assert (await sglang.created(seconds="5")).seconds == "5"
    body = {"prompt": "clouds", "seconds": 5, "size": ""}
    assert (await sglang.client.post("/videos", json=body)).json()["seconds"] == "5"
    response = await sglang.create(seconds="long")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "seconds"]
    response = await sglang.client.post("/videos", json=body | {"seconds": "long"})
    assert response.status_code == 400


async def test_sglang_uses_its_default_for_an_invalid_size(sglang: Server) -> None:
    assert (await sglang.created(size="10x20")).size == "10x20"
    for size in ("", "auto", "0x0"):
        assert (await sglang.created(size=size)).size == "720x1280"
    body = {"prompt": "clouds", "size": 720}
    assert (await sglang.client.post("/videos", json=body)).status_code == 400


async def test_sglang_ignores_a_urlencoded_form(sglang: Server) -> None:
    response = await sglang.client.post("/videos", data={"prompt": "clouds"})
    assert (response.status_code, response.json()) == (400, {"detail": "prompt is required"})


async def test_sglang_accepts_an_image_but_not_an_object_that_refers_to_one(sglang: Server) -> None:
    prompt = ("prompt", (None, "clouds"))
    reference = ("input_reference", ("a.png", picture((10, 10)), "image/png"))
    response = await sglang.client.post("/videos", files=[prompt, reference])
    assert response.status_code == 200
    assert sglang.sandbox.creates[0].input_reference is not None
    url = f"data:image/png;base64,{base64.b64encode(picture((10, 10))).decode()}"
    assert (await sglang.created(reference_url=url)).input_reference is not None
    body = {"prompt": "clouds", "input_reference": {"image_url": url}}
    assert (await sglang.client.post("/videos", json=body)).status_code == 400


async def test_sglang_reads_the_variant_as_the_number_of_an_output(sglang: Server) -> None:
    video = await sglang.created()
    response = await sglang.client.get(path(video, "/content"))
    assert (response.status_code, response.json()) == (
        404,
        {"detail": "Generation is still in-progress"},
    )
    sglang.sandbox.finish(video.id)
    assert (await sglang.client.get(path(video, "/content?variant=0"))).status_code == 200
    response = await sglang.client.get(path(video, "/content?variant=video"))
    assert (response.status_code, response.json()) == (
        404,
        {"detail": "Video variant video not found"},
    )


async def test_sglang_has_no_code_for_a_failed_video(sglang: Server) -> None:
    video = await sglang.created()
    sglang.sandbox.fail(video.id, "server_error", "CUDA error")
    response = await sglang.retrieve(video)
    assert (response.status_code, response.json()["error"]) == (200, {"message": "CUDA error"})
    assert (await sglang.client.get(path(video, "/content"))).status_code == 404


async def test_sglang_returns_the_video_from_a_delete(sglang: Server) -> None:
    video = await sglang.created()
    response = await sglang.client.delete(path(video))
    assert (response.json()["id"], response.json()["status"]) == (video.id, "deleted")
    response = await sglang.retrieve(video)
    assert (response.status_code, response.json()) == (404, {"detail": "Video not found"})


async def test_sglang_requires_a_list_limit_of_at_least_one(sglang: Server) -> None:
    await sglang.created()
    response = await sglang.client.get("/videos?limit=0")
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["query", "limit"])
    assert len((await sglang.client.get("/videos?limit=1")).json()["data"]) == 1


# LiteLLM


async def test_litellm_accepts_only_the_long_ids_from_the_create_and_the_list(
    litellm: Server,
) -> None:
    video = await litellm.created()
    assert len(video.id) > 250
    assert video.id.endswith("=")
    polled = (await litellm.retrieve(video)).json()["id"]
    page = (await litellm.client.get("/videos?custom_llm_provider=openai")).json()
    listed = page["data"][0]["id"]
    assert len({video.id, polled, listed}) == 3
    assert (await litellm.client.get(f"/videos/{quote(listed)}")).status_code == 200
    assert (await litellm.client.get(f"/videos/{quote(polled)}")).status_code == 401


async def test_litellm_returns_no_prompt_progress_or_time(litellm: Server) -> None:
    created: dict[str, Any] = (await litellm.create()).json()
    video = litellm.sandbox.creates[0]
    litellm.sandbox.progress(video.id, 50)
    response = await litellm.retrieve(video)
    assert "prompt" not in created
    assert created["created_at"] == 0
    assert (response.json()["progress"], response.json()["created_at"]) == (None, None)
    assert "openai-poll-after-ms" not in response.headers


async def test_litellm_puts_the_upstream_code_in_its_message(litellm: Server) -> None:
    for prompt, status, code in (
        ("a sentinel", 400, "sentinel_block"),
        ("my quota", 429, "insufficient_quota"),
    ):
        response = await litellm.create(prompt=prompt)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (status, str(status))
        assert error["message"].startswith("litellm.")
        assert code in error["message"]


async def test_litellm_renames_the_retry_headers() -> None:
    async with running("litellm", "busy") as litellm:
        response = await litellm.create()
    assert (response.status_code, response.headers["llm_provider-retry-after"]) == (429, "2")
    assert "Retry-After" not in response.headers


async def test_litellm_turns_a_failed_video_into_a_server_error(litellm: Server) -> None:
    video = await litellm.created()
    litellm.sandbox.fail(video.id, "moderation_blocked", "Blocked.")
    response = await litellm.retrieve(video)
    assert response.status_code == 500
    message = response.json()["error"]["message"]
    upstream = json.loads(message[message.index("{") : message.rindex("}") + 1])
    assert (upstream["status"], upstream["error"]["code"]) == ("failed", "moderation_blocked")


async def test_litellm_cannot_delete_and_lists_only_a_named_provider(litellm: Server) -> None:
    video = await litellm.created()
    response = await litellm.client.delete(path(video))
    assert (response.status_code, response.json()) == (405, {"detail": "Method Not Allowed"})
    assert (await litellm.client.get("/videos")).status_code == 400


async def test_litellm_returns_500_for_an_unknown_id_and_404_for_a_forgotten_video(
    litellm: Server,
) -> None:
    assert (await litellm.client.get("/videos/video_1")).status_code == 500
    video = await litellm.created()
    litellm.sandbox.forget(video.id)
    assert (await litellm.retrieve(video)).status_code == 404


async def test_litellm_sends_whole_files_whatever_range_was_requested(litellm: Server) -> None:
    video = await litellm.created()
    litellm.sandbox.finish(video.id)
    response = await litellm.client.get(
        path(video, "/content?variant=thumbnail"), headers={"Range": "bytes=10-"}
    )
    assert (response.status_code, response.content) == (200, tiny_clip())


async def test_litellm_checks_a_create_before_forwarding_it(litellm: Server) -> None:
    body: dict[str, Any] = {"prompt": "clouds"}
    assert (await litellm.client.post("/videos", json=body)).status_code == 400
    body |= {"model": "sora-2", "input_reference": {"file_id": "file-1"}}
    response = await litellm.client.post("/videos", json=body)
    assert "AttributeError" in response.json()["error"]["message"]


async def test_litellm_distinguishes_a_missing_key_and_a_wrong_one(litellm: Server) -> None:
    litellm.client.headers["Authorization"] = "Bearer wrong"
    assert (await litellm.create()).json()["error"]["type"] == "no_db_connection"
    del litellm.client.headers["Authorization"]
    assert (await litellm.create()).json()["error"]["type"] == "auth_error"


# Aquiles-Image


async def test_aquiles_has_its_own_status_and_invented_progress(
    aquiles: Server,
) -> None:
    video = await aquiles.created()
    seen = []
    for percent in (0, 10, 30, 99):
        aquiles.sandbox.progress(video.id, percent)
        shown = (await aquiles.retrieve(video)).json()
        seen.append((shown["status"], shown["progress"]))
    assert seen == [("processing", 0), ("processing", 50), ("processing", 90), ("processing", 90)]
    assert "completed_at" not in shown


async def test_aquiles_has_one_code_for_every_failed_video(aquiles: Server) -> None:
    video = await aquiles.created()
    aquiles.sandbox.fail(video.id, "moderation_blocked", "Blocked.")
    shown = (await aquiles.retrieve(video)).json()
    assert shown["error"] == {"code": "generation_error", "message": "Blocked."}


async def test_aquiles_lets_anyone_download_and_crashes_without_a_file(
    aquiles: Server,
) -> None:
    video = await aquiles.created()
    del aquiles.client.headers["Authorization"]
    response = await aquiles.client.get(path(video, "/content"))
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    aquiles.sandbox.finish(video.id)
    assert (await aquiles.client.get(path(video, "/content"))).status_code == 200
    response = await aquiles.retrieve(video)
    assert (response.status_code, response.json()) == (403, {"detail": "API key missing"})


async def test_aquiles_refuses_a_create_while_busy() -> None:
    async with running("aquiles", "busy") as aquiles:
        response = await aquiles.create()
    assert response.status_code == 503
    assert response.json()["detail"].startswith("The limit of 1 concurrent tasks")


async def test_aquiles_crashes_on_invalid_input(aquiles: Server) -> None:
    assert (await aquiles.client.post("/videos", data={"prompt": "clouds"})).status_code == 500
    assert (await aquiles.create(size="10x10")).status_code == 500
    prompt = ("prompt", (None, "clouds"))
    reference = ("input_reference", ("a.png", picture((10, 10)), "image/png"))
    response = await aquiles.client.post("/videos", files=[prompt, reference])
    assert (response.status_code, response.json()) == (
        400,
        {"detail": "'sora-2' does not support input_reference."},
    )


async def test_aquiles_starts_over_after_an_unknown_video(aquiles: Server) -> None:
    ids = [(await aquiles.created()).id for _ in range(3)]
    page = (await aquiles.client.get("/videos?after=x&order=asc")).json()
    assert [video["id"] for video in page["data"]] == ids[::-1]
    assert (await aquiles.client.delete(f"/videos/{ids[0]}")).json()["deleted"] is True
    assert (await aquiles.client.delete(f"/videos/{ids[0]}")).json() == {
        "detail": "Video not found"
    }


@pytest.mark.parametrize("dialect", ["vllm_omni", "sglang", "aquiles"])
async def test_vllm_omni_sglang_and_aquiles_cannot_remix_or_edit(dialect: str) -> None:
    async with running(dialect) as server:
        video = await server.created()
        server.sandbox.finish(video.id)
        remix = await server.client.post(path(video, "/remix"), json={"prompt": "at night"})
        edit = await server.client.post("/videos/edits", json={"prompt": "at night"})
    assert (remix.status_code, edit.status_code) == (404, 405)
