"""Executes what nvcc made of the kernels: machine code of sm_90, instruction by instruction on the host.

tests/machine_code holds the program; here are the commands to make it, and to read what it counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from support.cuda_on_cpu import BACKEND_FLAGS, ROOT, Flavour, backend_sources, compile_program
from support.cuda_on_cpu import reason_to_skip as reason_to_skip_programs
from support.kernel_budget import FLAGS, NVCC, search_path
from support.kernel_budget import reason_to_skip as reason_to_skip_kernels

FOLDER = ROOT / "tests" / "machine_code"
TARGET = "90"
EXECUTED = tuple(ROOT / "csrc" / "cuda" / f"{name}_cuda.cu" for name in ("resample", "blur"))
COUNTS = ROOT / "tests" / "data" / "executed_instructions.json"  # bench/executed_instructions.py makes it
# -iquote comes before -I: gpu.h then includes this folder's cuda_on_cpu.h.
FLAVOUR = Flavour("machine_code", ("-O2", "-iquote", str(FOLDER)))
PROGRAM = tuple(
    FOLDER / f"{name}.cpp" for name in ("data_instructions", "instructions", "launch", "operands", "program", "warp")
)


@dataclass(frozen=True)
class Counted:
    """What the launches of a kernel executed: warp instructions by family, as "IMAD"."""

    launches: int
    blocks: int
    executed: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.executed.values())


def reason_to_skip() -> str | None:
    """Why this machine cannot execute machine code; None where it can."""
    return reason_to_skip_kernels(to_disassemble=True) or reason_to_skip_programs(FLAVOUR)


def disassemble_kernels(folder: Path) -> Path:
    """The text that the program reads: the kernels of EXECUTED for TARGET, with their jump tables."""
    text = ""
    for source in EXECUTED:
        cubin = folder / f"{source.stem}.cubin"
        command = [NVCC, *FLAGS, f"-I{ROOT / 'csrc'}", f"-arch=sm_{TARGET}", "-cubin", "-o", str(cubin), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        text += subprocess.run(
            ["cuobjdump", "-sass", "-elf", str(cubin)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": search_path()},
        ).stdout
    listing = folder / "kernels.sass"
    listing.write_text(text, encoding="utf-8")
    return listing


def compile_with_kernels(main: Path, output: Path) -> Path:
    """A program of tests/machine_code or tests/cuda_on_cpu around both backends."""
    return compile_program([*backend_sources(), *PROGRAM, main], FLAVOUR, output, extra_flags=BACKEND_FLAGS)


def run_counted(
    program: Path, listing: Path, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Counted]]:
    """What the program printed, and what each kernel executed."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "executed.json"
        done = subprocess.run(
            [str(program), *arguments],
            env={**os.environ, "CUDA_MACHINE_CODE": str(listing), "CUDA_EXECUTED": str(counts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        read = json.loads(counts.read_text(encoding="utf-8")) if counts.exists() else {}
    return done, {name.removeprefix("vrs::"): Counted(**each) for name, each in read.items()}
