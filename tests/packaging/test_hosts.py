"""The deployment files: systemd, Kubernetes, Compose and Heroku's Procfile."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from bot.config import Settings
from bot.sandbox.world import World
from bot.timings import STOP_TIMEOUT

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy/video-bot.service").read_text()
KUBERNETES = [*yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],  # noqa: S607 -- wherever it is installed
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def unit(tmp_path: Path) -> str:
    """The unit with a program that exists on this machine."""
    path = tmp_path / "video-bot.service"
    path.write_text(UNIT.replace("/opt/video-bot/bin/video-bot", shutil.which("true") or ""))
    return str(path)


@needs_systemd
def test_systemd_accepts_every_line_of_the_unit(unit: str) -> None:
    process = systemd_analyze("verify", "--man=no", unit)
    assert (process.returncode, process.stderr) == (0, "")


@needs_systemd
def test_the_service_is_confined(unit: str) -> None:
    process = systemd_analyze("security", "--offline=true", "--threshold=25", unit)
    assert process.returncode == 0, process.stdout.splitlines()[-1]


def test_a_service_with_invalid_settings_is_not_restarted() -> None:
    assert "\nRestartPreventExitStatus=2\n" in UNIT


@pytest.fixture
def pod() -> Any:  # noqa: ANN401 -- YAML
    [deployment] = [each for each in KUBERNETES if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 2
    return deployment["spec"]["template"]["spec"]


def test_kubernetes_runs_as_the_user_of_the_image(pod: dict[str, Any]) -> None:
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{pod['securityContext']['runAsGroup']}\n" in DOCKERFILE
    assert pod["securityContext"]["runAsNonRoot"]


@pytest.mark.usefixtures("http_bot")
async def test_the_kubernetes_probes_use_paths_that_exist(pod: dict[str, Any], port: int) -> None:
    [container] = pod["containers"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {container["ports"][0]["name"]}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for probe in probes:
            assert (await client.get(probe["path"])).status_code == 200


def test_every_variable_in_the_deployment_files_is_a_setting(pod: dict[str, Any]) -> None:
    in_pod = {variable["name"] for variable in pod["containers"][0]["env"]}
    in_compose = set(COMPOSE["services"]["bot"]["environment"])
    assert in_pod | in_compose <= {name.upper() for name in Settings.model_fields}


def test_every_deployment_allows_time_to_stop(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > STOP_TIMEOUT
    assert COMPOSE["services"]["bot"]["stop_grace_period"] == "15s"
    assert "\nTimeoutStopSec=15\n" in UNIT


class Honcho:
    """`honcho start`, which runs a process of the Procfile as Heroku does."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        # Outside the repository, whose .env honcho and the bot would read.
        self._root = Path(shutil.copy(ROOT / "Procfile", folder)).parent
        self._log = folder / "honcho"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `python` is
        coverage = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
        self._variables = {"PATH": path, **coverage, **variables}

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def start(self, name: str) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "honcho", "--app-root", str(self._root), "start", name),
                env=self._variables,
                stdout=log,
                stderr=log,
            )


async def test_the_procfile_migrates_and_runs_on_a_heroku_database_url(
    world: World, postgres_url: str, tmp_path: Path
) -> None:
    url = postgres_url.replace("postgresql+psycopg:", "postgres:")
    honcho = Honcho(tmp_path, world.environment(url))
    async with asyncio.timeout(90):
        release = await honcho.start("release")
        assert await release.wait() == 0
        engine = sa.create_engine(postgres_url)
        assert sa.inspect(engine).has_table("jobs")
        engine.dispose()

        worker = await honcho.start("worker")
        await world.until(lambda: world.slack.sockets.connected, 60)
        await world.slack.ada.command("clouds")
        videos = world.slack.workspace.videos
        await world.until(lambda: "*Ready:*" in str([card.blocks for card in videos.messages]), 60)
        worker.send_signal(signal.SIGTERM)
        await worker.wait()
    assert "event=stopped" in honcho.log
