"""What the documentation names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAP = CONTRIBUTING.partition("bot/\n")[2].partition("\ntests/\n")[0]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_in_the_docs_is_a_target(path: Path) -> None:
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), link


def test_the_layout_names_every_file_and_no_other() -> None:
    lines = [line[2:24].split() for line in MAP.splitlines()]
    named = {name.rstrip("/") for line in lines for name in line}
    there = {path.name for path in (ROOT / "bot").iterdir()}
    assert {name.partition("/")[0] for name in named} == there - {
        "__init__.py",
        "__pycache__",
        "catalog.toml",
    }
    assert [name for name in named if not (ROOT / "bot" / name).exists()] == []


def test_every_file_named_in_the_table_of_changes_exists() -> None:
    table = CONTRIBUTING.partition("| To add or change |")[2].partition("\n\n")[0]
    names = set(re.findall(r"`([\w/]+\.py)`", table)) - {"metrics.py"}  # does not exist yet
    assert names
    assert [name for name in names if not (ROOT / "bot" / name).exists()] == []
