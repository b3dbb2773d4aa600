"""The fused op again in plain numpy, written to be read: a function a step, images are (H, W, 3) uint8.

Slow on purpose. `tests/test_preprocess_parity.py` holds it equal, bit for bit, to the compiled op and to
transformers' `CLIPImageProcessorPil`. The resize follows Pillow's `src/libImaging/Resample.c`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vrs_lmeval.records import Perturbation

if TYPE_CHECKING:
    from vrs_lmeval.pixels import Geometry

Levels = npt.NDArray[np.uint8]

COEFFICIENT_BITS = 22
"""Pillow's PRECISION_BITS: an int32 less 8 bits of result and 2 of headroom."""


def preprocess_reference(
    images: list[Levels], perturbations: list[Perturbation], geometry: Geometry
) -> npt.NDArray[np.float32]:
    """As `pixels.preprocess` for RGB arrays: (N, K, 3, height, width) float32."""
    batch = [
        [process_one(perturb(image, perturbation), geometry) for perturbation in perturbations] for image in images
    ]
    return np.array(batch, dtype=np.float32)


def process_one(image: Levels, geometry: Geometry) -> npt.NDArray[np.float32]:
    """Pad -> resize -> centre crop -> look up, (3, height, width) float32."""
    if geometry.pad_colour is not None:
        image = pad_to_square(image, geometry.pad_colour)
    height, width = resized_size(geometry, *image.shape[:2])
    image = resize(image, height, width, geometry)
    image = centre_crop(image, *geometry.crop)
    table = geometry.table()
    return np.stack([table[channel][image[:, :, channel]] for channel in range(3)])


def perturb(image: Levels, perturbation: Perturbation) -> Levels:
    """The perturbed image, of the same size."""
    return PERTURBATIONS[perturbation.kind](image, perturbation)


def _identity(image: Levels, perturbation: Perturbation) -> Levels:
    return image


def _blank(image: Levels, perturbation: Perturbation) -> Levels:
    return np.broadcast_to(np.array(perturbation.parameters, dtype=np.uint8), image.shape)


PERTURBATIONS: dict[str, Callable[[Levels, Perturbation], Levels]] = {
    "identity": _identity,
    "blank": _blank,
}
"""The definition of each kind of perturbation, by name."""


def pad_to_square(image: Levels, colour: tuple[int, int, int]) -> Levels:
    """The image in the middle of a square of its longer edge; an odd margin is larger after it."""
    height, width = image.shape[:2]
    edge = max(height, width)
    top, left = (edge - height) // 2, (edge - width) // 2
    square = np.empty((edge, edge, 3), dtype=np.uint8)
    square[:] = colour
    square[top : top + height, left : left + width] = image
    return square


def resized_size(geometry: Geometry, height: int, width: int) -> tuple[int, int]:
    """(height, width) after the resize; the longer edge is truncated, not rounded."""
    if geometry.resize == "none":
        return height, width
    if geometry.resize == "exact":
        return geometry.size
    short = geometry.size[0]
    long = int(short * max(height, width) / min(height, width))
    return (long, short) if width <= height else (short, long)


def resize(image: Levels, height: int, width: int, geometry: Geometry) -> Levels:
    """Two passes, rounded to uint8 between them; their order matters by up to some levels."""
    shrink_height, shrink_width = image.shape[0] - height, image.shape[1] - width
    is_vertical_first = geometry.pass_order == "pillow13" and shrink_height > 0 and shrink_height > 2 * shrink_width
    if is_vertical_first:
        return resize_columns(resize_rows(image, height, geometry.filter), width, geometry.filter)
    return resize_rows(resize_columns(image, width, geometry.filter), height, geometry.filter)


def resize_columns(image: Levels, width: int, filter_name: str) -> Levels:
    """The same rows, `width` columns."""
    return resize_rows(image.swapaxes(0, 1), width, filter_name).swapaxes(0, 1)


def resize_rows(image: Levels, height: int, filter_name: str) -> Levels:
    """`height` rows of the same width; an axis that keeps its size is left alone."""
    if height == image.shape[0]:
        return image
    rows = []
    for first, weights in coefficients(image.shape[0], height, filter_name):
        source = image[first : first + len(weights)].astype(np.int64)
        total = np.tensordot(weights, source, axes=(0, 0)) + (1 << (COEFFICIENT_BITS - 1))
        rows.append(np.clip(total >> COEFFICIENT_BITS, 0, 255))
    return np.array(rows, dtype=np.uint8)


def coefficients(source: int, target: int, filter_name: str) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """For each of `target` outputs: the first source index, and the 22-bit weights from there on."""
    weight_of, reach = FILTERS[filter_name]
    scale = source / target
    stretch = max(scale, 1.0)  # antialiasing: shrinking widens the filter
    support = reach * stretch
    result = []
    for index in range(target):
        centre = (index + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), source)
        weights = [weight_of((x - centre + 0.5) * (1.0 / stretch)) for x in range(first, last)]
        total = 0.0
        for weight in weights:  # not sum(): since Python 3.12 it compensates rounding, Pillow does not
            total += weight
        fixed = [_to_fixed_point(weight / total if total else weight) for weight in weights]
        result.append((first, np.array(fixed, dtype=np.int64)))
    return result


def _to_fixed_point(weight: float) -> int:
    return int(math.copysign(0.5, weight) + weight * (1 << COEFFICIENT_BITS))


def bilinear(x: float) -> float:
    """The triangle."""
    return max(1.0 - abs(x), 0.0)


def bicubic(x: float) -> float:
    """Keys' cubic convolution with a = -0.5."""
    a, x = -0.5, abs(x)
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2.0 else 0.0


def lanczos(x: float) -> float:
    """The sinc, windowed by its own main lobe over three zero crossings."""
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


def _sinc(x: float) -> float:
    x *= math.pi
    return math.sin(x) / x if x else 1.0


FILTERS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (bilinear, 1.0),
    "bicubic": (bicubic, 2.0),
    "lanczos": (lanczos, 3.0),
}
"""Each filter and how far it reaches, in source pixels at scale 1."""


def centre_crop(image: Levels, height: int, width: int) -> Levels:
    """The middle of the image; level 0 around a smaller one, an odd margin larger before it."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    rows_from, rows_to = _overlap(image.shape[0], height)
    columns_from, columns_to = _overlap(image.shape[1], width)
    canvas[rows_to, columns_to] = image[rows_from, columns_from]
    return canvas


def _overlap(source: int, target: int) -> tuple[slice, slice]:
    if target <= source:
        begin = (source - target) // 2
        return slice(begin, begin + target), slice(0, target)
    begin = math.ceil((target - source) / 2)
    return slice(0, source), slice(begin, begin + source)
