"""Pixtral's layout (Mistral 3 too): each image of its own size, a multiple of the patch, zeros up to the largest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from transformers.image_utils import ChannelDimension

from vrs_lmeval.pixels.geometry import Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, join_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import preprocess_pairs

PIXTRAL = "PixtralImageProcessor"


class OwnSizeLayout(BySize):
    """`pixel_values` (images, 3, largest height, largest width), zeros below and right of each, and `image_sizes`."""

    def __init__(self, levels: Geometry, size_rule: Callable[[int, int], tuple[int, int]]) -> None:
        self._levels = levels
        self._size_rule = size_rule

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        target = self._size_rule(height, width)
        batch = preprocess_pairs(pairs, replace(self._levels, size=target, crop=target))
        return [{"pixel_values": Span(batch, index, index + 1), "image_sizes": target} for index in range(len(pairs))]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Pixel values as a numpy array, sizes as a list of (height, width)."""
        sizes = [row["image_sizes"] for row in rows]
        spans = [row["pixel_values"] for row in rows]
        if len(set(sizes)) == 1:
            return {"pixel_values": join_spans(spans), "image_sizes": sizes}
        largest = (max(height for height, _ in sizes), max(width for _, width in sizes))
        batch = np.zeros((len(rows), 3, *largest), np.float32)
        for image, (height, width), span in zip(batch, sizes, spans, strict=True):
            image[:, :height, :width] = span.values[0]
        return {"pixel_values": batch, "image_sizes": sizes}


def read_own_size(processor: Any) -> OwnSizeLayout | None:
    """The layout of a processor of this family; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (PIXTRAL,))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    require_steps(type(processor), arithmetic, owner, ("_preprocess", "resize", "_pad_for_batching"))
    require_known_settings(processor, {"patch_size", "do_pad"})
    if not processor.do_resize or not processor.do_pad:
        raise UnsupportedGeometry("do_resize, do_pad: images of several sizes cannot stand in one batch")
    size = set_edges(processor.size)
    if set(size) not in ({"longest_edge"}, {"height", "width"}):
        raise UnsupportedGeometry(f"size: {size} is neither a longest_edge nor a height and a width")
    longest = size.get("longest_edge")
    most = (longest, longest) if longest else (size["height"], size["width"])
    patch = processor.patch_size
    edges = {"height": patch, "width": patch} if isinstance(patch, int) else set_edges(patch)
    rule = partial(
        _fit_patches,
        import_module(owner.__module__).get_resize_output_image_size,
        most,
        (edges["height"], edges["width"]),
    )
    return OwnSizeLayout(read_levels(processor, arithmetic), rule)


def _fit_patches(fit: Any, most: tuple[int, int], patch: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    image = np.broadcast_to(np.uint8(0), (3, height, width))  # of which the rule reads the shape
    size: tuple[int, int] = fit(image, size=most, patch_size=patch, input_data_format=ChannelDimension.FIRST)
    return size
