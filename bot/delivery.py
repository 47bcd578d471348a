"""Everything the bot sends to Slack: messages, Home tabs and finished files.

Each call is made once: any failure becomes an error of ours, and the worker's next attempt at the
step is the only retry. (slack_sdk's default handler sends `chat.postMessage` again after a
dropped connection, which duplicates messages.)
"""

import asyncio
import contextlib
import json
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import (
    BotError,
    CannotPost,
    MisconfiguredError,
    PermanentError,
    PostRefusal,
    RateLimited,
    Source,
    TemporaryError,
    TokenRefused,
)
from bot.jobs import Decision, Job, Outage, Question
from bot.pacing import FairLimiter, SharedRate
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import (
    CLOCK_SKEW,
    CONNECT_TIMEOUT,
    DELIVERY_CHECK_CACHE,
    UPLOAD_TIMEOUT,
    Timings,
)
from bot.ui import approvals, cards
from bot.ui.blocks import Block, Message
from bot.ui.progress import ProgressContext
from bot.ui.titles import file_name, file_title, poster_alt

log = structlog.get_logger()

UPDATES_PER_MINUTE = 45
"""Slack allows at least 50 `chat.update` a minute per workspace (tier 3)."""

HOMES_PER_MINUTE = 80
"""Slack allows at least 100 `views.publish` a minute per workspace (tier 4)."""

RESERVED_UPDATES = 30
"""How many of these progress updates leave for outcomes, so that a burst of them is shown."""

RESERVED_BY_FIRST = 20
"""How many a card's first progress update leaves: without it, the job seems stuck."""

POST_BURST = 3
"""Slack allows short bursts of messages in a channel; how long is not documented."""

DEFAULT_RETRY_AFTER = 1.0
"""Seconds to wait after a refusal that does not say for how long."""

MAX_IDLE_CHANNELS = 1000
"""Channels whose pace is remembered."""

_CHUNK = 1 << 20


class MessageKind(StrEnum):
    """A message that is posted once per job; its metadata contains the kind."""

    CARD = "card"
    PAUSED = "paused"
    NOT_A_VIDEO = "not_a_video"
    OVERDUE = "overdue"
    END = "end"


@dataclass(frozen=True, slots=True)
class Share:
    """The message `ts` shares a file, in a public channel or elsewhere."""

    ts: str
    in_public: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that has been posted."""

    channel_id: str
    ts: str
    permalink: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """Where to send a file's bytes. The URL is a secret: it needs no token."""

    file_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The app in one workspace."""

    bot_id: str | None
    bot_name: str
    workspace_url: str = ""
    scopes: Collection[str] | None = None
    """Those of the token; None: Slack did not say."""


class Delivery:
    """Outbound calls to one Slack workspace.

    Every method raises
    TemporaryError, OutcomeUnknown, MisconfiguredError, CannotPost or PermanentError, as
    `slack_errors.translate` decides.
    """

    def __init__(
        self,
        slack: AsyncWebClient,
        http: httpx.AsyncClient,
        installation: Installation,
        *,
        has_admins: bool = False,
        timings: Timings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slack = slack
        self._http = http
        self._bot_id = installation.bot_id
        self._bot_name = installation.bot_name
        self._scopes = installation.scopes
        self._workspace_url = installation.workspace_url
        self._has_admins = has_admins
        self._timings = timings or Timings()
        self._clock = clock
        self._updates = FairLimiter(UPDATES_PER_MINUTE, self._timings.rate_window)
        self._homes = FairLimiter(HOMES_PER_MINUTE, self._timings.rate_window)
        self._posts: dict[str, FairLimiter] = {}
        self._progress = SharedRate(
            (UPDATES_PER_MINUTE - RESERVED_UPDATES) / self._timings.rate_window,
            forget_after=2 * self._timings.max_poll_interval,
            clock=clock,
        )
        self._unreadable: set[str] = set()
        """Channels whose messages the app has no scope to read."""
        self._checked: dict[str, float] = {}
        self._checking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._is_authorized = True

    async def wait_to_post(self, job: Job, *, channel_id: str | None = None) -> None:
        """Wait until a message may be posted in the channel: about one a second is allowed."""
        await self._posts_in(channel_id or job.channel_id).acquire(job.user_id)

    async def announce(self, job: Job) -> Posted:
        """Post the card.

        Without the scope `chat:write.public`, a successful post proves that the bot is a member
        of the channel, and Slack lets only members upload files there.
        """
        with self._held_by_refusal(self._posts_in(job.channel_id)):
            response = await self._joining_if_needed(
                job,
                "chat.postMessage",
                channel=job.channel_id,
                **_post(job, MessageKind.CARD, self._card(job)),
                **({"thread_ts": job.thread_ts} if job.thread_ts else {}),
            )
        return self._posted(response["channel"], response["ts"], job.thread_ts)

    async def find_message(
        self, job: Job, kind: str, *, channel_id: str | None = None
    ) -> Posted | None:
        """Look for a message that was already posted, if the app may read the channel.

        `channel_id` is where it would be, if that isn't the job's own channel.

        Reading needs an optional scope (channels:history and the like). Without it only the row
        is known, and a crash at the wrong moment may post a message twice.
        """
        channel, root_ts = (channel_id, None) if channel_id else (job.channel_id, job.root_ts)
        is_person = channel.startswith(("U", "W"))  # whose direct message has an id of its own
        if is_person or channel in self._unreadable:
            return None
        # Someone else's thread may be long, and its oldest replies are listed first.
        oldest = f"{max(job.created_at - CLOCK_SKEW, 0):.6f}"
        place = {"channel": channel, "oldest": oldest, "limit": 999}
        place["include_all_metadata"] = True
        try:
            if root_ts is None:
                response = await self._call("conversations.history", **place)
            else:
                response = await self._call("conversations.replies", ts=root_ts, **place)
        except TokenRefused:
            raise
        except MisconfiguredError as error:
            self._unreadable.add(channel)
            log.info("messages not readable", channel=channel, reason=error.message)
            return None
        except PermanentError as error:
            log.info("messages not readable", job=job.id, kind=kind, reason=error.message)
            return None
        found = self._ours(response["messages"], _payload(job, kind))
        thread_ts = job.root_ts if channel == job.channel_id else None
        return self._posted(channel, found[0], thread_ts) if found else None

    async def update_card(self, job: Job) -> bool:
        """Update the card, after waiting for Slack's rate limit if necessary.

        Returns whether the card still exists.
        """
        await self._updates.acquire(job.user_id)
        self._progress.leave(job.id)
        return await self._update(job)

    def may_update_progress(self, job: Job, *, min_interval: float) -> bool:
        """Whether it is this card's turn: the more cards there are, the rarer its updates.

        The interval is in seconds.
        """
        is_due = self._progress.is_due(job.id, min_interval=min_interval)
        return is_due and self._updates.has_spare(self._progress_reserve(job))

    async def update_progress(self, job: Job, progress: ProgressContext | None = None) -> bool:
        """Update the card unless the rate limit is nearly reached; returns whether it did.

        Such an update is a courtesy: if Slack refuses it, the job goes on regardless.
        """
        if not self._updates.acquire_spare(self._progress_reserve(job)):
            return False
        self._progress.take(job.id)
        try:
            return await self._update(job, progress)
        except BotError as error:
            log.info("progress not shown", job=job.id, reason=error.message)
            return False

    async def reply(self, job: Job, kind: MessageKind) -> Posted:
        """Post the job's current state in its thread; this notifies the requester."""
        with self._held_by_refusal(self._posts_in(job.channel_id)):
            response = await self._call(
                "chat.postMessage",
                channel=job.channel_id,
                thread_ts=job.root_ts,
                **_post(job, kind, cards.status_reply(job, has_admins=self._has_admins)),
            )
        return Posted(response["channel"], response["ts"])

    async def ask_approval(
        self, job: Job, recipient: str, *, spent: str, is_repeated: bool
    ) -> Posted:
        """Ask this channel, or this person in their direct message, to approve the job.

        `is_repeated`: an earlier attempt may have posted it. As in `notify_admin`, only a new
        message shows the id of the direct message, in which the earlier one is then deleted.
        """
        kind = f"question:{recipient}"
        with self._held_by_refusal(self._posts_in(recipient)):
            response = await self._call(
                "chat.postMessage",
                channel=recipient,
                **_post(job, kind, approvals.question(job, spent)),
            )
        posted = Posted(response["channel"], response["ts"])
        if is_repeated and posted.channel_id != recipient:
            await self._delete_copies(posted, _payload(job, kind), since=job.created_at)
        return posted

    async def close_question(self, job: Job, question: Question, decision: Decision) -> None:
        """Replace the question's buttons with the decision, unless it is gone."""
        await self._updates.acquire(job.user_id)
        message = approvals.answered(job, decision)
        try:
            with self._held_by_refusal(self._updates):
                await self._call(
                    "chat.update",
                    channel=question.channel_id,
                    ts=question.ts,
                    text=message.text,
                    blocks=message.blocks,
                    parse="none",
                )
        except PermanentError as error:
            log.warning("question not updated", job=job.id, code=error.code)

    async def send_privately(self, user_id: str, message: Message) -> None:
        """Send a message about no job to this person's direct message."""
        await self._call("chat.postMessage", channel=user_id, parse="none", **message.content)

    async def notify_privately(self, job: Job) -> None:
        """Tell the requester alone how the job ended, if the bot can't post in the channel.

        The response URL also works where the bot is not a member, but only for 30 minutes. After
        that, posting to a user's id opens the direct message with the bot.
        """
        has_card = job.card_ts is not None
        for message in [cards.status_reply(job)] if has_card else cards.not_started(job):
            if job.response_url is None or not await self._respond(job.response_url, message):
                await self._call(
                    "chat.postMessage", channel=job.user_id, **_post(job, MessageKind.END, message)
                )

    async def _respond(self, response_url: str, message: Message) -> bool:
        body = {"response_type": "ephemeral", "text": message.text, "blocks": message.blocks}
        try:
            # Only the status is of interest: the body is not read.
            async with self._http.stream("POST", response_url, json=body) as response:
                pass
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"Slack does not respond ({type(error).__name__}).", source=Source.SLACK
            ) from error
        if not response.is_success:
            # Already used five times, or older than 30 minutes.
            log.info("response URL refused", status=response.status_code)
        return response.is_success

    async def notify_admin(self, outage: Outage, message: Message) -> None:
        """Send this direct message about an outage, so that they have it once.

        Posting to a user's id shows the id of the direct message. If an earlier attempt's response
        was lost, only then can its message be found, and it is deleted.
        """
        payload = {"server": outage.server, "since": f"{outage.started_at:.6f}"}
        payload["message"] = "outage" if outage.notified_at is None else "outage_over"
        posted = await self._call(
            "chat.postMessage", channel=outage.user_id, **_content(message, payload)
        )
        if outage.attempts > 1:
            await self._delete_copies(
                Posted(posted["channel"], posted["ts"]), payload, since=outage.started_at
            )

    def _posted(self, channel_id: str, ts: str, thread_ts: str | None) -> Posted:
        """With its permalink, which takes no call (docs.slack.dev: chat.getPermalink)."""
        if not self._workspace_url:
            return Posted(channel_id, ts)
        link = f"{self._workspace_url}archives/{channel_id}/p{ts.replace('.', '')}"
        thread = f"?thread_ts={thread_ts}&cid={channel_id}" if thread_ts else ""
        return Posted(channel_id, ts, f"{link}{thread}")

    async def _delete_copies(
        self, posted: Posted, payload: dict[str, str], *, since: float
    ) -> None:
        """Delete the bot's other messages with this metadata in a direct message."""
        oldest = f"{max(since - CLOCK_SKEW, 0):.6f}"
        try:
            response = await self._call(
                "conversations.history",
                channel=posted.channel_id,
                oldest=oldest,
                limit=999,
                include_all_metadata=True,
            )
            for ts in self._ours(response["messages"], payload):
                if ts != posted.ts:
                    await self._call("chat.delete", channel=posted.channel_id, ts=ts)
        except (PermanentError, MisconfiguredError) as error:
            log.info("copies not deleted", channel=posted.channel_id, reason=error.message)

    def _ours(self, messages: Iterable[dict[str, Any]], payload: dict[str, str]) -> list[str]:
        """The `ts` of this bot's messages with this metadata, which any app could post."""
        return [
            message["ts"]
            for message in messages
            if message.get("bot_id") == self._bot_id
            and (message.get("metadata") or {}).get("event_payload") == payload
        ]

    async def publish_home(self, user_id: str, view: Block) -> None:
        """Publish one person's Home tab, after waiting for Slack's rate limit if necessary."""
        await self._homes.acquire(user_id)
        with self._held_by_refusal(self._homes):
            await self._call("views.publish", user_id=user_id, view=view)

    async def check_deliverable(self, job: Job) -> None:
        """Check, before anything is paid for, that a file can be shared in the job's channel.

        What Slack has allowed is remembered for some minutes.
        """
        if self._scopes is not None and "files:write" not in self._scopes:
            raise CannotPost(
                PostRefusal.NO_PERMISSION_TO_UPLOAD, code="missing_scope", bot_name=self._bot_name
            )
        if job.channel_id.startswith("C") and self._is_posting_open_to_strangers:
            join = partial(self._join_to_upload, job.channel_id)
            await self._check_if_due(job.channel_id, join)
        await self._check_if_due("upload", self._request_unused_upload)

    async def check_token(self) -> None:
        """Find out whether Slack still accepts the token; `is_authorized` has the result."""
        with contextlib.suppress(BotError):
            await self._call("auth.test")

    @property
    def is_authorized(self) -> bool:
        """Whether Slack accepted the token when it was last used."""
        return self._is_authorized

    async def begin_upload(self, job: Job, size: int) -> Upload:
        """Get a URL for a file of exactly `size` bytes."""
        response = await self._call(
            "files.getUploadURLExternal", filename=file_name(job, "mp4"), length=size
        )
        return Upload(response["file_id"], response["upload_url"])

    async def send_bytes(self, upload: Upload, path: Path, size: int) -> None:
        """Stream the file to its upload URL."""
        # Opened here: if a thread opened it for a task that is cancelled, it would stay open.
        with path.open("rb") as file:
            await self._send(upload, _chunks(anyio.wrap_file(file)), size)

    async def share(self, job: Job, also: Collection[str] = ()) -> None:
        """Share the uploaded file in the thread; notifies the requester and the users in `also`.

        Slack shares a file only once, however often it is asked, and with a delay: `find_share`
        shows when. `alt_txt` is never set: with it a video is silently not shared
        (slackapi/python-slack-sdk#1818).
        """
        await self._joining_if_needed(
            job,
            "files.completeUploadExternal",
            files=[{"id": job.file_id, "title": file_title(job)}],
            channel_id=job.channel_id,
            thread_ts=job.root_ts,
            initial_comment=cards.finished_comment(job, also),
        )

    async def find_share(self, job: Job) -> Share | None:
        """The message that shares the file in the job's thread, if there is one.

        Raises:
            PermanentError: Slack has no such file; the code is `file_not_found`.
        """
        response = await self._call("files.info", file=job.file_id)
        shares = response["file"].get("shares") or {}
        for kind, by_channel in shares.items():
            for share in by_channel.get(job.channel_id, []):
                if share.get("thread_ts") == job.root_ts:
                    return Share(str(share["ts"]), in_public=kind == "public")
        return None

    async def begin_poster(self, job: Job, size: int) -> Upload:
        """Get a URL for a frame of exactly `size` bytes."""
        response = await self._call(
            "files.getUploadURLExternal",
            filename=file_name(job, "jpg"),
            length=size,
            alt_txt=poster_alt(job),
        )
        return Upload(response["file_id"], response["upload_url"])

    async def send_poster(self, job: Job, upload: Upload, frame: bytes) -> None:
        """Upload the frame, without sharing it: the card will show it."""
        await self._send(upload, frame, len(frame))
        file = {"id": upload.file_id, "title": file_title(job)}
        await self._call("files.completeUploadExternal", files=[file])

    async def is_poster_ready(self, job: Job) -> bool:
        """Whether Slack has processed the frame; before that, it refuses a message with it."""
        response = await self._call("files.info", file=job.poster_id)
        return str(response["file"].get("mimetype", "")).startswith("image/")

    async def show_poster(self, job: Job) -> bool:
        """Update the card with its frame unless the rate limit is nearly reached.

        Returns whether it did. Raises PermanentError if Slack refuses the frame.
        """
        if not self._updates.acquire_spare(RESERVED_BY_FIRST):
            return False
        await self._edit(job)
        return True

    async def is_public(self, job: Job) -> bool | None:
        """Whether anyone can read the job's channel: only a public one can be joined."""
        if not job.channel_id.startswith("C"):
            return False
        try:
            await self._call("conversations.join", channel=job.channel_id)
        except PermanentError as error:
            is_private = error.code == "method_not_supported_for_channel_type"
            return False if is_private else None
        except BotError as error:
            log.info("channel's type not known", job=job.id, reason=error.message)
            return None
        return True

    async def permalink(self, job: Job, ts: str) -> str:
        """The web address of a message."""
        response = await self._call("chat.getPermalink", channel=job.channel_id, message_ts=ts)
        return str(response["permalink"])

    async def delete_file(self, file_id: str) -> None:
        """Delete the file, unless it is already gone."""
        try:
            await self._call("files.delete", file=file_id)
        except PermanentError as error:
            if error.code not in {"file_not_found", "file_deleted"}:
                raise

    async def _update(self, job: Job, progress: ProgressContext | None = None) -> bool:
        """Returns whether the card still exists: someone may have deleted it."""
        try:
            await self._edit(job, progress)
        except PermanentError as error:
            # Slack may forbid edits, as a workspace can (edit_window_closed, cant_update_message):
            # the thread has the outcome all the same.
            log.warning("card not updated", job=job.id, code=error.code)
            return error.code != "message_not_found"
        return True

    async def _edit(self, job: Job, progress: ProgressContext | None = None) -> None:
        card = self._card(job, progress)
        with self._held_by_refusal(self._updates):
            await self._call(
                "chat.update",
                channel=job.channel_id,
                ts=job.card_ts,
                text=card.text,
                blocks=card.blocks,
                parse="none",  # chat.update resets it to `client` each time
            )

    def _card(self, job: Job, progress: ProgressContext | None = None) -> Message:
        return cards.job_card(job, progress, has_admins=self._has_admins)

    async def _send(self, upload: Upload, content: bytes | AsyncIterator[bytes], size: int) -> None:
        """Send it without a token: the URL itself is the permission."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        try:
            async with self._http.stream(
                "POST",
                upload.url,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(UPLOAD_TIMEOUT, connect=CONNECT_TIMEOUT),
            ) as response:
                pass
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"The upload was interrupted ({type(error).__name__}).", source=Source.SLACK
            ) from error
        if not response.is_success:
            raise TemporaryError(
                f"Slack refused the bytes (HTTP {response.status_code}).", source=Source.SLACK
            )

    def _progress_reserve(self, job: Job) -> int:
        return RESERVED_BY_FIRST if self._progress.is_first(job.id) else RESERVED_UPDATES

    def _posts_in(self, channel_id: str) -> FairLimiter:
        if len(self._posts) > MAX_IDLE_CHANNELS:
            self._posts = {key: each for key, each in self._posts.items() if not each.is_idle}
        window = POST_BURST * self._timings.post_interval
        return self._posts.setdefault(channel_id, FairLimiter(POST_BURST, window))

    @contextmanager
    def _held_by_refusal(self, limiter: FairLimiter) -> Iterator[None]:
        """Hold everyone's calls if Slack's rate limit was exceeded all the same."""
        try:
            yield
        except RateLimited as error:
            delay = DEFAULT_RETRY_AFTER if error.retry_after is None else error.retry_after
            limiter.hold(delay * self._timings.retry_scale)
            raise

    @property
    def _is_posting_open_to_strangers(self) -> bool:
        """With chat:write.public, a successful post does not prove membership."""
        return self._scopes is None or "chat:write.public" in self._scopes

    async def _check_if_due(self, name: str, check: Callable[[], Awaitable[None]]) -> None:
        """Run the check unless it has passed lately; jobs that need it at once share one call."""
        async with self._checking[name]:
            if self._clock() - self._checked.get(name, -math.inf) > DELIVERY_CHECK_CACHE:
                await check()
                self._checked[name] = self._clock()

    async def _join_to_upload(self, channel_id: str) -> None:
        """Slack lets non-members post with chat:write.public, but not upload."""
        try:
            await self._call("conversations.join", channel=channel_id)
        except PermanentError as error:
            # A private channel: posting there has proved membership.
            if error.code != "method_not_supported_for_channel_type":
                raise
        except MisconfiguredError as error:
            if self._scopes is not None:
                raise CannotPost(
                    PostRefusal.NOT_A_MEMBER, code="not_in_channel", bot_name=self._bot_name
                ) from error

    async def _request_unused_upload(self) -> None:
        """Slack checks permissions and space here, and discards an upload without bytes."""
        try:
            await self._call("files.getUploadURLExternal", filename="check.mp4", length=1)
        except TokenRefused:
            raise
        except MisconfiguredError as error:
            refusal = PostRefusal.NO_PERMISSION_TO_UPLOAD
            raise CannotPost(refusal, code="missing_scope", bot_name=self._bot_name) from error

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
            # A private channel, or the scope is missing: only a member can invite the bot.
            raise refusal from error

    async def _call(self, method: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        # A form, because every method accepts one, but not every method accepts JSON
        # (docs.slack.dev: Using the Slack Web API).
        form = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in arguments.items()
        }
        try:
            response = await self._slack.api_call(method, data=form)
        except CALL_ERRORS as error:
            meaning = translate(error, bot_name=self._bot_name)
            self._note_authorization(meaning)
            raise meaning from error
        self._note_authorization(None)
        return dict(response.data) if isinstance(response.data, dict) else {}

    def _note_authorization(self, error: BotError | None) -> None:
        """Log once when the token stops working, and once when it works again."""
        is_refused = isinstance(error, TokenRefused)
        if is_refused and self._is_authorized:
            log.error(
                "Slack refuses the bot token: copy it again from “OAuth & Permissions” to "
                "SLACK_BOT_TOKEN, or reinstall the app, and restart the bot",
                reason=error.message if error else "",
            )
        elif error is None and not self._is_authorized:
            log.info("Slack accepts the bot token again")
        if is_refused or error is None:
            self._is_authorized = not is_refused


def _post(job: Job, kind: str, message: Message) -> dict[str, Any]:
    return _content(message, _payload(job, kind))


def _content(message: Message, payload: dict[str, str]) -> dict[str, Any]:
    """The arguments of a new message in which Slack parses only our own markup."""
    return {
        "metadata": {"event_type": "video_job", "event_payload": payload},
        "text": message.text,
        "blocks": message.blocks,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _payload(job: Job, kind: str) -> dict[str, str]:
    """Ids only: any app in the workspace can read metadata."""
    return {"job_id": job.id, "message": kind}


async def _chunks(file: anyio.AsyncFile[bytes]) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
