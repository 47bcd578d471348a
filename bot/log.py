"""Logging: one line per event, with the id of its job.

Never log tokens, keys, prompts, or URLs that grant access.
"""

import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator
from functools import partial
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MIN_SECRET_LENGTH = 8
"""Characters; a shorter secret is a word like `none`, for servers that need no key."""

# Control characters, except the newline, which logfmt escapes; and marks of text direction.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def configure(level: str, *, secrets: Collection[str] = ()) -> None:
    """Write our events and the libraries' warnings to stderr in one format, without secrets."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(format_exception),
                partial(_make_safe, [each for each in secrets if len(each) >= MIN_SECRET_LENGTH]),
                structlog.processors.LogfmtRenderer(
                    key_order=["timestamp", "level", "event"], drop_missing=True
                ),
            ],
        )
    )
    # At DEBUG and INFO, libraries log whole requests, with secret URLs and people's prompts.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("bot").setLevel(level)


def format_exception(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> str:
    """A traceback without the exceptions' texts, which may contain keys, prompts or URLs."""
    return "\n".join(
        "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__
        for error in _chain(exc_info[1], set())
    )


def _chain(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """The exception, then those that led to it."""
    seen.add(id(error))
    yield error
    context = None if error.__suppress_context__ else error.__context__
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*members, error.__cause__ or context):
        if other is not None and id(other) not in seen:
            yield from _chain(other, seen)


def _make_safe(
    secrets: Collection[str], _logger: WrappedLogger, _name: str, event: EventDict
) -> EventDict:
    """Mask secrets, and escape what could forge a line or change a terminal."""
    return {
        key: _safe(value, secrets) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _safe(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)
