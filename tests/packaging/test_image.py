"""The container image runs as its Dockerfile says. `make image-test` builds it first."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.sandbox.world import World

pytestmark = pytest.mark.installed

IMAGE = os.environ.get("IMAGE", "localhost/video-bot:test")
BUILDAH = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
HOME = "/var/lib/video-bot"


def buildah(*arguments: str) -> str:
    process = subprocess.run(
        ["buildah", *arguments],  # noqa: S607 -- wherever it is installed
        env=BUILDAH,
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.strip()


@pytest.fixture(scope="module")
def config() -> Any:  # noqa: ANN401 -- JSON
    return json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]


@pytest.fixture
def container() -> Iterator[str]:
    name = buildah("from", IMAGE)
    yield name
    buildah("rm", name)


class Command:
    """A command in the container, whose isolation by chroot shares the host's network."""

    def __init__(self, container: str, log: Path) -> None:
        self._container = container
        self._log = log

    async def start(self, *command: str, variables: Mapping[str, str]) -> None:
        flags = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("buildah", "run", *flags, self._container, "--", *command),
                env=BUILDAH,
                stdout=log,
                stderr=log,
            )

    async def run(self, *command: str, variables: Mapping[str, str]) -> int:
        await self.start(*command, variables=variables)
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(60):
            return await self._process.wait()

    @property
    def output(self) -> list[str]:
        """The lines of the output, without buildah's own about the exit status."""
        lines = self._log.read_text().splitlines()
        return [line for line in lines if "exit status" not in line and "exited with" not in line]

    @property
    def in_container(self) -> psutil.Process:
        """The command's own process, below those of buildah."""
        *_, process = psutil.Process(self._process.pid).children(recursive=True)
        return process


@pytest.fixture
def command(container: str, tmp_path: Path) -> Command:
    return Command(container, tmp_path / "command")


def test_the_image_is_configured_for_any_runtime(config: dict[str, Any]) -> None:
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["video-bot"]
    assert config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Volumes"] == {HOME: {}}
    assert config["Healthcheck"]["Test"] == ["CMD", "video-bot", "health"]


async def test_missing_settings_are_named_in_one_line_each(
    command: Command, config: dict[str, Any]
) -> None:
    assert await command.run(*config["Entrypoint"], *config["Cmd"], variables={}) == 2
    assert [line.split()[0] for line in command.output] == ["SLACK_BOT_TOKEN", "OPENAI_API_KEY"]


async def test_a_container_creates_a_video_reports_its_health_and_stops_on_sigterm(
    world: World, command: Command, config: dict[str, Any], container: str, tmp_path: Path
) -> None:
    database = {"DATABASE_URL": f"sqlite:///{HOME}/bot.db"}
    variables = world.environment("") | database
    await command.start(*config["Entrypoint"], *config["Cmd"], variables=variables)
    await world.until(lambda: world.slack.sockets.connected, 60)
    await world.slack.ada.command("clouds")
    videos = world.slack.workspace.videos
    await world.until(lambda: "*Ready:*" in str([card.blocks for card in videos.messages]), 60)

    check = Command(container, tmp_path / "check")
    health = config["Healthcheck"]["Test"][1:]
    assert await check.run(*health, variables={}) == 0
    assert json.loads(check.output[0]) == dict.fromkeys(json.loads(check.output[0]), True)

    process = command.in_container
    assert process.uids().effective == 10001
    process.send_signal(getattr(signal, config["StopSignal"]))
    assert await command.wait() == 0
    assert await check.run(*health, variables={}) == 1
    assert await check.run("test", "-s", f"{HOME}/bot.db", variables={}) == 0
