"""Derives what the CUDA kernels could reach, without a GPU: occupancy, and what each resource alone would take.

The numbers come from the budget file (registers, shared memory), from the instructions that the kernels' machine code
executed (bench/executed_instructions.py), and from figures of a device that the vendor publishes.
`python bench/roofline.py` prints the tables of docs/kernels.md, with `--write` it puts them there.
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[1] / "tests" / "data"
BUDGET = DATA / "kernel_budget.json"
EXECUTED = DATA / "executed_instructions.json"
PAGE = Path(__file__).parents[1] / "docs" / "kernels.md"
BEGIN, END = "<!-- bench/roofline.py --write: -->\n", "<!-- until here -->\n"

# Threads of a block, by the kernel's name without template arguments; tests/csrc/test_roofline.py compares them.
WARP = 32
THREADS = {"resample": 128, "blur": 128}
OTHER_THREADS = 256

# The pipe of an instruction, by its family; all others only take an issue slot.
PIPES = {
    "multiply": ("IMAD",),  # of every form: moves and additions also go to the multipliers' pipe
    "alu": (
        "IADD3",
        "IABS",
        "ISETP",
        "LEA",
        "LOP3",
        "MOV",
        "PLOP3",
        "PRMT",
        "SEL",
        "SHF",
        "VIADD",
        "VIADDMNMX",
        "VIMNMX",
    ),
    "load-store": ("LD", "LDG", "LDS", "ST", "STG", "STS"),
    "tensor": ("IMMA",),
}
PRODUCT_OPERATIONS = 2 * 16 * 8 * 32  # of one IMMA.16832


@dataclass(frozen=True)
class Limits:
    """What a multiprocessor has (CUDA C++ Programming Guide, "Compute Capabilities")."""

    warps: int
    blocks: int
    shared: int
    reserved: int  # shared memory of each block that the system takes
    granularity: int  # of shared memory


LIMITS = {
    "75": Limits(32, 16, 64 << 10, 0, 256),
    "80": Limits(64, 32, 164 << 10, 1024, 128),
    "86": Limits(48, 16, 100 << 10, 1024, 128),
    "89": Limits(48, 24, 100 << 10, 1024, 128),
    "90": Limits(64, 32, 228 << 10, 1024, 128),
    "100": Limits(64, 32, 228 << 10, 1024, 128),
    "110": Limits(48, 24, 228 << 10, 1024, 128),
    "120": Limits(48, 24, 100 << 10, 1024, 128),
}


@dataclass(frozen=True)
class Device:
    """Published figures: multiprocessors, boost clock in GHz, memory in GB/s, dense int8 operations in 10^12 a
    second. In a clock each multiprocessor issues 4 warp instructions, and its pipes take 2 of multiply, 2 of alu and
    1 of load-store."""

    name: str
    multiprocessors: int
    clock: float
    bandwidth: float
    int8: float


DEVICE = Device("H100 SXM", 132, 1.755, 3350, 1979)  # of the target whose machine code is executed, sm_90
FLOAT_BYTES = 4

TOGETHER = "all of them"  # in one request: bench/executed_instructions.py


def threads_of(kernel: str) -> int:
    """The threads of a block."""
    return THREADS.get(kernel.split("<")[0], OTHER_THREADS)


def occupancy(registers: int, shared: int, limits: Limits, threads: int) -> tuple[int, float]:
    """Blocks per multiprocessor, and their share of its warps."""
    warps = math.ceil(threads / WARP)
    by_shared = limits.blocks
    if shared:
        by_shared = limits.shared // _round_up(shared + limits.reserved, limits.granularity)
    by_registers = 4 * (16384 // _round_up(32 * registers, 256)) // warps
    blocks = min(limits.blocks, limits.warps // warps, by_shared, by_registers)
    return blocks, blocks * warps / limits.warps


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def sum_pipes(kernels: dict[str, dict[str, dict[str, int]]]) -> dict[str, int]:
    """Warp instructions of one request: all of them as "issue", and those of each pipe."""
    sums = dict.fromkeys(("issue", *PIPES), 0)
    for kernel in kernels.values():
        for family, count in kernel["executed"].items():
            sums["issue"] += count
            for pipe, families in PIPES.items():
                sums[pipe] += count if family in families else 0
    return sums


def bounds(pipes: dict[str, int], megabytes: float, device: Device) -> dict[str, float]:
    """Microseconds that each resource alone would take."""
    cycles = device.multiprocessors * device.clock * 1e3  # of all multiprocessors in a microsecond
    return {
        "issue": pipes["issue"] / (4 * cycles),
        "multiply": pipes["multiply"] / (2 * cycles),
        "alu": pipes["alu"] / (2 * cycles),
        "load-store": pipes["load-store"] / cycles,
        "tensor": pipes["tensor"] * PRODUCT_OPERATIONS / device.int8 / 1e6,
        "memory": megabytes * 1e3 / device.bandwidth,
    }


def megabytes_of(case: str, variants: int) -> float:
    """The source once, float32 outputs once for each variant."""
    height, width, size = (int(number) for number in re.findall(r"\d+", case))
    return (3 * height * width + variants * 3 * FLOAT_BYTES * size * size) / 1e6


def occupancy_table(kernels: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    targets = list(LIMITS)
    lines = ["| | " + " | ".join(f"sm_{target}" for target in targets) + " |", "|---" * (len(targets) + 1) + "|"]
    for kernel, usages in kernels.items():
        cells = []
        for target in targets:
            registers, shared = usages[target]["registers"], usages[target]["shared"]
            threads = threads_of(kernel)
            blocks, share = occupancy(registers, shared, LIMITS[target], threads)
            cells.append(f"{registers}, {shared}, {blocks * threads // WARP} ({share:.0%})")
        lines.append(f"| `{kernel}` | " + " | ".join(cells) + " |")
    return lines


def executed_table(case: str, kinds: dict[str, dict[str, dict[str, dict[str, int]]]]) -> list[str]:
    lines = [
        f"| {case} | million warp instructions | issue | multiply | alu | load-store | tensor | memory |",
        "|---" * 8 + "|",
    ]
    for title, kernels in kinds.items():
        pipes = sum_pipes(kernels)
        variants = len(kinds) - 1 if title == TOGETHER else 1
        times = bounds(pipes, megabytes_of(case, variants), DEVICE)
        slowest = max(times, key=lambda name: times[name])
        cells = [f"**{value:.1f}**" if name == slowest else f"{value:.1f}" for name, value in times.items()]
        lines.append(f"| {title} | {pipes['issue'] / 1e6:.2f} | " + " | ".join(cells) + " |")
    return lines


def report() -> str:
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    executed = json.loads(EXECUTED.read_text(encoding="utf-8"))
    lines = [
        f"Registers a thread, bytes of shared memory a block, warps on a multiprocessor (nvcc {budget['nvcc']}):",
        "",
        *occupancy_table(budget["kernels"]),
        "",
        f"Executed machine code of sm_{executed['target']} (nvcc {executed['nvcc']}), and the microseconds of each "
        f"resource alone on an {DEVICE.name} at its boost clock, derived, not timed on a GPU:",
        "",
    ]
    for case, kinds in executed["cases"].items():
        lines += [*executed_table(case, kinds), ""]
    return "\n".join(lines)


def with_report(page: str) -> str:
    """The page with the report between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + report() + END + after


def main() -> None:
    if "--write" in sys.argv[1:]:
        PAGE.write_text(with_report(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(report())


if __name__ == "__main__":
    main()
