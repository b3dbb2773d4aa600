"""Layouts of patches whose pixels' channels stand together, so many an image: Gemma 4's and SigLIP2's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, join_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs

SizeRule = Callable[[int, int], tuple[int, int]]
"""(height, width) of an image -> (height, width) that it is resized to."""

GEMMA4, SIGLIP2 = "Gemma4ImageProcessor", "Siglip2ImageProcessor"


class PixelPatchLayout(BySize):
    """`pixel_values` (images, most patches, values of a patch), zeros after an image's own patches.

    A subclass adds what the processor says of their number and places.
    """

    def __init__(self, levels: Geometry, size_rule: SizeRule, edge: int, most: int) -> None:
        self._levels = replace(levels, blocks=Blocks(edge, edge, channels_last=True))
        self._size_rule = size_rule
        self._edge = edge
        self._most = most

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        target = self._size_rule(height, width)
        grid = target[0] // self._edge, target[1] // self._edge
        batch = compute_patches(pairs, replace(self._levels, size=target, crop=target), self._most)
        return [{"pixel_values": Span(batch, index, index + 1), "grid": grid} for index in range(len(pairs))]


class Gemma4Layout(PixelPatchLayout):
    """With `image_position_ids` (images, most patches, 2): column and row, and `num_soft_tokens_per_image`."""

    def __init__(self, levels: Geometry, size_rule: SizeRule, edge: int, most: int, pooled: int) -> None:
        """`pooled`: so many patches become one token."""
        super().__init__(levels, size_rule, edge, most)
        self._pooled = pooled

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Numpy arrays, and a list of numbers."""
        places = np.full((len(rows), self._most, 2), -1, np.int64)
        for image, (height, width) in zip(places, (row["grid"] for row in rows), strict=True):
            image[: height * width, 0] = np.tile(np.arange(width), height)
            image[: height * width, 1] = np.repeat(np.arange(height), width)
        return {
            "pixel_values": join_spans([row["pixel_values"] for row in rows]),
            "image_position_ids": places,
            "num_soft_tokens_per_image": [row["grid"][0] * row["grid"][1] // self._pooled for row in rows],
        }


class Siglip2Layout(PixelPatchLayout):
    """With `pixel_attention_mask` (images, most patches) int32 and `spatial_shapes`: rows, columns."""

    lists = ("pixel_values", "pixel_attention_mask")

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Numpy arrays, and a list of (rows, columns)."""
        grids = [row["grid"] for row in rows]
        return {
            "pixel_values": join_spans([row["pixel_values"] for row in rows]),
            "pixel_attention_mask": mask_patches(grids, self._most),
            "spatial_shapes": grids,
        }


def compute_patches(pairs: Sequence[Pair], geometry: Geometry, most: int) -> npt.NDArray[np.float32]:
    """(pairs, most, values of a patch), zeros after the patches that `geometry` gives."""
    shape = geometry.output_shape()
    batch = empty_outputs((len(pairs), most, *shape[1:]))
    preprocess_pairs(pairs, geometry, out=batch[:, : shape[0]])
    batch[:, shape[0] :] = 0
    return batch.reshape(len(pairs), most, -1)


def mask_patches(grids: Sequence[Sequence[int]], most: int) -> npt.NDArray[np.int32]:
    """(grids, most): 1 for the patches of a grid of (rows, columns), 0 after them."""
    mask = np.zeros((len(grids), most), np.int32)
    for entry, (rows, columns) in zip(mask, grids, strict=True):
        entry[: rows * columns] = 1
    return mask


def read_pixel_patches(processor: Any) -> PixelPatchLayout | None:
    """The layout of Gemma 4's or SigLIP2's processor; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (GEMMA4, SIGLIP2))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    is_gemma = owner.__name__.startswith(GEMMA4)
    own = ("_preprocess", "aspect_ratio_preserving_resize") if is_gemma else ("_preprocess",)
    require_steps(type(processor), arithmetic, owner, own)
    require_known_settings(processor, {"patch_size", "max_soft_tokens", "pooling_kernel_size", "max_num_patches"})
    if not processor.do_resize:
        raise UnsupportedGeometry("do_resize: off, an image could have any number of patches")
    levels, edge, module = read_levels(processor, arithmetic), processor.patch_size, import_module(owner.__module__)
    if is_gemma:
        pooling = processor.pooling_kernel_size
        most = processor.max_soft_tokens * pooling**2
        rule = partial(
            module.get_aspect_ratio_preserving_size, patch_size=edge, max_patches=most, pooling_kernel_size=pooling
        )
        return Gemma4Layout(levels, rule, edge, most, pooling**2)
    most = processor.max_num_patches
    rule = partial(module.get_image_size_for_max_num_patches, patch_size=edge, max_num_patches=most)
    return Siglip2Layout(levels, lambda height, width: rule(image_height=height, image_width=width), edge, most)
