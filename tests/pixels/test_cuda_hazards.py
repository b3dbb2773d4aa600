"""What a real device does and a quiet one does not: failures, a busy stream, several devices, captured graphs.

The backend runs on the host (tests/cuda_on_cpu), on a machine that does these things when a test asks for them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cuda_on_cpu import (
    BACKEND_FLAGS,
    FOLDER,
    MEMORY,
    PLAIN,
    RACES,
    Flavour,
    backend_sources,
    compile_program,
    reason_to_skip,
    run_program,
)

pytestmark = pytest.mark.native

HAZARDS = (
    "errors",
    "devices",
    "capture",
    "uploads",
    "pieces",
    "locked_memory",
    "pool",
    "pool_by_threads",
    "grids",
    "reasons",
)


FLAVOURS = (PLAIN, *(pytest.param(each, marks=pytest.mark.whole) for each in (MEMORY, RACES)))


@pytest.fixture(scope="module", params=FLAVOURS, ids=lambda flavour: flavour.name)
def hazards(request: pytest.FixtureRequest, cuda_build_folder: Path) -> Path:
    flavour: Flavour = request.param
    if reason := reason_to_skip(flavour):
        pytest.skip(reason)
    return compile_program(
        [*backend_sources(), FOLDER / "hazards.cu", FOLDER / "memory_hazards.cu"],
        flavour,
        cuda_build_folder / f"hazards-{flavour.name}",
        extra_flags=BACKEND_FLAGS,
    )


@pytest.mark.parametrize("name", HAZARDS)
def test_the_backend_withstands(hazards: Path, name: str) -> None:
    done = run_program(hazards, name, ASAN_OPTIONS="detect_leaks=0")  # pools live as long as the process
    assert (done.returncode, done.stdout) == (0, "")
