"""Mllama's layout: an image in the corner of a canvas of tiles, entries of several images, zeros for missing tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from transformers import BatchFeature

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import NestedBySize, Pair, Row, Span, join_spans, nest
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs

MLLAMA = "MllamaImageProcessor"


class CanvasLayout(NestedBySize):
    """`pixel_values` (entries, most images, most tiles, 3, edge, edge), and what tells the model of the tiles."""

    def __init__(self, levels: Geometry, module: str, edge: int, most: int) -> None:
        """`module`: the name of transformers' own, with its rules. `most`: tiles of an image."""
        self._levels = replace(levels, placement="corner", blocks=Blocks(edge, edge))
        self._module = module
        self._edge = edge
        self._most = most

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        edge, module = self._edge, import_module(self._module)
        image = {"image_height": height, "image_width": width}
        canvas = module.get_optimal_tiled_canvas(**image, max_image_tiles=self._most, tile_size=edge)
        rows, columns = (int(length) // edge for length in canvas)
        new_height, new_width = module.get_image_size_fit_to_canvas(
            **image, canvas_height=canvas[0], canvas_width=canvas[1], tile_size=edge
        )
        cut = replace(self._levels, size=(int(new_height), int(new_width)), crop=(rows * edge, columns * edge))
        batch = empty_outputs((len(pairs), self._most, 3, 1, edge, edge))
        preprocess_pairs(pairs, cut, out=batch[:, : rows * columns])
        batch[:, rows * columns :] = 0
        values = batch.reshape(len(pairs), self._most, 3, edge, edge)
        return [
            {"pixel_values": Span(values, index, index + 1), "grid": (rows, columns)} for index in range(len(pairs))
        ]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Numpy arrays or tensors."""
        spans = [row["pixel_values"] for row in rows]
        entry = (self._most, 3, self._edge, self._edge)
        if len(set(counts)) == 1:
            pixels = join_spans(spans).reshape(len(counts), counts[0], *entry)
        else:
            pixels = np.zeros((len(counts), max(counts), *entry), np.float32)
            for images, theirs in zip(pixels, nest(spans, counts), strict=True):
                for image, span in zip(images, theirs, strict=False):
                    image[:] = span.values[0]
        grids = nest([row["grid"] for row in rows], counts)
        module = import_module(self._module)
        ending = "_np" if hasattr(module, "build_aspect_ratio_mask_np") else ""
        return {
            "pixel_values": pixels,
            "aspect_ratio_ids": getattr(module, f"convert_aspect_ratios_to_ids{ending}")(grids, self._most),
            "aspect_ratio_mask": getattr(module, f"build_aspect_ratio_mask{ending}")(grids, self._most),
        }

    def features(self, rows: Sequence[Row], counts: Sequence[int], return_tensors: Any) -> BatchFeature:
        """With `num_tiles`, which is a list whatever type of tensors is asked for."""
        answer = super().features(rows, counts, return_tensors)
        answer["num_tiles"] = nest([row["grid"][0] * row["grid"][1] for row in rows], counts)
        return answer


def read_canvases(processor: Any) -> CanvasLayout | None:
    """The layout of Mllama's processor; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (MLLAMA,))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    require_steps(type(processor), arithmetic, owner, ("_preprocess", "resize", "pad"))
    require_known_settings(processor, {"max_image_tiles", "do_pad"})
    size = set_edges(processor.size)
    if set(size) != {"height", "width"} or size["height"] != size["width"]:
        raise UnsupportedGeometry(f"size: {size} is no square")
    levels = read_levels(processor, arithmetic)
    return CanvasLayout(levels, owner.__module__, size["height"], processor.max_image_tiles)
