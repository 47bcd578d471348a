"""The bot as a separate process: start, stop, memory and logs."""

import re
import signal
from pathlib import Path

import av
import pytest

from bot.sandbox.videos import Filler
from bot.sandbox.world import World
from tests.support.processes import started

PROMPT = "a timelapse of clouds over a secret garden"
QUICK = ("--render-seconds", "0.5")


@pytest.fixture
def variables(world: World, database_url: str) -> dict[str, str]:
    return world.environment(database_url)


def is_ready(world: World, number: int = 1) -> bool:
    messages = world.slack.workspace.messages(world.slack.workspace.videos)
    return str([message.blocks for message in messages]).count("*Ready:*") == number


async def test_missing_variables_print_one_line_each_and_exit_with_2(tmp_path: Path) -> None:
    async with started(tmp_path / "bot", "run", variables={}, fresh=True) as bot:
        assert await bot.end() == 2
    assert [line.split()[0] for line in bot.output.splitlines()] == [
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "OPENAI_API_KEY",
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("SLACK_BOT_TOKEN", "xoxb-wrong"), ("SLACK_APP_TOKEN", "xapp-wrong")]
)
async def test_an_invalid_token_is_reported_at_startup(
    variables: dict[str, str], tmp_path: Path, name: str, value: str
) -> None:
    async with started(tmp_path / "bot", "run", variables=variables | {name: value}) as bot:
        assert await bot.end() == 2
    [line] = bot.output.splitlines()
    assert line == f"{name} was refused by Slack (invalid_auth): copy it again"


async def test_an_invalid_catalog_prints_its_location_and_exits_with_2(
    variables: dict[str, str], tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('models = [{ name = "a", sizes = ["big"] }]')
    wrong = {"VIDEO_CATALOG": str(catalog)}
    async with started(tmp_path / "bot", "run", variables=variables | wrong) as bot:
        assert await bot.end() == 2
    [line] = bot.output.splitlines()
    assert line == f"VIDEO_CATALOG {catalog}: models[0].sizes[0]: should look like 1280x720"


async def test_unreachable_slack_prints_one_line_and_exits_with_1(
    variables: dict[str, str], tmp_path: Path
) -> None:
    closed = {"SLACK_API_URL": "http://127.0.0.1:9/api/"}
    async with started(tmp_path / "bot", "run", variables=variables | closed) as bot:
        assert await bot.end() == 1
    [line] = bot.output.splitlines()
    assert line.startswith("Could not start: http://127.0.0.1:9/api/ does not respond")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopping_releases_jobs_and_the_next_process_continues_them(
    world: World, variables: dict[str, str], tmp_path: Path, number: int
) -> None:
    world.videos.hold()
    async with started(tmp_path / "first", "run", variables=variables) as first:
        await world.until(lambda: world.slack.sockets.connected)
        await world.slack.ada.command(PROMPT)
        [video] = await world.until(lambda: world.videos.creates)
        assert await first.end(number) == 0
    async with started(tmp_path / "second", "run", variables=variables) as second:
        await world.until(lambda: world.slack.sockets.connected)
        world.videos.finish(video.id)
        await world.until(lambda: is_ready(world))
        assert await second.end(number) == 0
    assert len(world.videos.creates) == 1
    assert len(world.slack.workspace.messages(world.slack.workspace.videos)) == 2


async def test_slacks_oauth_variables_do_not_switch_the_bot_to_oauth(
    world: World, variables: dict[str, str], tmp_path: Path
) -> None:
    oauth = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "s"}
    async with started(tmp_path / "bot", "run", variables=variables | oauth) as bot:
        await world.until(lambda: world.slack.sockets.connected)
        answer = await world.slack.ada.command("help")
        assert answer.payload
        assert await bot.end(signal.SIGTERM) == 0


async def test_the_log_follows_a_job_without_revealing_secrets(
    world: World, variables: dict[str, str], tmp_path: Path
) -> None:
    async with started(tmp_path / "bot", "run", variables=variables) as bot:
        await world.until(lambda: world.slack.sockets.connected)
        await world.slack.ada.command(PROMPT)
        await world.until(lambda: is_ready(world))
        await bot.end(signal.SIGTERM)
    [job] = re.findall(r"event=accepted (job=\w+)", bot.output)
    story = [line for line in bot.output.splitlines() if job in line]
    assert [line.split("event=")[1].split(" job=")[0] for line in story if "info" in line][:4] == [
        '"posting card"',
        "announced",
        '"submission started"',
        "accepted",
    ]
    secrets = [variables[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "OPENAI_API_KEY")]
    for secret in (*secrets, PROMPT, "/response/", "/upload/", "ticket"):
        assert secret not in bot.output


async def test_a_large_video_is_not_held_in_memory(
    world: World, variables: dict[str, str], tmp_path: Path
) -> None:
    async with started(tmp_path / "bot", "run", variables=variables, fresh=True) as bot:
        await world.until(lambda: world.slack.sockets.connected)
        await world.slack.ada.command("a small one, so that everything is loaded")
        await world.until(lambda: is_ready(world))
        before = bot.memory.memory_info().rss
        world.videos.clip = Filler(200_000_000)
        await world.slack.ada.command("a large one")
        await world.until(lambda: is_ready(world, 2), 60)
        growth = _peak(bot.memory.pid) - before
    [file] = world.slack.workspace.messages(world.slack.workspace.videos)[-1].files
    assert file.size == 200_000_000
    assert growth < 40_000_000


async def test_the_demo_saves_a_playable_video(tmp_path: Path) -> None:
    folder, prompt = tmp_path / "demo", "clouds --seconds 8 --size 1280x720"
    async with started(folder, "demo", *QUICK, prompt, variables={}) as demo:
        assert await demo.end() == 0
    assert "Ready: made in" in demo.output
    path = demo.output.rsplit("Saved: ", 1)[1].strip()
    with av.open(path) as film:
        [stream] = film.streams.video
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (1280, 720)
        assert film.duration == 8 * av.time_base


async def test_the_demo_fills_in_the_form(tmp_path: Path) -> None:
    async with started(tmp_path / "demo", "demo", *QUICK, "--form", "clouds", variables={}) as demo:
        assert await demo.end() == 0
    for words in (
        "Create a video",
        "(•) sora-2-pro",
        "Price: about $2.40 for 8 seconds",
        "Prompt:  clouds",
        "@grace",
        "ada clicks Create",
        "starting image cropped from 4032 × 3024",  # noqa: RUF001 -- the sign
        "Ready: made in",
    ):
        assert words in demo.output
    with av.open(demo.output.rsplit("Saved: ", 1)[1].strip()) as film:
        [stream] = film.streams.video
        assert (stream.width, stream.height) == (1280, 720)


async def test_the_demo_shows_a_refusal_with_code_and_message(tmp_path: Path) -> None:
    async with started(tmp_path / "demo", "demo", "a sentinel", variables={}) as demo:
        assert await demo.end() == 0
    assert "sentinel_block" in demo.output
    assert "something didn't look right" in demo.output


def _peak(pid: int) -> int:
    """The peak memory of the process in bytes (Linux: VmHWM)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("the peak of another process's memory is read from /proc")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
