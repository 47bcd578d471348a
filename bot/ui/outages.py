"""What admins read in direct messages about a video server that refuses everyone's requests."""

import re

from bot.jobs import Outage
from bot.ui.blocks import Message, code, context, escape, excerpt, moment, paragraph, plain, section

MAX_MESSAGE = 1000
"""Characters of the server's message that are shown."""

_PREVIOUS = (
    "Set `OPENAI_PREVIOUS_BASE_URL` and `OPENAI_PREVIOUS_API_KEY` for this server, and restart me."
)
_CREDIT = "Add credit to the account at the video server, or raise its limit."
_ADDRESS = (
    "Check `OPENAI_BASE_URL`: there is no Videos API at this address. If it changes, restart me."
)
_KEY = (
    "Check `OPENAI_API_KEY`: the key may be wrong, expired, or not allowed to make videos. If it "
    "changes, restart me."
)
# The first match counts; without one, it is the key.
_REMEDIES = (
    (re.compile(r"^server_changed "), _PREVIOUS),
    (re.compile(r"quota|billing|payment|http_402", re.IGNORECASE), _CREDIT),
    (
        re.compile(
            r"not found|has moved|shut down|^(no_videos_api|http_(3\d\d|404|405|410|501)) ",
            re.IGNORECASE,
        ),
        _ADDRESS,
    ),
)


def outage_began(outage: Outage, waiting: int) -> Message:
    """The server refuses everyone's requests, and this many jobs wait."""
    title = "The video server isn't accepting requests."
    since = moment(outage.started_at)
    facts = f"{escape(outage.server)} · since {since} · {_videos(waiting)}"
    remedy = f"{_remedy(outage)} Waiting videos continue by themselves."
    said = excerpt(outage.message, MAX_MESSAGE)
    return Message(
        text=f"{title} {facts}. {escape(f'{outage.code}: {said}')} {remedy}",
        blocks=[
            section(f"*{title}*"),
            context(facts),
            paragraph(code(outage.code), plain(f"  {said}")),
            section(f"*What to do:* {remedy}\n`video-bot doctor` checks the settings."),
        ],
    )


def outage_ended(outage: Outage) -> Message:
    """The server accepts requests again."""
    title = "The video server is accepting requests again."
    facts = f"{escape(outage.server)} · it had been refusing them since {moment(outage.started_at)}"
    return Message(text=f"{title} {facts}.", blocks=[section(f"*{title}*"), context(facts)])


def _videos(waiting: int) -> str:
    match waiting:
        case 0:
            return "no video is waiting"
        case 1:
            return "1 video is waiting"
        case _:
            return f"{waiting} videos are waiting"


def _remedy(outage: Outage) -> str:
    words = f"{outage.code} {outage.message}"
    return next((way for pattern, way in _REMEDIES if pattern.search(words)), _KEY)
