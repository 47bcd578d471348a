"""How long the tests in `fuzz/` search: a few examples within the suite, many in `make fuzz`."""

import os

import hypothesis

_EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
FUZZING = _EXAMPLES is not None
bounded = hypothesis.settings(
    max_examples=int(_EXAMPLES or 3),
    derandomize=not FUZZING,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""For each test of `fuzz/`: so many examples, other ones each time in `make fuzz`."""
