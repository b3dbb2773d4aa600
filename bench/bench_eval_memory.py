"""Peak memory of `vrs-hf` by number of questions: each count in a process of its own, images of 1024 x 1024 pixels.

Images are drawn on demand and not kept, so that the data set itself takes no memory. The model is the tests' tiny
LLaVA. `python bench/bench_eval_memory.py --questions 500 5000`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from lm_eval.api.instance import Instance
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.tiny_llava import save_tiny_llava

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.model import VrsHF
from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

SIDE = 1024
QUESTIONS_PER_IMAGE = 2


def draw(number: int) -> Image.Image:
    """A different image for every number."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, :, 0] = np.arange(SIDE, dtype=np.uint8)
    pixels[: number // 256 + 1, :, 1] = number % 256
    return Image.fromarray(pixels)


def measure(questions: int) -> float:
    """Peak resident memory in MiB of asking so many questions under three variants."""
    store = ImageStore()
    image_ids = [store.add(partial(draw, number), f"image {number}") for number in range(questions // 2)]
    with tempfile.TemporaryDirectory() as folder:
        lm = VrsHF(pretrained=str(save_tiny_llava(Path(folder))), device="cpu", dtype="float32", batch_size=16)
    settings = {"until": ["\n"], "do_sample": False, "max_gen_toks": 4}
    requests = []
    for number in range(questions):
        own = number // QUESTIONS_PER_IMAGE
        shown = [(own, Perturbation.identity()), (own, Perturbation.blank()), (own - 1, Perturbation.identity())]
        requests += [
            Instance(
                "generate_until",
                {},
                (
                    f"<image>\nquestion {number}?",
                    settings,
                    {"visual": [VariantImage(image_ids[image], change, store, perturb)]},
                ),
                index,
            )
            for index, (image, change) in enumerate(shown)
        ]
    before = peak()
    lm.generate_until(requests, disable_tqdm=True)
    print(f"{questions:6} questions: {before:7.0f} MiB before asking, {peak():7.0f} MiB at the peak", flush=True)
    return peak()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--questions", type=int, nargs="+", default=[500, 5000])
    counts = parser.parse_args().questions
    if len(counts) == 1:
        measure(counts[0])
        return
    for count in counts:
        subprocess.run([sys.executable, __file__, "--questions", str(count)], check=True)


if __name__ == "__main__":
    main()
