"""The extension's build: it needs neither nvcc nor a driver, and says what is missing where CUDA is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vrs_lmeval import _native

ROOT = Path(__file__).parents[1]

# No optimisation: only what is built in counts here.
PLAIN_BUILD = ("-DCMAKE_BUILD_TYPE=None", "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF", "-DVRS_WERROR=ON")

USE_WITHOUT_CUDA = """
import importlib.util, sys
import numpy
spec = importlib.util.spec_from_file_location("vrs_lmeval._native", sys.argv[1])
sys.modules["vrs_lmeval._native"] = native = importlib.util.module_from_spec(spec)
spec.loader.exec_module(native)
from vrs_lmeval.pixels import Geometry, build_info, count_devices, preprocess
from vrs_lmeval.records import Perturbation
assert build_info()["backends"] == ("cpu",), build_info()
assert count_devices() == (0, "this build of vrs_lmeval has no CUDA backend: install it again where nvcc is found")
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
processor = CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
image = numpy.arange(20 * 30 * 3, dtype=numpy.uint8).reshape(20, 30, 3)
ours = preprocess([image], [Perturbation.identity()], Geometry.from_image_processor(processor))[0, 0]
assert numpy.array_equal(ours, processor(image, return_tensors="np")["pixel_values"][0])
print("computes")
"""


def configure(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    import pybind11

    settings += (f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}")
    return run("cmake", "-S", str(ROOT), "-B", str(folder), "-DSKBUILD_PROJECT_VERSION=0", *settings)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_a_build_without_nvcc_computes_on_the_cpu(tmp_path):
    configured = configure(tmp_path, "-DVRS_CUDA=OFF", *PLAIN_BUILD)
    assert configured.returncode == 0, configured.stdout
    built = run("cmake", "--build", str(tmp_path), "--parallel", str(os.cpu_count()))
    assert built.returncode == 0, built.stdout
    (extension,) = tmp_path.glob("_native*.so")
    used = run(sys.executable, "-c", USE_WITHOUT_CUDA, str(extension))
    assert used.stdout.splitlines()[-1] == "computes", used.stdout


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
