"""Compiles CUDA sources for every target as the extension does, and reads what ptxas and the disassembler say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "csrc").rglob("*.cu"))
BUDGET = ROOT / "tests" / "data" / "kernel_budget.json"  # tools/write_kernel_budget.py makes it
IN_DOUBLE = ("contrast_cuda.cu",)  # computes in double on purpose: 768 values a job, with the host's rounding
KERNELS_IN_DOUBLE = ("map_contrasts",)

NVCC = os.environ.get("CUDACXX") or "nvcc"
# As CMakeLists.txt compiles them; every warning is an error, and these three are warnings.
FLAGS = ("-std=c++17", "-O3", "-fmad=false", "--expt-relaxed-constexpr", "-Xcompiler=-Wall,-Wextra")
GATES = ("-v", "--warn-on-spills", "--warn-on-local-memory-usage")
NO_DOUBLE = "--warn-on-double-precision-use"

Key = tuple[str, str]  # kernel, target
INSTRUCTION = re.compile(r"\s+/\*([0-9a-f]{4,})\*/\s+([^;]*?)\s*;")  # offset, text


@dataclass(frozen=True)
class Usage:
    """What a kernel takes: registers of a thread, bytes of shared memory of a block."""

    registers: int
    shared: int


@dataclass(frozen=True)
class Compiled:
    """What nvcc said about a source, and the machine code where it had nothing to object."""

    source: Path
    return_code: int
    messages: str
    fatbin: Path

    def usages(self) -> dict[Key, Usage]:
        return read_usages(self.messages)


def reason_to_skip(*, to_disassemble: bool = False) -> str | None:
    """Why this machine cannot compile kernels, or not read their machine code; None where it can."""
    if shutil.which(NVCC) is None:
        return f"no {NVCC}"
    if to_disassemble:
        for tool in ("cuobjdump", "nvdisasm"):
            if shutil.which(tool, path=search_path()) is None:
                return f"no {tool} (pip install nvidia-cuda-{tool})"
    return None


@cache
def targets() -> list[str]:
    """The compute capabilities, as "75", that the build makes machine code for, as far as this nvcc knows them."""
    named = re.findall(r"\b(\d+)-real\b", (ROOT / "cmake" / "cuda_architectures.cmake").read_text(encoding="utf-8"))
    assert named, "cuda_architectures.cmake names no target"
    known = subprocess.run([NVCC, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split()
    return [target for target in sorted(set(named), key=int) if f"sm_{target}" in known]


def nvcc_release() -> str:
    """As "13.0": another release may allot registers otherwise."""
    words = subprocess.run([NVCC, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"release ([\d.]+)", words)[1]  # type: ignore[index]


def compile_kernels(
    source: Path, folder: Path, *, only: tuple[str, ...] = (), may_use_double: bool = False
) -> Compiled:
    """One call for all targets, or for `only` some of them."""
    fatbin = folder / f"{source.stem}.fatbin"
    gates = GATES if may_use_double else (*GATES, NO_DOUBLE)
    command = [NVCC, *FLAGS, f"-I{ROOT / 'csrc'}", "-Werror", "all-warnings", "-Xptxas", ",".join(gates)]
    command += [f"-gencode=arch=compute_{target},code=sm_{target}" for target in only or targets()]
    command += ["--threads", "2", "-fatbin", "-o", str(fatbin), str(source)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600
    )
    return Compiled(source, done.returncode, _demangle(done.stdout), fatbin)


def compile_all(folder: Path) -> dict[str, Compiled]:
    """Every source of the extension by its name, two at a time."""

    def compile_one(source: Path) -> Compiled:
        return compile_kernels(source, folder, may_use_double=source.name in IN_DOUBLE)

    with ThreadPoolExecutor(2) as pool:
        return {each.source.name: each for each in pool.map(compile_one, SOURCES)}


def read_usages(messages: str) -> dict[Key, Usage]:
    """From what ptxas -v says of each kernel and target."""
    usages = {}
    entries = re.split(r"Compiling entry function ", messages)[1:]
    for entry in entries:
        name, target = re.match(r"'(.*)' for 'sm_(\w+)'", entry).groups()  # type: ignore[union-attr]
        used = re.search(r"Used (\d+) registers", entry)
        assert used, f"ptxas does not say what {name} uses:\n{entry}"
        shared = re.search(r"(\d+) bytes smem", entry)
        usages[short_name(name), target] = Usage(int(used[1]), int(shared[1]) if shared else 0)
    return usages


def disassemble(fatbin: Path) -> dict[Key, list[str]]:
    """The instructions of each kernel and target, one a line: offset in hexadecimal, then its text."""
    command = ["cuobjdump", "-sass", str(fatbin)]
    environment = {**os.environ, "PATH": search_path()}
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    listing: dict[Key, list[str]] = {}
    lines: list[str] = []
    target = ""
    for line in text.splitlines():
        if found := INSTRUCTION.match(line):
            lines.append(f"{found[1]} {found[2]}")
        elif found := re.search(r"code for sm_(\w+)", line):
            target = found[1]
        elif found := re.search(r"Function : (\S+)", line):
            lines = listing.setdefault((found[1], target), [])
    return {(short_name(_demangle(kernel).strip()), target): lines for (kernel, target), lines in listing.items()}


def operation(line: str) -> str:
    """The instruction's name with its modifiers, without predicate: "LDG.E.64"."""
    words = line.split()[1:]
    return words[1] if words[0].startswith("@") else words[0]


def touches_local_memory(line: str) -> bool:
    return operation(line).split(".")[0] in ("LDL", "STL")


def computes_in_double(line: str) -> bool:
    name = operation(line)
    return re.match(r"D(ADD|MUL|FMA|SETP|MNMX)\b", name) is not None or "64H" in name or ".F64" in name


def reads_run_of_eight_rgb(lines: list[str]) -> bool:
    """Whether 24 bytes of one row come in three loads of 64 bits, near each other and from one address."""
    loads = []
    for index, line in enumerate(lines):
        if re.match(r"LDG?\.E\.64\b", operation(line)):
            address = re.search(r"\[(R\d+)(?:\.64)?(?:\+(0x[0-9a-f]+))?\]", line)
            if address:
                loads.append((index, address[1], int(address[2] or "0", 16)))
    for index, register, offset in loads:
        near = {other for at, base, other in loads if base == register and abs(at - index) < 6}
        if offset == 0 and {0, 8, 16} <= near:
            return True
    return False


def reads_run_of_eight_rgbx(lines: list[str]) -> bool:
    """Whether 32 bytes of one row come in two loads of 128 bits."""
    return sum(re.match(r"LDG?\.E\.128\b", operation(line)) is not None for line in lines) >= 2


def read_budget() -> dict[str, object]:
    return json.loads(BUDGET.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def short_name(demangled: str) -> str:
    """As "resample<float>", of a kernel's declaration."""
    return re.sub(r"^.*?(\w+(?:<.*>)?)\(.*$", r"\1", demangled.replace("vrs::", ""))


def _demangle(text: str) -> str:
    return subprocess.run(["c++filt"], input=text, capture_output=True, text=True, check=True).stdout


def search_path() -> str:
    """PATH, and before it where pip puts NVIDIA's programs."""
    folders = sorted(Path(sysconfig.get_paths()["purelib"]).glob("nvidia/cu*/bin"))
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
