"""Render Slack messages and modals as lines for a terminal."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.sandbox.slack.state import View

EMOJI = {
    ":hourglass_flowing_sand:": "⏳",
    ":clapper:": "🎬",
    ":hourglass:": "⌛",
    ":outbox_tray:": "📤",
    ":white_check_mark:": "✅",
    ":x:": "❌",
    ":grey_question:": "❔",
    ":no_entry_sign:": "🚫",
    ":wastebasket:": "🗑",
    ":satellite_antenna:": "📡",
}
Names = Mapping[str, str]
"""Names by id: `U…` a person, `C…` a channel."""


def lines_of(message: Mapping[str, Any], names: Names) -> list[str]:
    """Return a message's lines: its blocks, or its text if it has none."""
    blocks = message.get("blocks") or []
    shown = [line for block in blocks for line in _block(block, names)]
    return shown or _mrkdwn(message.get("text", ""), names).splitlines()


def lines_of_form(view: View, names: Names) -> list[str]:
    """Return a modal's lines: each field with its value and its options."""
    lines = [f"┌─ {view.title}"]
    for block in view.blocks:
        if block["type"] == "input":
            state = view.values[block["block_id"]][block["element"]["action_id"]]
            lines.append(f"│ {block['label']['text']}:  {_entered(block['element'], state, names)}")
        else:
            lines += [f"│ {line}" for line in _block(block, names)]
    buttons = [view.body[name]["text"] for name in ("close", "submit") if name in view.body]
    return [*lines, "└─ " + "  ".join(f"[ {text} ]" for text in buttons)]


def _entered(element: Mapping[str, Any], state: Mapping[str, Any], names: Names) -> str:
    match state:
        case {"selected_option": {"value": chosen}}:
            options = [(o["value"] == chosen, o["text"]["text"]) for o in element["options"]]
            return "  ".join(f"({'•' if is_chosen else ' '}) {text}" for is_chosen, text in options)
        case {"selected_conversation": str(channel)}:
            return f"#{names.get(channel, channel)}"
        case {"selected_users": [*users]} if users:
            return "  ".join(f"@{names.get(user, user)}" for user in users)
        case {"files": [*files]} if files:
            return "  ".join(f"📎 {file['name']} ({file['size']:,} bytes)" for file in files)
        case {"value": str(text)}:
            return text
        case _:
            return "…"


def _block(block: Mapping[str, Any], names: Names) -> Iterator[str]:
    match block["type"]:
        case "rich_text":
            for element in block["elements"]:
                mark = "│ " if element["type"] == "rich_text_quote" else ""
                text = "".join(_inline(each, names) for each in element["elements"])
                yield from (mark + line for line in text.splitlines())
        case "section":
            yield from _mrkdwn(block["text"]["text"], names).splitlines()
        case "context":
            yield "  ".join(_mrkdwn(each["text"], names) for each in block["elements"])
        case "actions":
            yield "  ".join(f"[ {each['text']['text']} ]" for each in block["elements"])
        case "image":
            yield f"🖼 {block['alt_text']}"
        case _:
            yield f"({block['type']})"


def _inline(element: Mapping[str, Any], names: Names) -> str:
    match element["type"]:
        case "user":
            return f"@{names.get(element['user_id'], element['user_id'])}"
        case "emoji":
            return EMOJI.get(f":{element['name']}:", str(element["name"]))
        case _:
            return str(element.get("text", ""))


def _mrkdwn(text: str, names: Names) -> str:
    text = re.sub(r"<([@#])(\w+)[^>]*>", lambda m: str(m[1] + names.get(m[2], m[2])), text)
    text = re.sub(r"<https?://[^|>]+\|([^>]+)>", r"\1", text)
    text = re.sub(r":\w+:", lambda m: EMOJI.get(str(m[0]), str(m[0])), text)
    text = re.sub(r"(?<!\w)\*(\S(?:[^*]*\S)?)\*", r"\1", text).replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
