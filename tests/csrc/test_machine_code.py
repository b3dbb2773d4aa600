"""What nvcc made of the kernels, executed on the host: the CPU's bits, and no more instructions than the file says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.cuda_on_cpu import FOLDER as SHIM
from support.kernel_budget import nvcc_release
from support.machine_code import COUNTS, FOLDER, compile_with_kernels, disassemble_kernels, reason_to_skip, run_counted

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from executed_instructions import CASES, Case, case_name, count, requests

pytestmark = [
    pytest.mark.native,
    pytest.mark.whole,  # compiles both backends anew, and each instruction is a function call
    pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip())),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machine_code")


@pytest.fixture(scope="module")
def listing(folder: Path) -> Path:
    return disassemble_kernels(folder)


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Path:
    return compile_with_kernels(SHIM / "compare_backends.cu", folder / "compare_backends")


@pytest.mark.parametrize("seed", ["21", "22"])
def test_machine_code_agrees_with_the_cpu_on_random_requests(comparison: Path, listing: Path, seed: str) -> None:
    done, counted = run_counted(comparison, listing, seed, "60")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(" jobs: equal\n")
    for value in ("float", "unsigned short", "unsigned char"):
        assert counted[f"resample<{value}>"].launches > 0
    assert counted["blur<8, 64, 32>"].launches > 0


@pytest.mark.parametrize(
    ("original", "changed"),
    [("IMMA.16832.S8.U8", "IMMA.16832.U8.U8"), (", 0x5140, ", ", 0x5104, "), (", 0x4b49, ", ", 0x4b4b, ")],
    ids=["sign of a digit", "bytes of a pixel", "sign of an offset"],
)
def test_changed_machine_code_is_noticed(
    comparison: Path, listing: Path, tmp_path: Path, original: str, changed: str
) -> None:
    before, function, kernel = listing.read_text(encoding="utf-8").partition("Function : _ZN3vrs8resampleIf")
    assert original in kernel, "the machine code has changed: change something else"
    mutant = tmp_path / "mutant.sass"
    mutant.write_text(before + function + kernel.replace(original, changed), encoding="utf-8")
    done, _ = run_counted(comparison, mutant, "21", "60")
    assert done.returncode == 1
    assert " differs: " in done.stdout


@pytest.mark.parametrize(
    ("original", "changed", "said"),
    [
        ("IMMA.16832", "QMMA.16832", "no such instruction: QMMA.16832"),
        ("VIADDMNMX.U16x2", "VIADDMNMX.S16x2", "no such form: VIADDMNMX.S16x2"),
        ("BAR.SYNC", "BAR.ARV", "no such form: BAR.ARV"),
    ],
)
def test_an_unknown_instruction_ends_the_program(
    comparison: Path, listing: Path, tmp_path: Path, original: str, changed: str, said: str
) -> None:
    text = listing.read_text(encoding="utf-8")
    assert original in text, "the machine code has changed: change something else"
    unknown = tmp_path / "unknown.sass"
    unknown.write_text(text.replace(original, changed), encoding="utf-8")
    done, _ = run_counted(comparison, unknown, "21", "1")
    assert done.returncode != 0
    assert f"machine_code: {said}" in done.stdout


@pytest.fixture(scope="module")
def variants_program(folder: Path) -> Path:
    return compile_with_kernels(FOLDER / "run_variants.cpp", folder / "run_variants")


@pytest.mark.parametrize(
    ("case", "names"),
    [
        (CASES[0], list(requests())),
        (CASES[2], ["identity", "patch_shuffle"]),  # rows that begin within a word
    ],
    ids=["the host's image", "as it lies on the device"],
)
def test_variants_execute_no_more_than_the_file_says(
    variants_program: Path, listing: Path, case: Case, names: list[str]
) -> None:
    recorded = json.loads(COUNTS.read_text(encoding="utf-8"))
    if recorded["nvcc"] != nvcc_release():
        pytest.skip(f"counted with nvcc {recorded['nvcc']}")
    for name in names:
        counted = count(variants_program, listing, case, name)
        allowed = recorded["cases"][case_name(*case)][name]
        for kernel, each in counted.items():
            assert each.total <= sum(allowed[kernel]["executed"].values()), (name, kernel)
