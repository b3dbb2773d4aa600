"""The steps of the fused op, a function each: perturb -> pad -> resize -> centre crop -> look up."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vrs_lmeval.pixels.geometry import Blocks, Geometry
from vrs_lmeval.pixels.reference.families import PERTURBATIONS
from vrs_lmeval.pixels.reference.image_levels import Levels
from vrs_lmeval.pixels.reference.resize import resize
from vrs_lmeval.records import Perturbation


def preprocess_reference(
    images: list[Levels], perturbations: list[Perturbation], geometry: Geometry
) -> npt.NDArray[np.float32]:
    """As `pixels.preprocess` for RGB arrays: (N, K, 3, height, width) float32, or blocks."""
    batch = [
        [process_one(perturb(image, perturbation), geometry) for perturbation in perturbations] for image in images
    ]
    return np.array(batch, dtype=np.float32)


def process_one(image: Levels, geometry: Geometry) -> npt.NDArray[np.float32]:
    """Pad -> resize -> centre crop -> look up -> cut into blocks; (3, height, width) float32, or blocks."""
    if geometry.pad_colour is not None:
        image = pad_to_square(image, geometry.pad_colour)
    height, width = resized_size(geometry, *image.shape[:2])
    image = resize(image, height, width, geometry)
    if geometry.placement == "corner":
        image = corner_crop(image, *geometry.crop)
    else:
        larger_before = geometry.placement == "centre" and geometry.arithmetic == "pillow"
        image = centre_crop(image, *geometry.crop, larger_before=larger_before)
    table = geometry.table()
    planes = np.stack([table[channel][image[:, :, channel]] for channel in range(3)])
    return planes if geometry.blocks is None else cut_into_blocks(planes, geometry.blocks)


def cut_into_blocks(planes: npt.NDArray[np.float32], blocks: Blocks) -> npt.NDArray[np.float32]:
    """(3, height, width) -> (blocks, 3, repeats, block height, block width): squares by row, blocks of one by row.

    Where channels stand last: (blocks, block height, block width, 3).
    """
    side = blocks.merge
    square_height, square_width = side * blocks.height, side * blocks.width
    cut = []
    for square_top in range(0, planes.shape[1], square_height):
        for square_left in range(0, planes.shape[2], square_width):
            for top in range(square_top, square_top + square_height, blocks.height):
                for left in range(square_left, square_left + square_width, blocks.width):
                    block = planes[:, top : top + blocks.height, left : left + blocks.width]
                    repeated = np.repeat(block[:, None], blocks.repeats, axis=1)
                    cut.append(np.moveaxis(block, 0, 2) if blocks.channels_last else repeated)
    return np.array(cut)


def perturb(image: Levels, change: Perturbation) -> Levels:
    """The perturbed image. Its size is the same, except that quarter turns exchange its edges."""
    return PERTURBATIONS[change.kind](image, change)


def pad_to_square(image: Levels, colour: tuple[int, int, int]) -> Levels:
    """The image in the middle of a square with the longer edge as side; an odd margin is larger after the image."""
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


def centre_crop(image: Levels, height: int, width: int, *, larger_before: bool) -> Levels:
    """The middle of the image, with level 0 around a smaller one; an odd margin is larger before or after the image."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    rows_from, rows_to = _overlap(image.shape[0], height, larger_before)
    columns_from, columns_to = _overlap(image.shape[1], width, larger_before)
    canvas[rows_to, columns_to] = image[rows_from, columns_from]
    return canvas


def corner_crop(image: Levels, height: int, width: int) -> Levels:
    """The image's first rows and columns, with level 0 after a smaller one."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    kept = image[:height, :width]
    canvas[: kept.shape[0], : kept.shape[1]] = kept
    return canvas


def _overlap(source: int, target: int, larger_before: bool) -> tuple[slice, slice]:
    if target <= source:
        begin = (source - target) // 2
        return slice(begin, begin + target), slice(0, target)
    begin = math.ceil((target - source) / 2) if larger_before else (target - source) // 2
    return slice(0, source), slice(begin, begin + source)
