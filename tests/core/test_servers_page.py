"""docs/servers.md agrees with the simulated servers, which imitate the real ones."""

import re

import pytest

from bot.sandbox.videos.dialects import DIALECTS
from tests.core.test_docs import ROOT

PAGE = (ROOT / "docs" / "servers.md").read_text()
NAMES = {
    "vLLM-Omni": "vllm_omni",
    "SGLang-Diffusion": "sglang",
    "LiteLLM": "litellm",
    "Aquiles-Image": "aquiles",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_which_operations_a_server_has(name: str) -> None:
    row = re.search(rf"^\| {name}[^|]*\| (\w+) \| (\w+)", PAGE, re.MULTILINE)
    assert row is not None
    missing = DIALECTS[NAMES[name]].missing_operations
    shown = {"remix": row[1], "delete": row[2]}
    assert shown == {each: "no" if each in missing else "yes" for each in shown}
