"""InternVL's layout (Got-OCR2, Aya Vision, Command A Vision, Ovis2): tiles of one size, then the image as one more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, join_spans
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings, set_edges
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs

GridRule = Callable[[int, int], tuple[int, int]]
"""(height, width) of an image -> (rows, columns) of its tiles."""

GOT_OCR2, COHERE2, OVIS2 = "GotOcr2ImageProcessor", "Cohere2VisionImageProcessor", "Ovis2ImageProcessor"
"""Got-OCR2's class serves InternVL and Aya Vision as well; Command A Vision's has a torchvision backend alone."""


class TileLayout(BySize):
    """`pixel_values` (tiles of all images, 3, height, width), and what the processor says of each image's tiles.

    An image of more than one tile has its thumbnail behind them, or before them if `thumbnail_first`. `count`: the
    feature's name for the number of tiles, thumbnail included; "grids" holds [rows, columns] in its place.
    """

    lists = ("pixel_values",)

    def __init__(self, levels: Geometry, grid_rule: GridRule, count: str, thumbnail_first: bool) -> None:
        self._levels = levels
        self._grid_rule = grid_rule
        self._count = count
        self._thumbnail_first = thumbnail_first

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        tile_height, tile_width = self._levels.size
        grid = self._grid_rule(height, width)
        tiles = grid[0] * grid[1]
        count = tiles if tiles == 1 else tiles + 1
        batch = empty_outputs((len(pairs), count, 3, 1, tile_height, tile_width))
        if tiles == 1:
            preprocess_pairs(pairs, self._levels, out=batch[:, 0, :, 0])
        else:
            canvas = (grid[0] * tile_height, grid[1] * tile_width)
            cut = replace(self._levels, size=canvas, crop=canvas, blocks=Blocks(tile_height, tile_width))
            first, thumbnail = (1, 0) if self._thumbnail_first else (0, tiles)
            preprocess_pairs(pairs, cut, out=batch[:, first : first + tiles])
            preprocess_pairs(pairs, self._levels, out=batch[:, thumbnail, :, 0])
        values = batch.reshape(-1, 3, tile_height, tile_width)
        said = list(grid) if self._count == "grids" else count
        return [
            {"pixel_values": Span(values, index * count, (index + 1) * count), self._count: said}
            for index in range(len(pairs))
        ]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Pixel values as a numpy array, the rest as a list with an entry an image."""
        return {
            "pixel_values": join_spans([row["pixel_values"] for row in rows]),
            self._count: [row[self._count] for row in rows],
        }


def read_tiles(processor: Any) -> TileLayout | None:
    """The layout of a processor of this family; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (GOT_OCR2, COHERE2, OVIS2))
    if owner is None:
        return None
    name = owner.__name__.removesuffix("Pil")
    arithmetic = arithmetic_of(processor)
    require_steps(type(processor), arithmetic, owner, ("_preprocess", "crop_image_to_patches"))
    own = {"crop_to_patches", "min_patches", "max_patches", "use_covering_area_grid"}
    require_known_settings(processor, own | {"patch_size"} if name == COHERE2 else own)
    if not processor.do_resize:
        raise UnsupportedGeometry("do_resize: off, an image of one tile would keep its size")
    size = set_edges(processor.size)
    if set(size) != {"height", "width"}:
        raise UnsupportedGeometry(f"size: {size} is not a height and a width")
    tile = size["height"], size["width"]
    return TileLayout(
        replace(read_levels(processor, arithmetic), size=tile, crop=tile),
        partial(_count_tiles, _canvas_rule(processor, owner, tile)),
        "grids" if name == OVIS2 else "num_patches",
        thumbnail_first=name == OVIS2,
    )


def _count_tiles(rule: Callable[[tuple[int, int]], tuple[int, int]] | None, height: int, width: int) -> tuple[int, int]:
    if rule is None:
        return 1, 1
    columns, rows = rule((height, width))
    return int(rows), int(columns)


def _canvas_rule(processor: Any, owner: Any, tile: tuple[int, int]) -> Any:
    """Transformers' own rule: (height, width) -> (columns, rows); None if the image is one tile."""
    most = processor.max_patches
    if not processor.crop_to_patches or most <= 1:
        return None
    module = import_module(owner.__module__)
    if getattr(processor, "use_covering_area_grid", False):
        threshold = inspect.signature(owner.crop_image_to_patches).parameters["covering_threshold"].default
        rule = module.get_min_tile_covering_grid
        return partial(rule, target_patch_size=tile[0], max_image_tiles=most, covering_threshold=threshold)
    return partial(
        module.get_optimal_tiled_canvas,
        target_tile_size=tile,
        min_image_tiles=processor.min_patches,
        max_image_tiles=most,
    )
