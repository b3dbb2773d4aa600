"""The model `vrs-hf`: the harness's own `hf-multimodal`, with image preprocessing by the fused op where it is exact."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from PIL import Image
from transformers import BatchFeature

from vrs_lmeval.pixels import Geometry, UnsupportedGeometry, preprocess_pairs
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants import VariantImage

logger = logging.getLogger(__name__)


class FusedImageProcessor:
    """Stands where a transformers image processor stood, and gives the same pixel values from the fused op.

    Wraps a processor whose settings `Geometry.from_image_processor` can reproduce bit for bit (else
    UnsupportedGeometry). A call with settings of its own is passed on to that processor. Everything else that is
    asked of it is the wrapped processor's.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self.geometry = Geometry.from_image_processor(wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __call__(self, images: Any, return_tensors: str | None = None, **settings: Any) -> BatchFeature:
        """Images, nested or not -> `pixel_values`, float32 (N, 3, S, S)."""
        flat = list(_flatten(images))
        changed = {name for name, value in settings.items() if value != getattr(self._wrapped, name, None)}
        if changed or not all(isinstance(image, Image.Image) for image in flat):
            return self._wrapped(images, return_tensors=return_tensors, **settings)
        return BatchFeature({"pixel_values": self._pixel_values(flat)}, tensor_type=return_tensors)

    def _pixel_values(self, images: Sequence[Image.Image]) -> torch.Tensor:
        pairs = [
            image.pixels_and_change() if isinstance(image, VariantImage) else (image, Perturbation.identity())
            for image in images
        ]
        return torch.from_numpy(preprocess_pairs(pairs, self.geometry))


class VrsHF(HFMultimodalLM):  # type: ignore[misc] # lm_eval ships no types
    """`hf-multimodal` with the fused image path; takes the same arguments and gives the same answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._image_path = self._install_fused_path()

    def get_model_info(self) -> dict[str, Any]:
        """What the results say about the model, and which image path ran."""
        return {**super().get_model_info(), "vrs_image_path": self._image_path}

    def _install_fused_path(self) -> str:
        image_processor = self.processor.image_processor
        try:
            self.processor.image_processor = FusedImageProcessor(image_processor)
        except UnsupportedGeometry as reason:
            logger.info("vrs-hf leaves images to %s: %s", type(image_processor).__name__, reason)
            return f"transformers: {reason}"
        return "fused"


def _flatten(images: Any) -> Iterator[Any]:
    if isinstance(images, list | tuple):
        for item in images:
            yield from _flatten(item)
    else:
        yield images
