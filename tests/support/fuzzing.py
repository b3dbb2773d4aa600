"""For how long a test searches: a round in `make test`, a minute in `make test-all`, longer by `make fuzz`.

Tests draw the same examples each time, so that a change fails by what it does; `make fuzz` draws others.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, seed, settings

IS_ASKED = "VRS_FUZZ_SECONDS" in os.environ
SECONDS = int(os.environ.get("VRS_FUZZ_SECONDS", "60"))
SEED = os.environ.get("VRS_FUZZ_SEED") or str(random.randrange(1, 2**31) if IS_ASKED else 1)
"""Of all searches; VRS_FUZZ_SEED chooses it."""

for_a_round_or_longer = pytest.mark.parametrize(
    "seconds", [0, pytest.param(SECONDS, marks=pytest.mark.whole)], ids=["a round", "longer"]
)

search = settings(
    max_examples=50,
    deadline=None,
    derandomize=False,  # Hypothesis would repeat one round
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""A round: new examples each time, so that a longer search is many of them."""


def repeat(a_round: Callable[[], None], seconds: int) -> None:
    """One round at least."""
    draw = random.Random(SEED)
    end = time.monotonic() + seconds
    while True:
        seed(draw.getrandbits(64))(a_round)()
        if time.monotonic() >= end:
            return
