"""What nvcc makes of the kernels, for every target: nothing spilt, no double by accident, no more than the budget."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.kernel_budget import (
    FLAGS,
    KERNELS_IN_DOUBLE,
    NVCC,
    SOURCES,
    Compiled,
    Usage,
    compile_all,
    compile_kernels,
    computes_in_double,
    disassemble,
    nvcc_release,
    read_budget,
    read_usages,
    reads_run_of_eight_rgb,
    reads_run_of_eight_rgbx,
    reason_to_skip,
    short_name,
    targets,
    touches_local_memory,
)

pytestmark = [pytest.mark.native, pytest.mark.whole]  # nvcc compiles every kernel for every target

needs_nvcc = pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip()))
needs_disassembler = pytest.mark.skipif(
    reason_to_skip(to_disassemble=True) is not None, reason=str(reason_to_skip(to_disassemble=True))
)

SEEDED = {
    # 64 sums for which 24 registers are left.
    "spills": """
        __global__ void __launch_bounds__(1024, 2) seeded(const int* in, int* out) {
          int sums[64];
          #pragma unroll
          for (int i = 0; i < 64; ++i) sums[i] = in[i * 1024 + threadIdx.x];
          for (int step = 0; step < in[0]; ++step) {
            #pragma unroll
            for (int i = 0; i < 64; ++i) sums[i] = sums[i] * sums[(i + 1) % 64] + step;
          }
          #pragma unroll
          for (int i = 0; i < 64; ++i) out[i * 1024 + threadIdx.x] = sums[i];
        }""",
    # Registers cannot be indexed by what a kernel reads.
    "local memory": """
        __global__ void seeded(const int* in, int* out) {
          int counts[8] = {};
          for (int i = 0; i < 64; ++i) ++counts[in[i] & 7];
          out[threadIdx.x] = counts[in[threadIdx.x] & 7];
        }""",
    "double": """
        __global__ void seeded(const int* in, int* out) {
          out[threadIdx.x] = static_cast<int>(in[threadIdx.x] * 1.5);  // 1.5f was meant
        }""",
}
SAID = {"spills": "spill", "local memory": "stack frame", "double": "double"}
WHILE_CLEAN = """
    __global__ void seeded(const int* in, int* out) {
      __shared__ int tile[32];
      tile[threadIdx.x] = in[threadIdx.x];
      __syncthreads();
      out[threadIdx.x] = tile[31 - threadIdx.x];
    }"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiled]:
    return compile_all(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module")
def listing(compiled: dict[str, Compiled]) -> dict[tuple[str, str], list[str]]:
    with_kernels = [each for each in compiled.values() if each.usages()]
    return {key: lines for each in with_kernels for key, lines in disassemble(each.fatbin).items()}


def compile_seeded(text: str, folder: Path, target: str, *, may_use_double: bool = False) -> Compiled:
    source = folder / "seeded.cu"
    source.write_text(text, encoding="utf-8")
    return compile_kernels(source, folder, only=(target,), may_use_double=may_use_double)


def compile_without_gates(source: Path) -> Path:
    fatbin = source.with_suffix(".fatbin")
    subprocess.run([NVCC, *FLAGS, "-arch=sm_90", "-fatbin", "-o", str(fatbin), str(source)], check=True)
    return fatbin


def over_budget(usages: dict[tuple[str, str], Usage], budget: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    """A line for each kernel and target that takes more than it may, or of which the budget says nothing."""
    complaints = []
    for (kernel, target), usage in usages.items():
        allowed = budget.get(kernel, {}).get(target)
        if allowed is None:
            complaints.append(f"{kernel}, sm_{target}: {usage}, no budget")
        elif usage.registers > allowed["registers"] or usage.shared > allowed["shared"]:
            complaints.append(f"{kernel}, sm_{target}: {usage}, budget {allowed}")
    return complaints


@needs_nvcc
@pytest.mark.parametrize("name", [source.name for source in SOURCES])
def test_kernels_neither_spill_nor_compute_in_double(compiled: dict[str, Compiled], name: str) -> None:
    assert compiled[name].return_code == 0, compiled[name].messages


@needs_nvcc
def test_kernels_keep_to_their_budget(compiled: dict[str, Compiled]) -> None:
    budget = read_budget()
    usages = {key: usage for each in compiled.values() for key, usage in each.usages().items()}
    advice = (
        f"Where it is worth that, run tools/write_kernel_budget.py and commit (budget: nvcc {budget['nvcc']}, "
        f"here: {nvcc_release()})."
    )
    assert not over_budget(usages, budget["kernels"]), advice
    assert {target for _, target in usages} == set(targets())
    if nvcc_release() == budget["nvcc"]:
        assert all(set(allowed) == set(targets()) for allowed in budget["kernels"].values()), advice
    unused = set(budget["kernels"]) - {kernel for kernel, _ in usages}
    assert not unused, f"kernels that are no more: {unused}. {advice}"


@needs_nvcc
@pytest.mark.parametrize("fault", SEEDED)
def test_the_gate_stops_a_seeded_fault(tmp_path: Path, fault: str) -> None:
    done = compile_seeded(SEEDED[fault], tmp_path, "90")
    assert done.return_code != 0
    assert SAID[fault] in done.messages.lower()


@needs_nvcc
def test_the_gate_lets_a_clean_kernel_and_a_wanted_double_pass(tmp_path: Path) -> None:
    clean = compile_seeded(WHILE_CLEAN, tmp_path, "75")
    assert clean.return_code == 0, clean.messages
    assert clean.usages()["seeded", "75"].shared == 32 * 4
    assert compile_seeded(SEEDED["double"], tmp_path, "75", may_use_double=True).return_code == 0


@needs_disassembler
def test_machine_code_has_neither_local_memory_nor_unwanted_doubles(
    listing: dict[tuple[str, str], list[str]],
) -> None:
    assert {target for _, target in listing} == set(targets())
    for key, lines in listing.items():
        assert not [line for line in lines if touches_local_memory(line)], key
        in_double = [line for line in lines if computes_in_double(line)]
        assert bool(in_double) == (key[0] in KERNELS_IN_DOUBLE), (key, in_double[:3])


@needs_disassembler
def test_rows_are_read_in_wide_loads(listing: dict[tuple[str, str], list[str]]) -> None:
    kernels = [key for key in listing if key[0].startswith("resample")]
    assert len(kernels) == 3 * len(targets())
    for key in kernels:
        assert reads_run_of_eight_rgb(listing[key]), key
        assert reads_run_of_eight_rgbx(listing[key]), key


@needs_disassembler
def test_the_disassembly_shows_seeded_faults(tmp_path: Path) -> None:
    source = tmp_path / "seeded.cu"
    source.write_text(SEEDED["local memory"].replace("seeded", "indexed") + SEEDED["double"], encoding="utf-8")
    lines = disassemble(compile_without_gates(source))
    assert any(touches_local_memory(line) for line in lines["indexed", "90"])
    assert not any(computes_in_double(line) for line in lines["indexed", "90"])
    assert any(computes_in_double(line) for line in lines["seeded", "90"])
    assert not any(touches_local_memory(line) for line in lines["seeded", "90"])
    assert not reads_run_of_eight_rgb(lines["seeded", "90"])
    assert not reads_run_of_eight_rgbx(lines["seeded", "90"])


PTXAS = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'void vrs::resample<float>(vrs::ResampleJob const*)' for 'sm_90'
ptxas info    : Function properties for void vrs::resample<float>(vrs::ResampleJob const*)
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 120 registers, used 1 barriers, 20736 bytes smem
ptxas info    : Compiling entry function 'vrs::blur(vrs::BlurJob const*)' for 'sm_75'
ptxas info    : Used 56 registers, used 1 barriers, 360 bytes cmem[0]
"""


def test_usages_are_read_from_ptxas() -> None:
    assert read_usages(PTXAS) == {("resample<float>", "90"): Usage(120, 20736), ("blur", "75"): Usage(56, 0)}


def test_names_are_shortened() -> None:
    assert short_name("void vrs::resample<unsigned short>(vrs::ResampleJob const*)") == "resample<unsigned short>"
    assert short_name("vrs::blur(vrs::BlurJob const*)") == "blur"


def test_wide_loads_are_told_from_fields_of_a_structure() -> None:
    run = ["0000 LD.E.64 R84, desc[UR6][R62.64+0x8]", "0010 LD.E.64 R34, desc[UR6][R62.64+0x10]"]
    assert reads_run_of_eight_rgb([*run, "0020 LDG.E.64.CONSTANT R32, desc[UR6][R62.64]"])
    assert not reads_run_of_eight_rgb([*run, "0020 LD.E.64 R32, desc[UR6][R64.64]"])  # another address
    assert not reads_run_of_eight_rgb([*run, *["0020 NOP"] * 8, "0100 LD.E.64 R32, desc[UR6][R62.64]"])


def test_more_registers_more_shared_memory_and_unknown_kernels_are_over_budget() -> None:
    budget = {"blur": {"75": {"registers": 56, "shared": 1984}}}
    assert not over_budget({("blur", "75"): Usage(56, 1984)}, budget)
    assert over_budget({("blur", "75"): Usage(57, 1984)}, budget)
    assert over_budget({("blur", "75"): Usage(56, 1985)}, budget)
    assert over_budget({("blur", "80"): Usage(1, 0)}, budget)
    assert over_budget({("sharpen", "75"): Usage(1, 0)}, budget)
