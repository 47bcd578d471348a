"""Every regular expression takes linear time, whatever people or servers send.

A pattern that backtracks blocks the event loop. The text consists of a prefix, a repeated middle
and a suffix, as in such attacks; a text four times as long may take about four times as long.
"""

import ast
import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bot
from bot.catalog import load_catalog
from bot.command import may_be_chat, parse
from bot.slack.text import typed, without_mention
from bot.videos import wire
from tests.support.fuzzing import FUZZING, TOKENS, bounded

LARGE = 1 << (16 if FUZZING else 14)
TOLERANCE = 0.004
"""Seconds of measurement noise."""


def patterns_in(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    """The compiled patterns in a module's constant."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset | set) and depth < 3:
        for each in value:
            yield from patterns_in(each, depth + 1)
    elif isinstance(value, dict) and depth < 3:
        yield from patterns_in([*value.values()], depth + 1)
    elif is_dataclass(value) and not isinstance(value, type) and depth < 3:
        yield from patterns_in([getattr(value, f.name) for f in fields(value)], depth + 1)


def all_patterns() -> list[re.Pattern[str]]:
    """The patterns of the whole bot, without the sandbox."""
    found: dict[str, re.Pattern[str]] = {}
    for module in pkgutil.walk_packages(bot.__path__, "bot."):
        if not module.name.startswith(("bot.sandbox", "bot.__main__", "bot.migrations.env")):
            for value in vars(importlib.import_module(module.name)).values():
                found |= {each.pattern: each for each in patterns_in(value)}
    return [*found.values()]


PATTERNS = all_patterns()
OPERATORS = {"config.py", "catalog.py"}
"""These files read only what the operator wrote."""
CATALOG = load_catalog(None)


def shown(text: str) -> None:
    wire.read_error(400, {}, text.encode(errors="replace"))


def shown_with_code(text: str) -> None:
    wire.read_error(400, {}, json.dumps({"error": {"code": text, "message": text}}).encode())


def command(text: str) -> None:
    parse(text, CATALOG)
    if text.strip():
        may_be_chat(text)


READERS: list[Callable[[str], object]] = [
    shown,
    shown_with_code,
    command,
    typed,
    lambda text: without_mention(text, "U1"),
]


def attacks(prefix: str, unit: str, suffix: str, size: int) -> str:
    return prefix + unit * (size // len(unit)) + suffix


def took(action: Callable[[str], object], text: str) -> float:
    """Seconds of this thread's CPU time, which does not depend on the load of the machine."""
    began = time.thread_time()
    action(text)
    return time.thread_time() - began


def check_linear(action: Callable[[str], object], prefix: str, unit: str, suffix: str) -> None:
    short = attacks(prefix, unit, suffix, LARGE // 4)
    long = attacks(prefix, unit, suffix, LARGE)
    for _ in range(3):
        small, large = took(action, short), took(action, long)
        if large < 8 * small + TOLERANCE:
            return
    pytest.fail(f"{small:.4f} s for {len(short)} characters, {large:.4f} s for {len(long)}")


word = st.lists(st.sampled_from(TOKENS), max_size=3).map("".join)
unit = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=3).map("".join)


def search_everywhere(pattern: re.Pattern[str]) -> Callable[[str], object]:
    return lambda text: (pattern.sub("", text), pattern.fullmatch(text))


@bounded
@example(prefix="", unit=" ", suffix="")
@example(prefix="", unit="a", suffix="")
@example(prefix="", unit="http://", suffix="")
@example(prefix="", unit="model ", suffix="")
@example(prefix="clouds", unit=" ", suffix="--seconds  b c")
@given(prefix=word, unit=unit, suffix=word)
def test_patterns_and_readers_take_linear_time_on_untrusted_text(
    prefix: str, unit: str, suffix: str
) -> None:
    for action in (*map(search_everywhere, PATTERNS), *READERS):
        check_linear(action, prefix, unit, suffix)


def test_every_pattern_is_a_module_constant() -> None:
    """Patterns are constants of their modules, where `all_patterns` finds them."""
    hidden: list[str] = []
    for path in Path(bot.__path__[0]).rglob("*.py"):
        if "sandbox" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name("re"), attr=name)) if (
                        name not in {"compile", "escape"} and path.name not in OPERATORS
                    ):
                        hidden.append(f"{path.name}:{node.lineno}")
    assert hidden == []
