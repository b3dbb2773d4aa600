"""Counts the instructions that the CUDA kernels execute, by executing their machine code for sm_90 on the host.

Every block of every launch runs, set-up, rounding and stores included, and the result is compared with the CPU
backend's. A warp that has parted counts an instruction once for each part, as a GPU issues it. What it does not tell is
time: no instruction waits here. `python bench/executed_instructions.py` prints the counts; `--write` puts them into
tests/data/executed_instructions.json, which bench/roofline.py reads. `--listing FILE KIND` writes how often each
instruction is executed. It needs nvcc, cuobjdump and nvdisasm, and takes four minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.kernel_budget import nvcc_release
from support.machine_code import (
    COUNTS,
    FOLDER,
    TARGET,
    Counted,
    compile_with_kernels,
    disassemble_kernels,
    reason_to_skip,
    run_counted,
)
from support.six_variants import SIX_VARIANTS

Case = tuple[int, int, int, str]

CASES: tuple[Case, ...] = ((1024, 1024, 336, "host"), (2500, 2048, 336, "host"), (1024, 1023, 336, "device"))
"""Height, width, size of the output, and where the image lies. On the device rows follow each other without gaps: of
1,023 pixels three in four begin within a word."""


TOGETHER = "all of them"
"""All variants in one request, where an occlusion leaves tiles to the image as it is."""


def case_name(height: int, width: int, size: int, place: str) -> str:
    return f"{height} x {width} to {size}" + (", as it lies on the device" if place == "device" else "")


def requests() -> dict[str, list[str]]:
    """The arguments that the program takes for each kind alone, and for all of them."""
    variants = {each.kind: ",".join([each.kind, *map(str, each.parameters)]) for each in SIX_VARIANTS}
    return {kind: [variant] for kind, variant in variants.items()} | {TOGETHER: list(variants.values())}


def count(program: Path, listing: Path, case: Case, name: str) -> dict[str, Counted]:
    """What the request of this name executes, by kernel."""
    done, counted = run_counted(program, listing, *map(str, case), *requests()[name])
    if done.returncode != 0:
        sys.exit(f"{case_name(*case)}, {name}: {done.stdout}")
    return counted


def count_all(program: Path, listing: Path) -> dict[str, dict[str, dict[str, Counted]]]:
    """By case, name of a request, and kernel."""
    return {case_name(*case): {name: count(program, listing, case, name) for name in requests()} for case in CASES}


def as_text(counted: dict[str, dict[str, dict[str, Counted]]]) -> str:
    """JSON with a line for each kernel."""
    cases = []
    for case, kinds in counted.items():
        lines = []
        for kind, kernels in kinds.items():
            inner = [f"    {json.dumps(name)}: {json.dumps(asdict(each))}" for name, each in kernels.items()]
            lines.append(f"   {json.dumps(kind)}: {{\n" + ",\n".join(inner) + "\n   }")
        cases.append(f"  {json.dumps(case)}: {{\n" + ",\n".join(lines) + "\n  }")
    head = f' "nvcc": {json.dumps(nvcc_release())},\n "target": {json.dumps(TARGET)},\n'
    return "{\n" + head + ' "cases": {\n' + ",\n".join(cases) + "\n }\n}\n"


def main() -> None:
    """Counts, and prints or writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--listing", nargs=2, metavar=("FILE", "KIND"))
    options = parser.parse_args()
    if reason := reason_to_skip():
        sys.exit(f"cannot execute the kernels: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listing = disassemble_kernels(folder)
        program = compile_with_kernels(FOLDER / "run_variants.cpp", folder / "run_variants")
        if options.listing:
            os.environ["CUDA_EXECUTED_LISTING"] = options.listing[0]
            count(program, listing, CASES[0], options.listing[1])
            return
        counted = count_all(program, listing)
    for case, kinds in counted.items():
        for kind, kernels in kinds.items():
            print(f"{case}, {kind}: {sum(each.total for each in kernels.values()):,} warp instructions")
    if options.write:
        COUNTS.write_text(as_text(counted), encoding="utf-8")


if __name__ == "__main__":
    main()
