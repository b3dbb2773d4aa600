"""The layout of an image processor of transformers, once it has given the processor's own bits for two small images."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from PIL import Image
from transformers import __version__ as transformers_version

from vrs_lmeval.pixels.geometry import Geometry, UnsupportedGeometry
from vrs_lmeval.pixels.layouts.anyres import read_anyres
from vrs_lmeval.pixels.layouts.canvases import read_canvases
from vrs_lmeval.pixels.layouts.chains import read_chains
from vrs_lmeval.pixels.layouts.layout import FixedSize, Layout
from vrs_lmeval.pixels.layouts.own_size import read_own_size
from vrs_lmeval.pixels.layouts.patched_tiles import read_patched_tiles
from vrs_lmeval.pixels.layouts.patches import read_patches
from vrs_lmeval.pixels.layouts.pixel_patches import read_pixel_patches
from vrs_lmeval.pixels.layouts.tiles import read_tiles
from vrs_lmeval.records import Perturbation

_FAMILIES: Sequence[Callable[[Any], Layout | None]] = (
    *(read_patches, read_tiles, read_anyres, read_own_size, read_pixel_patches, read_patched_tiles, read_canvases),
    read_chains,
)


class KnownLayouts:
    """What `find_layout` said, by class and settings of a processor, which seldom change from call to call.

    The oldest goes when there are `most`: whoever asks for many sizes, one image each, would keep them all.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._known: dict[Hashable, Layout | UnsupportedGeometry] = {}

    def find(self, key: Hashable, read: Callable[[], Layout]) -> Layout | UnsupportedGeometry:
        """The layout, or why there is none; `read` is called where that is not known yet."""
        found = self._known.get(key)
        if found is None:
            try:
                found = read()
            except UnsupportedGeometry as reason:
                found = reason
            self._known[key] = found
            for oldest in list(self._known)[: -self._most]:
                self._known.pop(oldest, None)  # another thread may have done so
        return found


def find_layout(processor: Any, answer: Callable[[list[Image.Image]], Any]) -> Layout:
    """The layout of `processor`, whose own steps `answer` runs: images -> its features as torch tensors.

    Raises UnsupportedGeometry, which names the reason, if the fused op cannot give the same bits, or settings have a
    form that is not read here, as a number for `size`. For a family whose output depends on the image's size, two small
    images are compared bit for bit: another release of transformers might compute something else under the same names.
    """
    try:
        return _read_layout(processor, answer)
    except UnsupportedGeometry:
        raise
    except Exception as error:  # the processor itself says what it makes of such a setting
        raise UnsupportedGeometry(f"settings that are not read: {type(error).__name__}: {error}") from error


def _read_layout(processor: Any, answer: Callable[[list[Image.Image]], Any]) -> Layout:
    for read in _FAMILIES:
        layout = read(processor)
        if layout is not None:
            _require_equal(type(processor).__name__, layout, answer)
            return layout
    return FixedSize(Geometry.from_image_processor(processor), "num_crops" in processor.model_input_names)


def _require_equal(name: str, layout: Layout, answer: Callable[[list[Image.Image]], Any]) -> None:
    gradient = Image.radial_gradient("L")
    channels = [gradient, gradient.transpose(Image.Transpose.ROTATE_90).rotate(20), gradient.rotate(40)]
    whole = Image.merge("RGB", channels)
    images = [whole.crop((90, 60, 167, 95)), whole.crop((40, 20, 71, 133))]
    expected = answer(images)
    rows = layout.compute([(image, Perturbation.identity()) for image in images])
    actual = layout.features(rows, layout.count_images(images), "pt")
    is_equal = set(expected) == set(actual) and all(_same(actual[each], expected[each]) for each in expected)
    if not is_equal:
        raise UnsupportedGeometry(f"{name} of transformers {transformers_version} gives other pixels than the fused op")


def _same(ours: Any, theirs: Any) -> bool:
    if not isinstance(theirs, torch.Tensor):
        return bool(ours == theirs)
    return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
