"""The resize in plain numpy: Pillow's `src/libImaging/Resample.c`, or torch's for uint8.

The arithmetic "torchvision" is that of torch's `ATen/native/cpu/UpSampleKernel.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.reference.image_levels import Levels

COEFFICIENT_BITS = 22
"""Pillow's PRECISION_BITS: an int32 less 8 bits of result and 2 of headroom. Also the most that torch uses."""


def resize(image: Levels, height: int, width: int, geometry: Geometry) -> Levels:
    """Resize in two passes, rounded to uint8 between them; their order can change a value by some levels."""
    filter_name, arithmetic = geometry.filter, geometry.arithmetic
    is_pillow = arithmetic == "pillow"
    if is_pillow and is_vertical_first(geometry.pass_order, image.shape[0], image.shape[1], height, width):
        return resize_columns(resize_rows(image, height, filter_name), width, filter_name)
    return resize_rows(resize_columns(image, width, filter_name, arithmetic), height, filter_name, arithmetic)


def is_vertical_first(pass_order: str, height: int, width: int, new_height: int, new_width: int) -> bool:
    """Whether the vertical pass comes first, by the rule of Pillow before 12.2, of 12.2 and 12.3, or of 13."""
    shrink_height, shrink_width = height - new_height, width - new_width
    if pass_order == "pillow12_2":
        return height > 100 * width and shrink_height > 0
    return pass_order == "pillow13" and shrink_height > 0 and shrink_height > 2 * shrink_width


def resize_columns(image: Levels, width: int, filter_name: str, arithmetic: str = "pillow") -> Levels:
    """The image resized to `width` columns; the number of rows stays."""
    return resize_rows(image.swapaxes(0, 1), width, filter_name, arithmetic).swapaxes(0, 1)


def resize_rows(image: Levels, height: int, filter_name: str, arithmetic: str = "pillow") -> Levels:
    """The image resized to `height` rows; an axis that keeps its size does not change."""
    if height == image.shape[0]:
        return image
    exact = exact_coefficients(image.shape[0], height, filter_name)
    bits = COEFFICIENT_BITS if arithmetic == "pillow" else int16_bits(max(max(weights) for _, weights in exact))
    rows = []
    for first, weights in exact:
        fixed = np.array([_to_fixed_point(weight, bits) for weight in weights], dtype=np.int64)
        source = image[first : first + len(weights)].astype(np.int64)
        total = np.tensordot(fixed, source, axes=(0, 0)) + (1 << (bits - 1))
        rows.append(np.clip(total >> bits, 0, 255))
    return np.array(rows, dtype=np.uint8)


def exact_coefficients(source: int, target: int, filter_name: str) -> list[tuple[int, list[float]]]:
    """For each of `target` outputs: the first source index, and the weights from there on, which sum to one."""
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
        result.append((first, [weight / total if total else weight for weight in weights]))
    return result


def int16_bits(largest_weight: float) -> int:
    """Torch's precision for one axis: the most bits for which its largest weight is still an int16."""
    bits = 0
    while bits < COEFFICIENT_BITS and int(0.5 + largest_weight * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return bits


def _to_fixed_point(weight: float, bits: int) -> int:
    return int(math.copysign(0.5, weight) + weight * (1 << bits))


def bilinear(x: float) -> float:
    """The triangle filter."""
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
"""Each filter and its reach to one side, in source pixels at scale 1."""
