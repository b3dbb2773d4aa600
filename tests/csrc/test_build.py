"""The extension's builds: without nvcc, without a driver, and with instructions that few processors have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.sanitized_build import CLANGS

from vrs_lmeval import _native

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]

# AVX-512 has AVX-VNNI's instructions in an encoding of its own, in which its kernels run on more processors.
CPU_BUILD = ("-DVRS_CUDA=OFF", "-DVRS_WERROR=ON", "-DCMAKE_CXX_FLAGS=-DVRS_AVXVNNI_IN_AVX512_ENCODING")

USE_EXTENSION = ROOT / "tests" / "support" / "use_extension.py"


def configure(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    import pybind11

    settings += (f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}")
    return run("cmake", "-S", str(ROOT), "-B", str(folder), "-DSKBUILD_PROJECT_VERSION=0", *settings)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.mark.whole  # compiles the extension once more
def test_a_build_without_nvcc_computes_the_same_bits_with_every_instruction_set(tmp_path):
    configured = configure(tmp_path, *CPU_BUILD)
    assert configured.returncode == 0, configured.stdout
    built = run("cmake", "--build", str(tmp_path), "--parallel", str(os.cpu_count()))
    assert built.returncode == 0, built.stdout
    (extension,) = tmp_path.glob("_native*.so")
    used = run(sys.executable, str(USE_EXTENSION), str(extension))
    assert used.returncode == 0, used.stdout
    names = used.stdout.splitlines()[-1].split()
    assert names[-1] == "portable"
    can_compile = "VRS_HAS_AVXVNNI - Success" in configured.stdout
    assert ("avxvnni" in names) == ("avx512vnni" in names and can_compile)


@pytest.mark.skipif(not any(map(shutil.which, CLANGS)) or shutil.which("g++") is None, reason="no clang beside g++")
def test_clang_compiles_the_instruction_sets_that_gcc_does(tmp_path):
    """A warning's option that one of them does not know would count as an instruction set that it lacks."""
    clang = next(filter(shutil.which, CLANGS))
    compiled = []
    for compiler in ("g++", clang):
        configured = configure(tmp_path / compiler, "-DVRS_CUDA=OFF", f"-DCMAKE_CXX_COMPILER={compiler}")
        assert configured.returncode == 0, configured.stdout
        compiled.append(set(re.findall(r"VRS_COMPILES_(\w+) - Success", configured.stdout)))
    assert compiled[1] >= compiled[0] - {"AVXVNNI"}  # its check asks for a builtin that clang may lack


def test_cuda_that_is_asked_for_and_missing_is_an_error(tmp_path):
    configured = configure(tmp_path, "-DVRS_CUDA=ON", "-DCMAKE_CUDA_COMPILER=NOTFOUND")
    assert configured.returncode != 0
    message = "VRS_CUDA=ON: no nvcc found; add it to PATH or set CUDACXX, or use AUTO or OFF"
    assert message in " ".join(configured.stdout.split())


def test_the_extension_links_no_cuda_library():
    if shutil.which("readelf") is None:
        pytest.skip("no readelf")
    shown = run("readelf", "--dynamic", _native.__file__)
    needed = [line for line in shown.stdout.splitlines() if "(NEEDED)" in line]
    assert any("libstdc++" in line for line in needed), shown.stdout
    assert not [line for line in needed if "libcuda" in line or "nvidia" in line]
