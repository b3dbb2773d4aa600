"""Nothing asks for CUDA devices before it is about to use one: a process forked afterwards could not use CUDA."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]
ASKING = sorted(
    path
    for folder in ("bench", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "count_devices" in path.read_text(encoding="utf-8")
    and path not in (Path(__file__), ROOT / "tests/support/use_extension.py")
)

USE = f"""
import importlib, pkgutil, runpy, sys

import vrs_lmeval
from vrs_lmeval import _native

def refuse(*arguments):
    raise AssertionError("CUDA was asked for devices")

_native.count_devices = _native.preprocess_on_device = refuse
for module in pkgutil.walk_packages(vrs_lmeval.__path__, "vrs_lmeval."):
    if module.name.startswith("vrs_lmeval.tasks."):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        assert error.name == "vllm", error

from vrs_lmeval.commands import doctor
assert "backends" in doctor._find_extension().detail
sys.path += [{str(ROOT / "bench")!r}, {str(ROOT / "tests")!r}]
for path in sys.argv[1:]:
    runpy.run_path(path)
"""


def test_imports_and_the_doctor_leave_cuda_alone() -> None:
    assert ROOT / "tests" / "pixels" / "test_cuda_device.py" in ASKING
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USE, *map(str, ASKING)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
