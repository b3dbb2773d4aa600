"""Prints what the CUDA kernels may reach: occupancy, work, and lower bounds of times. Derived, not timed on a GPU.

The numbers come from the budget file (registers, shared memory, instructions of the loops over taps), from the plans of
two resizes, and from figures of devices that the vendor publishes. `python bench/roofline.py` prints the tables of
docs/kernels.md, with `--write` it puts them there.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BUDGET = Path(__file__).parents[1] / "tests" / "data" / "kernel_budget.json"
PAGE = Path(__file__).parents[1] / "docs" / "kernels.md"
BEGIN, END = "<!-- bench/roofline.py --write: -->\n", "<!-- until here -->\n"

# The same as in the .cu files; tests/csrc/test_roofline.py compares them.
THREADS = 256
BLUR_THREADS = 128
TILE_ALONG, TILE_LINES = 32, 16
CHUNK_ALONG, CHUNK_LINES = 128, 32
RUN, WARP = 8, 32
STAGED_AT_ONCE = (8, 4 * RUN)  # rows x columns that a warp stages in a step

# Instructions of one such step for an unperturbed RGB image, counted by hand in the sm_90 code: place and bounds 62,
# loads and unpacking 22, pixels beyond the image 64, stores 38.
STAGE_INSTRUCTIONS = 186
STAGE_MEMORY = 3 + 8 + 8 + 4  # pixels, stores, and fields of the job that are read again


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
    """Published figures: multiprocessors, boost clock in GHz, memory in GB/s. All multiply 64 int32 per clock and
    SM."""

    name: str
    target: str
    multiprocessors: int
    clock: float
    bandwidth: float


DEVICES = (
    Device("H100 SXM", "90", 132, 1.755, 3350),
    Device("A100 SXM 80 GB", "80", 108, 1.41, 2039),
    Device("T4", "75", 40, 1.59, 320),
    Device("RTX 4090", "89", 128, 2.52, 1008),
)
CASES = ((1024, 1024, 336), (2500, 2048, 336))
VARIANTS = (1, 6)  # variants that are resized; a blank image is only written
FLOAT_BYTES = 4


def threads_of(kernel: str) -> int:
    """The threads of a block."""
    return BLUR_THREADS if kernel.startswith("blur<") else THREADS


def occupancy(registers: int, shared: int, limits: Limits, threads: int = THREADS) -> tuple[int, float]:
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


def taps_of(source: int, target: int, crop: int) -> list[tuple[int, int]]:
    """For each output that the crop keeps, the first source and the end of its sources (bicubic), as Pillow has
    them."""
    scale = source / target
    support = 2.0 * max(scale, 1.0)
    begin = (target - crop) // 2
    centres = [(index + 0.5) * scale for index in range(begin, begin + crop)]
    return [(max(int(c - support + 0.5), 0), min(int(c + support + 0.5), source)) for c in centres]


def _tiles(taps: list[tuple[int, int]], length: int) -> Iterator[list[tuple[int, int]]]:
    for begin in range(0, len(taps), length):
        yield taps[begin : begin + length]


@dataclass(frozen=True)
class Work:
    """The work of one variant. A step is a warp's: 32 threads each do one tap, or stage a run."""

    outputs: int
    multiplications: int  # that the resize defines, without what blocks compute twice
    along: int
    across: int
    staged: int
    blocks: int
    source_bytes: int

    @property
    def output_bytes(self) -> int:
        return self.outputs * FLOAT_BYTES


def work_of(height: int, width: int, size: int) -> Work:
    """The work of one variant, by the kernel's own walk over tiles and chunks, columns first."""
    short = min(height, width)
    columns = taps_of(width, size * width // short, size)
    rows = taps_of(height, size * height // short, size)
    rows_read = rows[-1][1] - rows[0][0]
    useful = rows_read * sum(end - begin for begin, end in columns) + size * sum(end - begin for begin, end in rows)
    along = across = staged = blocks = 0
    for lines in _tiles(rows, TILE_LINES):
        height_read = lines[-1][1] - lines[0][0]
        chunks = math.ceil(height_read / CHUNK_LINES)
        for outputs in _tiles(columns, TILE_ALONG):
            start = outputs[0][0] // RUN * RUN
            width_read = outputs[-1][1] - start
            blocks += 1
            along += chunks * sum(end - begin for begin, end in outputs)
            across += sum(end - begin for begin, end in lines)
            steps_down = math.ceil(height_read / STAGED_AT_ONCE[0])
            staged += steps_down * math.ceil(width_read / STAGED_AT_ONCE[1])
    source_bytes = rows_read * (columns[-1][1] - columns[0][0]) * 3
    return Work(3 * size * size, 3 * useful, along, across, staged, blocks, source_bytes)


def bounds(work: Work, variants: int, device: Device, loops: dict[str, dict[str, int]]) -> dict[str, float]:
    """Microseconds that each resource alone would take."""

    def steps(pipe: str) -> float:
        along, across = loops["along"], loops["across"]
        return variants * (work.along * along[pipe] / along["taps"] + work.across * across[pipe] / across["taps"])

    cycles = device.multiprocessors * device.clock * 1e3  # of all multiprocessors in a microsecond
    issued = steps("instructions") + variants * work.staged * STAGE_INSTRUCTIONS
    return {
        "memory": (work.source_bytes + variants * work.output_bytes) / device.bandwidth / 1e3,
        "multiply": variants * work.multiplications / (64 * cycles),
        "issue": issued / (4 * cycles),
        "alu": steps("alu") / (2 * cycles),
        "load-store": (steps("memory") + variants * work.staged * STAGE_MEMORY) / cycles,
    }


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


def bounds_table(loops: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    lines = [
        "| | a variant's work | " + " | ".join(device.name for device in DEVICES) + " |",
        "|---" * (len(DEVICES) + 2) + "|",
    ]
    for height, width, size in CASES:
        work = work_of(height, width, size)
        for variants in VARIANTS:
            cells = [_cell(bounds(work, variants, device, loops[device.target])) for device in DEVICES]
            title = f"{height} x {width} to {size}, K = {variants}"
            lines.append(f"| {title} | {_describe(work, loops['90'])} | " + " | ".join(cells) + " |")
    return lines


def _describe(work: Work, loops: dict[str, dict[str, int]]) -> str:
    instructions = (
        sum(getattr(work, name) * loop["instructions"] / loop["taps"] for name, loop in loops.items())
        + work.staged * STAGE_INSTRUCTIONS
    )
    megabytes = f"{work.source_bytes / 1e6:.1f} + {work.output_bytes / 1e6:.2f} MB"
    return (
        f"{megabytes}; {work.multiplications / work.outputs:.0f} products and "
        f"{instructions * WARP / work.outputs:.0f} instructions a value; {work.blocks} blocks"
    )


def _cell(microseconds: dict[str, float]) -> str:
    slowest = max(microseconds, key=lambda name: microseconds[name])
    return " / ".join(f"**{value:.1f}**" if name == slowest else f"{value:.1f}" for name, value in microseconds.items())


def report() -> str:
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    return "\n".join(
        [
            f"Registers a thread, bytes of shared memory a block, warps on a multiprocessor (nvcc {budget['nvcc']}):",
            "",
            *occupancy_table(budget["kernels"]),
            "",
            "Lower bounds in microseconds, derived, not timed on a GPU: memory / multiply / issue / alu / load-store:",
            "",
            *bounds_table(budget["tap_loops"]),
            "",
        ]
    )


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
