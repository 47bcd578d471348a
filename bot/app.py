"""Builds the bot's parts and connects them."""

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import aiohttp.web
import httpx
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler as SocketMode
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot import migrations
from bot.catalog import load_catalog
from bot.claimed import Approvers, Dependencies
from bot.config import DEFAULT_PORT, Settings, without_credentials
from bot.delivery import Delivery, Installation
from bot.errors import (
    BotError,
    MisconfiguredError,
    PermanentError,
    RateLimited,
    TemporaryError,
)
from bot.estimates import Estimates
from bot.files import Files
from bot.folders import temporary_folder
from bot.homes import Homes
from bot.jobs import OpenJobs
from bot.limit_warnings import LimitWarnings
from bot.log import configure
from bot.metrics import MeasuredHttp, Metrics, slack_middleware
from bot.outages import Outages
from bot.periodic import PeriodicTask, run_periodically
from bot.personal import PersonalData
from bot.process_lock import ProcessLock, lock_folder
from bot.service import Rules, Service
from bot.slack import make_bolt_app
from bot.slack_errors import CALL_ERRORS, error_code, translate
from bot.spending import LimitKind, Policy, micros
from bot.store import Store
from bot.timings import (
    CONNECT_TIMEOUT,
    DATABASE_TIMEOUT,
    DECISION_TIMEOUT,
    DRAFT_LIFETIME,
    FORGET_INTERVAL,
    FORGET_PEOPLE_INTERVAL,
    KEEPALIVE_EXPIRY,
    LAG_PROBE,
    LEASE,
    METRICS_MAX_AGE,
    PRUNE_INTERVAL,
    RESPONSE_URL_LIFETIME,
    SLACK_TIMEOUT,
    STOP_TIMEOUT,
    TOKEN_CHECK_INTERVAL,
    Timings,
)
from bot.upkeep import Upkeep
from bot.videos.servers import VideosServers
from bot.warning_store import WarningStore
from bot.web import listening, make_metrics_app, make_web_app
from bot.worker import Worker

log = structlog.get_logger()

CONNECTIONS = httpx.Limits(
    max_connections=100,
    max_keepalive_connections=20,
    keepalive_expiry=KEEPALIVE_EXPIRY,
)


class Bot:
    """A running bot, as its health check and its tests see it."""

    def __init__(
        self,
        store: Store,
        worker: Worker,
        delivery: Delivery,
        metrics: Metrics,
        socket_mode: SocketMode | None,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._jobs_counted_at = float("-inf")
        self._delivery = delivery
        self._socket_mode = socket_mode
        self.worker = worker
        self.work = asyncio.create_task(worker.run())

    async def health(self) -> dict[str, bool]:
        """The state of each part, as `GET /healthz` reports it."""
        parts = {"database": await self._database_responds(), **await self.liveness()}
        return parts | {"slack": self._delivery.is_authorized} | await self._connection()

    async def liveness(self) -> dict[str, bool]:
        """Whether the event loop and the worker run; a restart cures what does not."""
        return {"worker": not self.work.done() and self.worker.is_alive}

    async def readiness(self) -> dict[str, bool]:
        """Whether requests can be accepted: nothing here is cured by a restart."""
        revision = await self._revision()
        parts = {
            "database": revision is not None,
            "migrations": revision is not None and not migrations.is_outdated(revision),
        }
        return parts | await self._connection()

    async def metrics_page(self, accept: str) -> tuple[bytes, str]:
        """The page of `GET /metrics`, and its content type."""
        connection = await self._connection()
        self._metrics.set_connected(is_connected=all(connection.values()))
        self._metrics.set_loop(tasks=len(asyncio.all_tasks()), lag=await _loop_lag())
        now = time.monotonic()
        if now - self._jobs_counted_at >= METRICS_MAX_AGE:
            self._jobs_counted_at = now
            self._metrics.set_open_jobs(await self._open_jobs(), now=time.time())
        return self._metrics.page(accept)

    async def _open_jobs(self) -> list[OpenJobs] | None:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                return await self._store.open_jobs()
        except (TemporaryError, TimeoutError):
            return None

    async def _database_responds(self) -> bool:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                await self._store.ping()
        except (TemporaryError, TimeoutError):
            return False
        return True

    async def _revision(self) -> str | None:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                return await self._store.revision()
        except (TemporaryError, TimeoutError):
            return None

    async def _connection(self) -> dict[str, bool]:
        """The Socket Mode connection; in HTTP mode, to be asked at all is enough."""
        if self._socket_mode is None:
            return {}
        return {"socket": await self._socket_mode.client.is_connected()}


async def _loop_lag() -> float:
    due = time.monotonic() + LAG_PROBE
    await asyncio.sleep(LAG_PROBE)
    return max(0.0, time.monotonic() - due)


def serve(settings: Settings, *, timings: Timings | None = None, lease: float = LEASE) -> None:
    """Configure logging, migrate the database, and run the bot until SIGTERM or SIGINT.

    Raises:
        MisconfiguredError: the database cannot be used, or as `run` says.
        TemporaryError: as `run` says.
    """
    configure(settings.log_level, secrets=settings.secrets())
    migrations.upgrade(settings.database_url.get_secret_value())
    asyncio.run(_until_signal(settings, timings, lease))


async def run(
    settings: Settings, stop: asyncio.Event, *, timings: Timings | None = None, lease: float = LEASE
) -> None:
    """Run the bot until `stop` is set, then release its jobs.

    Raises:
        MisconfiguredError: Slack refuses a token; the message names the variable.
        TemporaryError: Slack cannot be reached.
    """
    async with running(settings, timings=timings, lease=lease) as bot:
        # A full garbage collection of everything imported takes about 100 ms (`make bench`), in
        # which no request is acknowledged. Freezing exempts what exists now.
        gc.collect()
        gc.freeze()
        log.info("running", mode="socket" if settings.slack_app_token else "http")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({bot.work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if bot.work.done():
            await bot.work  # it ends only by an exception, which is raised here
    log.info("stopped")


@asynccontextmanager
async def running(
    settings: Settings, *, timings: Timings | None = None, lease: float = LEASE
) -> AsyncIterator[Bot]:
    """Run the whole bot inside this context.

    The database's tables must be up to date (`bot.migrations`). On leaving, jobs are released
    before the socket is closed: requests that arrive in between become rows for the next process.
    """
    catalog = load_catalog(settings.video_catalog)
    database_url = settings.database_url.get_secret_value()
    timings = replace(timings or Timings(), deadline=settings.job_timeout_minutes * 60)
    async with AsyncExitStack() as stack:
        metrics = Metrics(models=[model.name for model in catalog.models])
        clients = await _slack_clients(settings, metrics, stack)
        identity = await _identity(clients, settings)
        http = await stack.enter_async_context(
            MeasuredHttp(metrics, settings.video_servers(), limits=CONNECTIONS)
        )
        store = Store.open(database_url, lease=lease)
        stack.push_async_callback(store.close)
        files = Files(clients.bot, http, hosts=settings.slack_file_hosts)
        delivery = Delivery(
            clients.bot,
            http,
            Installation(
                bot_id=identity.bot_id,
                bot_name=identity.user or "video",
                workspace_url=identity.url or "",
                scopes=identity.bot_scopes or None,
            ),
            has_admins=bool(settings.admin_users),
            timings=timings,
        )
        homes = Homes(
            store,
            delivery,
            policy=_policy(settings),
            contact=settings.support_contact,
            admins=settings.admin_users,
        )
        dependencies = Dependencies(
            store=store,
            servers=VideosServers.from_settings(settings, http, retry_scale=timings.retry_scale),
            delivery=delivery,
            files=files,
            homes=homes,
            estimates=Estimates(store, timings, time.time),
            metrics=metrics,
            timings=timings,
            folder=stack.enter_context(temporary_folder()),
            shows_posters=settings.poster,
            approvers=Approvers(
                admins=tuple(settings.admin_users),
                channel=settings.approvals_channel,
                policy=_policy(settings),
            ),
        )
        lock = stack.enter_context(ProcessLock(lock_folder(database_url), _owner()))
        worker = Worker(dependencies, lock=lock)
        service = Service(
            store,
            files,
            homes,
            catalog,
            wake=worker.wake,
            rules=_rules(settings, timings),
        )
        bolt = make_bolt_app(
            clients.bolt, identity, service, catalog, metrics, allow_guests=settings.allow_guests
        )
        socket_mode = await _socket_mode(bolt, settings, stack)
        bot = Bot(store, worker, delivery, metrics, socket_mode)
        stack.push_async_callback(_stop, bot.work)
        outages = Outages(
            store.outages,
            delivery,
            admins=settings.admin_users,
            server=dependencies.servers.current.server,
        )
        await stack.enter_async_context(
            _scheduled(
                _periodic_tasks(
                    store,
                    worker,
                    homes,
                    delivery,
                    outages,
                    LimitWarnings(
                        store,
                        WarningStore(store.database),
                        delivery,
                        policy=_policy(settings),
                        admins=settings.admin_users,
                    ),
                    Upkeep(store.database, keep_days=settings.keep_days),
                    timings,
                )
            )
        )
        await _listen(bot, bolt, socket_mode, settings, stack)
        yield bot


def _rules(settings: Settings, timings: Timings) -> Rules:
    return Rules(
        policy=_policy(settings),
        confirm_above=settings.confirm_above_usd,
        approve_above=settings.approve_above_usd,
        approval_timeout=timings.approval_timeout,
        admins=settings.admin_users,
    )


def _policy(settings: Settings) -> Policy:
    limits = {
        LimitKind.MONTH_USD: micros(settings.limit_month_usd),
        LimitKind.DAY_USD: micros(settings.limit_day_usd),
        LimitKind.CHANNEL_MONTH_USD: micros(settings.limit_channel_month_usd),
        LimitKind.PERSON_MONTH_USD: micros(settings.limit_person_month_usd),
        LimitKind.PERSON_DAY_USD: micros(settings.limit_person_day_usd),
        LimitKind.PERSON_DAY_VIDEOS: settings.limit_person_day_videos,
        LimitKind.PERSON_OPEN: settings.max_open_per_person,
    }
    return Policy(
        limits={kind: amount for kind, amount in limits.items() if amount is not None},
        allows_unpriced=settings.unpriced == "allow",
    )


def _owner() -> str:
    """A name for this process, with what an operator needs to find it."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"


def _periodic_tasks(
    store: Store,
    worker: Worker,
    homes: Homes,
    delivery: Delivery,
    outages: Outages,
    warnings: LimitWarnings,
    upkeep: Upkeep,
    timings: Timings,
) -> list[PeriodicTask]:
    async def forget_response_urls() -> None:
        await store.forget_response_urls(created_before=time.time() - RESPONSE_URL_LIFETIME)

    async def forget_drafts() -> None:
        await store.delete_drafts(before=time.time() - DRAFT_LIFETIME)

    async def settle_undecided() -> None:
        await store.settle_undecided(closed_before=time.time() - DECISION_TIMEOUT)

    return [
        PeriodicTask("check the Slack token", TOKEN_CHECK_INTERVAL, delivery.check_token),
        PeriodicTask("take over from dead processes", timings.takeover_interval, worker.take_over),
        PeriodicTask("refresh Home tabs", timings.home_interval, homes.refresh),
        PeriodicTask("notify admins of outages", timings.outage_interval, outages.watch),
        PeriodicTask("warn admins of limits", timings.warning_interval, warnings.watch),
        PeriodicTask("forget response URLs", FORGET_INTERVAL, forget_response_urls),
        PeriodicTask("forget drafts", FORGET_INTERVAL, forget_drafts),
        PeriodicTask("forget people", FORGET_PEOPLE_INTERVAL, PersonalData(store.database).run),
        PeriodicTask("remove what need not be kept", PRUNE_INTERVAL, upkeep.run),
        PeriodicTask("settle undecided jobs", FORGET_INTERVAL, settle_undecided),
    ]


@asynccontextmanager
async def _scheduled(tasks: list[PeriodicTask]) -> AsyncIterator[None]:
    running = asyncio.create_task(run_periodically(tasks))
    try:
        yield
    finally:
        running.cancel()


async def _until_signal(settings: Settings, timings: Timings | None, lease: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop, timings=timings, lease=lease)


@dataclass(frozen=True, slots=True)
class _Clients:
    """Two Web API clients with one connection pool and no automatic retries."""

    bot: AsyncWebClient
    bolt: AsyncWebClient
    """Without a token: Bolt takes each request's token from its `AuthorizeResult`."""


async def _slack_clients(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> _Clients:
    # A client without a shared session opens a new connection for each call; with one, the
    # client's own `timeout` has no effect.
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SLACK_TIMEOUT, connect=CONNECT_TIMEOUT),
            middlewares=[slack_middleware(metrics)],
        )
    )

    def client(token: str | None) -> AsyncWebClient:
        return AsyncWebClient(
            token, base_url=settings.slack_api_url, session=session, retry_handlers=[]
        )

    return _Clients(bot=client(settings.slack_bot_token.get_secret_value()), bolt=client(None))


async def _identity(clients: _Clients, settings: Settings) -> AuthorizeResult:
    try:
        response = await clients.bot.auth_test()
    except CALL_ERRORS as error:
        raise _at_start(error, "SLACK_BOT_TOKEN", settings) from error
    scopes = response.headers.get("x-oauth-scopes")  # not on its documented page, but always sent
    if not settings.allow_guests and scopes and "users:read" not in scopes:
        raise MisconfiguredError(
            "ALLOW_GUESTS=false needs the optional scope users:read, which tells who is a guest: "
            "grant it and reinstall the app, or remove ALLOW_GUESTS"
        )
    return AuthorizeResult.from_auth_test_response(
        auth_test_response=response,
        bot_token=settings.slack_bot_token.get_secret_value(),
        bot_scopes=scopes.replace(" ", "").split(",") if scopes else None,
    )


async def _socket_mode(
    bolt: AsyncApp, settings: Settings, stack: AsyncExitStack
) -> SocketMode | None:
    """The Socket Mode handler, with an address but not yet connected.

    The address is requested here, because the handler would retry for ever with a wrong token.
    """
    if settings.slack_app_token is None:
        return None
    handler = SocketMode(bolt, settings.slack_app_token.get_secret_value())
    stack.push_async_callback(handler.close_async)
    try:
        response = await bolt.client.apps_connections_open(app_token=handler.app_token)
    except CALL_ERRORS as error:
        if isinstance(translate(error), RateLimited):
            return handler  # after many restarts: the handler waits, then requests it
        raise _at_start(error, "SLACK_APP_TOKEN", settings) from error
    handler.client.wss_uri = response["url"]
    return handler


def _at_start(error: Exception, variable: str, settings: Settings) -> BotError:
    meaning = translate(error)
    if isinstance(meaning, MisconfiguredError | PermanentError):
        code = error_code(error)
        return MisconfiguredError(f"{variable} was refused by Slack ({code}): copy it again")
    return TemporaryError(
        f"{without_credentials(settings.slack_api_url)} does not respond: {meaning.message}"
    )


async def _listen(
    bot: Bot,
    bolt: AsyncApp,
    socket_mode: SocketMode | None,
    settings: Settings,
    stack: AsyncExitStack,
) -> None:
    checks = {"/healthz": bot.health, "/livez": bot.liveness, "/readyz": bot.readiness}
    if socket_mode is not None:
        await socket_mode.connect_async()  # type: ignore[no-untyped-call]  # untyped in Bolt
        web = make_web_app(checks=checks)
        port = settings.port
    else:
        secret = settings.slack_signing_secret
        web = make_web_app(
            checks=checks,
            slack=bolt,
            signing_secret=secret.get_secret_value() if secret else "",
        )
        port = settings.port or DEFAULT_PORT
    if port is not None:
        await _serve(web, port, settings.host, "PORT", stack)
    if settings.metrics_port is not None:
        page = make_metrics_app(bot.metrics_page)
        await _serve(page, settings.metrics_port, settings.metrics_host, "METRICS_PORT", stack)


async def _serve(
    web: aiohttp.web.Application, port: int, host: str | None, variable: str, stack: AsyncExitStack
) -> None:
    try:
        await stack.enter_async_context(listening(web, port, host=host))
    except OSError as error:
        address = f"{variable} {port}"
        if host:
            address += f" of {variable.replace('PORT', 'HOST')} {host}"
        raise MisconfiguredError(f"{address} cannot be used: {error.strerror}") from error


async def _stop(work: asyncio.Task[None]) -> None:
    work.cancel()
    done, _ = await asyncio.wait({work}, timeout=STOP_TIMEOUT)
    if not done:
        log.warning("stopped without releasing jobs; their leases will expire")
