"""The roofline's arithmetic against cases worked by hand, and the page that shows it against the script."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import roofline

from vrs_lmeval.pixels.reference import exact_coefficients

ROOT = Path(__file__).parents[2]

LOOPS = {name: {"taps": 4, "instructions": 48, "multiply": 12, "alu": 24, "memory": 8} for name in ("along", "across")}


@pytest.mark.parametrize(
    ("registers", "shared", "target", "blocks", "share"),
    [
        (120, 20736, "90", 2, 16 / 64),  # 32 x 120 are 3840 registers a warp: 4 of them in each quarter, 2 blocks of 8
        (32, 0, "80", 8, 1.0),  # 64 warps
        (32, 20736, "86", 4, 32 / 48),  # 21760 bytes with what the system takes: 4 in 100 KiB
        (32, 20736, "75", 3, 24 / 32),  # 64 KiB, nothing taken
        (168, 0, "89", 1, 8 / 48),  # 5376 registers a warp: 3 in each quarter are 12 warps, a block has 8
    ],
)
def test_occupancy(registers: int, shared: int, target: str, blocks: int, share: float) -> None:
    assert roofline.occupancy(registers, shared, roofline.LIMITS[target]) == (blocks, share)


@pytest.mark.parametrize(("source", "target", "crop"), [(1024, 336, 336), (2500, 410, 336), (50, 224, 224), (7, 7, 5)])
def test_taps_are_those_of_the_resize(source: int, target: int, crop: int) -> None:
    begin = (target - crop) // 2
    kept = exact_coefficients(source, target, "bicubic")[begin : begin + crop]
    assert roofline.taps_of(source, target, crop) == [(first, first + len(weights)) for first, weights in kept]


def test_work_of_a_small_resize() -> None:
    """16 x 16 to 8 x 8: an output reads 8 sources, fewer at the borders."""
    work = roofline.work_of(16, 16, 8)
    taps = [end - begin for begin, end in roofline.taps_of(16, 8, 8)]
    assert taps == [5, 7, 8, 8, 8, 8, 7, 5]
    assert work.outputs == 3 * 64
    assert work.multiplications == 3 * (16 * 56 + 8 * 56)
    assert work.source_bytes == 16 * 16 * 3
    assert work.blocks == 1
    assert (work.along, work.across) == (56, 56)  # 16 lines are one chunk; 8 columns are lanes
    assert work.staged == 2  # 8 rows x 32 columns at a time


def test_bounds_of_a_device() -> None:
    device = roofline.Device("one multiprocessor at 1 GHz, 1 GB/s", "90", 1, 1.0, 1.0)
    work = roofline.Work(
        outputs=1000, multiplications=64_000, along=300, across=100, staged=0, blocks=1, source_bytes=6000
    )
    bounds = roofline.bounds(work, 2, device, LOOPS)
    assert bounds == pytest.approx(
        {
            "memory": 6.0 + 2 * 4.0,  # source once, outputs twice
            "multiply": 2 * 1.0,  # 64,000 at 64 a nanosecond
            "issue": 2 * 400 * 12 / 4 / 1000,
            "alu": 2 * 400 * 6 / 2 / 1000,
            "load-store": 2 * 400 * 2 / 1000,
        }
    )


def test_tiles_and_chunks_are_the_kernel_s() -> None:
    def constant(name: str, file: str = "preprocess_cuda.cu") -> str:
        source = (ROOT / "csrc" / "cuda" / file).read_text(encoding="utf-8")
        found = re.search(rf"constexpr int {name} = ([^;]*);", source)
        assert found, f"{file} has no {name} any more: see bench/roofline.py"
        return found[1]

    assert int(constant("kWarps")) * roofline.WARP == roofline.THREADS
    assert int(constant("kWarps", "blur_cuda.cu")) * roofline.WARP == roofline.BLUR_THREADS
    assert constant("kTileAlong") == constant("kChunkLines") == "kWarp"
    assert roofline.WARP == roofline.TILE_ALONG == roofline.CHUNK_LINES
    assert int(constant("kTileLines")) == roofline.TILE_LINES
    assert int(constant("kChunkAlong")) == roofline.CHUNK_ALONG
    runs = int(constant("kWarpRuns"))
    assert (roofline.WARP // runs, runs * roofline.RUN) == roofline.STAGED_AT_ONCE


def test_the_page_shows_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
    assert roofline.with_report(page) == page, "python bench/roofline.py --write"
