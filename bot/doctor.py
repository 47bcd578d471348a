"""Is this installation all right? One line for each part, with a cure for each that is not.

Nothing is created, posted or changed, but for `create`, which makes one real video.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import migrations
from bot.catalog import Catalog, load_catalog
from bot.config import DEFAULT_PORT, Settings
from bot.errors import BotError, MisconfiguredError, OutcomeUnknown, ServerUnusable
from bot.request import VideoRequest, make_request
from bot.slack_errors import CALL_ERRORS, translate
from bot.timings import SLACK_TIMEOUT, Timings
from bot.videos.client import VideosClient
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
"""What the bot token needs: the scopes of `manifest.yml`."""

OPTIONAL_SCOPES = frozenset({"channels:history", "groups:history"})

_IN_WORDS = {True: "yes", False: "no", None: "unknown"}

PROMPT = "A timelapse of clouds"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part; whatever needs no cure is well."""

    part: str
    words: str
    cure: str = ""

    def __str__(self) -> str:
        if not self.cure:
            return f"ok     {self.part}: {self.words}"
        return f"WRONG  {self.part}: {self.words.rstrip('.')}. {self.cure}"


def bad_settings(error: MisconfiguredError) -> Iterator[Finding]:
    """A finding for each variable that is wrong."""
    for line in error.message.splitlines():
        yield Finding("settings", line, "Correct it in the environment or in .env.")


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at one part after the other."""
    yield Finding("settings", "complete")
    async for finding in _slack(settings):
        yield finding
    yield await asyncio.to_thread(_database, settings.database_url)
    try:
        catalog = load_catalog(settings.video_catalog)
    except MisconfiguredError as error:
        yield Finding("catalog", error.message, "Correct the file; docs/catalog.md describes it.")
        return
    async with _videos_client(settings) as videos:
        async for finding in _server(videos, settings, catalog):
            yield finding
    yield _disk(settings)


@asynccontextmanager
async def _videos_client(settings: Settings) -> AsyncIterator[VideosClient]:
    """A client of the configured server."""
    async with httpx.AsyncClient() as http:
        yield VideosClient.from_settings(settings, http)


async def create(settings: Settings) -> AsyncIterator[Finding]:
    """Make one video, fetch it and throw it away."""
    request = _request(load_catalog(settings.video_catalog))
    async with _videos_client(settings) as videos:
        try:
            began = time.monotonic()
            video_id = await videos.create(request)
            yield Finding("create", f"accepted as {video_id[:80]}")
            async with asyncio.timeout(settings.job_timeout_minutes * 60):
                rendered = await _watch(videos, video_id)
            yield rendered
            if rendered.cure:
                return
            size = await _fetch(videos, video_id)
            seconds = round(time.monotonic() - began)
            yield Finding("video", f"{size:,} bytes after {seconds} s, fetched and thrown away")
        except BotError as error:
            yield Finding("create", _in_full(error), _cure(error))
        except TimeoutError:
            yield Finding("create", "not finished in time", "Raise JOB_TIMEOUT_MINUTES.")


def cost(settings: Settings) -> str:
    """What `create` would cost, in words."""
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
            yield Finding("bot token", f"{response.get('user')} in {response.get('team')}")
            yield _scopes(response)
        except CALL_ERRORS as error:
            yield _refused(
                "bot token", error, "Copy SLACK_BOT_TOKEN again from “OAuth & Permissions”."
            )
        yield await _way_in(slack, settings)


def _scopes(response: AsyncSlackResponse) -> Finding:
    has = {scope.strip() for scope in response.headers.get("x-oauth-scopes", "").split(",")}
    if missing := sorted(SCOPES - has):
        return Finding(
            "scopes",
            f"{', '.join(missing)} missing",
            "Update the app from manifest.yml on its page “App Manifest”, and install it again.",
        )
    without = sorted(OPTIONAL_SCOPES - has)
    return Finding("scopes", f"all; optional {', '.join(without)} not" if without else "all")


async def _way_in(slack: AsyncWebClient, settings: Settings) -> Finding:
    if settings.slack_app_token is None:
        port = settings.port or DEFAULT_PORT
        return Finding("HTTP mode", f"Slack must reach port {port} at /slack/events")
    try:
        token = settings.slack_app_token.get_secret_value()
        await slack.api_call("apps.connections.open", headers=_bearer(token))
    except CALL_ERRORS as error:
        return _refused(
            "app token",
            error,
            "Turn Socket Mode on, and copy SLACK_APP_TOKEN, with the scope connections:write, "
            "from “Basic Information”.",
        )
    return Finding("app token", "Socket Mode opens")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _refused(part: str, error: Exception, cure: str) -> Finding:
    meaning = translate(error)
    if isinstance(meaning, MisconfiguredError):
        return Finding(part, meaning.message, cure)
    return Finding(part, meaning.message, "Check the network, the proxy and SLACK_API_URL.")


# The database


def _database(url: str) -> Finding:
    try:
        current, head = migrations.revisions(url)
    except MisconfiguredError as error:
        return Finding("database", error.message, "Check DATABASE_URL, and who may write there.")
    if current is None:
        return Finding("database", "empty: the start makes the tables")
    if current != head:
        cure = "Run `python -m bot migrate`, or start the bot, which does it too."
        return Finding("database", f"its tables are at {current}, not at {head}", cure)
    return Finding("database", f"opens, and its tables are up to date ({head})")


# The Videos server


async def _server(
    videos: VideosClient, settings: Settings, catalog: Catalog
) -> AsyncIterator[Finding]:
    try:
        abilities = await videos.abilities()
        words = ", ".join(f"{name} {_IN_WORDS[has]}" for name, has in abilities.items())
        yield Finding("video server", f"{settings.openai_base_url} answers; {words}")
        yield _models(await videos.models(), catalog)
    except BotError as error:
        yield Finding("video server", _in_full(error), _cure(error))


def _models(served: list[str] | None, catalog: Catalog) -> Finding:
    if served is None:
        return Finding("models", "the server does not list its own")
    names = [model.name for model in catalog.models]
    if missing := [name for name in names if name not in served]:
        return Finding(
            "models",
            f"the server does not have {', '.join(missing)}; it has {', '.join(served[:10])}",
            "Name its models in a catalog of your own: VIDEO_CATALOG, docs/catalog.md.",
        )
    return Finding("models", f"the server has {', '.join(names)}")


def _cure(error: BotError) -> str:
    match error:
        case ServerUnusable():
            return "Check OPENAI_API_KEY and OPENAI_BASE_URL, which usually ends with /v1."
        case OutcomeUnknown():
            return "Perhaps it was heard: look into the server's own log before you try again."
        case _:
            return "Check OPENAI_BASE_URL, the network, the proxy, and the server's own log."


def _in_full(error: BotError) -> str:
    """For the operator's terminal, where the cause may stand too."""
    code = f"{error.code}: " if isinstance(error, ServerUnusable) else ""
    cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
    return f"{code}{error.message}{cause}"


# Files


def _disk(settings: Settings) -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free // 1_000_000
    words = f"{free:,} MB free in {folder}"
    if free < settings.max_video_mb:
        cure = "Make room, set TMPDIR to another disk, or lower MAX_VIDEO_MB."
        return Finding("disk", f"{words}, MAX_VIDEO_MB is {settings.max_video_mb:,}", cure)
    return Finding("disk", words)


# One real video


def _request(catalog: Catalog) -> VideoRequest:
    return make_request(prompt=PROMPT, catalog=catalog)


async def _watch(videos: VideosClient, video_id: str) -> Finding:
    while isinstance(look := await videos.retrieve(video_id), InProgress):
        wanted = Timings().poll_interval if look.poll_after is None else look.poll_after
        await asyncio.sleep(min(wanted, Timings().max_poll_interval))
    if isinstance(look, Failed):
        return Finding("render", f"{look.code}: {look.message}", "Read the server's own log.")
    return Finding("render", "completed")


async def _fetch(videos: VideosClient, video_id: str) -> int:
    with tempfile.TemporaryDirectory(prefix="video-bot-") as folder:
        return await videos.download(video_id, Path(folder) / "video.mp4")
