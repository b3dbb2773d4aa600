"""The script for the day a GPU is there, as far as it runs without one: not broken, and it never claims success."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import cuda_rivals
from sanitize_cuda import EXAMPLES
from support.images import synthetic_image

from vrs_lmeval import _native
from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.preprocess import build_info, count_devices
from vrs_lmeval.pixels.reference import PERTURBATIONS

pytestmark = pytest.mark.native

BENCH = Path(__file__).parents[2] / "bench"
NEEDED = ("bash", "cat", "date", "dirname", "git", "grep", "mkdir", "mktemp", "rm", "tee", "timeout")


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


@pytest.fixture
def with_nvcc(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine whose nvcc, the first on PATH, only tells its release."""
    programs = tmp_path / "with_nvcc"
    programs.mkdir()
    (programs / "nvcc").write_text("#!/bin/sh\necho release 13.0\n")
    (programs / "nvcc").chmod(0o755)
    return {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OUT": str(tmp_path / "out"),
        "PIP_NO_INDEX": "1",
        "VRS_GPU_CHECK_TRIAL": "1",
    }


def test_old_build_tools_are_named(with_nvcc: dict[str, str], tmp_path: Path) -> None:
    packages = tmp_path / "older"
    for name, version in (("scikit_build_core", "0.11.6"), ("pybind11", "3.0.1")):
        metadata = packages / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    done = run("bash", BENCH / "gpu_check.sh", **with_nvcc, PYTHONPATH=str(packages))
    assert done.returncode == 1
    assert "python3 has scikit-build-core 0.11.6 (1.1 is needed): pip is to fetch build tools" in done.stdout
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "| install | **FAILED**: python3 has scikit-build-core 0.11.6 (1.1 is needed); the build failed" in summary
    assert "passed" not in summary


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.whl", "there is no "),
        ("vrs_lmeval-0.1.0-cp27-cp27-linux_x86_64.whl", " is not for python3, which is cp3"),
    ],
)
def test_a_wheel_that_does_not_fit_is_refused(
    name: str, reason: str, with_nvcc: dict[str, str], tmp_path: Path
) -> None:
    if name != "none.whl":
        (tmp_path / name).touch()
    done = run("bash", BENCH / "gpu_check.sh", **with_nvcc, VRS_WHEEL=str(tmp_path / name))
    assert done.returncode == 1
    assert reason in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


@pytest.mark.whole  # runs all that runs without a GPU
@pytest.mark.skipif("cuda" not in build_info()["backends"], reason="the extension here has no CUDA backend")  # type: ignore[operator]
def test_a_trial_with_a_wheel_never_says_that_a_gpu_was_there(with_nvcc: dict[str, str], tmp_path: Path) -> None:
    wheel = tmp_path / "vrs_lmeval-0.1.0-cp{0}{1}-cp{0}{1}-linux_x86_64.whl".format(*sys.version_info)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (BENCH.parent / "vrs_lmeval").rglob("*.py"):
            archive.write(path, path.relative_to(BENCH.parent))
        archive.write(_native.__file__, f"vrs_lmeval/{Path(_native.__file__).name}")
    done = run("bash", BENCH / "gpu_check.sh", **with_nvcc, VRS_WHEEL=str(wheel), VRS_GPU_CHECK_PATIENCE="5")
    assert done.returncode == 0, done.stdout
    assert "NOTHING WAS CHECKED ON A GPU" in done.stdout
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "nothing here was checked on one" in summary
    assert "passed" not in summary
    steps = [line.split(" | ")[0] for line in summary.splitlines() if line.startswith("| ") and "step" not in line]
    assert [step.removeprefix("| ") for step in steps] == [
        "install",
        "the extension finds a device",
        "every kind against the CPU",
        "benchmark",
        "parity tests (a trial: they skip)",
        "compute-sanitizer memcheck",
        "compute-sanitizer racecheck",
        "ncu",
    ]


def test_a_step_beyond_its_limit_is_stopped_and_the_next_one_runs() -> None:
    script = (BENCH / "gpu_check.sh").read_text(encoding="utf-8")
    function = script[script.index("step() {") :].split("\n}\n")[0] + "\n}\n"
    setting = 'set -euo pipefail; patience=1 failed=0 passed=passed; say() { :; }; record() { echo "$1: $2"; }\n'
    steps = "step slow 1 sleep 20; step wrong 9 false; step right 9 true; echo $failed"
    done = run("bash", "-c", setting + function + steps)
    assert done.stdout.splitlines() == [
        "slow: **STOPPED** after 1 s, its limit",
        "wrong: **FAILED** with status 1",
        "right: passed in 0 s",
        "1",
    ]


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
    for case in ("K = 1 (identity)", "K = 1 (gaussian_blur)", "K = 6"):  # the sum of the kinds can be explained
        assert sum(line.startswith(f"| 64 x 48 to 32, {case} | ours |") for line in lines) == 1
    assert lines[-1].startswith("| 64 x 48 to 32, K = 6 | ours, sum of the kinds alone |")


def test_a_rival_that_is_not_there_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "kornia.py").write_text("raise ModuleNotFoundError('kornia')")
    (tmp_path / "cvcuda.py").write_text("raise ImportError('libnvcv_types.so')")
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    done = run(sys.executable, BENCH / "bench_cuda.py", "--device", "cpu", "--rounds", "2", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout
    assert "left out: kornia, not installed\n" in done.stdout
    assert "left out: cvcuda, cannot be imported: libnvcv_types.so\n" in done.stdout


def test_a_profiler_s_run_tells_its_cases_in_order() -> None:
    done = run(sys.executable, BENCH / "bench_cuda.py", "--device", "cpu", "--once")
    assert done.returncode == 0, done.stdout
    assert [line.split("(")[-1] for line in done.stdout.splitlines() if "K = 1" in line] == [
        "identity)",
        "blank)",
        "gaussian_noise)",
        "gaussian_blur)",
        "occlusion)",
        "patch_shuffle)",
    ]


NCU = """==PROF== Connected to process 7
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","7","void vrs::resample<float>(const vrs::ResampleJob *)","gpu__time_duration.sum","us","9.50"
"0","7","void vrs::resample<float>(const vrs::ResampleJob *)","smsp__inst_executed.sum","inst","5,320,000"
"1","7","vrs::blur(const vrs::BlurJob *)","smsp__inst_executed.sum","inst","22,900,000"
"""


def test_ncu_s_lines_become_a_row_for_each_launch(tmp_path: Path) -> None:
    (tmp_path / "ncu.csv").write_text(NCU, encoding="utf-8")
    done = run(sys.executable, BENCH / "ncu_table.py", tmp_path / "ncu.csv")
    assert done.stdout.splitlines() == [
        "| kernel | warp instructions | time | memory | registers |",
        "|---|---|---|---|---|",
        "| `void vrs::resample<float>` | 5,320,000 inst | 9.50 us |  |  |",
        "| `vrs::blur` | 22,900,000 inst |  |  |  |",
    ]
    (tmp_path / "ncu.csv").write_text("==ERROR== no permission\n", encoding="utf-8")
    assert run(sys.executable, BENCH / "ncu_table.py", tmp_path / "ncu.csv").returncode == 1


def test_cv_cuda_is_asked_for_torchvision_s_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision stands in for the functions that CV-CUDA has under the same names, which need a device."""
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    modes = pytest.importorskip("torchvision.transforms").InterpolationMode

    def resize(image: torch.Tensor, size: list[int], interpolation: str, antialias: bool) -> torch.Tensor:
        return functional.resize(image, size, modes(interpolation), antialias=antialias)

    tv = SimpleNamespace(**{**vars(functional), "resize": resize})
    monkeypatch.setitem(sys.modules, "cvcuda", SimpleNamespace(tv=tv))
    geometry, device = Geometry(size=(32, 32), crop=(32, 32)), torch.device("cpu")
    image = torch.from_numpy(synthetic_image(70, 90))
    for variants in (1, 6):
        torch.manual_seed(0)
        expected = cuda_rivals.torchvision_pipeline(geometry, device)(image, variants)
        torch.manual_seed(0)
        actual = cuda_rivals.cvcuda_pipeline(geometry, device)(image, variants)
        assert torch.allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("program", ["bench_cuda.py", "sanitize_cuda.py"])
def test_without_a_device_nothing_is_timed(program: str) -> None:
    if count_devices()[0] > 0:
        pytest.skip("there is a device")
    done = run(sys.executable, BENCH / program)
    assert done.returncode == 1
    assert "no CUDA device" in done.stdout
