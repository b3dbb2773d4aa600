"""Drop-in image processors: transformers' own, found by `backend="vrs"`, whose pixel values the fused op computes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AyaVisionConfig,
    BatchFeature,
    CLIPConfig,
    Gemma3Config,
    Gemma4Config,
    Glm4vConfig,
    GotOcr2Config,
    Idefics3Config,
    InternVLConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    Mistral3Config,
    MllamaConfig,
    PaliGemmaConfig,
    PixtralVisionConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3_5Config,
    Qwen3VLConfig,
    Siglip2Config,
    SiglipConfig,
    SmolVLMConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from vrs_lmeval.benchmark.decoding import raise_block_size
from vrs_lmeval.benchmark.images import flatten_images
from vrs_lmeval.pixels.geometry import UnsupportedGeometry
from vrs_lmeval.pixels.layouts import KnownLayouts, Layout, find_layout
from vrs_lmeval.pixels.transformers_backend import is_fusible, pair_of, warn_once

BACKEND = "vrs"


def register_image_processors() -> None:
    """Make `AutoImageProcessor.from_pretrained(name, backend="vrs")` (and AutoProcessor's) give the fused op.

    This works for models with the image processor of CLIP, SigLIP (PaliGemma too), SigLIP2, LLaVA, LLaVA-NeXT,
    LLaVA-OneVision, Gemma 3, Gemma 4, Qwen2-VL (up to Qwen3.5), GLM-4V, Got-OCR2 (InternVL and Aya Vision too),
    Pixtral (Mistral 3 too), Llama 3.2 Vision, Idefics3 or SmolVLM. The other backends and the default do not change.
    May be called any number of times.

    Images of 4 to 16 megapixels that Pillow opens afterwards are read in Pillow's memory, as smaller ones are: Pillow's
    blocks are raised to 64 MiB.
    """
    raise_block_size()
    with _without_torchvision_warnings():
        for config, processor in _REGISTERED.items():
            AutoImageProcessor.register(config, image_processor_classes={BACKEND: processor}, exist_ok=True)


@contextmanager
def _without_torchvision_warnings() -> Iterator[None]:
    """Registering looks up the classes of all backends; without torchvision, transformers warns of each."""
    source = logging.getLogger("transformers.utils.import_utils")

    def is_another(record: logging.LogRecord) -> bool:
        return "requires torchvision (not installed)" not in record.getMessage()

    source.addFilter(is_another)
    try:
        yield
    finally:
        source.removeFilter(is_another)


_known = KnownLayouts()


class FusedSteps:
    """Computes the pixel values of a Pillow-backed processor by the fused op, with the same bits.

    It stands before the processor in the list of base classes. Settings or images that the op cannot take go through
    the processor's own steps: the bits are the same, and a warning names the setting once.
    """

    @property
    def backend(self) -> str:
        """The name of the backend, as transformers' own processors give it."""
        return BACKEND

    def __call__(self, images: Any, *args: Any, **settings: Any) -> BatchFeature:
        """As the processor. A call without settings of its own skips what transformers does about settings: 0.1 ms.

        Not in a subclass, which may have a `preprocess` of its own.
        """
        if type(self).__module__ == __name__ and not args and not settings.keys() - {"return_tensors"}:
            flat = images if isinstance(images, list) else [images]
            own = {name: getattr(self, name, None) for name in self.valid_kwargs.__annotations__}  # type: ignore[attr-defined]
            # Attributes that transformers would bring into another form first are not read here.
            layout = self._layout({**own, "return_tensors": None}) if flat and all(map(self._is_usual, flat)) else None
            if isinstance(layout, Layout):
                wanted = settings.get("return_tensors", getattr(self, "return_tensors", None))
                rows = layout.compute([pair_of(image) for image in flat])
                return layout.features(rows, layout.count_images(images), wanted)
        return super().__call__(images, *args, **settings)  # type: ignore[misc]

    def _is_usual(self, image: Any) -> bool:
        return isinstance(image, Image.Image | np.ndarray) and is_fusible(image, vars(self))

    def _preprocess_image_like_inputs(self, images: Any, *args: Any, **settings: Any) -> BatchFeature:
        prepared = self._prepare_images_structure(images)  # type: ignore[attr-defined] # the processor's
        flat = list(flatten_images(prepared))
        are_fusible = bool(flat) and all(is_fusible(image, settings) for image in flat)
        layout = self._layout(settings) if are_fusible else None
        if isinstance(layout, UnsupportedGeometry):
            warn_once(f"backend {BACKEND!r} leaves images to {type(self).__name__}'s own steps: {layout}")
        if isinstance(layout, Layout):
            # LLaVA-OneVision's processor counts the images before it takes them out of their lists.
            counts = args[0] if args else layout.count_images(prepared)
            if layout.takes(counts):
                rows = layout.compute([pair_of(image) for image in flat])
                return layout.features(rows, counts, settings.get("return_tensors"))
        return super()._preprocess_image_like_inputs(prepared, *args, **settings)  # type: ignore[misc]

    def _layout(self, settings: dict[str, Any]) -> Layout | UnsupportedGeometry:
        """The layout of this call, in which the processor's settings fill gaps, or why the op cannot take it."""
        key = (type(self), repr(sorted(settings.items())))
        return _known.find(key, partial(self._read_layout, settings))

    def _read_layout(self, settings: dict[str, Any]) -> Layout:
        asked = copy.copy(self)
        vars(asked).update(settings)

        def answer(images: list[Image.Image]) -> BatchFeature:
            own = super(FusedSteps, self)._preprocess_image_like_inputs  # type: ignore[misc]
            counts = [[1] * len(images)] if isinstance(self, LlavaOnevisionImageProcessorPil) else []
            return own(images, *counts, **{**settings, "return_tensors": "pt"})

        return find_layout(asked, answer)


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


class Qwen2VLImageProcessor(FusedSteps, Qwen2VLImageProcessorPil):  # type: ignore[misc]
    """Qwen2-VL's image processor by the fused op; Qwen2.5-VL, Qwen3-VL and Qwen3.5 have the same."""


class Glm4vImageProcessor(FusedSteps, Glm4vImageProcessorPil):  # type: ignore[misc]
    """GLM-4V's image processor by the fused op."""


class LlavaNextImageProcessor(FusedSteps, LlavaNextImageProcessorPil):  # type: ignore[misc]
    """LLaVA-NeXT's image processor by the fused op."""


class LlavaOnevisionImageProcessor(FusedSteps, LlavaOnevisionImageProcessorPil):  # type: ignore[misc]
    """LLaVA-OneVision's image processor by the fused op."""


class GotOcr2ImageProcessor(FusedSteps, GotOcr2ImageProcessorPil):  # type: ignore[misc]
    """Got-OCR2's image processor by the fused op; InternVL and Aya Vision have the same."""


class Gemma4ImageProcessor(FusedSteps, Gemma4ImageProcessorPil):  # type: ignore[misc]
    """Gemma 4's image processor by the fused op."""


class Idefics3ImageProcessor(FusedSteps, Idefics3ImageProcessorPil):  # type: ignore[misc]
    """Idefics3's image processor by the fused op."""


class MllamaImageProcessor(FusedSteps, MllamaImageProcessorPil):  # type: ignore[misc]
    """Llama 3.2 Vision's image processor by the fused op."""


class PixtralImageProcessor(FusedSteps, PixtralImageProcessorPil):  # type: ignore[misc]
    """Pixtral's and Mistral 3's image processor by the fused op."""


class Siglip2ImageProcessor(FusedSteps, Siglip2ImageProcessorPil):  # type: ignore[misc]
    """SigLIP2's image processor by the fused op."""


class SmolVLMImageProcessor(FusedSteps, SmolVLMImageProcessorPil):  # type: ignore[misc]
    """SmolVLM's image processor by the fused op."""


_REGISTERED = {
    CLIPConfig: CLIPImageProcessor,
    SiglipConfig: SiglipImageProcessor,
    PaliGemmaConfig: SiglipImageProcessor,
    LlavaConfig: LlavaImageProcessor,
    Gemma3Config: Gemma3ImageProcessor,
    Qwen2VLConfig: Qwen2VLImageProcessor,
    Qwen2_5_VLConfig: Qwen2VLImageProcessor,
    Qwen3VLConfig: Qwen2VLImageProcessor,
    Qwen3_5Config: Qwen2VLImageProcessor,
    Glm4vConfig: Glm4vImageProcessor,
    GotOcr2Config: GotOcr2ImageProcessor,
    InternVLConfig: GotOcr2ImageProcessor,
    AyaVisionConfig: GotOcr2ImageProcessor,
    LlavaNextConfig: LlavaNextImageProcessor,
    LlavaOnevisionConfig: LlavaOnevisionImageProcessor,
    Gemma4Config: Gemma4ImageProcessor,
    Idefics3Config: Idefics3ImageProcessor,
    MllamaConfig: MllamaImageProcessor,
    PixtralVisionConfig: PixtralImageProcessor,
    Siglip2Config: Siglip2ImageProcessor,
    SmolVLMConfig: SmolVLMImageProcessor,
    Mistral3Config: PixtralImageProcessor,
}
