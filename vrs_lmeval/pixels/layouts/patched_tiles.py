"""LFM2-VL's layout: tiles of one size and the whole image, cut into patches of pixels, zeros after a tile's own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vrs_lmeval.pixels.geometry import Blocks, Geometry, UnsupportedGeometry, arithmetic_of, read_levels, require_steps
from vrs_lmeval.pixels.layouts.layout import BySize, Pair, Row, Span, join_spans
from vrs_lmeval.pixels.layouts.pixel_patches import compute_patches, mask_patches
from vrs_lmeval.pixels.layouts.settings import own_class, require_known_settings
from vrs_lmeval.pixels.preprocess import empty_outputs, preprocess_pairs

LFM2 = "Lfm2VlImageProcessor"

SETTINGS = {
    *("downsample_factor", "do_image_splitting", "min_tiles", "max_tiles", "use_thumbnail", "min_image_tokens"),
    *("max_image_tokens", "encoder_patch_size", "tile_size", "max_pixels_tolerance", "do_pad", "return_row_col_info"),
}


class PatchedTileLayout(BySize):
    """`pixel_values` (tiles, most patches, values of a patch), `pixel_attention_mask` and `spatial_shapes` of them.

    A large image is cut into tiles, and then shown as a whole at a size of its own; a small one has the latter alone.
    """

    def __init__(self, levels: Geometry, processor: Any, most: int) -> None:
        """`processor`: whose rules choose tiles and sizes. `most`: patches of a tile, or of a whole image."""
        self._levels = levels
        self._asked = copy.copy(processor)
        self._edge = processor.encoder_patch_size
        self._most = most

    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        edge, tile, most = self._edge, self._asked.tile_size, self._most
        grid = self._choose_grid(height, width)
        whole = self._choose_size(height, width)
        if whole[0] * whole[1] > most * edge**2:  # of an elongated image, which the processor cannot pad either
            raise UnsupportedGeometry(f"an image of {height} x {width} has more than {most} patches")
        tiles = grid[0] * grid[1] if grid else 0
        has_whole = tiles == 0 or (self._asked.use_thumbnail and tiles > 1)
        count = tiles + has_whole
        batch = empty_outputs((len(pairs), count, most, edge, edge, 3))
        if grid:
            canvas = (grid[0] * tile, grid[1] * tile)
            blocks = Blocks(edge, edge, merge=tile // edge, channels_last=True)
            cut = replace(self._levels, size=canvas, crop=canvas, blocks=blocks)
            preprocess_pairs(pairs, cut, out=batch[:, :tiles].reshape(len(pairs), -1, edge, edge, 3))
        if has_whole:
            shown = replace(self._levels, size=whole, crop=whole, blocks=Blocks(edge, edge, channels_last=True))
            batch[:, tiles] = compute_patches(pairs, shown, most).reshape(len(pairs), most, edge, edge, 3)
        values = batch.reshape(len(pairs) * count, most, -1)
        said = {
            "shapes": [(tile // edge, tile // edge)] * tiles + [(whole[0] // edge, whole[1] // edge)] * has_whole,
            "grid": grid or (1, 1),
            "size": list(whole),
        }
        return [
            {"pixel_values": Span(values, index * count, (index + 1) * count), **said} for index in range(len(pairs))
        ]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """Numpy arrays, and lists with an entry an image."""
        shapes = [shape for row in rows for shape in row["shapes"]]
        features: dict[str, Any] = {
            "pixel_values": join_spans([row["pixel_values"] for row in rows]),
            "pixel_attention_mask": mask_patches(shapes, self._most),
            "spatial_shapes": np.array(shapes, np.int64),
        }
        if self._asked.return_row_col_info:
            features["image_rows"], features["image_cols"] = ([row["grid"][part] for row in rows] for part in (0, 1))
            features["image_sizes"] = [row["size"] for row in rows]
        return features

    def _choose_grid(self, height: int, width: int) -> tuple[int, int] | None:
        """(rows, columns) of the tiles; None for an image that is not cut."""
        asked = self._asked
        names = ("max_image_tokens", "encoder_patch_size", "downsample_factor", "max_pixels_tolerance")
        settings = {name: getattr(asked, name) for name in names}
        if not asked.do_image_splitting or asked.min_tiles == asked.max_tiles == 1:
            return None
        if not asked._is_image_too_large(height=height, width=width, **settings):
            return None
        columns, rows, *_ = asked._get_grid_layout(
            height, width, min_tiles=asked.min_tiles, max_tiles=asked.max_tiles, tile_size=asked.tile_size
        )
        return rows, columns

    def _choose_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) at which the whole image is shown."""
        names = ("downsample_factor", "min_image_tokens", "max_image_tokens", "encoder_patch_size")
        settings = {name: getattr(self._asked, name) for name in names}
        new_width, new_height = self._asked.smart_resize(height=height, width=width, **settings)
        return new_height, new_width


def read_patched_tiles(processor: Any) -> PatchedTileLayout | None:
    """The layout of LFM2-VL's processor; None for those of others. Raises UnsupportedGeometry."""
    owner = own_class(processor, (LFM2,))
    if owner is None:
        return None
    arithmetic = arithmetic_of(processor)
    rules = ("smart_resize", "_is_image_too_large", "_get_grid_layout", "_target_ratios")
    require_steps(
        type(processor), arithmetic, owner, ("_preprocess", "resize_and_split", "crop_image_to_patches", *rules)
    )
    require_known_settings(processor, SETTINGS)
    if not processor.do_pad:
        raise UnsupportedGeometry("do_pad: off, images of several numbers of patches cannot stand in one batch")
    edge, tile = processor.encoder_patch_size, processor.tile_size
    of_tile = (tile // edge) ** 2 if processor.do_image_splitting else 0
    most = max(processor.max_image_tokens * processor.downsample_factor**2, of_tile)
    if processor.do_image_splitting and (of_tile != most or tile % edge):
        raise UnsupportedGeometry(f"tile_size: the {of_tile} patches of {tile} x {tile} are not the most of an image")
    return PatchedTileLayout(read_levels(processor, arithmetic), processor, most)
