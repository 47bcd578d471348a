"""Everything the bot says in Slack, and the file it brings.

Calls are made once: a refusal, a lost answer or a "too fast" becomes an error of ours, and the
worker's next attempt at the step is the only retry. (slack_sdk's default handler sends
`chat.postMessage` again after a dropped connection, which doubles messages.)
"""

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import anyio
import httpx
import structlog
from aiolimiter import AsyncLimiter
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import (
    CannotPost,
    MisconfiguredError,
    PermanentError,
    TemporaryError,
)
from bot.jobs import Job
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import CLOCK_SKEW, CONNECT_TIMEOUT, UPLOAD_TIMEOUT
from bot.ui import cards
from bot.ui.blocks import Block, Message
from bot.ui.progress import ProgressContext

log = structlog.get_logger()

UPDATES_A_MINUTE = 40
"""Of Slack's 50 or more `chat.update` a minute for the whole workspace (tier 3)."""

HOMES_A_MINUTE = 80
"""Of Slack's 100 or more `views.publish` a minute for the whole workspace (tier 4)."""

UPDATES_KEPT_BACK = 10
"""What progress leaves of them for final states."""

_CHUNK = 1 << 20


class MessageKind(StrEnum):
    """What the bot says once about a job; each message carries its kind in its metadata."""

    CARD = "card"
    PAUSED = "paused"
    OVERDUE = "overdue"
    END = "end"


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands."""

    channel_id: str
    ts: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A place for a file's bytes; whoever has the URL may write there."""

    file_id: str
    url: str


class Delivery:
    """The bot's voice in one workspace.

    Every method raises TemporaryError, OutcomeUnknown, MisconfiguredError, CannotPost or
    PermanentError, as `translate` sorts Slack's answers.
    """

    def __init__(self, slack: AsyncWebClient, http: httpx.AsyncClient, *, bot_name: str) -> None:
        self._slack = slack
        self._http = http
        self._bot_name = bot_name
        self._updates = AsyncLimiter(UPDATES_A_MINUTE, 60)
        self._homes = AsyncLimiter(HOMES_A_MINUTE, 60)

    async def announce(self, job: Job) -> Posted:
        """Post the card.

        Without the scope `chat:write.public`, being able to post proves that the bot is a
        member, and so that it may upload there, which Slack lets only members do.
        """
        response = await self._joining_if_needed(
            job,
            "chat.postMessage",
            channel=job.channel_id,
            **_post(job, MessageKind.CARD, cards.job_card(job)),
            **({"thread_ts": job.thread_ts} if job.thread_ts else {}),
        )
        return Posted(response["channel"], response["ts"])

    async def find(self, job: Job, what: MessageKind) -> Posted | None:
        """What was said already, if the app may read the channel and it stands there.

        Reading needs an optional scope (channels:history and its relatives); without it the
        row's word stands, and a crash at the wrong moment may say a thing twice.
        """
        # A thread that others opened may be long, and lists its oldest replies first.
        oldest = f"{max(job.created_at - CLOCK_SKEW, 0):.6f}"
        place = {"channel": job.channel_id, "oldest": oldest, "limit": 999}
        place["include_all_metadata"] = True
        try:
            if job.root_ts is None:
                response = await self._call("conversations.history", **place)
            else:
                response = await self._call("conversations.replies", ts=job.root_ts, **place)
        except (MisconfiguredError, PermanentError) as error:
            log.info("cannot look for it", job=job.id, what=what, reason=error.message)
            return None
        for message in response["messages"]:
            if (message.get("metadata") or {}).get("event_payload") == _payload(job, what):
                return Posted(job.channel_id, message["ts"])
        return None

    async def draw(self, job: Job) -> bool:
        """Bring the card up to date, and wait for a place under Slack's limit if need be.

        Returns whether the card still stands there.
        """
        await self._updates.acquire()
        return await self._update_card(job)

    @property
    def has_room(self) -> bool:
        """Whether Slack's limit leaves room for progress."""
        return self._updates.has_capacity(UPDATES_KEPT_BACK)

    async def draw_progress(self, job: Job, progress: ProgressContext) -> bool:
        """Bring the card up to date unless too many were; says whether it did."""
        if not self.has_room:
            return False
        await self._updates.acquire()
        return await self._update_card(job, progress)

    async def reply(self, job: Job, what: MessageKind) -> Posted:
        """Say in the thread how the job stands; it notifies who asked."""
        response = await self._call(
            "chat.postMessage",
            channel=job.channel_id,
            thread_ts=job.root_ts,
            **_post(job, what, cards.status_reply(job)),
        )
        return Posted(response["channel"], response["ts"])

    async def notify_privately(self, job: Job) -> None:
        """Tell the person, and nobody else, how it ended where the channel cannot be told.

        By the response URL, which also works where the bot is no member, for 30 minutes. Else
        in the direct message with the bot, which a user's id in place of a channel's opens.
        """
        message = cards.not_started(job) if job.card_ts is None else cards.status_reply(job)
        if job.response_url is None or not await self._answer(job.response_url, message):
            await self._call(
                "chat.postMessage", channel=job.user_id, **_post(job, MessageKind.END, message)
            )

    async def _answer(self, response_url: str, message: Message) -> bool:
        body = {"response_type": "ephemeral", "text": message.text, "blocks": message.blocks}
        try:
            response = await self._http.post(response_url, json=body)
        except httpx.HTTPError as error:
            raise TemporaryError(f"Slack does not answer ({type(error).__name__}).") from error
        if not response.is_success:
            # Used up, or older than 30 minutes.
            log.info("response URL refused", status=response.status_code)
        return response.is_success

    async def publish_home(self, user_id: str, view: Block) -> None:
        """Show this to one person in the Home tab; waits for a place under Slack's limit."""
        await self._homes.acquire()
        await self._call("views.publish", user_id=user_id, view=view)

    async def begin_upload(self, job: Job, size: int) -> Upload:
        """Get a place for the file's bytes (`size` of them, exactly)."""
        response = await self._call(
            "files.getUploadURLExternal", filename=f"video-{job.id}.mp4", length=size
        )
        return Upload(response["file_id"], response["upload_url"])

    async def send_bytes(self, upload: Upload, path: Path, size: int) -> None:
        """Stream the file to its place; no token goes along, the URL is the permission."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        # Opened here: a thread that opens it for a task that is cancelled leaves it open.
        with path.open("rb") as file:
            try:
                response = await self._http.post(
                    upload.url,
                    content=_chunks(anyio.wrap_file(file)),
                    headers=headers,
                    timeout=httpx.Timeout(UPLOAD_TIMEOUT, connect=CONNECT_TIMEOUT),
                )
            except httpx.HTTPError as error:
                raise TemporaryError(f"The upload broke off ({type(error).__name__}).") from error
        if not response.is_success:
            raise TemporaryError(f"Slack refused the bytes (HTTP {response.status_code}).")

    async def share(self, job: Job, also: Collection[str] = ()) -> None:
        """Put the uploaded file into the thread; notifies who asked, and these as well.

        Slack completes a file once, however often it is asked, and in its own time: `share_of`
        sees when. `alt_txt` is never set: with it a video is silently not shared
        (slackapi/python-slack-sdk#1818).
        """
        await self._joining_if_needed(
            job,
            "files.completeUploadExternal",
            files=[{"id": job.file_id, "title": f"Video {job.id}"}],
            channel_id=job.channel_id,
            thread_ts=job.root_ts,
            initial_comment=cards.finished_comment(job, also),
        )

    async def share_of(self, job: Job) -> str | None:
        """The ts of the message that has the file in the job's thread, if there is one.

        Raises:
            PermanentError: with the code `file_not_found`, if Slack has no such file.
        """
        response = await self._call("files.info", file=job.file_id)
        shares = response["file"].get("shares") or {}
        for by_channel in shares.values():
            for share in by_channel.get(job.channel_id, []):
                if share.get("thread_ts") == job.root_ts:
                    return str(share["ts"])
        return None

    async def permalink(self, job: Job, ts: str) -> str:
        """The address of a message, for people's browsers."""
        response = await self._call("chat.getPermalink", channel=job.channel_id, message_ts=ts)
        return str(response["permalink"])

    async def delete_file(self, job: Job) -> None:
        """Take the file away; that it is gone already is as good."""
        try:
            await self._call("files.delete", file=job.file_id)
        except PermanentError as error:
            if error.code not in {"file_not_found", "file_deleted"}:
                raise

    async def _update_card(self, job: Job, progress: ProgressContext | None = None) -> bool:
        """Whether the card still stands there: somebody may have deleted it."""
        card = cards.job_card(job, progress)
        try:
            await self._call(
                "chat.update",
                channel=job.channel_id,
                ts=job.card_ts,
                text=card.text,
                blocks=card.blocks,
                parse="none",  # chat.update resets it to `client` each time
            )
        except PermanentError as error:
            if error.code != "message_not_found":
                raise
            return False
        return True

    async def _joining_if_needed(
        self,
        job: Job,
        method: str,
        **arguments: Any,  # noqa: ANN401 -- JSON
    ) -> dict[str, Any]:
        try:
            return await self._call(method, **arguments)
        except CannotPost as refusal:
            if refusal.code != "not_in_channel":
                raise
            await self._join(job.channel_id, refusal)
        return await self._call(method, **arguments)

    async def _join(self, channel_id: str, refusal: CannotPost) -> None:
        try:
            await self._call("conversations.join", channel=channel_id)
        except (PermanentError, MisconfiguredError) as error:
            # A private channel, or the scope is not there: only a member can let the bot in.
            raise refusal from error

    async def _call(self, method: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        # A form: every method takes one, but not every method takes JSON (docs.slack.dev:
        # Using the Slack Web API).
        form = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in arguments.items()
        }
        try:
            response = await self._slack.api_call(method, data=form)
        except CALL_ERRORS as error:
            raise translate(error, bot_name=self._bot_name) from error
        return dict(response.data) if isinstance(response.data, dict) else {}


def _post(job: Job, what: MessageKind, message: Message) -> dict[str, Any]:
    """The arguments of a new message in which nothing is parsed but our own markup."""
    return {
        "metadata": {"event_type": "video_job", "event_payload": _payload(job, what)},
        "text": message.text,
        "blocks": message.blocks,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _payload(job: Job, what: MessageKind) -> dict[str, str]:
    """Ids only: any app in the workspace can read metadata."""
    return {"job_id": job.id, "message": what}


async def _chunks(file: anyio.AsyncFile[bytes]) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
