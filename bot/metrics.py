"""What Prometheus can scrape, and the hooks that count it.

Labels have few values, all known in advance. None says who asked for what, or where.
"""

import json
import time
from collections.abc import Collection, Mapping
from importlib import metadata
from typing import Any

import aiohttp
import httpx
import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot import slack_errors
from bot.jobs import Job, JobState, OpenJobs
from bot.spending import Charge
from bot.ui import failures
from bot.ui.failures import OUR_CODES

log = structlog.get_logger()

OTHER = "other"

OUTCOMES = frozenset(
    {
        JobState.DELIVERED,
        JobState.FAILED,
        JobState.UNCERTAIN,
        JobState.CANCELLED,
        JobState.DELETED,
    }
)

SOURCES = {
    "command": "command",
    "view": "form",
    "event": "message",
    "action": "button",
    "again": "button",
}
"""How a job was requested, by the first part of its request key."""

CODES = (
    slack_errors.KNOWN_CODES
    | OUR_CODES
    | {
        "billing_hard_limit_reached",
        "content_policy_violation",
        "insufficient_quota",
        "internal_server_error",
        "invalid_api_key",
        "invalid_request_error",
        "invalid_value",
        "model_not_found",
        "moderation_blocked",
        "rate_limit_exceeded",
        "server_error",
    }
)
"""The error codes that have a label of their own; servers can send any text as a code."""

_PAYLOADS = {
    "block_actions": "action",
    "block_suggestion": "options",
    "event_callback": "event",
    "message_action": "shortcut",
    "shortcut": "shortcut",
    "view_closed": "form",
    "view_submission": "form",
}

_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_ACK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one bot, in a registry of their own."""

    def __init__(self, *, models: Collection[str] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # has no annotations
        self._models = frozenset(models)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._jobs = self._counter("jobs", "Jobs that ended", "outcome", "model", "source")
        self._job_seconds = self._histogram(
            "job_seconds", "How long delivered videos took", _SECONDS, "stage"
        )
        self._open = self._gauge("jobs_open", "Jobs that are not closed", "state")
        self._oldest = self._gauge("oldest_open_job_seconds", "The age of the oldest open job")
        self._failures = self._counter("failures", "Failed jobs", "blame", "code")
        self._acks = self._histogram(
            "ack_seconds", "Until a request of Slack is acknowledged", _ACK_SECONDS, "source"
        )
        self._slack = self._calls("slack", "method")
        self._rate_limited = self._counter("slack_rate_limited", "Calls that Slack rate-limited")
        self._videos = self._calls("videos", "operation")
        self._spend = self._counter(
            "spend_usd", "The price of charged videos, according to the catalog", "model"
        )
        self._connected = self._gauge(
            "socket_connected", "Whether Socket Mode is connected (1 in HTTP mode)"
        )
        self._tasks = self._gauge("tasks", "Tasks of the event loop")
        self._lag = self._gauge("loop_lag_seconds", "How late the event loop woke up just now")
        self._leases_lost = self._counter("leases_lost", "Jobs that another process took over")
        build = self._gauge("build_info", "The version, as a label of the value 1", "version")
        build.labels(metadata.version("video-bot")).set(1)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The page for this `Accept` header, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def set_open_jobs(self, found: Collection[OpenJobs] | None, *, now: float) -> None:
        """Set the gauges of open jobs; None: they are not known."""
        self._open.clear()
        if found is None:
            self._oldest.set(float("nan"))
            return
        for each in found:
            self._open.labels(each.state if each.state in {*JobState} else OTHER).set(each.count)
        oldest = min((each.oldest for each in found), default=now)
        self._oldest.set(max(0.0, now - oldest))

    def set_connected(self, *, is_connected: bool) -> None:
        """Set whether Slack's requests can arrive."""
        self._connected.set(is_connected)

    def set_loop(self, *, tasks: int, lag: float) -> None:
        """Set how busy the event loop is; the lag is in seconds."""
        self._tasks.set(tasks)
        self._lag.set(lag)

    def lease_lost(self) -> None:
        """Count a job that another process has taken over, or may have."""
        self._leases_lost.inc()

    def saved(self, before: Job, job: Job) -> None:
        """Count what this change of a job means."""
        model = self._model(job.request.model)
        is_newly_spent = before.charge is not Charge.SPENT and job.charge is Charge.SPENT
        if is_newly_spent and job.price is not None:
            self._spend.labels(model).inc(float(job.price))
        if job.state is before.state or job.state not in OUTCOMES:
            return
        source = SOURCES.get(job.request_key.partition(":")[0], OTHER)
        self._jobs.labels(job.state, model, source).inc()
        if job.state in {JobState.FAILED, JobState.UNCERTAIN}:
            self._count_failure(job)
        if job.state is JobState.DELIVERED:
            self._observe_stages(job)

    def acknowledged(self, body: Mapping[str, Any], seconds: float) -> None:
        """Observe how long a request of Slack waited for its acknowledgement."""
        kind = "command" if "command" in body else _PAYLOADS.get(str(body.get("type")), OTHER)
        self._acks.labels(kind).observe(seconds)

    def called_slack(self, method: str, result: str, seconds: float) -> None:
        """Count a call of the Web API."""
        self._slack.observe(method, result, seconds)
        if result == "rate_limited":
            self._rate_limited.inc()

    def called_videos(self, operation: str, result: str, seconds: float) -> None:
        """Count a request to the Videos server."""
        self._videos.observe(operation, result, seconds)

    def _count_failure(self, job: Job) -> None:
        code = job.error.code if job.error else OTHER
        failure = failures.explain(job)
        blame = failure.blame.name.lower() if failure else OTHER
        self._failures.labels(blame, code if code in CODES else OTHER).inc()

    def _observe_stages(self, job: Job) -> None:
        stages = {
            "queue": (job.created_at, job.submitted_at),
            "render": (job.submitted_at, job.rendered_at),
            "deliver": (job.rendered_at, job.finished_at),
            "total": (job.created_at, job.finished_at),
        }
        for stage, (begin, end) in stages.items():
            if begin is not None and end is not None:
                self._job_seconds.labels(stage).observe(max(0.0, end - begin))

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"video_bot_{name}", help_, labels, registry=self.registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(f"video_bot_{name}", help_, labels, registry=self.registry)

    def _histogram(
        self, name: str, help_: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"video_bot_{name}"
        return Histogram(name, help_, labels, registry=self.registry, buckets=buckets)

    def _calls(self, server: str, what: str) -> "_Calls":
        requests = self._counter(f"{server}_requests", f"Requests to {server}", what, "result")
        seconds = self._histogram(
            f"{server}_requests_seconds", f"How long they took ({server})", _CALL_SECONDS, what
        )
        return _Calls(requests, seconds)


class _Calls:
    def __init__(self, requests: Counter, seconds: Histogram) -> None:
        self._requests = requests
        self._seconds = seconds

    def observe(self, what: str, result: str, seconds: float) -> None:
        self._requests.labels(what, result).inc()
        self._seconds.labels(what).observe(seconds)


class MeasuredApp(AsyncApp):
    """A Bolt app that measures how long Slack waits for each acknowledgement."""

    def __init__(self, metrics: Metrics, **arguments: Any) -> None:  # noqa: ANN401 -- Bolt's
        super().__init__(**arguments)
        self._metrics = metrics

    async def async_dispatch(self, req: AsyncBoltRequest) -> BoltResponse:
        """Handle a request; the response is its acknowledgement."""
        began = time.monotonic()
        try:
            return await super().async_dispatch(req)
        finally:
            self._metrics.acknowledged(req.body, time.monotonic() - began)


class MeasuredHttp(httpx.AsyncClient):
    """An HTTP client that measures the requests to the Videos servers at these addresses."""

    def __init__(self, metrics: Metrics, servers: Collection[str], **arguments: Any) -> None:  # noqa: ANN401 -- httpx's
        super().__init__(**arguments)
        self._metrics = metrics
        self._servers = [httpx.URL(url.rstrip("/") + "/") for url in servers]

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's
        """Send a request, and measure the time until the response's headers."""
        operation = self._operation(request)
        if operation is None:
            return await super().send(request, **options)
        began, result = time.monotonic(), "no_response"
        try:
            response = await super().send(request, **options)
            result = _result_of(response.status_code)
            return response
        finally:
            self._metrics.called_videos(operation, result, time.monotonic() - began)

    def _operation(self, request: httpx.Request) -> str | None:
        for server in self._servers:
            is_there = (request.url.host, request.url.port) == (server.host, server.port)
            if is_there and request.url.path.startswith(server.path):
                return _operation(request.method, request.url.path.removeprefix(server.path))
        return None


def slack_middleware(metrics: Metrics) -> aiohttp.ClientMiddlewareType:
    """Measures every call of the Web API that is made in an aiohttp session.

    In the session and not in slack_sdk's client, because Bolt makes a client for each request.
    """

    async def measure(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        method = request.url.name
        began, result = time.monotonic(), "no_response"
        try:
            response = await handler(request)
            result = _result_of(response.status)
            if result == "ok":
                result = _slack_result(await response.read())
            return response
        finally:
            metrics.called_slack(method, result, time.monotonic() - began)

    return measure


def _operation(method: str, path: str) -> str:
    match method, path.split("/"):
        case "GET", ["models"]:
            return "models"
        case "GET", ["videos"]:
            return "list"
        case "POST", ["videos"]:
            return "create"
        case "GET", ["videos", _]:
            return "retrieve"
        case "DELETE", ["videos", _]:
            return "delete"
        case "GET", ["videos", _, "content"]:
            return "download"
        case "POST", ["videos", _, "remix"]:
            return "remix"
        case _:
            return OTHER


def _result_of(status: int) -> str:
    match status:
        case 429:
            return "rate_limited"
        case _ if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return "server_error"
        case _ if status >= httpx.codes.BAD_REQUEST:
            return "refused"
        case _:
            return "ok"


def _slack_result(body: bytes) -> str:
    """Slack responds 200 to most calls that it refuses; `ok` says whether it did."""
    try:
        answer = json.loads(body)
    except ValueError:
        return "no_json"
    if not isinstance(answer, dict) or answer.get("ok"):
        return "ok"
    code = str(answer.get("error"))
    return code if code in slack_errors.KNOWN_CODES else OTHER
