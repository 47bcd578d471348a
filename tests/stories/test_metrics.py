"""`GET /metrics`, read with Prometheus's own parser while every outcome occurs."""

from typing import NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot import app
from bot.config import Settings
from bot.errors import MisconfiguredError
from bot.sandbox.faults import drop, respond_with
from bot.sandbox.world import World
from bot.ui import cards
from tests.support.channel import Thread, shown, start_rendering
from tests.support.installation import RunBot

PERSONAL = ("clouds", "moonlit-harbour")
LABELS = {
    "outcome",
    "model",
    "source",
    "stage",
    "state",
    "blame",
    "code",
    "method",
    "result",
    "operation",
    "version",
    "le",
}


@pytest.fixture
def measured(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"metrics_port": port})


@pytest.fixture(autouse=True)
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "METRICS_MAX_AGE", 0.0)


class Page(NamedTuple):
    """The page, and its samples by name and labels."""

    text: str
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels."""
        wanted = labels.items()
        return sum(
            value
            for (sample, having), value in self.samples.items()
            if sample == f"video_bot_{name}" and wanted <= having
        )


async def scrape(settings: Settings) -> Page:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    return Page(response.text, samples)


async def ask(world: World, says: str, prompt: str = "clouds") -> None:
    thread = Thread(world)
    earlier = len(thread.cards)
    await world.slack.ada.command(prompt)
    await world.until(lambda: says in str([*map(shown, thread.cards[earlier:])]))


def refuse(world: World, code: str) -> None:
    error = {"message": "No.", "type": "invalid_request_error", "param": None, "code": code}
    world.faults.inject("create", respond_with(400, {"error": error}))


async def test_every_outcome_is_counted(world: World, run_bot: RunBot, measured: Settings) -> None:
    ada, thread = world.slack.ada, Thread(world)
    async with run_bot(settings=measured):
        await ask(world, "*Ready:*")
        await ada.click(thread.cards[-1], cards.DELETE)
        await world.until(lambda: "eleted" in shown(thread.cards[-1]))
        refuse(world, "moderation_blocked")
        await ask(world, "*Failed:*")
        refuse(world, "moonlit-harbour")
        await ask(world, "*Failed:*")
        await start_rendering(world)
        await ada.click(thread.cards[-1], cards.CANCEL)
        await world.until(lambda: "*Cancelled:*" in shown(thread.cards[-1]))
        page = await scrape(measured)
    ended = {"model": "sora-2", "source": "command"}
    for outcome, count in {"delivered": 1, "deleted": 1, "failed": 2, "cancelled": 1}.items():
        assert page.value("jobs_total", outcome=outcome, **ended) == count, outcome
    assert page.value("failures_total", code="moderation_blocked", blame="prompt") == 1
    assert page.value("failures_total", code="other") == 1
    for stage in ("queue", "render", "deliver", "total"):
        assert page.value("job_seconds_count", stage=stage) == 1
    # The delivered one, and the cancelled one, which the server does not say it has stopped.
    assert page.value("spend_usd_total", model="sora-2") == pytest.approx(0.8)
    assert page.value("ack_seconds_count", source="command") == 4
    assert page.value("ack_seconds_count", source="action") == 2
    assert page.value("videos_requests_total", operation="create", result="ok") == 2
    assert page.value("videos_requests_total", operation="create", result="refused") == 2
    assert page.value("videos_requests_total", operation="delete") == 2
    assert page.value("videos_requests_seconds_count", operation="download") == 1
    assert page.value("slack_requests_total", method="chat.postMessage", result="ok") >= 4
    assert page.value("slack_requests_seconds_count", method="chat.update") >= 4
    assert page.value("socket_connected") == page.value("build_info") == 1
    assert ("process_open_fds", frozenset[tuple[str, str]]()) in page.samples


async def test_a_lost_response_is_counted_as_uncertain(
    world: World, run_bot: RunBot, measured: Settings
) -> None:
    world.faults.inject("create", drop)
    world.faults.inject("list", respond_with(405, {"detail": "Method Not Allowed"}), times=99)
    async with run_bot(settings=measured):
        await ask(world, "*Unclear:*")
        page = await scrape(measured)
    assert page.value("jobs_total", outcome="uncertain") == 1
    assert page.value("failures_total", code="outcome_unknown", blame="server") == 1
    assert page.value("videos_requests_total", operation="create", result="no_response") == 1


async def test_open_jobs_are_counted_by_state(
    world: World, run_bot: RunBot, measured: Settings
) -> None:
    async with run_bot(settings=measured):
        page = await scrape(measured)
        assert page.value("jobs_open") == page.value("oldest_open_job_seconds") == 0
        await start_rendering(world)
        page = await scrape(measured)
        assert page.value("jobs_open", state="rendering") == page.value("jobs_open") == 1
        assert 0 < page.value("oldest_open_job_seconds") < 60


async def test_open_jobs_are_not_counted_again_within_ten_seconds(
    world: World, run_bot: RunBot, measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "METRICS_MAX_AGE", 10.0)
    async with run_bot(settings=measured):
        await scrape(measured)
        await start_rendering(world)
        assert (await scrape(measured)).value("jobs_open") == 0


async def test_slacks_rate_limits_are_counted(
    world: World, run_bot: RunBot, measured: Settings
) -> None:
    refused = respond_with(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "0"})
    world.faults.inject("chat.update", refused)
    async with run_bot(settings=measured):
        await ask(world, "*Ready:*")
        page = await scrape(measured)
    assert page.value("slack_rate_limited_total") == 1
    assert page.value("slack_requests_total", method="chat.update", result="rate_limited") == 1


async def test_no_label_says_who_asked_for_what(
    world: World, run_bot: RunBot, measured: Settings
) -> None:
    async with run_bot(settings=measured):
        refuse(world, "moonlit-harbour")
        await ask(world, "*Failed:*")
        await ask(world, "*Ready:*")
        page = await scrape(measured)
    assert {name for _, labels in page.samples for name, _ in labels} <= LABELS
    ids = (world.slack.ada.id, world.slack.workspace.team_id, Thread(world).channel.id)
    for personal in (*PERSONAL, *ids):
        assert personal not in page.text


async def test_a_port_in_use_names_the_variable(run_bot: RunBot, measured: Settings) -> None:
    async with run_bot(settings=measured):
        with pytest.raises(MisconfiguredError, match=r"METRICS_PORT \d+ of METRICS_HOST 127"):
            async with run_bot(settings=measured):
                pass
