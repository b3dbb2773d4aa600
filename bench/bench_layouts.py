"""Times whole image processors beside the fused op, with the settings of the models named in MODELS; one image, and six
variants of it.

The features are compared with transformers' own before anything is timed. All candidates run in turn in one process on
one thread; times are medians over the rounds, a ratio is the median of the rounds' own ratios. Rivals are shown if they
are installed: torchvision, hf-processors-rs (`hf_processors_rs`), and for the resize alone cykooz.resizer and OpenCV,
whose filter has no antialias: it does less. The rivals get the six variants as images already made; ours makes them.
`python bench/bench_layouts.py --help`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bench_preprocess import rust_processor, time_interleaved
from support.images import synthetic_image
from support.six_variants import SIX_VARIANTS

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.pixels import preprocess as pixels
from vrs_lmeval.pixels.layouts import find_layout
from vrs_lmeval.records import Perturbation

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "Qwen2.5-VL": ("Qwen2VLImageProcessor", {"size": {"shortest_edge": 3136, "longest_edge": 12845056}}),
    "InternVL3": ("GotOcr2ImageProcessor", {"size": {"height": 448, "width": 448}, "crop_to_patches": True}),
    "Gemma 3": ("Gemma3ImageProcessor", {"size": {"height": 896, "width": 896}}),
    "SmolVLM2": ("SmolVLMImageProcessor", {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}),
    "Idefics3": ("Idefics3ImageProcessor", {}),
    "LLaVA-NeXT": ("LlavaNextImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": 336}),
    "LLaVA-OneVision": ("LlavaOnevisionImageProcessor", {}),
    "Pixtral": ("PixtralImageProcessor", {}),
    "Gemma 4": ("Gemma4ImageProcessor", {}),
    "SigLIP2": ("Siglip2ImageProcessor", {}),
    "LFM2-VL": ("Lfm2VlImageProcessor", {}),
    "Llama 3.2 Vision": ("MllamaImageProcessor", {"size": {"height": 560, "width": 560}}),
}
SIZES = ((1024, 1024), (2500, 2048))
PILLOW, TORCHVISION = "transformers, Pillow", "transformers, torchvision"

Candidates = dict[str, Callable[[], Any]]


def list_backends(model: str) -> dict[str, str]:
    """What the model has and is installed: transformers' backend -> the end of its classes' names."""
    backends = {PILLOW: "Pil", **({TORCHVISION: ""} if find_spec("torchvision") else {})}
    return {name: ending for name, ending in backends.items() if hasattr(transformers, MODELS[model][0] + ending)}


def candidates_for(model: str, image: Image.Image, changes: Sequence[Perturbation]) -> Candidates:
    name, settings = MODELS[model]
    shown = [pixels.perturb(image, change) for change in changes]
    candidates: Candidates = {}
    for backend, ending in list_backends(model).items():
        stock = getattr(transformers, name + ending)(**settings)
        layout = find_layout(stock, lambda images, stock=stock: stock(images, return_tensors="pt"))
        pairs = [(image, change) for change in changes]
        candidates[backend] = lambda stock=stock: stock(shown, return_tensors="pt")
        candidates[f"ours, {backend.split()[-1]}"] = lambda layout=layout, pairs=pairs: layout.features(
            layout.compute(pairs), layout.count_images(shown), "pt"
        )
        if find_spec("hf_processors_rs") and model == "Qwen2.5-VL":
            rust = rust_processor(stock, "pil" if backend == PILLOW else "torchvision")
            candidates[f"hf-processors-rs, {backend.split()[-1]}"] = lambda rust=rust: rust(list(shown))
    return candidates


def resizes_alone(image: Image.Image, width: int, height: int) -> Candidates:
    """Of one image, nothing after it: what other resizers take for a part of the work."""
    array = np.asarray(image)
    candidates: Candidates = {"Pillow's resize alone": lambda: image.resize((width, height), Image.Resampling.BICUBIC)}
    if find_spec("cykooz_resizer"):
        fast = import_module("cykooz_resizer")
        target = Image.new("RGB", (width, height))
        options = fast.ResizeOptions(resize_alg=fast.ResizeAlg.convolution(fast.FilterType.catmull_rom))
        candidates["cykooz.resizer alone"] = lambda: fast.Resizer().resize_pil(image, target, options)
    if find_spec("cv2"):
        cv2 = import_module("cv2")
        cv2.setNumThreads(1)
        candidates["OpenCV cubic alone, NO antialias"] = lambda: cv2.resize(
            array, (width, height), interpolation=cv2.INTER_CUBIC
        )
    return candidates


def compare(candidates: Candidates) -> None:
    """Raises AssertionError if ours are not transformers' own; says so of other rivals."""
    for backend in (name for name in (PILLOW, TORCHVISION) if name in candidates):
        expected = candidates[backend]()
        for name, run in candidates.items():
            if name.endswith(backend.split()[-1]) and name != backend:
                actual = run()
                same = all(
                    torch.equal(torch.as_tensor(actual[key]), torch.as_tensor(value)) for key, value in expected.items()
                )
                assert same or not name.startswith("ours"), name
                if not same:
                    print(f"  ({name}: other values than {backend})")


def report(milliseconds: dict[str, list[float]]) -> None:
    for name, values in milliseconds.items():
        print(f"  {name:36}{statistics.median(values):9.2f} ms", end="")
        if name.startswith("ours"):
            for rival, times in milliseconds.items():
                if not rival.startswith("ours") and "alone" not in rival:
                    ratio = statistics.median(slow / value for slow, value in zip(times, values, strict=True))
                    print(f"  {ratio:.1f}x {rival};", end="")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a shared machine")
    arguments = parser.parse_args()
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    torch.set_num_threads(1)
    pixels._usable_cpus = lambda: 1
    print(f"build: {pixels.build_info()}, clock: {arguments.clock}, load average: {os.getloadavg()[0]:.2f}")
    for model in arguments.models:
        for height, width in SIZES:
            store = ImageStore()  # which decodes into one block
            picture = Image.fromarray(synthetic_image(height, width))
            image = store.open(store.add(lambda picture=picture: picture, "row"))
            for changes in ([Perturbation.identity()], SIX_VARIANTS):
                print(f"\n{model}, {height} x {width}, {len(changes)} variant(s)")
                candidates = candidates_for(model, image, changes)
                compare(candidates)
                if len(changes) == 1:
                    candidates |= resizes_alone(image, width // 28 * 28, height // 28 * 28)
                report(time_interleaved(candidates, arguments.rounds, clock))


if __name__ == "__main__":
    main()
