"""Covers: some or all pixels take one colour."""

from __future__ import annotations

import math

import numpy as np

from vrs_lmeval.pixels.reference.image_levels import Change, Levels
from vrs_lmeval.records import Perturbation


def _blank(image: Levels, change: Perturbation) -> Levels:
    return np.broadcast_to(np.array(change.parameters, dtype=np.uint8), image.shape)


def _occlusion(image: Levels, change: Perturbation) -> Levels:
    top, left, bottom, right, *colour = change.parameters
    height, width = image.shape[:2]
    rows = slice(math.floor(top * height + 0.5), math.floor(bottom * height + 0.5))
    columns = slice(math.floor(left * width + 0.5), math.floor(right * width + 0.5))
    result = image.copy()
    result[rows, columns] = colour
    return result


KINDS: dict[str, Change] = {
    "blank": _blank,
    "occlusion": _occlusion,
}

EXAMPLES = [
    Perturbation.blank((3, 200, 7)),
    Perturbation("occlusion", (0.25, 0.1, 0.75, 0.333, 128.0, 0.0, 255.0)),
    Perturbation("occlusion", (0.9, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0)),
    Perturbation("occlusion", (0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0)),
]
