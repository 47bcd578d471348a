"""The command line's own help."""

import re
from importlib import metadata

import pytest

from bot import cli


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--version") == f"video-bot {metadata.version('video-bot')}\n"


def test_every_example_of_the_help_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"^  video-bot (\w+)((?: --\w+)*)", shown(capsys, "--help"), re.MULTILINE)
    assert {command for command, _ in examples} >= {"run", "doctor", "demo", "migrate"}
    for command, options in examples:
        usage = shown(capsys, command, "--help")
        assert all(option in usage for option in options.split())


def test_a_date_that_is_none_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["audit", "--since", "yesterday"])
    assert "2026-11-24" in capsys.readouterr().err
