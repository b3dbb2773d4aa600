"""Runs every kernel of the CUDA backend once, on small images, under compute-sanitizer; compares the bits.

`PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool memcheck python bench/sanitize_cuda.py`: without torch's
cache each buffer is an allocation of its own, so that the tool sees an access beyond its end.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.images import synthetic_image
from support.perturbation_examples import EXAMPLES

from vrs_lmeval.pixels.geometry import Blocks, Geometry
from vrs_lmeval.pixels.preprocess import count_devices, preprocess, resize_pairs

# The sizes are no multiples of a tile, a chunk or a run; the last image is resized rows first.
SIZES = ((70, 93), (33, 300), (260, 41))
GEOMETRIES = (
    Geometry(size=(40, 40), crop=(40, 40)),
    Geometry(resize="exact", size=(37, 50), crop=(45, 50), filter="lanczos"),
    Geometry(size=(48, 48), crop=(48, 48), pad_colour=(122, 116, 104), arithmetic="torchvision"),
    Geometry(resize="exact", size=(33, 50), crop=(36, 54), blocks=Blocks(4, 6, merge=3, repeats=2)),
    Geometry(resize="exact", size=(36, 54), crop=(36, 54), blocks=Blocks(6, 9, merge=2, channels_last=True)),
)


def main(device: str) -> None:
    if device != "cpu" and count_devices()[0] == 0:
        sys.exit(f"no CUDA device: {count_devices()[1]}")
    arrays = [synthetic_image(*size) for size in SIZES]
    for geometry in GEOMETRIES:
        for dtype, integer in (("float32", torch.int32), ("bfloat16", torch.int16)):
            expected = torch.as_tensor(preprocess(arrays, EXAMPLES, geometry, dtype=dtype))
            for images in (arrays, [torch.from_numpy(array).to(device) for array in arrays]):
                actual = preprocess(images, EXAMPLES, geometry, dtype=dtype, device=device).cpu()
                wrong = (actual.view(integer) != expected.view(integer)).flatten(2).any(-1)
                for image, change in np.argwhere(wrong.numpy()):
                    print(f"{geometry}, {dtype}: {EXAMPLES[change]} of {SIZES[image]} differs from the CPU's bits")
                if wrong.any():
                    sys.exit(1)
    pairs = [(array, change) for array in arrays for change in EXAMPLES]
    levels = resize_pairs(pairs, GEOMETRIES[1], device=device).cpu().numpy()
    if not np.array_equal(levels, resize_pairs(pairs, GEOMETRIES[1])):
        sys.exit("levels differ from the CPU's")
    print(f"{len(EXAMPLES)} perturbations, {len(SIZES)} sizes, {len(GEOMETRIES)} geometries: the CPU's bits")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["cuda:0"])
