"""Detail: details finer than some measure are lost."""

from __future__ import annotations

import math

import numpy as np

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.reference.image_levels import Change, Levels
from vrs_lmeval.pixels.reference.resize import resize
from vrs_lmeval.records import Perturbation


def _gaussian_blur(image: Levels, change: Perturbation) -> Levels:
    weights = blur_weights(change.parameters[0])
    return _blur_rows(_blur_rows(image, weights).swapaxes(0, 1), weights).swapaxes(0, 1)


def _blur_rows(image: Levels, weights: list[int]) -> Levels:
    reach = len(weights) - 1
    padded = np.pad(image.astype(np.int64), ((reach, reach), (0, 0), (0, 0)), mode="edge")
    total = np.full(image.shape, 128)
    for offset in range(-reach, reach + 1):
        total += weights[abs(offset)] * padded[reach + offset :][: image.shape[0]]
    return (total >> 8).astype(np.uint8)


def blur_weights(sigma: float) -> list[int]:
    """Gaussian weights in 1/256, the centre first, without the zeros at the end."""
    reach = math.ceil(3 * sigma)
    exact = [math.exp(-0.5 * i * i / (sigma * sigma)) for i in range(reach + 1)]
    total = 0.0
    for i, weight in enumerate(exact):
        total += weight if i == 0 else 2 * weight
    outer = [math.floor(weight / total * 256 + 0.5) for weight in exact[1:]]
    while outer and outer[-1] == 0:
        outer.pop()
    return [256 - 2 * sum(outer), *outer]


def _low_pass(image: Levels, change: Perturbation) -> Levels:
    lines = int(change.parameters[0])
    height, width = image.shape[:2]
    if lines >= min(height, width):
        return image
    geometry = Geometry(filter="lanczos", pass_order="pillow13")
    share = lines / min(height, width)
    reduced = resize(image, math.floor(height * share + 0.5), math.floor(width * share + 0.5), geometry)
    return resize(reduced, height, width, geometry)


def _pixelate(image: Levels, change: Perturbation) -> Levels:
    edge = int(change.parameters[0])
    result = np.empty_like(image)
    for top in range(0, image.shape[0], edge):
        for left in range(0, image.shape[1], edge):
            cell = image[top : top + edge, left : left + edge].reshape(-1, 3)
            mean = (2 * cell.sum(axis=0, dtype=np.int64) + len(cell)) // (2 * len(cell))
            result[top : top + edge, left : left + edge] = mean
    return result


KINDS: dict[str, Change] = {
    "gaussian_blur": _gaussian_blur,
    "low_pass": _low_pass,
    "pixelate": _pixelate,
}

EXAMPLES = [
    Perturbation("gaussian_blur", (0.1,)),
    Perturbation("gaussian_blur", (0.6,)),
    Perturbation("gaussian_blur", (1.4,)),
    Perturbation("gaussian_blur", (2.0,)),
    Perturbation("gaussian_blur", (10.0,)),
    Perturbation("low_pass", (1.0,)),
    Perturbation("low_pass", (9.0,)),
    Perturbation("low_pass", (32.0,)),
    Perturbation("low_pass", (4096.0,)),
    Perturbation("pixelate", (1.0,)),
    Perturbation("pixelate", (7.0,)),
    Perturbation("pixelate", (4096.0,)),
]
