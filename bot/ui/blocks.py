"""The Block Kit elements that the bot uses, and Slack's limits.

Text from people or servers goes into rich_text, which Slack never parses for markup, mentions or
links. Text in mrkdwn is ours, and `escape` neutralises everything else (docs.slack.dev:
Formatting message text).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Block = dict[str, Any]

MAX_MESSAGE_TEXT = 4000
MAX_MESSAGE_BLOCKS = 50
MAX_SECTION_TEXT = 3000
MAX_INPUT_TEXT = 3000
"""Of a plain_text_input (docs.slack.dev: plain-text input element)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that Slack accepts; notifications and screen readers read `text`.

    Raises:
        ValueError: it is over one of Slack's limits.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    """Empty: Slack shows the text, as mrkdwn."""

    @property
    def content(self) -> dict[str, Any]:
        """The message as arguments of `ack`, `respond` or a Web API method."""
        return {"text": self.text, "blocks": self.blocks} if self.blocks else {"text": self.text}

    def __post_init__(self) -> None:
        if not 0 < len(self.text) <= MAX_MESSAGE_TEXT:
            raise ValueError(f"a message's text has 1 to {MAX_MESSAGE_TEXT} characters")
        if len(self.blocks) > MAX_MESSAGE_BLOCKS:
            raise ValueError(f"a message has at most {MAX_MESSAGE_BLOCKS} blocks")


def section(mrkdwn: str) -> Block:
    """A paragraph of our own text."""
    if len(mrkdwn) > MAX_SECTION_TEXT:
        raise ValueError(f"a section has at most {MAX_SECTION_TEXT} characters")
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def image(file_id: str, alt: str) -> Block:
    """A picture that is a file in Slack, with its description."""
    return {"type": "image", "slack_file": {"id": file_id}, "alt_text": alt}


def header(text: str) -> Block:
    """A title, in large type."""
    return {"type": "header", "text": _plain(text)}


def divider() -> Block:
    """A line between two parts."""
    return {"type": "divider"}


def context(mrkdwn: str) -> Block:
    """A small line of our own text."""
    return {"type": "context", "elements": [_mrkdwn(mrkdwn)]}


def actions(*buttons: Block) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


@dataclass(frozen=True, slots=True)
class Confirm:
    """A confirmation dialog, whose two buttons are `yes` and `no`."""

    title: str
    question: str
    yes: str
    no: str
    is_danger: bool = True
    """Whether `yes` destroys something, so that it is red."""


def button(
    label: str,
    action_id: str,
    value: str | None = None,
    confirm: Confirm | None = None,
) -> Block:
    """A button; `value` identifies its subject, whose state is in the database."""
    made = {"type": "button", "text": _plain(label), "action_id": action_id}
    if value is not None:
        made["value"] = value
    if confirm is None:
        return made
    if confirm.is_danger:
        made["style"] = "danger"
    return made | {"confirm": _dialog(confirm)}


def quote(text: str) -> Block:
    """Text from a person, as a quote."""
    return _rich_text({"type": "rich_text_quote", "elements": [_text(text)]})


def paragraph(*elements: Block) -> Block:
    """Our text and theirs in one line, made of `plain`, `bold`, `code` and `user`."""
    return _rich_text({"type": "rich_text_section", "elements": list(elements)})


def plain(text: str) -> Block:
    """Text without formatting."""
    return _text(text)


def bold(text: str) -> Block:
    """Bold text."""
    return _text(text) | {"style": {"bold": True}}


def code(text: str) -> Block:
    """Text in a fixed-width font."""
    return _text(text) | {"style": {"code": True}}


def user(user_id: str) -> Block:
    """A mention; in a new message it notifies."""
    return {"type": "user", "user_id": user_id}


def plain_text(text: str) -> Block:
    """Plain text, in which Slack parses nothing."""
    return {"type": "plain_text", "text": text, "emoji": False}


def dollars(amount: Decimal) -> str:
    """An amount as people write it: `$2.40`, but `$0.125`."""
    return f"${amount:,.2f}" if amount == round(amount, 2) else f"${amount.normalize():f}"


def measure(size: str) -> str:
    """A size as people write it: `720 × 1280`."""  # noqa: RUF002 -- the sign
    return size.replace("x", " × ")  # noqa: RUF001 -- the sign


def moment(at: float) -> str:
    """A time in the reader's time zone (docs.slack.dev: date formatting); mrkdwn."""
    plainly = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at)}^{{date_short_pretty}} {{time}}|{plainly}>"


def escape(text: str) -> str:
    """Text from others for use in mrkdwn, with Slack's three control characters escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def excerpt(text: str, limit: int = 300) -> str:
    """The beginning of a text, at most `limit` characters long."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def in_one_line(text: str) -> str:
    """The text without line breaks and repeated spaces."""
    return " ".join(text.split())


def _dialog(confirm: Confirm) -> Block:
    return {
        "title": _plain(confirm.title),
        "text": _plain(confirm.question),
        "confirm": _plain(confirm.yes),
        "deny": _plain(confirm.no),
        **({"style": "danger"} if confirm.is_danger else {}),
    }


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}


def _mrkdwn(text: str) -> Block:
    # verbatim: without it Slack turns a bare @here into a mention.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _text(text: str) -> Block:
    # Slack refuses an empty text element.
    return {"type": "text", "text": text or " "}


def _rich_text(element: Block) -> Block:
    return {"type": "rich_text", "elements": [element]}
