"""The fused op in place of an image processor at hand: images -> what transformers' own processor gives of them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature

from vrs_lmeval.benchmark.images import flatten_images
from vrs_lmeval.pixels.geometry import UnsupportedGeometry, arithmetic_of
from vrs_lmeval.pixels.layouts import KnownLayouts, Layout, Row, find_layout
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

logger = logging.getLogger(__name__)


class FusedImageProcessor:
    """Replaces a transformers image processor, and gives the same features from the fused op.

    Wraps a processor whose settings `find_layout` can reproduce bit for bit (else UnsupportedGeometry). A call whose
    own settings it cannot reproduce goes to that processor, and so does every attribute that this class lacks.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._known = KnownLayouts()
        self._lazy: list[VariantImage] = []
        self._computed: dict[Hashable, Row] = {}
        self.layout = find_layout(wrapped, partial(wrapped, return_tensors="pt"))
        self._gives_tensors = arithmetic_of(wrapped) == "torchvision"  # also where no type of tensors is asked for

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # of a copy in the making
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def __call__(self, images: Any, return_tensors: str | None = None, **settings: Any) -> BatchFeature:
        """Images, nested or not -> the processor's features, `pixel_values` float32."""
        flat = list(flatten_images(images))
        layout = self._find_layout(settings)
        are_fusible = bool(flat) and all(self._is_fusible(image, settings) for image in flat)
        counts = [] if layout is None else layout.count_images(images)
        is_tensor = return_tensors is None and self._gives_tensors
        if layout is None or not are_fusible or not layout.takes(counts) or is_tensor:
            return self._wrapped(images, return_tensors=return_tensors, **settings)
        try:
            rows = self._compute(flat, layout)
        except UnsupportedGeometry as reason:
            warn_once(f"vrs-hf leaves images to {type(self._wrapped).__name__}'s own steps: {reason}")
            return self._wrapped(images, return_tensors=return_tensors, **settings)
        answer = layout.features(rows, counts, return_tensors)
        if self._computed:  # they are asked for again, and the caller may change what it was given
            answer["pixel_values"] = copy.deepcopy(answer["pixel_values"])
        return answer

    @contextmanager
    def computing_together(self, images: Sequence[Any]) -> Iterator[None]:
        """A context in which these lazy images are computed together: all variants of a source by one decode.

        They are computed when the first of them is asked for, since the call's settings may choose the layout.
        """
        self._lazy = [image for image in images if isinstance(image, VariantImage)]
        try:
            yield
        finally:
            self._lazy, self._computed = [], {}

    def _compute(self, flat: Sequence[Any], layout: Layout) -> list[Row]:
        """A row an image, those of `computing_together` from one pass over all of them."""
        if self._lazy and any(isinstance(image, VariantImage) for image in flat):
            images = {_identify(image, layout): image for image in self._lazy}
            missing = [key for key in images if key not in self._computed]
            if len(missing) > 1:
                rows = layout.compute([pair_of(images[key]) for key in missing])
                self._computed |= zip(missing, rows, strict=True)
        known = [self._computed.get(_identify(image, layout)) for image in flat]
        rows = [row for row in known if row is not None]
        return rows if len(rows) == len(flat) else layout.compute([pair_of(image) for image in flat])

    def _find_layout(self, settings: dict[str, Any]) -> Layout | None:
        """The layout of a call; None if the fused op cannot take its settings."""
        changed = {
            name: value for name, value in settings.items() if repr(value) != repr(getattr(self._wrapped, name, None))
        }
        if not changed:
            return self.layout
        if not set(changed) <= set(self._wrapped.valid_kwargs.__annotations__):
            return None
        found = self._known.find(repr(sorted(changed.items())), partial(self._read_layout, changed))
        if isinstance(found, UnsupportedGeometry):
            warn_once(f"vrs-hf leaves images to {type(self._wrapped).__name__}'s own steps: {found}")
            return None
        return found

    def _read_layout(self, changed: dict[str, Any]) -> Layout:
        asked = copy.copy(self._wrapped)
        vars(asked).update(changed)
        return find_layout(asked, partial(self._wrapped, return_tensors="pt", **changed))

    def _is_fusible(self, image: Any, settings: dict[str, Any]) -> bool:
        converts = settings.get("do_convert_rgb", getattr(self._wrapped, "do_convert_rgb", None))
        return isinstance(image, Image.Image) and is_fusible(image, {"do_convert_rgb": converts})


def _identify(image: Any, layout: Layout) -> Hashable:
    return (image.source_id, image.perturbation, layout) if isinstance(image, VariantImage) else None


def pair_of(image: Any) -> tuple[Any, Perturbation]:
    """The image that the op reads, and the change that it makes."""
    return image.pixels_and_change() if isinstance(image, VariantImage) else (image, Perturbation.identity())


def is_fusible(image: Any, settings: dict[str, Any]) -> bool:
    """True for PIL images that become RGB, and for uint8 arrays that are clearly (height, width, 3)."""
    if isinstance(image, Image.Image):
        is_plain_rgb = image.mode == "RGB" and image.info.get("transparency") is None
        return is_plain_rgb or bool(settings.get("do_convert_rgb"))
    dtype = {np.ndarray: np.uint8, torch.Tensor: torch.uint8}.get(type(image))
    if dtype is None or image.dtype != dtype or image.ndim != 3 or image.shape[2] != 3:
        return False
    layout = settings.get("input_data_format")
    return str(getattr(layout, "value", layout)) == "channels_last" or (
        layout is None and image.shape[0] not in (1, 3, 4)
    )


@cache
def warn_once(message: str) -> None:
    """Log a warning, the same only once."""
    logger.warning(message)
