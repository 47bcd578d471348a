"""The wheel contains everything that the bot needs, with correct metadata."""

import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    [path] = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {*archive.namelist()}


@pytest.fixture(scope="module")
def description(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_else(names: set[str]) -> None:
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bot").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"bot/py.typed", "bot/catalog.toml", "bot/migrations/env.py"} <= package
    assert {name for name in names if ".dist-info/" not in name} == package
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheels_metadata_matches_the_project(description: Message) -> None:
    assert description["Name"] == "video-bot"
    assert description["Version"] == PROJECT["version"]
    assert description["Summary"] == PROJECT["description"]
    assert description["License-Expression"] == "MIT"
    assert description["Author"] == "The video-bot authors"
    assert description["Requires-Python"] == ">=3.11"
    assert description["Description-Content-Type"] == "text/markdown"
    assert {*description.get_all("Provides-Extra", [])} == {*PROJECT["optional-dependencies"]}
    assert "Typing :: Typed" in description.get_all("Classifier", [])
