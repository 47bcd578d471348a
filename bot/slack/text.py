"""A message's text as it was typed, without Slack's markup.

Slack escapes people's own `<`, `>` and `&`, and writes links and mentions as `<address>`,
`<address|words>`, `<@U…>`, `<#C…|name>` and `<!here>` (docs.slack.dev: formatting message text).
"""

import re

_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_MENTION = re.compile(r"<@(\w+)(?:\|[^<>]*)?>")
_SIGN = {"@": "@", "#": "#", "!": "@"}


def typed(text: str) -> str:
    """What the person typed; of a mention without a name, only the id is known."""
    plain = _MARKUP.sub(_as_typed, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def without_mention(text: str, user_id: str) -> str:
    """The text with Slack's markup, but without mentions of this user."""
    pieces, end = [], 0
    for mention in _MENTION.finditer(text):
        if mention[1] == user_id:
            pieces.append(text[end : mention.start()])
            end = mention.end()
    # Trimmed by `strip`: a pattern with optional spaces around it takes quadratic time.
    return " ".join(piece.strip(" \t") for piece in [*pieces, text[end:]]).strip()


def _as_typed(found: re.Match[str]) -> str:
    kind, target, words = found.groups()
    if not kind:
        return words or target
    return _SIGN[kind] + (words or target).removeprefix(_SIGN[kind])
