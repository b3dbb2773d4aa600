"""Builds of the extension with the address and undefined-behaviour sanitizers: its fuzz target, and the module itself.

Objects stay in build/sanitized, where make finds what has changed. Clang is taken where it is: it has libFuzzer.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from filelock import FileLock

from vrs_lmeval.pixels.preprocess import build_info

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "sanitized"
CLANGS = ("clang++", *(f"clang++-{version}" for version in range(30, 13, -1)))
INSTRUCTION_SETS = ("avx2", "avxvnni", "avx512vnni")
FLAGS = "-g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"


@cache
def find_compiler() -> list[str]:
    """$CXX, else the first clang, else g++."""
    if "CXX" in os.environ:
        return shlex.split(os.environ["CXX"])
    return [next(filter(shutil.which, CLANGS), "g++")]


def is_clang() -> bool:
    """Whether the compiler has libFuzzer, and calls the sanitizers' library as clang does."""
    return "clang" in find_compiler()[-1]


def find_runtime() -> list[Path]:
    """The libraries that have to come first in a process that loads the module, the sanitizers' first; [] without it.

    GCC's looks for C++'s when it starts, and would find none: Python itself does not load it.
    """
    names = ["libclang_rt.asan-x86_64.so"] if is_clang() else ["libasan.so", "libstdc++.so.6"]
    commands = [[*find_compiler(), f"-print-file-name={name}"] for name in names]
    paths = [
        Path(subprocess.run(each, capture_output=True, text=True, check=False).stdout.strip()) for each in commands
    ]
    return paths if all(path.is_absolute() and path.exists() for path in paths) else []


def reason_to_skip() -> str | None:
    """Why this machine cannot build it; None where it can."""
    if shutil.which("cmake") is None:
        return "no cmake"
    if shutil.which(find_compiler()[-1]) is None:
        return f"no {find_compiler()[-1]}"
    return None if find_runtime() else f"{find_compiler()[-1]} has no sanitizers for this processor"


def build(target: str) -> Path:
    """The program "fuzz_preprocess" or the module "_native". Raises AssertionError with the compiler's words."""
    import pybind11

    folder = FOLDER / target
    settings = ["-DSKBUILD_PROJECT_VERSION=0", "-DVRS_CUDA=OFF", "-DVRS_FUZZ=ON", "-DVRS_OPTIMISATION=-O1"]
    settings += ["-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF", f"-DPython_EXECUTABLE={sys.executable}"]
    settings += [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DCMAKE_CXX_COMPILER={';'.join(find_compiler())}"]
    shared = " -shared-libasan" if is_clang() and target == "_native" else ""
    settings.append(f"-DCMAKE_CXX_FLAGS={FLAGS}{shared}")
    # What -O1 does not inline may be linked in any instruction set's version: leave out those this processor lacks.
    lacking = set(INSTRUCTION_SETS) - set(build_info()["simd"])  # type: ignore[call-overload]
    settings += [f"-DVRS_COMPILES_{name.upper()}=OFF" for name in sorted(lacking)]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        run("cmake", "-S", str(ROOT), "-B", str(folder), *settings)
        run("cmake", "--build", str(folder), "--target", target, "--parallel", str(os.cpu_count()))
    (built,) = [*folder.glob(f"{target}*.so"), *([folder / target] if (folder / target).is_file() else [])]
    return built


def run(*command: str, **environment: str) -> str:
    """What it printed, errors too. Raises AssertionError with that where it fails."""
    variables = {**os.environ, **environment}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
