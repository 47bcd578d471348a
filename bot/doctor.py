"""Checks an installation: one line per part, with a remedy where something is wrong.

Creates, posts and changes nothing, except for `create`, which makes one real video.
"""

import asyncio
import json
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import httpx
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import migrations
from bot.catalog import Catalog, load_catalog
from bot.config import DEFAULT_PORT, Settings, without_credentials
from bot.errors import BotError, MisconfiguredError, OutcomeUnknown, ServerUnusable
from bot.folders import temporary_folder
from bot.polling import poll_delay
from bot.request import Draft, VideoRequest, make_request
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import SLACK_TIMEOUT, Timings
from bot.ui.samples import samples
from bot.videos.client import Made, VideosClient
from bot.videos.wire import Failed, InProgress

SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "app_mentions:read",
        "im:history",
        "channels:join",
        "files:read",
        "files:write",
    }
)
"""The scopes that the bot token needs, as in `manifest.yml`."""

OPTIONAL_SCOPES = frozenset({"channels:history", "groups:history", "users:read"})

_YES_NO = {True: "yes", False: "no", None: "unknown"}

PROMPT = "A timelapse of clouds"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one part; it is ok if it needs no remedy."""

    part: str
    summary: str
    remedy: str = ""

    def __str__(self) -> str:
        if not self.remedy:
            return f"ok     {self.part}: {self.summary}"
        return f"WRONG  {self.part}: {self.summary.rstrip('.')}. {self.remedy}"


def bad_settings(error: MisconfiguredError) -> Iterator[Finding]:
    """A finding for each line of the error."""
    for line in error.message.splitlines():
        yield Finding("settings", line, "Correct it in the environment or in .env.")


def _settings_file(path: Path) -> Finding:
    if path.exists() and path.stat().st_mode & stat.S_IROTH:
        return Finding("settings", f"everyone can read {path}", f"Run: chmod 600 {path}")
    return Finding("settings", "complete")


async def check(settings: Settings) -> AsyncIterator[Finding]:
    """Check one part after another."""
    yield _settings_file(Path(".env"))
    async for finding in _slack(settings):
        yield finding
    yield await asyncio.to_thread(_database, settings.database_url.get_secret_value())
    try:
        catalog = load_catalog(settings.video_catalog)
    except MisconfiguredError as error:
        yield Finding(
            "catalog", error.message, "Correct the file, which docs/catalog.md describes."
        )
        return
    async with _videos_client(settings) as videos:
        async for finding in _server(videos, settings, catalog):
            yield finding
    yield _disk(settings)


@asynccontextmanager
async def _videos_client(settings: Settings) -> AsyncIterator[VideosClient]:
    """A client for the configured server."""
    async with httpx.AsyncClient() as http:
        yield VideosClient.from_settings(settings, http)


async def create(settings: Settings) -> AsyncIterator[Finding]:
    """Make one video, download it and delete the file."""
    request = _request(load_catalog(settings.video_catalog))
    async with _videos_client(settings) as videos:
        try:
            began = time.monotonic()
            video_id = await videos.create(request)
            yield Finding("real video", f"accepted as {video_id[:80]}")
            async with asyncio.timeout(settings.job_timeout_minutes * 60):
                rendered = await _poll(videos, video_id)
            yield rendered
            if rendered.remedy:
                return
            size = await _fetch(videos, video_id)
            seconds = round(time.monotonic() - began)
            yield Finding("real video", f"{size:,} bytes after {seconds} s, downloaded and deleted")
            yield await _delete(videos, video_id)
        except BotError as error:
            yield Finding("real video", _with_cause(error), _remedy(error))
        except TimeoutError:
            yield Finding("real video", "not finished in time", "Raise JOB_TIMEOUT_MINUTES.")


def cost(settings: Settings) -> str:
    """What `create` would make and cost, as a phrase."""
    catalog = load_catalog(settings.video_catalog)
    request = _request(catalog)
    price = catalog.default.price(seconds=request.seconds, size=request.size)
    seconds = f"{request.seconds} s" if request.seconds else ""
    what = " ".join(filter(None, (request.model, seconds, request.size)))
    return f"one video ({what}): " + ("price unknown" if price is None else f"about ${price:.2f}")


# Slack


async def _slack(settings: Settings) -> AsyncIterator[Finding]:
    timeout = aiohttp.ClientTimeout(total=SLACK_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        slack = AsyncWebClient(base_url=settings.slack_api_url, session=session, retry_handlers=[])
        try:
            token = settings.slack_bot_token.get_secret_value()
            response = await slack.api_call("auth.test", headers=_bearer(token))
            yield Finding(
                "Bot User OAuth Token", f"{response.get('user')} in {response.get('team')}"
            )
            yield _scopes(response, settings)
        except CALL_ERRORS as error:
            yield _refused(
                "Bot User OAuth Token",
                error,
                "Copy SLACK_BOT_TOKEN again from “OAuth & Permissions”.",
            )
        yield await _connection(slack, settings)
        yield await _messages(slack)


def _scopes(response: AsyncSlackResponse, settings: Settings) -> Finding:
    has = {scope.strip() for scope in response.headers.get("x-oauth-scopes", "").split(",")}
    if missing := sorted(SCOPES - has):
        return Finding(
            "scopes",
            f"{', '.join(missing)} missing",
            "Paste manifest.yml into the app's page “App Manifest”, and reinstall the app.",
        )
    if not settings.allow_guests and "users:read" not in has:
        return Finding(
            "scopes",
            "ALLOW_GUESTS=false needs the optional scope users:read, which tells who is a guest",
            "Grant it and reinstall the app, or remove ALLOW_GUESTS.",
        )
    without = sorted(OPTIONAL_SCOPES - has)
    return Finding(
        "scopes", f"all required; optional, not granted: {', '.join(without)}" if without else "all"
    )


async def _connection(slack: AsyncWebClient, settings: Settings) -> Finding:
    if settings.slack_app_token is None:
        port = settings.port or DEFAULT_PORT
        return Finding("HTTP mode", f"Slack must be able to reach /slack/events on port {port}")
    try:
        token = settings.slack_app_token.get_secret_value()
        await slack.api_call("apps.connections.open", headers=_bearer(token))
    except CALL_ERRORS as error:
        return _refused(
            "app-level token",
            error,
            "Enable Socket Mode, and copy SLACK_APP_TOKEN (scope connections:write) from "
            "“Basic Information”.",
        )
    return Finding("app-level token", "Socket Mode can connect")


async def _messages(slack: AsyncWebClient) -> Finding:
    """Ask Slack about every message that the bot can post: blocks.validate needs no token."""
    messages = samples()
    refused = []
    for name, message in messages.items():
        try:
            # In the body: slack_sdk's own method puts it into the URL, which may be too long.
            await slack.api_call("blocks.validate", data={"message": json.dumps(asdict(message))})
        except CALL_ERRORS as error:
            reasons = _reasons(error)
            if not reasons:
                return Finding("messages", f"not checked: {translate(error).message}")
            refused.append(f"“{name}” ({reasons})")
    if refused:
        summary = f"Slack refuses {len(refused)} of {len(messages)}: {'; '.join(refused)}"
        return Finding("messages", summary, "Update the bot, or report this.")
    return Finding("messages", f"Slack accepts all {len(messages)}")


def _reasons(error: Exception) -> str:
    """What Slack refuses, each with a JSON pointer; empty if the error is another one."""
    data = getattr(error.response, "data", None) if isinstance(error, SlackApiError) else None
    match data:
        case {"error": "invalid_message" | "invalid_blocks", "errors": [*errors]}:
            return ", ".join(f"{each['pointer']}: {each['message']}" for each in errors)
        case _:
            return ""


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _refused(part: str, error: Exception, remedy: str) -> Finding:
    meaning = translate(error)
    if isinstance(meaning, MisconfiguredError):
        return Finding(part, meaning.message, remedy)
    return Finding(part, meaning.message, "Check the network, the proxy and SLACK_API_URL.")


# The database


def _database(url: str) -> Finding:
    try:
        current, head = migrations.revisions(url)
    except MisconfiguredError as error:
        return Finding("database", error.message, "Check DATABASE_URL and its permissions.")
    if current is None:
        return Finding("database", "empty: the bot creates its tables when it starts")
    if migrations.is_outdated(current):
        remedy = "Run `video-bot migrate`, or start the bot, which also migrates."
        return Finding("database", f"its tables are at version {current}, not {head}", remedy)
    if current != head:
        return Finding("database", f"its tables are of a later version ({current}, not {head})")
    return Finding("database", f"reachable, and its tables are up to date ({head})")


# The Videos server


async def _server(
    videos: VideosClient, settings: Settings, catalog: Catalog
) -> AsyncIterator[Finding]:
    try:
        abilities = await videos.abilities()
        summary = ", ".join(
            f"{name} {_YES_NO[getattr(abilities, name)]}" for name in ("list", "delete", "remix")
        )
        yield Finding(
            "video server", f"{without_credentials(settings.openai_base_url)} responds; {summary}"
        )
        if abilities.made is not None:
            yield _made_by_the_check(abilities.made)
        yield _models(await videos.models(), catalog)
    except BotError as error:
        yield Finding("video server", _with_cause(error), _remedy(error))


def _made_by_the_check(made: Made) -> Finding:
    summary = f"the server made {made.id[:80]} of a remix request without a prompt"
    if made.is_deleted:
        return Finding("remix check", f"{summary}; it is deleted")
    return Finding("remix check", summary, "Delete that video at the server: it may cost money.")


def _models(served: list[str] | None, catalog: Catalog) -> Finding:
    if served is None:
        return Finding("models", "the server does not list its models")
    names = [model.name for model in catalog.models]
    if missing := [name for name in names if name not in served]:
        return Finding(
            "models",
            f"the server does not have {', '.join(missing)}; it has {', '.join(served[:10])}",
            "List its models in your own catalog (VIDEO_CATALOG, see docs/catalog.md).",
        )
    return Finding("models", f"the server has {', '.join(names)}")


def _remedy(error: BotError) -> str:
    match error:
        case ServerUnusable():
            return "Check OPENAI_API_KEY and OPENAI_BASE_URL, which usually ends with /v1."
        case OutcomeUnknown():
            return "The request may have arrived: check the server's log before you try again."
        case _:
            return "Check OPENAI_BASE_URL, the network, the proxy and the server's log."


def _with_cause(error: BotError) -> str:
    """The error with the operating system's reason.

    Other exceptions' texts may contain the API key, as h11's do for an invalid header.
    """
    code = f"{error.code}: " if isinstance(error, ServerUnusable) else ""
    reason = next((str(cause) for cause in _causes(error) if isinstance(cause, OSError)), "")
    return f"{code}{error.message.rstrip('.')}" + (f" ({reason.rstrip('.')})" if reason else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        yield (error := error.__cause__)


# Files


def _disk(settings: Settings) -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free // 1_000_000
    summary = f"{free:,} MB free in {folder}"
    if free < settings.max_video_mb:
        remedy = "Free some space, set TMPDIR to another disk, or lower MAX_VIDEO_MB."
        return Finding("disk", f"{summary}, MAX_VIDEO_MB is {settings.max_video_mb:,}", remedy)
    return Finding("disk", summary)


# One real video


def _request(catalog: Catalog) -> VideoRequest:
    return make_request(Draft(prompt=PROMPT), catalog)


async def _poll(videos: VideosClient, video_id: str) -> Finding:
    began = time.monotonic()
    while isinstance(status := await videos.retrieve(video_id), InProgress):
        elapsed = time.monotonic() - began
        await asyncio.sleep(poll_delay(Timings(), elapsed=elapsed, hint=status.poll_after))
    if isinstance(status, Failed):
        return Finding("real video", f"{status.code}: {status.message}", "Read the server's log.")
    return Finding("real video", "completed")


async def _delete(videos: VideosClient, video_id: str) -> Finding:
    """Delete the video at the server: only the response shows what the server does."""
    if await videos.delete(video_id):
        return Finding("delete", "the server deletes videos")
    return Finding(
        "delete",
        "the server doesn't confirm it: a cancelled video may be rendered and charged all the "
        "same, and a deleted one may stay there",
    )


async def _fetch(videos: VideosClient, video_id: str) -> int:
    with temporary_folder() as folder:
        return await videos.download(video_id, folder / "video.mp4")
