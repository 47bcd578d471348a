"""`python -m bot doctor`: a working installation, and each kind of problem."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot import doctor
from bot.config import Settings
from bot.doctor import Finding
from bot.errors import MisconfiguredError
from bot.sandbox.faults import Fault, drop, respond_with
from bot.sandbox.videos.dialects import DIALECTS
from bot.sandbox.world import World
from bot.ui.blocks import Message
from bot.ui.samples import samples
from tests.support.installation import OPTIONAL_SCOPES, SCOPES, install
from tests.support.processes import started

Change = Callable[[World, Settings, Path], dict[str, object]]


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    dialect = DIALECTS[getattr(request, "param", "openai")]()
    dialect.models = DIALECTS["openai"].models
    async with World(render_seconds=0.1, poll_after_ms=10, dialect=dialect) as world:
        install(world)
        yield world


@pytest.fixture(autouse=True)
def _nothing_is_created(world: World) -> Iterator[None]:
    yield
    assert world.videos.creates == []
    assert world.slack.workspace.messages(world.slack.workspace.videos) == []


async def findings(settings: Settings) -> list[Finding]:
    return [finding async for finding in doctor.check(settings)]


async def wrong(settings: Settings) -> Finding:
    [finding] = [finding for finding in await findings(settings) if finding.remedy]
    return finding


def test_the_doctors_scopes_match_the_manifest() -> None:
    assert doctor.SCOPES == SCOPES
    assert doctor.OPTIONAL_SCOPES == OPTIONAL_SCOPES


@pytest.mark.parametrize("world", DIALECTS, indirect=True)
async def test_a_good_installation_passes_with_every_server(settings: Settings) -> None:
    found = await findings(settings)
    assert [finding for finding in found if finding.remedy] == []
    assert [finding.part for finding in found] == [
        "settings",
        "Bot User OAuth Token",
        "scopes",
        "app-level token",
        "messages",
        "database",
        "video server",
        "models",
        "disk",
    ]


@pytest.mark.parametrize(
    ("world", "abilities"),
    [
        ("openai", "list yes, delete yes, remix yes"),
        ("vllm_omni", "list yes, delete yes, remix no"),
        ("sglang", "list yes, delete yes, remix no"),
        ("aquiles", "list yes, delete yes, remix no"),
        ("litellm", "list no, delete no, remix unknown"),
    ],
    indirect=["world"],
)
async def test_the_servers_capabilities_are_reported(settings: Settings, abilities: str) -> None:
    [server] = [found for found in await findings(settings) if found.part == "video server"]
    assert abilities in server.summary


async def test_a_404_page_for_every_path_is_not_a_videos_api(settings: Settings) -> None:
    wrong = settings.model_copy(
        update={"openai_base_url": settings.openai_base_url.removesuffix("/v1")}
    )
    [server] = [found for found in await findings(wrong) if found.part == "video server"]
    assert "There is no Videos API at this address" in server.summary
    assert server.remedy


async def not_here(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text=f"404: {request.path} is not here")


async def test_an_operation_that_responds_like_a_path_that_cannot_exist_is_missing(
    world: World, settings: Settings
) -> None:
    for operation in ("remix", "delete", "unknown"):
        world.faults.inject(operation, not_here, times=9)
    [server] = [found for found in await findings(settings) if found.part == "video server"]
    assert "list yes, delete no, remix no" in server.summary


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_video_made_by_the_remix_check_is_deleted_and_reported(
    world: World, settings: Settings, *, deleted: bool
) -> None:
    world.faults.inject("remix", respond_with(200, {"id": "video_made", "status": "queued"}))
    gone = {"id": "video_made", "deleted": deleted}
    world.faults.inject("delete", respond_with(200, gone), times=2)
    [made] = [found for found in await findings(settings) if found.part == "remix check"]
    assert "video_made" in made.summary
    assert bool(made.remedy) is not deleted


async def messages(settings: Settings) -> Finding:
    [found] = [each for each in await findings(settings) if each.part == "messages"]
    return found


async def test_every_message_is_validated_by_slack_without_a_token(
    world: World, settings: Settings
) -> None:
    assert str(await messages(settings)) == f"ok     messages: Slack accepts all {len(samples())}"
    calls = world.slack.calls_of("blocks.validate")
    assert len(calls) == len(samples())
    assert {call.token for call in calls} == {None}


async def test_a_message_that_slack_refuses_is_reported_with_its_location(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Message(text="x", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": ""}}])
    monkeypatch.setattr(doctor, "samples", lambda: {**samples(), "bad": bad})
    found = await messages(settings)
    assert found.remedy
    assert "“bad” (/blocks/0/text/text: must be more than 0 characters)" in found.summary


@pytest.mark.parametrize(
    "fault", [respond_with(429, "", Retry_After="3"), respond_with(500, "oops"), drop]
)
async def test_messages_are_reported_as_unchecked_if_slack_fails(
    world: World, settings: Settings, fault: Fault
) -> None:
    world.faults.inject("blocks.validate", fault)
    found = await messages(settings)
    assert found.summary.startswith("not checked: ")
    assert not found.remedy


def _unreachable_url() -> str:
    return "http://127.0.0.1:9"


def token(name: str, value: str) -> Change:
    return lambda _world, _settings, _folder: {name: type(_settings.openai_api_key)(value)}


def scope_missing(world: World, _settings: Settings, _folder: Path) -> dict[str, object]:
    world.slack.workspace.scopes.remove("files:write")
    return {}


def old_tables(_world: World, settings: Settings, _folder: Path) -> dict[str, object]:
    path = settings.database_url.get_secret_value().partition(":///")[2]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    return {}


def no_database(_world: World, _settings: Settings, folder: Path) -> dict[str, object]:
    path = folder / "letter.txt"
    path.write_text("Dear database, " * 1000)
    return {"database_url": SecretStr(f"sqlite+aiosqlite:///{path}")}


def no_folder(_world: World, _settings: Settings, folder: Path) -> dict[str, object]:
    return {"database_url": SecretStr(f"sqlite+aiosqlite:///{folder / 'nowhere' / 'jobs.db'}")}


def wrong_base_url(world: World, _settings: Settings, _folder: Path) -> dict[str, object]:
    return {"openai_base_url": world.videos.base_url.replace("/v1", "/v2")}


def no_catalog(_world: World, _settings: Settings, folder: Path) -> dict[str, object]:
    return {"video_catalog": folder / "nowhere.toml"}


def other_models(world: World, _settings: Settings, _folder: Path) -> dict[str, object]:
    world.videos.dialect.models = ("wan2.2",)
    return {}


def failing_list(world: World, _settings: Settings, _folder: Path) -> dict[str, object]:
    world.faults.inject("list", respond_with(500, "oops"))
    return {}


BAD: dict[str, tuple[Change, str, str]] = {
    "bot token": (
        token("slack_bot_token", "xoxb-wrong"),
        "Bot User OAuth Token",
        "SLACK_BOT_TOKEN",
    ),
    "scope": (scope_missing, "scopes", "manifest.yml"),
    "app token": (token("slack_app_token", "xapp-wrong"), "app-level token", "SLACK_APP_TOKEN"),
    "old tables": (old_tables, "database", "migrate"),
    "no database": (no_database, "database", "DATABASE_URL"),
    "no folder": (no_folder, "database", "DATABASE_URL"),
    "wrong key": (token("openai_api_key", "sk-wrong-0123456789"), "video server", "OPENAI_API_KEY"),
    "another address": (wrong_base_url, "video server", "/v1"),
    "nobody there": (
        lambda *_: {"openai_base_url": _unreachable_url()},
        "video server",
        "OPENAI_BASE_URL",
    ),
    "server trouble": (failing_list, "video server", "log"),
    "no catalog": (no_catalog, "catalog", "docs/catalog.md"),
    "other models": (other_models, "models", "VIDEO_CATALOG"),
}


@pytest.mark.parametrize("name", BAD)
async def test_each_problem_is_reported_with_its_remedy(
    world: World, settings: Settings, tmp_path: Path, name: str
) -> None:
    change, part, cure = BAD[name]
    settings = settings.model_copy(update=change(world, settings, tmp_path))
    finding = await wrong(settings)
    assert finding.part == part
    assert cure in finding.remedy
    assert "\n" not in str(finding)
    assert "wrong-0123456789" not in str(finding)


async def test_unreachable_slack_is_reported_for_both_tokens(settings: Settings) -> None:
    settings = settings.model_copy(update={"slack_api_url": f"{_unreachable_url()}/"})
    doubtful = [finding for finding in await findings(settings) if finding.remedy]
    assert [finding.part for finding in doubtful] == ["Bot User OAuth Token", "app-level token"]
    assert all("network" in finding.remedy for finding in doubtful)


async def test_low_disk_space_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    finding = await wrong(settings)
    assert finding.part == "disk"
    assert "5 MB free" in finding.summary


async def test_a_database_that_does_not_exist_yet_passes_and_is_not_created(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "new.db"
    url = SecretStr(f"sqlite+aiosqlite:///{path}")
    settings = settings.model_copy(update={"database_url": url})
    assert [finding for finding in await findings(settings) if finding.remedy] == []
    assert not path.exists()


async def test_excluding_guests_needs_a_scope(settings: Settings, world: World) -> None:
    settings = settings.model_copy(update={"allow_guests": False})
    assert "users:read" in str(await wrong(settings))
    world.slack.workspace.scopes.add("users:read")
    assert [finding for finding in await findings(settings) if finding.remedy] == []


async def test_http_mode_needs_no_app_token(settings: Settings) -> None:
    settings = settings.model_copy(update={"slack_app_token": None, "port": 8080})
    [way] = [finding for finding in await findings(settings) if finding.part == "HTTP mode"]
    assert "8080" in way.summary


async def test_the_doctor_accepts_a_server_without_a_model_list(
    world: World, settings: Settings
) -> None:
    world.faults.inject("models", respond_with(404, ""))
    assert [finding for finding in await findings(settings) if finding.remedy] == []


async def test_world_readable_settings_are_reported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch(mode=0o640)
    assert [finding for finding in await findings(settings) if finding.remedy] == []
    (tmp_path / ".env").chmod(0o644)
    assert (await wrong(settings)).remedy == "Run: chmod 600 .env"


def test_each_invalid_variable_gets_a_line() -> None:
    error = MisconfiguredError("A is missing: it should be x\nB should be y")
    assert [str(finding) for finding in doctor.bad_settings(error)] == [
        "WRONG  settings: A is missing: it should be x. Correct it in the environment or in .env.",
        "WRONG  settings: B should be y. Correct it in the environment or in .env.",
    ]


def test_the_cost_of_a_video_is_shown_or_marked_as_unknown(
    settings: Settings, tmp_path: Path
) -> None:
    assert "one video (sora-2 4 s 720x1280): about $0.40" in doctor.cost(settings)
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('[[models]]\nname = "wan"\n')
    unpriced = settings.model_copy(update={"video_catalog": catalog})
    assert doctor.cost(unpriced) == "one video (wan): price unknown"


# The command


async def run(world: World, folder: Path, *arguments: str, **more: str) -> tuple[int | None, str]:
    variables = world.environment(f"sqlite+aiosqlite:///{folder / 'jobs.db'}") | more
    async with started(folder, "doctor", *arguments, variables=variables) as command:
        return await command.end(), command.output


async def test_the_command_exits_with_0_if_everything_is_ok(world: World, tmp_path: Path) -> None:
    code, shown = await run(world, tmp_path)
    assert code == 0
    assert all(line.startswith("ok ") for line in shown.splitlines())


async def test_the_command_exits_with_1_if_anything_is_wrong(world: World, tmp_path: Path) -> None:
    code, shown = await run(world, tmp_path, OPENAI_API_KEY="sk-wrong-0123456789")
    assert code == 1
    [line] = [line for line in shown.splitlines() if line.startswith("WRONG")]
    assert "OPENAI_API_KEY" in line
    assert "sk-wrong" not in shown


async def test_the_command_exits_with_1_if_settings_are_missing(
    world: World, tmp_path: Path
) -> None:
    code, shown = await run(world, tmp_path, SLACK_BOT_TOKEN="", PORT="x")
    assert code == 1
    assert {line.split()[2] for line in shown.splitlines()} == {"SLACK_BOT_TOKEN", "PORT"}


async def test_the_command_shows_no_credentials_from_a_url(world: World, tmp_path: Path) -> None:
    address = world.videos.base_url.replace("://", "://user:planted-password@")
    _, shown = await run(world, tmp_path, OPENAI_BASE_URL=address)
    assert "video server" in shown
    assert "planted" not in shown


async def test_the_command_does_not_show_a_malformed_key(world: World, tmp_path: Path) -> None:
    code, shown = await run(world, tmp_path, OPENAI_API_KEY="“sk-planted-secret”")
    assert code == 1
    assert "OPENAI_API_KEY contains a curly quote" in shown
    assert "planted" not in shown


async def test_an_exceptions_text_is_not_shown(settings: Settings) -> None:
    # The settings reject such a key; h11's exception would show the header.
    unsendable = {"openai_api_key": SecretStr("sk-planted\nsecret")}
    finding = await wrong(settings.model_copy(update=unsendable))
    assert finding.part == "video server"
    assert "planted" not in str(finding)


async def test_no_video_is_created_without_a_terminal_or_confirmation(
    world: World, tmp_path: Path
) -> None:
    code, shown = await run(world, tmp_path, "--create")
    assert code == 1
    assert "about $0.40" in shown
    assert "No video was made." in shown
