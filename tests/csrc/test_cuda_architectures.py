"""The GPUs that a build has code for, by the release of nvcc: machine code, or PTX for those that it does not know."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.native

CHOICE = Path(__file__).parents[2] / "cmake" / "cuda_architectures.cmake"

# What nvcc of each release compiles for, from 75 on (CUDA's release notes; 13.0 calls 110 what was 101).
KNOWN = {
    "11.0": (75, 80),
    "11.1": (75, 80, 86),
    "11.7": (75, 80, 86, 87),
    "11.8": (75, 80, 86, 87, 89, 90),
    "12.6": (75, 80, 86, 87, 89, 90),
    "12.8": (75, 80, 86, 87, 89, 90, 100, 101, 120),
    "12.9": (75, 80, 86, 87, 89, 90, 100, 101, 103, 120, 121),
    "13.0": (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121),
    "14.0": (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121),
}
LATER = 130  # a GPU that none of them knows


def choose(version: str, folder: Path) -> tuple[set[int], set[int]]:
    """Real and virtual architectures."""
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    script = folder / "choose.cmake"
    script.write_text(f'include("{CHOICE}")\nchoose_cuda_architectures({version} chosen)\nmessage("${{chosen}}")\n')
    done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=True)
    chosen = re.findall(r"(\d+)-(real|virtual)", done.stderr)
    real, virtual = ({int(number) for number, kind in chosen if kind == wanted} for wanted in ("real", "virtual"))
    return real, virtual


@pytest.mark.parametrize("version", KNOWN)
def test_every_gpu_is_served_and_newer_ones_by_ptx(version: str, tmp_path: Path) -> None:
    real, virtual = choose(version, tmp_path)
    assert real | virtual <= set(KNOWN[version])
    for gpu in (*KNOWN[version], LATER):
        has_machine_code = any(each // 10 == gpu // 10 and each <= gpu for each in real)
        assert has_machine_code or any(each <= gpu for each in virtual), gpu
        assert has_machine_code or gpu == LATER or gpu == 101, gpu
    assert max(virtual) == max(real)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")
def test_this_nvcc_knows_what_is_chosen_for_it(tmp_path: Path) -> None:
    words = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    real, virtual = choose(re.search(r"release ([\d.]+)", words)[1], tmp_path)  # type: ignore[index]
    known = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split()
    assert {f"sm_{each}" for each in real | virtual} <= set(known)
