"""Helpers of the tests in `fuzz/`: a few examples in the suite, many in `make fuzz`."""

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
"""Settings for each test in `fuzz/`: fixed examples, or random ones in `make fuzz`."""

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
"""Tokens with a meaning in a pattern, in Slack's markup or in the command grammar."""

words = st.lists(st.sampled_from(TOKENS), max_size=12).map("".join) | st.text(max_size=40)
long_text = st.builds(
    lambda text, times: text * (times // max(1, len(text))), words, st.sampled_from([1, 60_000])
)


class Watcher:
    """Tracebacks, secrets and long callbacks seen while handling hostile input."""

    def __init__(self, logged: list[MutableMapping[str, Any]], caplog: Any) -> None:  # noqa: ANN401 -- pytest's
        self._logged = logged
        self._caplog = caplog
        self.blocks: list[str] = []

    @property
    def text(self) -> str:
        """Everything that was logged."""
        return f"{self._logged!r} {self._caplog.text}"

    def check(self, run: Callable[[], object], *secrets: str) -> None:
        """Run it; fail on a traceback, a leaked secret or a blocked event loop.

        Slow memory allocation can block a callback once, but not in every attempt.
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
def watched(caplog: pytest.LogCaptureFixture, patch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """Watch the logs and the event loop.

    A callback is measured in CPU time of its thread, which is independent of other programs,
    without garbage collections, which depend on the objects of the tests.
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
            seen = Watcher(logged, caplog)
            patch.setattr(asyncio.Handle, "_run", timed)
            yield seen
    finally:
        gc.callbacks.remove(collect)


async def search(test: Callable[[Here], None]) -> None:
    """Run a synchronous hypothesis test against the objects of this event loop.

    The test receives a function that runs a coroutine in the loop.
    """
    loop = asyncio.get_running_loop()

    def here(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 -- what it returns
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    await asyncio.to_thread(test, here)
