"""How the tests in `fuzz/` search: a few examples within the suite, many in `make fuzz`."""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

_EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
FUZZING = _EXAMPLES is not None
bounded = hypothesis.settings(
    max_examples=int(_EXAMPLES or 3),
    derandomize=not FUZZING,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""For each test of `fuzz/`: so many examples, other ones each time in `make fuzz`."""

LONGEST_BLOCK = 0.1
"""Seconds that one callback of the event loop may take."""

Here = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine in the event loop of the test, from another thread."""

TOKENS = [
    *" \t\na0-_./:@#?*|<>{}[]'\"\\\0é😀\u202e",
    *("***", "**a", "-/", "/a", "//", "a/", "http://", "https://a@", "C:\\", "sk-", "Bearer "),
    *("<@U1", "<@U1|", "<!channel>", "<a|b", "&lt;", "&amp;", " --", " --model", "--seconds="),
    *(" --size ", "--form", "list", "status ", "cancel", "0123456789", "clouds", "%s{0}"),
    *("model ", "deployment ", "prompt", "does not exist", "Traceback (most recent call last)"),
    *("invalid url", "restricted_action", "not found", "[key]", "9" * 400, "\ud800"),
]
"""What means something to a pattern, to Slack's markup or to the command's grammar."""

words = st.lists(st.sampled_from(TOKENS), max_size=12).map("".join) | st.text(max_size=40)
long_text = st.builds(
    lambda text, times: text * (times // max(1, len(text))), words, st.sampled_from([1, 60_000])
)


class Watched:
    """What must not be seen while hostile input is dealt with."""

    def __init__(self, logged: list[MutableMapping[str, Any]], caplog: Any) -> None:  # noqa: ANN401 -- pytest's
        self._logged = logged
        self._caplog = caplog
        self.blocks: list[str] = []

    @property
    def text(self) -> str:
        """All that was logged."""
        return f"{self._logged!r} {self._caplog.text}"

    def check(self, run: Callable[[], object], *secrets: str) -> None:
        """Run it: no traceback, no secret, no frozen event loop.

        Memory that the operating system is slow to give may hold up a callback, but not twice.
        """
        for _ in range(3):
            self.blocks.clear()
            self._logged.clear()
            self._caplog.clear()
            run()
            if not self.blocks:
                break
        leaked = [secret for secret in secrets if secret in self.text]
        found = [*self.blocks, *self._tracebacks(), *leaked]
        if found:
            pytest.fail("\n".join(found))

    def _tracebacks(self) -> list[str]:
        ours = [str(entry["exception"]) for entry in self._logged if entry.get("exception")]
        foreign = [record for record in self._caplog.records if record.exc_info]
        return [*ours, *map(logging.Formatter().format, foreign)]


@contextmanager
def watched(caplog: pytest.LogCaptureFixture, patch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Watch the logs and the event loop.

    A callback is measured in its thread's own time, which other programs do not lengthen, and
    without garbage collections, which the tests' own objects lengthen.
    """
    run = asyncio.Handle._run
    collecting = 0.0

    def collect(phase: str, _info: dict[str, int]) -> None:
        nonlocal collecting
        collecting += time.thread_time() if phase == "stop" else -time.thread_time()

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time() - collecting
        run(handle)
        if (took := time.thread_time() - collecting - began) > LONGEST_BLOCK:
            seen.blocks.append(f"{took:.3f} s in {handle!r}")

    gc.callbacks.append(collect)
    try:
        with capture_logs(processors=[format_exc_info]) as logged:
            seen = Watched(logged, caplog)
            patch.setattr(asyncio.Handle, "_run", timed)
            yield seen
    finally:
        gc.callbacks.remove(collect)


async def search(test: Callable[[Here], None]) -> None:
    """Run a hypothesis test, which is no coroutine, against what lives in this event loop.

    It is given a function that runs a coroutine in the loop.
    """
    loop = asyncio.get_running_loop()

    def here(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 -- what it returns
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    await asyncio.to_thread(test, here)
