"""The fused op again in plain numpy, written to be read: a function a step, images are (H, W, 3) uint8.

Slow on purpose. `tests/pixels/test_preprocess_parity.py` holds it equal, bit for bit, to the compiled op and to
transformers' `CLIPImageProcessorPil`. The resize follows Pillow's `src/libImaging/Resample.c` or, in the
arithmetic "torchvision", torch's `ATen/native/cpu/UpSampleKernel.cpp` for uint8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.records import Perturbation

Levels = npt.NDArray[np.uint8]

COEFFICIENT_BITS = 22
"""Pillow's PRECISION_BITS: an int32 less 8 bits of result and 2 of headroom. Also the most that torch uses."""


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
    image = centre_crop(image, *geometry.crop, larger_before=geometry.arithmetic == "pillow")
    table = geometry.table()
    return np.stack([table[channel][image[:, :, channel]] for channel in range(3)])


def perturb(image: Levels, change: Perturbation) -> Levels:
    """The perturbed image, of the same size but for quarter turns."""
    return PERTURBATIONS[change.kind](image, change)


def _identity(image: Levels, change: Perturbation) -> Levels:
    return image


def _blank(image: Levels, change: Perturbation) -> Levels:
    return np.broadcast_to(np.array(change.parameters, dtype=np.uint8), image.shape)


def _brightness(image: Levels, change: Perturbation) -> Levels:
    return round_to_levels(image * change.parameters[0])


def _contrast(image: Levels, change: Perturbation) -> Levels:
    mean = image.sum(axis=(0, 1), dtype=np.int64) / (image.shape[0] * image.shape[1])
    return round_to_levels(mean + (image - mean) * change.parameters[0])


def _gamma(image: Levels, change: Perturbation) -> Levels:
    (exponent,) = change.parameters
    mapped = [math.floor(255 * math.pow(level / 255, exponent) + 0.5) for level in range(256)]
    return np.take(np.array(mapped, dtype=np.uint8), image)


def _gaussian_noise(image: Levels, change: Perturbation) -> Levels:
    (sigma,) = change.parameters
    words = value_words(change.key, image)
    offsets = rounded_quantiles(sigma, 255)[words & 0x7FFF]
    return round_to_levels(image + np.where(words >> 15, -offsets, offsets))


def _speckle_noise(image: Levels, change: Perturbation) -> Levels:
    (sigma,) = change.parameters
    words = value_words(change.key, image)
    offsets = (image * rounded_quantiles(sigma * 4096, 65535)[words & 0x7FFF] + 2048) >> 12
    return round_to_levels(image + np.where(words >> 15, -offsets, offsets))


def rounded_quantiles(scale: float, largest: int) -> npt.NDArray[np.int64]:
    """round(scale * z) up to `largest`, z the standard normal quantile at 0.5 + (t + 0.5) / 65536, for t < 32768."""
    if scale == 0:
        return np.zeros(32768, dtype=np.int64)
    first_above: list[float] = []  # the first t whose quantile rounds to more than 0, 1, 2 ...
    while len(first_above) < largest and (not first_above or first_above[-1] < 32768):
        share_below = 0.5 * math.erf((len(first_above) + 0.5) / (scale * math.sqrt(2.0)))
        first_above.append(math.ceil(share_below * 65536 - 0.5))
    return np.searchsorted(np.array(first_above), np.arange(32768), side="right")


def _shot_noise(image: Levels, change: Perturbation) -> Levels:
    (photons,) = change.parameters
    words = value_words(change.key, image)
    result = np.empty_like(image)
    for level in np.unique(image):
        is_level = image == level
        counts = np.searchsorted(poisson_thresholds(level, photons), words[is_level], side="right")
        result[is_level] = round_to_levels(255 * counts / photons)
    return result


def poisson_thresholds(level: int, photons: float) -> npt.NDArray[np.float64]:
    """The first words that give more than 0, 1, 2 ... photons, up to the count that is white."""
    mean = int(level) * photons / 255
    share, share_up_to = math.exp(-mean), 0.0
    thresholds: list[float] = []
    while math.floor(255 * len(thresholds) / photons + 0.5) < 255:
        share_up_to += share
        share = share * mean / (len(thresholds) + 1)
        thresholds.append(math.ceil(share_up_to * 65536 - 0.5))
    return np.array(thresholds)


def _impulse_noise(image: Levels, change: Perturbation) -> Levels:
    words = random_words(change.key, *image.shape[:2])[:, :, None]
    is_hit = words < math.floor(change.parameters[0] * 65536 + 0.5)
    return np.where(is_hit, np.where(words % 2 == 0, 0, 255), image).astype(np.uint8)


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


def _patch_shuffle(image: Levels, change: Perturbation) -> Levels:
    rows, columns = (int(count) for count in change.parameters)
    height, width = image.shape[0] // rows, image.shape[1] // columns
    result = image.copy()
    for target, source in enumerate(permutation(rows * columns, change.key)):
        (top, left), (source_top, source_left) = (
            (index // columns * height, index % columns * width) for index in (target, source)
        )
        patch = image[source_top : source_top + height, source_left : source_left + width]
        result[top : top + height, left : left + width] = patch
    return result


def _occlusion(image: Levels, change: Perturbation) -> Levels:
    top, left, bottom, right, *colour = change.parameters
    height, width = image.shape[:2]
    rows = slice(math.floor(top * height + 0.5), math.floor(bottom * height + 0.5))
    columns = slice(math.floor(left * width + 0.5), math.floor(right * width + 0.5))
    result = image.copy()
    result[rows, columns] = colour
    return result


PERTURBATIONS: dict[str, Callable[[Levels, Perturbation], Levels]] = {
    "identity": _identity,
    "blank": _blank,
    "brightness": _brightness,
    "contrast": _contrast,
    "gamma": _gamma,
    "gaussian_noise": _gaussian_noise,
    "impulse_noise": _impulse_noise,
    "shot_noise": _shot_noise,
    "speckle_noise": _speckle_noise,
    "gaussian_blur": _gaussian_blur,
    "low_pass": _low_pass,
    "pixelate": _pixelate,
    "patch_shuffle": _patch_shuffle,
    "occlusion": _occlusion,
    "flip_horizontal": lambda image, _: image[:, ::-1],
    "flip_vertical": lambda image, _: image[::-1],
    "rotate_90": lambda image, _: image.swapaxes(0, 1)[::-1],
    "rotate_180": lambda image, _: image[::-1, ::-1],
    "rotate_270": lambda image, _: image.swapaxes(0, 1)[:, ::-1],
}
"""Each kind of perturbation by name; `csrc/perturb/perturb.h` has the definitions in words."""


def round_to_levels(values: npt.NDArray[Any]) -> Levels:
    """Halves go up; then into 0..255."""
    levels: Levels = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return levels


def value_words(key: int, image: Levels) -> npt.NDArray[np.int64]:
    """One random word for each value of the image, in its shape."""
    height, width = image.shape[:2]
    return random_words(key, height, 3 * width).reshape(image.shape)


def random_words(key: int, rows: int, count: int) -> npt.NDArray[np.int64]:
    """(rows, count) 16-bit random numbers: eight from each draw, row and block of eight as the counter."""
    blocks = np.arange((count + 7) // 8, dtype=np.uint64)
    draws = philox(key, np.arange(rows, dtype=np.uint64)[:, None], blocks)
    halves = np.stack([draws & 0xFFFF, draws >> 16], axis=-1)
    return halves.reshape(rows, -1)[:, :count].astype(np.int64)


def permutation(count: int, key: int) -> list[int]:
    """0..count-1 shuffled by Fisher and Yates, from the last down."""
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        draw = int(philox(key, np.uint64(0), np.uint64(i))[0])
        j = (draw * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def philox(key: int, row: Any, block: Any) -> npt.NDArray[np.uint64]:
    """Philox4x32-10 (Salmon et al., SC 2011): four 32-bit numbers, in the last axis, per (row, block).

    The low 64 bits of `key` are Philox's key; the high ones are the upper half of its counter.
    """
    mask = np.uint64(0xFFFFFFFF)
    high = np.broadcast(row, block)
    words = [(key >> shift) & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    k0, k1 = words[:2]
    c0, c1, c2, c3 = (
        np.broadcast_to(np.uint64(part) if isinstance(part, int) else part, high.shape)
        for part in (block, row, *words[2:])
    )
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), product1 & mask
        c2, c3 = (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), product0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1)


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
    filter_name, arithmetic = geometry.filter, geometry.arithmetic
    is_pillow = arithmetic == "pillow"
    if is_pillow and is_vertical_first(geometry.pass_order, image.shape[0], image.shape[1], height, width):
        return resize_columns(resize_rows(image, height, filter_name), width, filter_name)
    return resize_rows(resize_columns(image, width, filter_name, arithmetic), height, filter_name, arithmetic)


def is_vertical_first(pass_order: str, height: int, width: int, new_height: int, new_width: int) -> bool:
    """The rule of Pillow before 12.2, of 12.2 and 12.3, or of 13."""
    shrink_height, shrink_width = height - new_height, width - new_width
    if pass_order == "pillow12_2":
        return height > 100 * width and shrink_height > 0
    return pass_order == "pillow13" and shrink_height > 0 and shrink_height > 2 * shrink_width


def resize_columns(image: Levels, width: int, filter_name: str, arithmetic: str = "pillow") -> Levels:
    """The same rows, `width` columns."""
    return resize_rows(image.swapaxes(0, 1), width, filter_name, arithmetic).swapaxes(0, 1)


def resize_rows(image: Levels, height: int, filter_name: str, arithmetic: str = "pillow") -> Levels:
    """`height` rows of the same width; an axis that keeps its size is left alone."""
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


def centre_crop(image: Levels, height: int, width: int, *, larger_before: bool) -> Levels:
    """The middle of the image; level 0 around a smaller one, an odd margin larger before it or after it."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    rows_from, rows_to = _overlap(image.shape[0], height, larger_before)
    columns_from, columns_to = _overlap(image.shape[1], width, larger_before)
    canvas[rows_to, columns_to] = image[rows_from, columns_from]
    return canvas


def _overlap(source: int, target: int, larger_before: bool) -> tuple[slice, slice]:
    if target <= source:
        begin = (source - target) // 2
        return slice(begin, begin + target), slice(0, target)
    begin = math.ceil((target - source) / 2) if larger_before else (target - source) // 2
    return slice(0, source), slice(begin, begin + source)
