"""The log: no secrets, no exception text, no forged lines, no debug output of libraries."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.log import configure

KEY = "sk-planted-secret"
TEXT = f"cannot send {KEY}"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("bot")
    handlers, levels = [*root.handlers], (root.level, ours.level)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def logger() -> structlog.stdlib.BoundLogger:
    return structlog.get_logger("bot.test")  # type: ignore[no-any-return]  # structlog's own type


def fail() -> None:
    try:
        f"Bearer {KEY}é".encode("ascii")
    except UnicodeEncodeError as error:
        raise RuntimeError(TEXT) from error


def test_a_traceback_has_no_exception_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO")
    try:
        fail()
    except RuntimeError:
        logger().exception("step failed", job="1")
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "in fail" in line
        assert "RuntimeError" in line
        assert "UnicodeEncodeError" in line
        assert "cannot send" not in line
        assert KEY not in line


def test_each_exception_of_a_group_is_logged_by_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("INFO")
    group = ExceptionGroup("two", [ValueError(KEY), KeyError(KEY)])
    logger().error("failed", exc_info=group)
    line = capsys.readouterr().err
    assert "ValueError" in line
    assert "KeyError" in line
    assert KEY not in line


def test_secrets_are_masked_wherever_they_occur(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", secrets=[KEY, "none"])
    logger().warning("nonexistent", reason=f"no {KEY} here")
    logging.getLogger("aiohttp").warning("refused %s", KEY)
    written = capsys.readouterr().err
    assert KEY not in written
    assert written.count("[secret]") == 2
    assert "nonexistent" in written  # a short secret may be an ordinary word, so it is not masked


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO")
    logger().info("event", value="a\nlevel=forged \x1b[31m\r\u202e\u2028")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", ["PIL.PngImagePlugin", "httpx", "httpcore", "slack_sdk", "newlib"])
def test_libraries_are_quiet_at_debug(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("DEBUG")
    logging.getLogger(name).debug("whole requests")
    logging.getLogger(name).info("GET https://example.com/?token=secret")
    logger().debug("ours")
    [line] = capsys.readouterr().err.splitlines()
    assert "event=ours" in line


def test_library_warnings_are_logged_even_at_level_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("ERROR")
    logging.getLogger("aiohttp").warning("a library's warning")
    logger().warning("the bot's warning")
    [line] = capsys.readouterr().err.splitlines()
    assert "a library's warning" in line
