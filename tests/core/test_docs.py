"""Everything that the documentation names exists."""

import hashlib
import re
from pathlib import Path

import pytest

from bot import cli

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAP = CONTRIBUTING.partition("bot/\n")[2].partition("\ntests/\n")[0]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_in_the_docs_is_a_target(path: Path) -> None:
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_the_bot_in_the_docs_exists(path: Path) -> None:
    usage = cli._parser().format_help()
    commands = set(re.findall(r"^    ([a-z]+)(?:  |$)", usage, re.MULTILINE))
    named = re.findall(r"(?:^|`)video-bot ([a-z]+)", path.read_text(), re.MULTILINE)
    assert set(named) <= commands


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_section_resolves(path: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
        target = (path.parent / file) if file else path
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in anchors, f"{file}#{anchor}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_resolves(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), link


def test_the_layout_lists_every_file_and_no_others() -> None:
    lines = [line[2:24].split() for line in MAP.splitlines()]
    named = {name.rstrip("/") for line in lines for name in line}
    there = {path.name for path in (ROOT / "bot").iterdir()}
    assert {name.partition("/")[0] for name in named} == there - {
        "__init__.py",
        "__pycache__",
        "catalog.toml",
        "py.typed",
    }
    assert [name for name in named if not (ROOT / "bot" / name).exists()] == []


def test_every_file_named_in_the_contributing_table_exists() -> None:
    table = CONTRIBUTING.partition("| To add or change |")[2].partition("\n\n")[0]
    names = set(re.findall(r"`([\w/]+\.py)`", table))
    assert names
    assert [name for name in names if not (ROOT / "bot" / name).exists()] == []


def test_every_threat_names_a_test_that_exists() -> None:
    lines = (ROOT / "docs" / "threats.md").read_text().splitlines()
    rows = [line for line in lines if re.match(r"\| (?!Threat |---)", line)]
    assert len(rows) > 40
    for row in rows:
        _, threat, defense, test, _ = map(str.strip, row.split("|"))
        assert threat, row
        assert defense, row
        named = re.fullmatch(r"`(tests/\w+/\w+\.py)::(test_\w+)`", test)
        assert named is not None, row
        assert f"def {named[2]}(" in (ROOT / named[1]).read_text(), row


def pins(name: str) -> dict[str, str]:
    """The packages of a lock file, each with its version."""
    return dict(
        re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
    )


def test_the_install_command_pins_the_build_backend() -> None:
    for text in (README, (ROOT / "deploy" / "video-bot.service").read_text()):
        assert re.findall(r"pip install (.+)", text) == [
            "--require-hashes -r requirements.txt -r requirements-build.txt",
            "--no-deps --no-build-isolation .",
        ]
    build, run = pins("requirements-build.txt"), pins("requirements.txt")
    assert "hatchling" in build
    assert {name: build[name] for name in build.keys() & run.keys()}.items() <= run.items()


def test_the_docs_copy_the_example_settings_with_private_permissions() -> None:
    for path in [*DOCS, ROOT / ".env.example"]:
        assert "cp .env" not in path.read_text()
    assert "`install -m 600 .env.example .env`" in README


def test_the_docs_images_show_the_current_cards() -> None:
    cards = ROOT / "tests" / "core" / "golden" / "cards.json"
    digest = hashlib.sha256(cards.read_bytes()).hexdigest()
    made_from = (PICTURES / "cards.sha256").read_text().strip()
    assert made_from == digest, "the cards have changed: make pictures"


def test_every_docs_image_is_small_and_has_alt_text_in_the_readme() -> None:
    pictures = [path for path in PICTURES.iterdir() if path.suffix in {".png", ".gif"}]
    assert len(pictures) == 6
    for path in pictures:
        assert path.stat().st_size < (1_500_000 if path.suffix == ".gif" else 80_000)
        alt = re.search(rf"!\[([^]]+)\]\(docs/pictures/{path.name}\)", README)
        assert alt is not None, path.name
        assert len(alt[1]) > 40
