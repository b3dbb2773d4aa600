"""Qwen-VL's layout, which GLM-4V shares: an image of its own size, cut into patches, each shown at every time step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, join_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import preprocess_pairs

SizeRule = Callable[[int, int], tuple[int, int]]
"""(height, width) of an image -> (height, width) that it is resized to."""

QWEN, GLM, GLM46 = "Qwen2VLImageProcessor", "Glm4vImageProcessor", "Glm46VImageProcessor"
"""Qwen2-VL's class serves Qwen2.5-VL, Qwen3-VL and Qwen3.5 as well."""


class PatchLayout(BySize):
    """`pixel_values` (patches of all images, values of a patch), and `image_grid_thw` (images, 3): 1, rows, columns."""

    def __init__(self, levels: Geometry, size_rule: SizeRule, patches: Blocks) -> None:
        self._levels = replace(levels, blocks=patches)
        self._size_rule = size_rule
        self._edge = patches.height

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        target = self._size_rule(height, width)
        images = preprocess_pairs(pairs, replace(self._levels, size=target, crop=target))
        rows, columns = (edge // self._edge for edge in target)
        count = rows * columns
        batch = images.reshape(len(pairs) * count, -1)
        return [
            {"pixel_values": Span(batch, index * count, (index + 1) * count), "grid": [1, rows, columns]}
            for index in range(len(pairs))
        ]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Both features, as numpy arrays."""
        return {
            "pixel_values": join_spans([row["pixel_values"] for row in rows]),
            "image_grid_thw": np.array([row["grid"] for row in rows], dtype=np.int64),
        }


def read_patches(processor: Any) -> PatchLayout | None:
    """The layout of a processor of this family; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (QWEN, GLM, GLM46))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    require_steps(type(processor), arithmetic, owner, ("_preprocess", "resize", "patchify"))
    require_known_settings(processor, {"patch_size", "temporal_patch_size", "merge_size"})
    if not processor.do_resize:
        raise UnsupportedGeometry("do_resize: off, the image's own size need not be a multiple of the patch")
    edge, merge = processor.patch_size, processor.merge_size
    patches = Blocks(edge, edge, merge, processor.temporal_patch_size)
    edges = set_edges(processor.size)
    if set(edges) != {"shortest_edge", "longest_edge"}:
        raise UnsupportedGeometry(f"size: {edges} does not hold shortest_edge and longest_edge alone")
    rule = import_module(owner.__module__).smart_resize
    bounds = {"min_pixels": edges["shortest_edge"], "max_pixels": edges["longest_edge"]}
    factor = edge * merge
    if owner.__name__.startswith(QWEN):
        size_rule: SizeRule = partial(rule, factor=factor, **bounds)
    else:  # GLM counts the pixels of all time steps
        size_rule = partial(rule, patches.repeats, factor=factor, temporal_factor=patches.repeats, **bounds)
    return PatchLayout(read_levels(processor, arithmetic), size_rule, patches)
