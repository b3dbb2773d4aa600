"""Idefics3's layout (SmolVLM too): an image resized twice, cut into tiles, and resized once more to one tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import NestedBySize, Pair, Row, Span, joined_span, nest, stack_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs, resize_pairs
from vrs_lmeval.records import Perturbation

IDEFICS3, SMOLVLM = "Idefics3ImageProcessor", "SmolVLMImageProcessor"

IDENTITY = Perturbation.identity()


class ChainLayout(NestedBySize):
    """`pixel_values` (entries, most tiles, 3, edge, edge), zeros after an entry's own, and `pixel_attention_mask`.

    Each resize of the chain rounds to uint8, and the perturbation stands before the first.
    """

    def __init__(self, levels: Geometry, processor: Any, owner: Any, edge: int) -> None:
        """`owner`: the class of transformers whose rules give the sizes. `edge`: of a tile."""
        self._levels = levels
        self._owner = owner
        self._edge = edge
        self._longest = set_edges(processor.size)["longest_edge"] if processor.do_resize else None
        self._splits = bool(processor.do_image_splitting)
        self._says_grid = bool(processor.return_row_col_info)

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        edge = self._edge
        first, canvas = self._sizes(height, width)
        shown: Sequence[Pair] = pairs
        for size in [first, canvas] if self._splits else [first]:
            if size != (height, width) and size != (edge, edge):  # to one tile is the step below
                levels = resize_pairs(shown, replace(self._levels, size=size, crop=size))
                shown, (height, width) = [(image, IDENTITY) for image in levels], size
        grid = (canvas[0] // edge, canvas[1] // edge) if self._splits and canvas != (edge, edge) else (0, 0)
        tiles = grid[0] * grid[1]
        batch = empty_outputs((len(pairs), tiles + 1, 3, 1, edge, edge))
        if tiles:
            cut = replace(self._levels, resize="none", crop=canvas, blocks=Blocks(edge, edge))
            preprocess_pairs(shown, cut, out=batch[:, :tiles])
        whole = replace(self._levels, size=(edge, edge), crop=(edge, edge))
        preprocess_pairs(shown, whole, out=batch[:, tiles, :, 0])
        values = batch.reshape(-1, 3, edge, edge)
        return [
            {"pixel_values": Span(values, index * (tiles + 1), (index + 1) * (tiles + 1)), "grid": grid}
            for index in range(len(pairs))
        ]

    def _sizes(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """The size after the first resize, and the canvas of tiles after the second."""
        module = import_module(self._owner.__module__)
        first = (height, width)
        if self._longest is not None:
            image = _of_size(height, width)
            first = module.get_resize_output_image_size(image, resolution_max_side=self._longest)
        if not self._splits:
            return first, first
        canvas = self._owner.resize_for_vision_encoder(_AskedSize(), _of_size(*first), self._edge)
        if not (canvas.height and canvas.width):  # as the processor's resize says it
            raise ValueError("size must be a dictionary with key 'longest_edge' or 'height' and 'width'.")
        return first, (canvas.height, canvas.width)

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Numpy arrays, over entries: the tiles of an entry's images follow each other."""
        spans = [joined_span(entry) for entry in nest([row["pixel_values"] for row in rows], counts)]
        most = max(span.end - span.begin for span in spans)
        edge = self._edge
        # 36 MB for an image of SmolVLM2's: memory that was used before, as for the pixel values.
        mask = empty_outputs((len(spans), most, edge, edge, 2)).view(np.int64)[..., 0]
        for entry, span in zip(mask, spans, strict=True):
            entry[: span.end - span.begin] = 1
            entry[span.end - span.begin :] = 0
        return {"pixel_values": stack_spans(spans, most), "pixel_attention_mask": mask}

    def features(self, rows: Sequence[Row], counts: Sequence[int], return_tensors: Any) -> BatchFeature:
        """With the rows and columns of each image's tiles, lists whatever type of tensors is asked for."""
        answer = super().features(rows, counts, return_tensors)
        if self._says_grid:
            for part, name in enumerate(("rows", "cols")):
                answer[name] = nest([row["grid"][part] for row in rows], counts)
        return answer


class _AskedSize:
    """Stands for the processor in its own size rule: what it would resize to is the answer."""

    def resize(self, image: Any, size: Any, resample: Any = None) -> Any:
        return size


def _of_size(height: int, width: int) -> torch.Tensor:
    return torch.empty((3, height, width), device="meta")


def read_chains(processor: Any) -> ChainLayout | None:
    """The layout of a processor of this family; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (IDEFICS3, SMOLVLM))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    own_steps = ("_preprocess", "resize", "split_images", "resize_for_vision_encoder", "pad")
    require_steps(type(processor), arithmetic, owner, own_steps)
    own = {"do_image_splitting", "max_image_size", "return_row_col_info", "do_pad"}
    require_known_settings(processor, own)
    if not processor.do_pad:
        raise UnsupportedGeometry("do_pad: off, images of several numbers of tiles cannot stand in one batch")
    size, tile = set_edges(processor.size), set_edges(processor.max_image_size)
    if (processor.do_resize and set(size) != {"longest_edge"}) or set(tile) != {"longest_edge"}:
        raise UnsupportedGeometry(f"size, max_image_size: {size} and {tile} are not a longest_edge each")
    return ChainLayout(read_levels(processor, arithmetic), processor, owner, tile["longest_edge"])
