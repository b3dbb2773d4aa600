"""LLaVA-NeXT's layout (LLaVA-OneVision too): the image as one tile, then its tiles on the canvas that fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from transformers.image_utils import ChannelDimension

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, stack_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs

CanvasRule = Callable[[int, int], tuple[tuple[int, int], tuple[int, int]]]
"""(height, width) of an image -> its canvas, and the size to which it is resized in the middle of that."""

NEXT, ONEVISION = "LlavaNextImageProcessor", "LlavaOnevisionImageProcessor"


class AnyResLayout(BySize):
    """`pixel_values` (images, most tiles, 3, edge, edge), zeros where an image has fewer, and `image_sizes`.

    `counts_images`: as LLaVA-OneVision's processor, which also gives `batch_num_images`.
    """

    lists = ("pixel_values",)

    def __init__(self, levels: Geometry, canvas_rule: CanvasRule, edge: int, counts_images: bool) -> None:
        self._whole = replace(levels, size=(edge, edge), crop=(edge, edge))
        self._canvas_rule = canvas_rule
        self._edge = edge
        self._counts_images = counts_images

    def takes(self, counts: Sequence[int]) -> bool:
        """LLaVA-OneVision's processor cuts no image that stands beside others of its entry into tiles."""
        return not self._counts_images or all(count == 1 for count in counts)

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        canvas, resized = self._canvas_rule(height, width)
        edge = self._edge
        # An odd margin of the canvas is larger after the image, whatever the backend's own centre crop does.
        cut = replace(self._whole, size=resized, crop=canvas, placement="upper_left", blocks=Blocks(edge, edge))
        count = 1 + cut.output_shape()[0]
        batch = empty_outputs((len(pairs), count, 3, 1, edge, edge))
        preprocess_pairs(pairs, self._whole, out=batch[:, 0, :, 0])
        preprocess_pairs(pairs, cut, out=batch[:, 1:])
        values = batch.reshape(-1, 3, edge, edge)
        return [
            {"pixel_values": Span(values, index * count, (index + 1) * count), "image_sizes": (height, width)}
            for index in range(len(pairs))
        ]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Pixel values as a numpy array, the rest as lists."""
        spans = [row["pixel_values"] for row in rows]
        features: dict[str, Any] = {
            "pixel_values": stack_spans(spans, max(span.end - span.begin for span in spans)),
            "image_sizes": [row["image_sizes"] for row in rows],
        }
        return {**features, "batch_num_images": list(counts)} if self._counts_images else features


def read_anyres(processor: Any) -> AnyResLayout | None:
    """The layout of a processor of this family; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (NEXT, ONEVISION))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    is_pillow = arithmetic == "pillow"
    own_steps = ("_get_padding_size", "_resize_for_patching", "_pad_for_patching", "_pad_for_batching")
    patches = "get_image_patches" if is_pillow else "_get_image_patches"
    require_steps(type(processor), arithmetic, owner, ("_preprocess", patches, *own_steps))
    require_known_settings(processor, {"image_grid_pinpoints", "do_pad", "do_center_crop", "crop_size"})
    edge = _edge_of_tiles(processor)
    pinpoints = processor.image_grid_pinpoints
    if any(length % edge for canvas in pinpoints for length in canvas):
        raise UnsupportedGeometry(f"image_grid_pinpoints: {pinpoints} are not all made of tiles of {edge} x {edge}")
    if not processor.do_pad:
        raise UnsupportedGeometry("do_pad: off, images of several numbers of tiles cannot stand in one batch")
    module = import_module(owner.__module__)
    return AnyResLayout(
        read_levels(processor, arithmetic),
        partial(_fit_canvas, module.select_best_resolution, module.get_patch_output_size, pinpoints),
        edge,
        counts_images=owner.__name__.startswith(ONEVISION),
    )


def _edge_of_tiles(processor: Any) -> int:
    """The edge of a tile, if the image as a whole, the tiles and the crop all have it."""
    size, crop = set_edges(processor.size), set_edges(processor.crop_size)
    if set(size) not in ({"shortest_edge"}, {"height", "width"}):
        raise UnsupportedGeometry(f"size: {size} is neither a shortest_edge nor a height and a width")
    edges = {*size.values(), *crop.values()}
    if len(edges) != 1:
        raise UnsupportedGeometry(f"size, crop_size: {size} and {crop} are not the same square")
    return int(edges.pop())


def _fit_canvas(
    choose: Any, fit: Any, pinpoints: list[list[int]], height: int, width: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    canvas = choose((height, width), pinpoints)
    image = np.broadcast_to(np.uint8(0), (3, height, width))  # of which the rule reads the shape
    return canvas, fit(image, canvas, input_data_format=ChannelDimension.FIRST)
