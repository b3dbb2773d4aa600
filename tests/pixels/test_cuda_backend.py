"""The CUDA backend gives the CPU's bits in any order of threads, without a race or an access outside of memory.

Its kernels run on the host (tests/cuda_on_cpu). Bugs planted in them are caught by the checks that should.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cuda_on_cpu import (
    BACKEND_FLAGS,
    FLAVOURS,
    FOLDER,
    MEMORY,
    ORDERS,
    PLAIN,
    RACES,
    ROOT,
    Flavour,
    backend_sources,
    compile_program,
    reason_to_skip,
    run_program,
)

pytestmark = pytest.mark.native

COMPARISON = FOLDER / "compare_backends.cu"
REQUESTS = {PLAIN: 400, MEMORY: 100, RACES: 30}  # a few seconds each


def in_flavour(flavour: Flavour, value: object) -> object:
    """`value` as a parameter; what a sanitizer has to be compiled for is run by `make test-all`."""
    return pytest.param(value, marks=() if flavour is PLAIN else pytest.mark.whole)


@pytest.fixture(scope="module", params=[in_flavour(each, each) for each in FLAVOURS], ids=lambda flavour: flavour.name)
def comparison(request: pytest.FixtureRequest, cuda_build_folder: Path) -> tuple[Flavour, Path]:
    flavour: Flavour = request.param
    return flavour, build_comparison(flavour, cuda_build_folder)


def build_comparison(flavour: Flavour, folder: Path, sources: list[Path] | None = None) -> Path:
    if reason := reason_to_skip(flavour):
        pytest.skip(reason)
    return compile_program(
        [*(sources or backend_sources()), COMPARISON],
        flavour,
        folder / f"compare-{flavour.name}",
        extra_flags=BACKEND_FLAGS,
    )


@pytest.mark.parametrize("order", ORDERS)
def test_backends_agree_on_random_requests(comparison: tuple[Flavour, Path], order: str) -> None:
    flavour, program = comparison
    count = REQUESTS[flavour]
    done = run_program(program, str(ORDERS.index(order)), str(count), CUDA_ON_CPU_ORDER=order)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"{count} requests, ")
    assert done.stdout.endswith(" jobs: equal\n")


@dataclass(frozen=True)
class Bug:
    """A change of one source, and what finds it."""

    file: str
    original: str
    planted: str
    flavour: Flavour
    report: str


BUGS = {
    "missing_barrier": Bug(
        "resample_cuda.cu", "__syncthreads();  // the window is staged", "", RACES, "ThreadSanitizer: data race"
    ),
    "missing_barrier_of_the_tables": Bug(
        "stage_window.h", "__syncthreads();  // the tables are copied", "", RACES, "ThreadSanitizer: data race"
    ),
    "a_line_that_an_occlusion_covers": Bug(
        "cuda_layout.cpp", "axis.ends[group] > begin;", "axis.ends[group] > begin + 1;", PLAIN, " differs: occlusion"
    ),
    "missing_barrier_of_the_blur": Bug(
        "blur_cuda.cu", "__syncthreads();  // the tile is staged", "", RACES, "ThreadSanitizer: data race"
    ),
    "four_columns_beside": Bug(
        "blur_cuda.cu",
        "words + column / 4 + c * T::kHeight",
        "words + column / 4 + 1 + c * T::kHeight",
        PLAIN,
        " differs: gaussian_blur",
    ),
    "four_sources_beside": Bug(
        "resample_cuda.cu", "source - window + lane % 4 * 4", "source - window + lane % 4 * 4 + 4", PLAIN, " differs: "
    ),
    "a_digit_too_small": Bug(
        "weight_fragments.cpp",
        "static_cast<std::int8_t>(rest & 0xFF)",
        "static_cast<std::int8_t>(rest & 0x7F)",
        PLAIN,
        " differs: ",
    ),
    "one_run_too_wide": Bug(
        "perturbed_pixels.h",
        "place.x + kRunPixels <= image.width)",
        "place.x + kRunPixels <= image.width + 1)",
        MEMORY,
        "AddressSanitizer: heap-buffer-overflow",
    ),
    "lines_beyond_their_memory": Bug(
        "stage_window.h",
        "constexpr int kFilteredPitch = kWindowLines + 16;",
        "constexpr int kFilteredPitch = kWindowLines - 16;",
        MEMORY,
        "out of bounds for type 'unsigned char",
    ),
}


def run_changed(bug: Bug, cuda_build_folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Compares the backends with one source changed."""
    build_comparison(bug.flavour, cuda_build_folder)
    objects = f"objects-{bug.flavour.name}"
    shutil.copytree(cuda_build_folder / objects, tmp_path / objects)
    unit = "resample_cuda.cu" if bug.file.endswith(".h") else bug.file
    (tmp_path / objects / f"{unit}.o").unlink()  # all else is as it was
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    source = tmp_path / "csrc" / "cuda" / bug.file
    text = source.read_text()
    assert text.count(bug.original) == 1, f"{bug.file} has changed: plant the bug elsewhere"
    source.write_text(text.replace(bug.original, bug.planted))
    planted = tmp_path / "csrc" / "cuda" / unit
    sources = [planted if path.name == planted.name else path for path in backend_sources()]
    program = build_comparison(bug.flavour, tmp_path, sources)
    return run_program(program, "0", str(REQUESTS[bug.flavour]))


def test_tables_that_stay_in_the_device_memory(cuda_build_folder: Path, tmp_path: Path) -> None:
    """As on sm_75."""
    stays = Bug("stage_window.h", "bool kCopiesTables = true;", "bool kCopiesTables = false;", PLAIN, " jobs: equal\n")
    done = run_changed(stays, cuda_build_folder, tmp_path)
    assert done.returncode == 0, done.stdout
    assert stays.report in done.stdout


@pytest.mark.parametrize("name", [in_flavour(bug.flavour, name) for name, bug in BUGS.items()])
def test_a_planted_bug_is_caught(name: str, cuda_build_folder: Path, tmp_path: Path) -> None:
    bug = BUGS[name]
    done = run_changed(bug, cuda_build_folder, tmp_path)
    assert done.returncode != 0
    assert bug.report in done.stdout
