"""Times the fused op beside transformers' processors: validate, then interleave, then print ratios.

The Pillow-backed processor always runs; the torchvision-backed one, and torchvision by hand, run if torchvision is
installed (`make bench-kernels-torchvision`), hf-processors-rs if that is. PIL images are made as images are that Pillow
opens after `register_image_processors()`. All run in one process on one thread, every candidate once a round. Times
are medians over the rounds; a ratio is the median of the rounds' own ratios, so that a busy moment affects both sides.
`python bench/bench_preprocess.py --help`.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # before hf-processors-rs starts its threads

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.images import synthetic_image
from support.six_variants import SIX_VARIANTS

from vrs_lmeval.benchmark.decoding import raise_block_size
from vrs_lmeval.pixels import preprocess as op
from vrs_lmeval.pixels.image_processors import CLIPImageProcessor
from vrs_lmeval.pixels.preprocess import Geometry, build_info, preprocess
from vrs_lmeval.records import Perturbation

CASES = [
    (512, 512, 224),
    (512, 512, 336),
    (1024, 1024, 224),
    (1024, 1024, 336),
    (2500, 2048, 224),
    (2500, 2048, 336),
]
RIVAL = "transformers Pil, PIL input"
RUST = "hf-processors-rs, PIL input"

Candidates = dict[str, Callable[[], object]]

if find_spec("torchvision"):
    from torchvision_rivals import RIVALS as TORCHVISION_RIVALS
    from torchvision_rivals import torchvision_candidates, torchvision_processor
else:
    TORCHVISION_RIVALS = []


def clip_processor(size: int, kind: type[CLIPImageProcessorPil] = CLIPImageProcessorPil) -> CLIPImageProcessorPil:
    return kind(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def candidates_for(height: int, width: int, size: int) -> Candidates:
    array = synthetic_image(height, width)
    image = Image.fromarray(array)
    processor = clip_processor(size)
    drop_in = clip_processor(size, CLIPImageProcessor)
    geometry = Geometry.from_image_processor(processor)
    identity = [Perturbation.identity()]
    target = np.empty_like(array)
    candidates: Candidates = {
        RIVAL: lambda: processor(image, return_tensors="np")["pixel_values"],
        "transformers Pil, array input": lambda: processor(array, return_tensors="np")["pixel_values"],
        "Pillow resize alone": lambda: image.resize(resized(height, width, size), Image.Resampling.BICUBIC),
        "ours, PIL input": lambda: preprocess([image], identity, geometry, threads=1),
        "ours, backend=vrs, PIL input": lambda: drop_in(image, return_tensors="np")["pixel_values"],
        "ours, backend=vrs, array input": lambda: drop_in(array, return_tensors="np")["pixel_values"],
    }
    if find_spec("hf_processors_rs"):
        rust = rust_processor(processor, "pil")
        candidates[RUST] = lambda: rust([image])
    for simd in simd_names():
        candidates[f"ours {simd}, array input"] = lambda simd=simd: preprocess(
            [array], identity, geometry, threads=1, simd=simd
        )
    candidates["ours, array input, 2 threads"] = lambda: preprocess([array], identity, geometry, threads=2)
    if TORCHVISION_RIVALS:
        candidates |= torchvision_candidates(array, size)
    candidates["copy of the input (a limit)"] = lambda: np.copyto(target, array)
    return candidates


def rust_processor(stock: Any, backend: str) -> Any:
    """hf-processors-rs with the settings of transformers' processor; `backend`: "pil" or "torchvision"."""
    with tempfile.TemporaryDirectory() as folder:
        stock.save_pretrained(folder)
        return import_module("hf_processors_rs").AutoImageProcessor.from_pretrained(folder, backend=backend)


def variant_candidates(height: int, width: int, size: int) -> Candidates:
    """Six variants of one image. The rival perturbs as a careful user of numpy and Pillow would; its noise and
    blur are defined a little differently, so times can be compared, but not pixels."""
    array = synthetic_image(height, width)
    image = Image.fromarray(array)
    processor = clip_processor(size)
    geometry = Geometry.from_image_processor(processor)
    rng = np.random.default_rng(0)

    def perturb_and_process(processor: Callable[..., dict[str, object]]) -> object:
        noise = rng.normal(0, 25, array.shape).astype(np.float32)
        occluded = array.copy()
        occluded[height // 4 : height // 2, width // 4 : width // 2] = 128
        patches = array[: height // 4 * 4, : width // 4 * 4].reshape(4, height // 4, 4, width // 4, 3)
        shuffled = patches.swapaxes(1, 2).reshape(16, height // 4, width // 4, 3)[rng.permutation(16)]
        shuffled = shuffled.reshape(4, 4, height // 4, width // 4, 3).swapaxes(1, 2)
        variants = [
            image,
            Image.new("RGB", image.size, (128, 128, 128)),
            Image.fromarray(np.clip(np.rint(array + noise), 0, 255).astype(np.uint8)),
            image.filter(ImageFilter.GaussianBlur(2)),
            Image.fromarray(occluded),
            Image.fromarray(shuffled.reshape(height // 4 * 4, width // 4 * 4, 3)),
        ]
        return processor(variants, return_tensors="np")["pixel_values"]

    candidates: Candidates = {RIVAL: lambda: perturb_and_process(processor)}
    if TORCHVISION_RIVALS:
        by_torchvision = torchvision_processor(size)
        of_torchvision = Geometry.from_image_processor(by_torchvision)
        candidates[TORCHVISION_RIVALS[0]] = lambda: perturb_and_process(by_torchvision)
        candidates["ours int16, PIL input"] = lambda: preprocess([image], SIX_VARIANTS, of_torchvision, threads=1)
    for threads in (1, 2):
        candidates[f"ours, PIL input, {threads} thread(s)"] = lambda threads=threads: preprocess(
            [image], SIX_VARIANTS, geometry, threads=threads
        )
    return candidates


def simd_names() -> tuple[str, ...]:
    names = build_info()["simd"]
    assert isinstance(names, tuple)
    return names


def resized(height: int, width: int, size: int) -> tuple[int, int]:
    short = min(height, width)
    return int(size * width / short), int(size * height / short)


def validate(candidates: Candidates) -> None:
    """Check that ours give the bits of the Pillow-backed processor and, with int16 weights, of every torchvision
    rival."""
    assert_same_bits(
        candidates, RIVAL, (name for name in candidates if name.startswith("ours") and "int16" not in name)
    )
    if TORCHVISION_RIVALS:
        reference, *rest = TORCHVISION_RIVALS
        assert_same_bits(candidates, reference, [*rest, *(name for name in candidates if "int16" in name)])


def assert_same_bits(candidates: Candidates, reference: str, names: Iterable[str]) -> None:
    expected = np.asarray(candidates[reference]())
    for name in names:
        actual = np.asarray(candidates[name]()).reshape(expected.shape)
        assert np.array_equal(actual.view(np.uint32), expected.view(np.uint32)), name


def time_interleaved(candidates: Candidates, rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    milliseconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            begin = clock()
            run()
            milliseconds[name].append((clock() - begin) * 1e3)
    return milliseconds


def report(title: str, milliseconds: dict[str, list[float]]) -> None:
    """Print a line for each candidate; for ours also how many times faster they are than each rival."""
    rivals = [rival for rival in (RIVAL, RUST, *TORCHVISION_RIVALS) if rival in milliseconds]
    print(f"\n{title}")
    for name, values in milliseconds.items():
        low, median, high = statistics.quantiles(values, n=4)
        print(f"  {name:38}{median:10.3f} ms {f'({low:.3f} .. {high:.3f})':>22}", end="")
        for rival in rivals if name.startswith("ours") else ():
            ratios = [slow / value for slow, value in zip(milliseconds[rival], values, strict=True)]
            ratio_low, ratio, ratio_high = statistics.quantiles(ratios, n=4)
            print(f"  {ratio:5.1f}x ({ratio_low:.1f} .. {ratio_high:.1f})", end="")
        print()
    print(f"  (x faster than: {'; '.join(rivals)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: time on a processor of the whole process, for a machine that others use as well",
    )
    arguments = parser.parse_args()
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    raise_block_size()
    op._usable_cpus = lambda: 1  # what users call has no parameter for threads
    print(f"build: {build_info()}, clock: {arguments.clock}")
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} CPUs")
    for height, width, size in CASES:
        candidates = candidates_for(height, width, size)
        validate(candidates)
        report(f"{height} x {width} -> {size}", time_interleaved(candidates, arguments.rounds, clock))
        candidates = variant_candidates(height, width, size)
        report("  six variants of it", time_interleaved(candidates, arguments.rounds, clock))
    print(f"\nload average after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
