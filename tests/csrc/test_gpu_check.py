"""The script for the day a GPU is there, as far as it runs without one: not broken, and it never claims success."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from sanitize_cuda import EXAMPLES

from vrs_lmeval.pixels.preprocess import count_devices
from vrs_lmeval.pixels.reference import PERTURBATIONS

pytestmark = pytest.mark.native

BENCH = Path(__file__).parents[2] / "bench"
NEEDED = ("bash", "cat", "date", "dirname", "git", "grep", "mkdir", "mktemp", "rm", "tee")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_script_is_bash() -> None:
    assert run("bash", "-n", BENCH / "gpu_check.sh").returncode == 0


def test_without_nvcc_it_fails_and_says_so(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name) or pytest.skip(f"no {name}"))
    done = run("bash", BENCH / "gpu_check.sh", PATH=str(programs), OUT=str(tmp_path / "out"))
    assert done.returncode == 1
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "| install | **FAILED**: no nvcc on this machine" in summary
    assert "passed" not in summary
    assert (tmp_path / "out" / "gpu_check.log").read_text(encoding="utf-8") == done.stdout


def test_the_sanitizers_see_every_kind() -> None:
    assert {change.kind for change in EXAMPLES} == set(PERTURBATIONS)
    done = run(sys.executable, BENCH / "sanitize_cuda.py", "cpu")
    assert done.returncode == 0, done.stdout
    assert "the CPU's bits" in done.stdout


def test_a_trial_of_the_benchmark_says_that_it_is_one(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    done = run(sys.executable, BENCH / "bench_cuda.py", "--device", "cpu", "--rounds", "3", "--output", table)
    assert done.returncode == 0, done.stdout
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("**A trial on the CPU: these are no times of a GPU**")
    assert sum(line.startswith("| 64 x 48 to 32, K = 6 | ours |") for line in lines) == 1


@pytest.mark.parametrize("program", ["bench_cuda.py", "sanitize_cuda.py"])
def test_without_a_device_nothing_is_timed(program: str) -> None:
    if count_devices()[0] > 0:
        pytest.skip("there is a device")
    done = run(sys.executable, BENCH / program)
    assert done.returncode == 1
    assert "no CUDA device" in done.stdout
