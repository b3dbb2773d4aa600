"""Times the fused op on a CUDA device beside torchvision, kornia and CV-CUDA: validate, interleave, print ratios.

First it compares the bits with the CPU backend's. Then it times each candidate once a round, and takes medians over the
rounds; the table is written after each case, those first that tell most. Each of the six variants is also a case of its
own, so that their sum can be explained.
- kernels: images lie on the device. A CUDA graph of several calls is replayed between two events, each call on buffers
  of its own, so that all buffers together exceed the L2 cache; the time of one call, with the copy of its tables.
- call: one call on the host for an image on the device, until the result is there.
- from the host: the same, with the upload of the image.
`python bench/bench_cuda.py --help`; `--device cpu` tries the program on a machine without a device, and says so.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from cuda_rivals import Pipeline, installed_pipelines, try_import
from support.images import synthetic_image
from support.six_variants import SIX_VARIANTS

from vrs_lmeval.pixels.preprocess import Geometry, build_info, count_devices, preprocess
from vrs_lmeval.records import Perturbation

SIZES = ((1024, 1024, 336), (512, 512, 224), (2500, 2048, 336))  # each kind alone is timed at the first
TRIAL_SIZES = ((64, 48, 32),)
OURS = "ours"
SUM = "ours, sum of the kinds alone"
RIVALS = ("torchvision", "kornia", "cvcuda")
WAYS = ("kernels", "call", "from the host")
L2_MULTIPLE = 2.5  # times the L2 cache: what a call left there is gone when its buffers are used again
FEWEST_CALLS = 8  # in a graph, so that the wait for its launch does not count
WARM_UP = 5

Run = Callable[[], float]  # milliseconds of one run


@dataclass(frozen=True)
class Case:
    height: int
    width: int
    size: int
    changes: tuple[Perturbation, ...]

    def geometry(self) -> Geometry:
        return Geometry(size=(self.size, self.size), crop=(self.size, self.size))

    def has_rivals(self) -> bool:
        return self.changes in ((Perturbation.identity(),), tuple(SIX_VARIANTS))

    def __str__(self) -> str:
        name = f" ({self.changes[0].kind})" if len(self.changes) == 1 else ""
        return f"{self.height} x {self.width} to {self.size}, K = {len(self.changes)}{name}"


class RivalError(Exception):
    """A rival computes something else; its rows are left out, the others stay."""


def list_cases(sizes: Sequence[tuple[int, int, int]]) -> list[Case]:
    """The kinds one by one and all six at the first size; one and six at the others."""
    first, *others = sizes
    six = tuple(SIX_VARIANTS)
    cases = [Case(*first, (change,)) for change in six]
    cases.insert(1, Case(*first, six))  # after the unperturbed image
    return cases + [Case(*size, changes) for size in others for changes in (six[:1], six)]


class Clock:
    """Measures work in milliseconds: on a CUDA device, or on the processor if there is no device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.is_cuda = device.type == "cuda"

    def synchronize(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def time_call(self, work: Callable[[], object]) -> float:
        """Milliseconds from the call until the result is there, by the processor's clock."""
        self.synchronize()
        begin = time.perf_counter()
        work()
        self.synchronize()
        return (time.perf_counter() - begin) * 1e3

    def time_on_device(self, work: Callable[[], object]) -> float:
        """Milliseconds between two events of the device; `work` queues a replay, so the device never waits for the
        host."""
        if not self.is_cuda:
            return self.time_call(work)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))

    def count_calls(self, bytes_each: int) -> int:
        """How many calls are needed to touch more memory than the device's second-level cache holds."""
        cache = torch.cuda.get_device_properties(self.device).L2_cache_size if self.is_cuda else 0
        return max(FEWEST_CALLS, int(L2_MULTIPLE * cache / bytes_each) + 1)

    def record_graph(self, work: Callable[[], object]) -> Callable[[], object]:
        """`work` as one CUDA graph; `work` itself if the device has no graphs."""
        if not self.is_cuda:
            return work
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # as torch.cuda.graphs asks for: a run before the capture
            work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay


def validate(case: Case, device: torch.device) -> None:
    """Exit unless the bits are the CPU backend's, in both output types, for images of the host and of the device."""
    array = synthetic_image(case.height, case.width)
    changes = case.changes
    for dtype, integer in (("float32", torch.int32), ("bfloat16", torch.int16)):
        expected = torch.as_tensor(preprocess([array], changes, case.geometry(), dtype=dtype))
        for image in (array, torch.from_numpy(array).to(device)):
            actual = preprocess([image], changes, case.geometry(), dtype=dtype, device=device).cpu()
            if not torch.equal(actual.view(integer), expected.view(integer)):
                sys.exit(f"{case}: {dtype} of a {type(image).__name__} differs from the CPU's bits")


def validate_rival(name: str, pipeline: Pipeline, case: Case, image: Tensor) -> None:
    """Raise RivalError unless the rival does the same work: it gives as many pixels, and for the unperturbed image they
    are near ours, although its filter differs."""
    expected = preprocess([image], case.changes, case.geometry(), device=image.device)[0]
    actual = pipeline(image, len(case.changes))
    if actual.shape != expected.shape or (actual[0] - expected[0]).abs().mean() > 0.1:
        shapes = f"{tuple(actual.shape)} for {tuple(expected.shape)}"
        raise RivalError(f"{name} computes something else: {shapes}, or far from it")


def runs_of(case: Case, clock: Clock) -> dict[tuple[str, str], Run]:
    """The runs of a case, by (candidate, way of timing)."""
    device, geometry = clock.device, case.geometry()
    array = synthetic_image(case.height, case.width)
    shape = (1, len(case.changes), 3, *geometry.crop)
    count = clock.count_calls(array.nbytes + 4 * math.prod(shape))
    images = [torch.from_numpy(np.roll(array, shift, axis=0)).to(device) for shift in range(count)]

    def ours(image: Tensor | np.ndarray, out: Tensor) -> object:
        return preprocess([image], case.changes, geometry, device=device, out=out)

    outs = [torch.empty(shape, device=device) for _ in images]
    runs = {
        (OURS, "kernels"): _in_a_graph(clock, [lambda i=i: ours(images[i], outs[i]) for i in range(count)]),
        (OURS, "call"): lambda: clock.time_call(lambda: ours(images[0], outs[0])),
        (OURS, "from the host"): lambda: clock.time_call(lambda: ours(array, outs[0])),
    }
    if case.has_rivals():
        for name, pipeline in installed_pipelines(geometry, device).items():
            try:
                runs |= _rival_runs(name, pipeline, case, clock, images, array)
            except Exception as error:  # of another library: our times do not depend on it
                print(f"{name} is left out of {case}: {str(error).splitlines()[:1]}", file=sys.stderr)
    return runs


def _rival_runs(
    name: str, pipeline: Pipeline, case: Case, clock: Clock, images: list[Tensor], array: np.ndarray
) -> dict[tuple[str, str], Run]:
    validate_rival(name, pipeline, case, images[0])
    host = torch.from_numpy(array)
    works = [lambda image=image: pipeline(image, len(case.changes)) for image in images]
    runs: dict[tuple[str, str], Run] = {
        (name, "call"): lambda: clock.time_call(works[0]),
        (name, "from the host"): lambda: clock.time_call(lambda: pipeline(host.to(clock.device), len(case.changes))),
    }
    try:
        runs[name, "kernels"] = _in_a_graph(clock, works)
    except RuntimeError as error:  # a part cannot be captured: the calls are still timed
        print(f"{name}: no CUDA graph of {case}: {str(error).splitlines()[0]}", file=sys.stderr)
    return runs


def _in_a_graph(clock: Clock, works: list[Callable[[], object]]) -> Run:
    def run_all() -> None:
        for work in works:
            work()

    replay = clock.record_graph(run_all)
    return lambda: clock.time_on_device(replay) / len(works)


def time_interleaved(runs: dict[tuple[str, str], Run], rounds: int) -> dict[tuple[str, str], list[float]]:
    for _ in range(WARM_UP):
        for run in runs.values():
            run()
    milliseconds: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            milliseconds[key].append(run())
    return milliseconds


def rows_of(case: Case, milliseconds: dict[tuple[str, str], list[float]]) -> list[str]:
    """A line for each candidate. A rival's line also has the median of the rounds' ratios: how many times longer it
    takes."""
    rows = []
    for name in dict.fromkeys(name for name, _ in milliseconds):
        cells = []
        for way in WAYS:
            values = milliseconds.get((name, way))
            if values is None:
                cells.append("not measured")
                continue
            low, median, high = statistics.quantiles([1e3 * value for value in values], n=4)
            cell = f"{median:.1f} ({low:.1f}-{high:.1f})"
            if name != OURS:
                mine = milliseconds[OURS, way]
                cell += f", {statistics.median(a / b for a, b in zip(values, mine, strict=True)):.1f}x"
            cells.append(cell)
        rows.append(f"| {case} | {name} | " + " | ".join(cells) + " |")
    return rows


def row_of_sum(cases: dict[Case, dict[tuple[str, str], list[float]]]) -> list[str]:
    """The medians of the kinds alone, added: what six would take that share nothing. None until all are timed."""
    alone = [times for case, times in cases.items() if len(case.changes) == 1][: len(SIX_VARIANTS)]
    if len(alone) < len(SIX_VARIANTS):
        return []
    case = next(iter(cases))
    sums = [sum(statistics.median(times[OURS, way]) for times in alone) * 1e3 for way in WAYS]
    cells = " | ".join(f"{value:.1f}" for value in sums)
    return [f"| {case.height} x {case.width} to {case.size}, K = {len(alone)} | {SUM} | {cells} |"]


def header(device: torch.device, rounds: int) -> list[str]:
    versions = [f"torch {torch.__version__}", *(f"{name} {try_import(name)[1]}" for name in RIVALS)]
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        title = f"{properties.name}, {properties.multi_processor_count} multiprocessors, CUDA {torch.version.cuda}"
    else:
        title = "**A trial on the CPU: these are no times of a GPU**"
    return [
        f"{title}; {', '.join(versions)}; build {build_info()['version']}.",
        f"Microseconds, medians of {rounds} rounds with quartiles; x: times as long as ours. Same bits as the CPU's.",
        "",
        "| case | | " + " | ".join(WAYS) + " |",
        "|---" * (len(WAYS) + 2) + "|",
    ]


def run_once(cases: list[Case], device: torch.device) -> None:
    """Each case once, after a first call that loads kernels and tables: for a profiler, which then shows one launch or
    more for each case, in this order."""
    for case in cases:
        image = torch.from_numpy(synthetic_image(case.height, case.width)).to(device)
        for _ in range(2):
            preprocess([image], case.changes, case.geometry(), device=device)
        print(f"twice: {case}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--device", default="cuda:0", help="cpu: a trial of this program, on a small image")
    parser.add_argument("--output", type=Path, help="a Markdown file for the table")
    parser.add_argument(
        "--once", action="store_true", help="run the cases of the first size, for ncu, and time nothing"
    )
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    number, reason = count_devices()
    if device.type == "cuda" and number == 0:
        sys.exit(f"no CUDA device to time on: {reason}")
    clock = Clock(device)
    sizes = SIZES if clock.is_cuda else TRIAL_SIZES
    if arguments.once:
        run_once(list_cases(sizes[:1]), device)
        return
    for name in RIVALS:
        if not try_import(name)[0]:
            print(f"left out: {name}, {try_import(name)[1]}", file=sys.stderr)
    lines = header(device, arguments.rounds)
    timed: dict[Case, dict[tuple[str, str], list[float]]] = {}
    for case in list_cases(sizes):
        validate(case, device)
        timed[case] = time_interleaved(runs_of(case, clock), arguments.rounds)
        lines += rows_of(case, timed[case])
        table = "\n".join(lines + row_of_sum(timed)) + "\n"
        if arguments.output is not None:
            arguments.output.write_text(table, encoding="utf-8")
        print(f"done: {case}", file=sys.stderr)
    print(table)


if __name__ == "__main__":
    main()
