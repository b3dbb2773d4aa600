"""Compiles CUDA sources for the host against tests/cuda_on_cpu, once for each way of checking them, and runs them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from filelock import FileLock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "cuda_on_cpu"
EMULATION = sorted(FOLDER.glob("*.cpp"))  # to be linked with every program
COMPILER = shlex.split(os.environ.get("CXX", "g++"))
ORDERS = (
    "forward",
    "reverse",
    "shuffle:1",
    "shuffle:2",
)  # of threads and blocks: a right kernel does not tell them apart


@dataclass(frozen=True)
class Flavour:
    """A way to compile: `runtime` is the sanitizer's library, without which the flavour cannot be had."""

    name: str
    flags: tuple[str, ...]
    runtime: str | None = None


PLAIN = Flavour("plain", ("-O2",))
# Reports end the program, so that a test cannot overlook one. The frame pointer gives them the whole stack.
MEMORY = Flavour(
    "memory",
    ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
    "libasan.so",
)
RACES = Flavour("races", ("-O1", "-g", "-fsanitize=thread"), "libtsan.so")
PORTABLE = Flavour("portable", ("-O2", "-DCUDA_ON_CPU_UCONTEXT"))  # the switch of other processors than x86-64
FLAVOURS = (PLAIN, MEMORY, RACES)


def reason_to_skip(flavour: Flavour) -> str | None:
    """Why this machine cannot compile the flavour; None where it can."""
    if shutil.which(COMPILER[0]) is None:
        return f"no {COMPILER[0]}"
    if flavour.runtime is not None:
        path = _runtime_path(flavour.runtime)
        if not path.is_absolute():
            return f"{COMPILER[0]} has no {flavour.runtime}"
    return None


def compile_program(
    sources: Iterable[Path], flavour: Flavour, output: Path, *, shared: bool = False, extra_flags: tuple[str, ...] = ()
) -> Path:
    """`output`, made of these sources and the emulation; objects lie in a folder beside it, shared by flavour.

    `shared` makes a library, for Python to load under `environment_to_load(flavour)`. What is there already stays:
    another worker may have loaded it. Raises AssertionError with the compiler's words; warnings are errors.
    """
    objects = output.parent / f"objects-{flavour.name}"
    objects.mkdir(parents=True, exist_ok=True)
    # -ffp-contract=off: as the extension is compiled, and nvcc with -fmad=false.
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fPIC", "-DVRS_CUDA_ON_CPU"]
    flags += [f"-I{FOLDER}", f"-I{ROOT / 'csrc'}", *flavour.flags, *extra_flags]

    def compile_object(source: Path) -> str:
        target = objects / f"{source.name}.o"
        if not target.exists():
            _run([*COMPILER, *flags, "-x", "c++", "-c", str(source), "-o", str(target)])
        return str(target)

    with FileLock(objects / "lock"):
        if not output.exists():
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                linked = list(pool.map(compile_object, [*sources, *EMULATION]))
            _run([*COMPILER, *flavour.flags, *(["-shared"] if shared else []), *linked, "-pthread", "-o", str(output)])
    return output


def backend_sources() -> list[Path]:
    """Both backends, the CPU's in plain C++ alone: its other instruction sets have tests of their own."""
    sources = sorted(path for path in (ROOT / "csrc").glob("*/*") if path.suffix in (".cpp", ".cu"))
    return [path for path in sources if "avx" not in path.name]


BACKEND_FLAGS = ("-DVRS_HAVE_CUDA", "-fvisibility=hidden")


def load_extension(folder: Path) -> ModuleType:
    """`_native`, compiled with the kernels on the host."""
    import pybind11

    includes = (sysconfig.get_path("include"), pybind11.get_include())
    library = compile_program(
        [*backend_sources(), *(ROOT / "csrc").glob("*.cpp")],
        PLAIN,
        folder / "_native.so",
        shared=True,
        extra_flags=(
            *BACKEND_FLAGS,
            *(f"-I{include}" for include in includes),
            '-DVRS_VERSION="test"',
            '-DVRS_COMPILER="test"',
        ),
    )
    spec = spec_from_file_location("_native", library)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment_to_load(flavour: Flavour) -> dict[str, str]:
    """What a Python process needs from its start to load a library of this flavour."""
    if flavour.runtime is None:
        return {}
    # The sanitizer has to come before all else. Python itself leaves memory to the end of the process.
    return {"LD_PRELOAD": str(_runtime_path(flavour.runtime)), "ASAN_OPTIONS": "detect_leaks=0"}


def run_program(program: Path | str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Its return code and what it printed, errors in `stdout` too; the keywords are environment variables."""
    return subprocess.run(
        [*_fixed_addresses(), str(program), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


@cache
def _runtime_path(name: str) -> Path:
    """GCC answers with a path where it has the file, with the bare name where it has not."""
    command = [*COMPILER, f"-print-file-name={name}"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip())


@cache
def _fixed_addresses() -> tuple[str, ...]:
    """Without it ThreadSanitizer stops with "unexpected memory mapping" where Linux scatters addresses widely."""
    command = ("setarch", "-R")
    if shutil.which(command[0]) is None:
        return ()
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if allowed else ()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
