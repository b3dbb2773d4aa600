"""Levels: each level of a channel becomes another."""

from __future__ import annotations

import math

import numpy as np

from vrs_lmeval.pixels.reference.image_levels import Change, Levels, round_to_levels
from vrs_lmeval.records import Perturbation


def _brightness(image: Levels, change: Perturbation) -> Levels:
    return round_to_levels(image * change.parameters[0])


def _contrast(image: Levels, change: Perturbation) -> Levels:
    mean = image.sum(axis=(0, 1), dtype=np.int64) / (image.shape[0] * image.shape[1])
    return round_to_levels(mean + (image - mean) * change.parameters[0])


def _gamma(image: Levels, change: Perturbation) -> Levels:
    (exponent,) = change.parameters
    mapped = [math.floor(255 * math.pow(level / 255, exponent) + 0.5) for level in range(256)]
    return np.take(np.array(mapped, dtype=np.uint8), image)


KINDS: dict[str, Change] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "gamma": _gamma,
}

EXAMPLES = [
    Perturbation("brightness", (0.37,)),
    Perturbation("brightness", (2.5,)),
    Perturbation("contrast", (0.0,)),
    Perturbation("contrast", (1.7,)),
    Perturbation("gamma", (2.2,)),
]
