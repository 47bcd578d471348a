"""The alert rules, the dashboard and the documented metrics agree with what the bot exports."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from bot.metrics import Metrics
from tests.core.test_docs import ROOT

MONITORING = ROOT / "docs" / "monitoring"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
NAME = re.compile(r"\b(?:video_bot|process)_[a-z_]+")


def exported() -> set[str]:
    """The names that a query can use."""
    families = [*Metrics().registry.collect()]
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    return {
        family.name + suffix for family in families for suffix in suffixes.get(family.type, [""])
    }


def rules() -> Iterator[dict[str, object]]:
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        yield from group["rules"]


def queries() -> list[str]:
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    return [*shown, *(str(rule["expr"]) for rule in rules())]


@pytest.mark.parametrize("query", queries())
def test_every_metric_of_a_query_is_exported(query: str) -> None:
    named = set(NAME.findall(query))
    assert named
    assert named <= exported()


def test_every_metric_is_documented() -> None:
    names = {family.name for family in Metrics().registry.collect()}
    documented = {name.removesuffix("_total") for name in NAME.findall(OPERATIONS)}
    ours = {name for name in names if name.startswith("video_bot")}
    assert ours == {name for name in documented if name.startswith("video_bot")}


def test_every_alert_refers_to_a_section_of_the_runbook() -> None:
    titles = re.findall(r"^## (.+)$", OPERATIONS, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for rule in rules():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        page, _, anchor = annotations["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors
