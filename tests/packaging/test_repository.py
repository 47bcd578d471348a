"""The files for contributors: CI runs what `make test` runs, on every supported version."""

import re
import tomllib

import yaml

from tests.packaging.test_hosts import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_ci_runs_make_test_and_nothing_else() -> None:
    [job] = WORKFLOW["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make test PYTHON=python"]


def test_ci_runs_on_every_version_that_the_package_names() -> None:
    names = "\n".join(PROJECT["classifiers"])
    named = re.findall(r"Python :: (3\.\d+)$", names, re.MULTILINE)
    [job] = WORKFLOW["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert (ROOT / ".python-version").read_text().strip() in named


def test_each_hook_runs_a_check_of_make_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    checks = makefile.partition("\ntest:")[2].partition("\n\n")[0]
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in local["hooks"]:
        command = hook["entry"].removeprefix(".venv/bin/").removesuffix(" --fix")
        assert f"$(BIN)/{command}" in checks


def test_the_image_and_the_hosts_use_a_supported_version() -> None:
    [base] = re.findall(
        r"^ARG BASE=python:(3\.\d+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert base == (ROOT / ".python-version").read_text().strip()
