"""The fused op as an image processor of transformers: its own backend "vrs", and a wrapper for a processor at hand."""

from __future__ import annotations

import copy
import logging
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    BatchFeature,
    CLIPConfig,
    Gemma3Config,
    LlavaConfig,
    PaliGemmaConfig,
    SiglipConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vrs_lmeval.benchmark.images import flatten_images
from vrs_lmeval.pixels.geometry import Geometry, UnsupportedGeometry
from vrs_lmeval.pixels.preprocess import preprocess_pairs
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

logger = logging.getLogger(__name__)

BACKEND = "vrs"


def register_image_processors() -> None:
    """Make `AutoImageProcessor.from_pretrained(name, backend="vrs")` (and AutoProcessor's) give the fused op.

    This works for models with CLIP's, SigLIP's (PaliGemma too), LLaVA's or Gemma 3's image processor. The other
    backends and the default do not change. May be called any number of times.
    """
    for config, processor in _REGISTERED.items():
        AutoImageProcessor.register(config, image_processor_classes={BACKEND: processor}, exist_ok=True)


class FusedSteps:
    """Computes the pixel values of a Pillow-backed processor by the fused op, with the same bits.

    It stands before the processor in the list of base classes. Settings or images that the op cannot take go through
    the processor's own steps: the bits are the same, and a warning names the setting once.
    """

    @property
    def backend(self) -> str:
        """The name of the backend, as transformers' own processors give it."""
        return BACKEND

    def _preprocess_image_like_inputs(self, images: Any, *args: Any, **settings: Any) -> BatchFeature:
        flat = self._prepare_images_structure(images)  # type: ignore[attr-defined] # the processor's
        geometry = self._geometry(settings)
        if geometry is None or not all(_is_fusible(image, settings) for image in flat):
            return super()._preprocess_image_like_inputs(flat, *args, **settings)  # type: ignore[misc]
        return _features(self, list(_fuse(flat, geometry)), settings.get("return_tensors"))

    def _geometry(self, settings: dict[str, Any]) -> Geometry | None:
        """The geometry of this call, in which the processor's settings fill gaps; None if the op cannot take it."""
        asked = copy.copy(self)
        vars(asked).update(settings)
        try:
            return Geometry.from_image_processor(asked)
        except UnsupportedGeometry as reason:
            _warn_once(f"backend {BACKEND!r} leaves images to {type(self).__name__}'s own steps: {reason}")
            return None


# AutoImageProcessor finds the processor of a saved folder by its class name, and saves that name. With the names of
# transformers' own classes it finds every folder, and folders saved here load on machines without this package.
class CLIPImageProcessor(FusedSteps, CLIPImageProcessorPil):  # type: ignore[misc] # transformers is untyped here
    """CLIP's image processor by the fused op."""


class SiglipImageProcessor(FusedSteps, SiglipImageProcessorPil):  # type: ignore[misc]
    """SigLIP's and PaliGemma's image processor by the fused op."""


class LlavaImageProcessor(FusedSteps, LlavaImageProcessorPil):  # type: ignore[misc]
    """LLaVA's image processor by the fused op; it can pad to a square."""


class Gemma3ImageProcessor(FusedSteps, Gemma3ImageProcessorPil):  # type: ignore[misc]
    """Gemma 3's image processor by the fused op."""


_REGISTERED = {
    CLIPConfig: CLIPImageProcessor,
    SiglipConfig: SiglipImageProcessor,
    PaliGemmaConfig: SiglipImageProcessor,
    LlavaConfig: LlavaImageProcessor,
    Gemma3Config: Gemma3ImageProcessor,
}


class FusedImageProcessor:
    """Replaces a transformers image processor, and gives the same pixel values from the fused op.

    Wraps a processor whose settings `Geometry.from_image_processor` can reproduce bit for bit (else
    UnsupportedGeometry). A call with settings of its own goes to that processor, and so does every attribute that this
    class lacks.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self.geometry = Geometry.from_image_processor(wrapped)
        self._computed: dict[Hashable, torch.Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # of a copy in the making
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def __call__(self, images: Any, return_tensors: str | None = None, **settings: Any) -> BatchFeature:
        """Images, nested or not -> `pixel_values`, float32 (N, 3, S, S)."""
        flat = list(flatten_images(images))
        changed = {name for name, value in settings.items() if value != getattr(self._wrapped, name, None)}
        if changed or not all(isinstance(image, Image.Image) for image in flat):
            return self._wrapped(images, return_tensors=return_tensors, **settings)
        known = [self._computed.get(_identify(image)) for image in flat]
        rows = [row for row in known if row is not None]
        pixels = torch.stack(rows) if len(rows) == len(flat) else torch.from_numpy(_fuse(flat, self.geometry))
        return _features(self._wrapped, pixels, return_tensors)

    @contextmanager
    def computing_together(self, images: Sequence[Any]) -> Iterator[None]:
        """A context in which these lazy images are computed: all variants of a source by one decode, in one pass."""
        lazy = {_identify(image): image for image in images if isinstance(image, VariantImage)}
        if len(lazy) > 1:
            self._computed = dict(zip(lazy, torch.from_numpy(_fuse(list(lazy.values()), self.geometry)), strict=True))
        try:
            yield
        finally:
            self._computed = {}


def _identify(image: Any) -> Hashable:
    return (image.source_id, image.perturbation) if isinstance(image, VariantImage) else None


def _fuse(images: Sequence[Any], geometry: Geometry) -> npt.NDArray[np.float32]:
    pairs = [
        image.pixels_and_change() if isinstance(image, VariantImage) else (image, Perturbation.identity())
        for image in images
    ]
    return preprocess_pairs(pairs, geometry)


def _features(processor: Any, pixel_values: Any, return_tensors: Any) -> BatchFeature:
    features = {"pixel_values": pixel_values}
    if "num_crops" in processor.model_input_names:  # Gemma 3's, without pan-and-scan
        features["num_crops"] = [0] * len(pixel_values)
    return BatchFeature(features, tensor_type=return_tensors)


def _is_fusible(image: Any, settings: dict[str, Any]) -> bool:
    """True for PIL images that become RGB, and for uint8 arrays that are clearly (height, width, 3)."""
    if isinstance(image, Image.Image):
        is_plain_rgb = image.mode == "RGB" and image.info.get("transparency") is None
        return is_plain_rgb or bool(settings.get("do_convert_rgb"))
    is_levels = isinstance(image, np.ndarray | torch.Tensor) and str(image.dtype) in ("uint8", "torch.uint8")
    if not is_levels or image.ndim != 3 or image.shape[2] != 3:
        return False
    layout = settings.get("input_data_format")
    return str(getattr(layout, "value", layout)) == "channels_last" or (
        layout is None and image.shape[0] not in (1, 3, 4)
    )


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)
