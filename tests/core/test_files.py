"""The README, the manifest and the example settings match the code."""

import re
from pathlib import Path

from bot.config import Settings
from tests.support.installation import MANIFEST, OPTIONAL_SCOPES, SCOPES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_gives_a_reason_for_every_manifest_scope() -> None:
    table = README.partition("| Scope | Reason |")[2].partition("\n\n")[0]
    first = "".join(re.findall(r"^\| (`[^|]+) \| .+ \|$", table, re.MULTILINE))
    assert {*re.findall(r"`([\w:.]+)`", first)} == SCOPES | OPTIONAL_SCOPES


def test_every_setting_is_in_the_readme_and_in_the_example() -> None:
    variables = {name.upper() for name in Settings.model_fields}
    table = README.partition("| Variable | Default |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == variables
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == variables


def test_the_manifest_is_within_slacks_limits() -> None:
    about = MANIFEST["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 175 <= len(about["long_description"]) <= 4000
    [command] = MANIFEST["features"]["slash_commands"]
    assert command["should_escape"] is False  # a prompt must arrive as typed
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
