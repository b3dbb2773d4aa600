"""The roofline's arithmetic against cases worked by hand, and the page that shows it against the script."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import roofline
from support.six_variants import SIX_VARIANTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("registers", "shared", "target", "threads", "blocks", "share"),
    [
        (120, 20736, "90", 256, 2, 16 / 64),  # 32 x 120 are 3840 registers a warp: 4 of them in each quarter
        (128, 18432, "90", 128, 4, 16 / 64),  # 4096 registers a warp: 4 in each quarter are 4 blocks of 4
        (32, 0, "80", 256, 8, 1.0),  # 64 warps
        (32, 20736, "86", 256, 4, 32 / 48),  # 21760 bytes with what the system takes: 4 in 100 KiB
        (32, 20736, "75", 256, 3, 24 / 32),  # 64 KiB, nothing taken
        (168, 0, "89", 256, 1, 8 / 48),  # 5376 registers a warp: 3 in each quarter are 12 warps, a block has 8
    ],
)
def test_occupancy(registers: int, shared: int, target: str, threads: int, blocks: int, share: float) -> None:
    assert roofline.occupancy(registers, shared, roofline.LIMITS[target], threads) == (blocks, share)


def test_instructions_are_summed_by_pipe() -> None:
    kernels = {
        "blur<8, 64, 32>": {"executed": {"IMMA": 5, "LDS": 20, "BRA": 3}},
        "resample<float>": {"executed": {"IMMA": 10, "IMAD": 7, "PRMT": 2}},
    }
    assert roofline.sum_pipes(kernels) == {"issue": 47, "multiply": 7, "alu": 2, "load-store": 20, "tensor": 15}


def test_bounds_of_a_device() -> None:
    device = roofline.Device("one multiprocessor at 1 GHz, 1 GB/s", 1, 1.0, 1.0, 1.0)
    pipes = {"issue": 4000, "multiply": 1000, "alu": 600, "load-store": 300, "tensor": 1000}
    assert roofline.bounds(pipes, 2.0, device) == pytest.approx(
        {
            "issue": 1.0,  # 4 a nanosecond
            "multiply": 0.5,
            "alu": 0.3,
            "load-store": 0.3,
            "tensor": 8.192,  # 1000 x 8192 operations at 1e12 a second
            "memory": 2000.0,
        }
    )


def test_all_variants_of_a_case_are_counted_in_one_request() -> None:
    for kinds in json.loads(roofline.EXECUTED.read_text(encoding="utf-8"))["cases"].values():
        assert list(kinds)[-1] == roofline.TOGETHER
        assert len(kinds) == len(SIX_VARIANTS) + 1


def test_memory_is_the_source_once_and_the_outputs_of_each_variant() -> None:
    assert roofline.megabytes_of("100 x 50 to 10", 3) == pytest.approx((15_000 + 3 * 1200) / 1e6)


def test_each_executed_instruction_has_at_most_one_pipe() -> None:
    families = [family for pipe in roofline.PIPES.values() for family in pipe]
    assert len(families) == len(set(families))
    executed = json.loads(roofline.EXECUTED.read_text(encoding="utf-8"))
    seen = {
        family
        for kinds in executed["cases"].values()
        for kernels in kinds.values()
        for kernel in kernels.values()
        for family in kernel["executed"]
    }
    assert {family for family in seen if re.match("IMAD|IMMA|LD[GS]?$|ST[GS]?$", family)} <= set(families)


@pytest.mark.parametrize(("kernel", "file"), [("resample", "stage_window.h"), ("blur", "blur_cuda.cu")])
def test_the_threads_are_the_kernels(kernel: str, file: str) -> None:
    found = re.search(r"constexpr int kWarps = (\d+);", (ROOT / "csrc" / "cuda" / file).read_text(encoding="utf-8"))
    assert found, f"{file} has no kWarps any more: see bench/roofline.py"
    assert int(found[1]) * roofline.WARP == roofline.THREADS[kernel]


def test_the_page_shows_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
    assert roofline.with_report(page) == page, "python bench/roofline.py --write"
