"""Who is notified by a message."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

EXPLICIT = re.compile(
    r"<(?:@([UW][A-Z0-9]+)|!(here|channel|everyone)|!subteam\^(S[A-Z0-9]+))[^<>]*>"
)
BARE = re.compile(r"(?<![\w@<!])@([\w.-]+)")
BROADCASTS = frozenset({"here", "channel", "everyone"})


def in_message(
    text: str,
    blocks: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    *,
    bare: bool,
) -> frozenset[str]:
    """Return the user and group ids, and the broadcasts, that this message notifies.

    Whether the fallback text notifies anyone when there are blocks is not documented; here it
    does. With `bare`, a plain @name in the text counts; in blocks, Slack parses it in every mrkdwn
    object that is not `verbatim` (docs.slack.dev: formatting message text, automatic parsing).
    """
    found = set(_in_text(text, names, bare=bare))
    for block in blocks:
        found |= set(_in_value(block, names))
    return frozenset(found)


def _in_value(value: Any, names: Mapping[str, str]) -> Iterator[str]:  # noqa: ANN401 -- any JSON
    if isinstance(value, Mapping):
        yield from _in_object(value, names)
        for inner in value.values():
            yield from _in_value(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _in_value(inner, names)


def _in_object(value: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    match value:
        case {"type": "mrkdwn" | "markdown", "text": str(text)}:
            yield from _in_text(text, names, bare=value.get("verbatim") is not True)
        case {"type": "user", "user_id": str(user)}:
            yield user
        case {"type": "usergroup", "usergroup_id": str(group)}:
            yield group
        case {"type": "broadcast", "range": str(broadcast)}:
            yield broadcast
        case _:
            return


def _in_text(text: str, names: Mapping[str, str], *, bare: bool) -> Iterator[str]:
    for user, broadcast, group in EXPLICIT.findall(text):
        yield user or broadcast or group
    if bare:
        for name in BARE.findall(text):
            if name in BROADCASTS:
                yield name
            elif name in names:
                yield names[name]
