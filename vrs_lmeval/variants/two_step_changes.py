"""Changes that the fused op cannot make in one step: takes an RGB image and such a change, makes the first step, gives
the image and the change that is left for the fused op. Every other change passes through as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

from PIL import Image

from vrs_lmeval.records import Perturbation

PerturbFunction = Callable[[Image.Image, Perturbation], Image.Image]
"""(RGB image, change) -> RGB image."""

LARGEST_SIGMA = 10.0
"""The fused op's own limit for a Gaussian blur (`kMaxBlurSigma`)."""


def prepare(image: Image.Image, change: Perturbation, perturb: PerturbFunction) -> tuple[Image.Image, Perturbation]:
    """(image, change) with the same result; the fused op can make this change in one step."""
    if change.kind == "jpeg":
        quality, subsampling = change.parameters
        return _encode_and_decode(image, int(quality), int(subsampling)), Perturbation.identity()
    if change.kind == "gaussian_blur" and change.parameters[0] > LARGEST_SIGMA:
        passes, step = split_blur(change.parameters[0])
        for _ in range(passes - 1):
            image = perturb(image, step)
        return image, step
    return image, change


def split_blur(sigma: float) -> tuple[int, Perturbation]:
    """How many blurs, and which, give a Gaussian blur of `sigma`: variances add."""
    passes = math.ceil((sigma / LARGEST_SIGMA) ** 2)
    return passes, Perturbation("gaussian_blur", (sigma / math.sqrt(passes),))


def _encode_and_decode(image: Image.Image, quality: int, subsampling: int) -> Image.Image:
    """`subsampling` as Pillow names it: 0 is 4:4:4, 2 is 4:2:0."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(buffer) as decoded:
        return decoded.convert("RGB")
