"""Kernels run on the host as on a GPU, and what they do wrong is caught: each seeded bug by the check that should."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from signal import SIGABRT

import pytest
from support.cuda_on_cpu import (
    FLAVOURS,
    FOLDER,
    MEMORY,
    ORDERS,
    PLAIN,
    PORTABLE,
    RACES,
    ROOT,
    Flavour,
    compile_program,
    environment_to_load,
    reason_to_skip,
    run_program,
)

pytestmark = [pytest.mark.native, pytest.mark.whole]  # tests the emulation that other tests stand on

KERNELS = ("sum_rows", "transpose", "count_digits", "shuffle", "mix_words", "multiply")
PROGRAMS = dict.fromkeys(FLAVOURS, ("kernels", "runtime", "seeded_bugs", "library")) | {PORTABLE: ("kernels",)}

# What races, and whether the result tells in some order, as well as ThreadSanitizer in every order.
RACES_SEEDED = {
    "missing_barrier": True,
    "write_after_read": True,
    "two_blocks_one_cell": True,
    "plain_sum": False,
    "shuffle_as_barrier": False,
}
# What the sanitizers of memory and of undefined behaviour say.
OUT_OF_BOUNDS = {
    "shared_index_overrun": "index 64 out of bounds for type 'int [64]'",
    "shared_pointer_overrun": "AddressSanitizer: use-after-poison",
    "global_overrun": "AddressSanitizer: heap-buffer-overflow",
    "local_overrun": "AddressSanitizer: stack-buffer-overflow",
    "shift_too_far": "is too large for 32-bit type",
    "misaligned_read": "load of misaligned address",
}
# What the scheduler says, after the kernel's name.
WAITING_IN_VAIN = {
    "divergent_barrier": "block (0, 0, 0), thread (0, 0, 0) waits at __syncthreads (*seeded_bugs.cu:*), "
    "but thread (1, 0, 0) waits at __syncthreads (*seeded_bugs.cu:*)",
    "exit_before_barrier": "block (1, 0, 0), thread (0, 0, 0) waits at __syncthreads (*seeded_bugs.cu:*), "
    "but thread (5, 0, 0) has exited",
    "shuffle_with_absent_lanes": "block (0, 0, 0), thread (32, 0, 0) waits at __shfl_down_sync (*seeded_bugs.cu:*) "
    "for lanes 0xffffffff, but thread (40, 0, 0) has exited",
    "shuffle_from_unnamed_lane": "block (0, 0, 0), thread (0, 0, 0) calls __shfl_sync (*seeded_bugs.cu:*) "
    "for lanes 0x000000ff, but reads lane 8",
    "shuffle_of_others": "block (0, 0, 0), thread (8, 0, 0) calls __shfl_sync (*seeded_bugs.cu:*) "
    "for lanes 0x000000ff, of which it is none",
    "product_with_absent_lanes": "block (0, 0, 0), thread (32, 0, 0) waits at add_product (*seeded_bugs.cu:*) "
    "for lanes 0xffffffff, but thread (40, 0, 0) has exited",
    "too_much_shared_memory": "block (0, 0, 0), thread (0, 0, 0) lays out 4 bytes of shared memory "
    "beyond what a block has",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Flavour], Path]:
    """All programs in the flavours that this machine can compile."""
    folder = tmp_path_factory.mktemp("cuda_on_cpu")

    def compile_flavour(flavour: Flavour) -> dict[tuple[str, Flavour], Path]:
        return {(name, flavour): compile_one(name, flavour) for name in PROGRAMS[flavour]}

    def compile_one(name: str, flavour: Flavour) -> Path:
        output = folder / f"{name}-{flavour.name}"
        return compile_program([FOLDER / f"{name}.cu"], flavour, output, shared=name == "library")

    possible = [flavour for flavour in PROGRAMS if reason_to_skip(flavour) is None]
    with ThreadPoolExecutor() as pool:
        compiled = list(pool.map(compile_flavour, possible))
    return {key: path for flavour in compiled for key, path in flavour.items()}


@pytest.fixture
def run(programs: dict[tuple[str, Flavour], Path]):
    def run(name: str, flavour: Flavour, *arguments: str, order: str = "forward", **environment: str):
        if reason := reason_to_skip(flavour):
            pytest.skip(reason)
        return run_program(programs[name, flavour], *arguments, CUDA_ON_CPU_ORDER=order, **environment)

    return run


def in_flavours(*flavours: Flavour):
    return pytest.mark.parametrize("flavour", flavours, ids=lambda flavour: flavour.name)


@in_flavours(*FLAVOURS, PORTABLE)
@pytest.mark.parametrize("order", ORDERS)
def test_right_kernels_equal_a_loop_on_the_host(run, flavour: Flavour, order: str) -> None:
    done = run("kernels", flavour, order=order)
    assert done.stdout.splitlines() == [f"{kernel}: right" for kernel in KERNELS]
    assert done.returncode == 0


@in_flavours(*FLAVOURS)
def test_the_runtime_answers_as_cuda_does(run, flavour: Flavour) -> None:
    done = run("runtime", flavour, CUDA_ON_CPU_LATE_EVENTS="2")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bug", RACES_SEEDED)
def test_races_are_caught_in_every_order(run, bug: str, order: str) -> None:
    done = run("seeded_bugs", RACES, bug, order=order)
    assert done.returncode == 66  # ThreadSanitizer's
    assert fnmatchcase(done.stdout, f"*SUMMARY: ThreadSanitizer: data race *seeded_bugs.cu:* in {bug}*")


@pytest.mark.parametrize("bug", RACES_SEEDED)
def test_most_races_change_the_result_in_some_order(run, bug: str) -> None:
    codes = {run("seeded_bugs", PLAIN, bug, order=order).returncode for order in ORDERS}
    assert codes <= {0, 1}
    assert (1 in codes) == RACES_SEEDED[bug]


@pytest.mark.parametrize("bug", OUT_OF_BOUNDS)
def test_overruns_and_undefined_behaviour_are_caught(run, bug: str) -> None:
    done = run("seeded_bugs", MEMORY, bug)
    assert done.returncode == 1
    assert OUT_OF_BOUNDS[bug] in done.stdout
    assert "seeded_bugs.cu:" in done.stdout


@in_flavours(*FLAVOURS)
def test_what_nobody_wrote_is_not_a_number(run, flavour: Flavour) -> None:
    assert run("seeded_bugs", flavour, "uninitialised_shared").returncode == 1


@in_flavours(*FLAVOURS)
@pytest.mark.parametrize("bug", WAITING_IN_VAIN)
def test_waiting_in_vain_ends_the_program_with_names(run, bug: str, flavour: Flavour) -> None:
    done = run("seeded_bugs", flavour, bug)
    assert done.returncode == -SIGABRT
    assert fnmatchcase(done.stdout, f"cuda_on_cpu: kernel {bug}, {WAITING_IN_VAIN[bug]}\n*")


@in_flavours(*FLAVOURS)
def test_python_loads_kernels_and_launches_from_its_threads(programs, flavour: Flavour) -> None:
    if reason := reason_to_skip(flavour):
        pytest.skip(reason)
    script = f"""
import ctypes, threading
library = ctypes.CDLL({str(programs["library", flavour])!r})
def launch(number, sums):
    values = (ctypes.c_int * 96)(*range(96))
    library.double_reversed(values, 3)
    sums[number] = list(values) == [2 * (32 * (i // 32) + 31 - i % 32) for i in range(96)]
sums = {{}}
threads = [threading.Thread(target=launch, args=(number, sums)) for number in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sums == {{0: True, 1: True, 2: True}}, sums
"""
    done = run_program(sys.executable, "-c", script, **environment_to_load(flavour))
    assert (done.returncode, done.stdout) == (0, "")


def test_an_unknown_order_is_refused(run) -> None:
    done = run("kernels", PLAIN, order="backward")
    assert done.returncode == -SIGABRT
    assert "CUDA_ON_CPU_ORDER=backward is none of forward, reverse, shuffle:SEED" in done.stdout


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")
@pytest.mark.parametrize("name", ["kernels", "runtime", "seeded_bugs"])
def test_the_programs_are_cuda(name: str, tmp_path: Path) -> None:
    command = ["nvcc", "-std=c++17", "-arch=sm_75", f"-I{ROOT / 'csrc'}", f"-I{FOLDER}"]
    done = subprocess.run(
        [*command, "-c", FOLDER / f"{name}.cu", "-o", tmp_path / name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
