"""The fused op as an image processor of transformers: its own backend "vrs", and a wrapper for a processor at hand."""

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
from transformers import (
    AutoImageProcessor,
    AyaVisionConfig,
    BatchFeature,
    CLIPConfig,
    Gemma3Config,
    Glm4vConfig,
    GotOcr2Config,
    InternVLConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    PaliGemmaConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3_5Config,
    Qwen3VLConfig,
    SiglipConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vrs_lmeval.benchmark.images import flatten_images
from vrs_lmeval.pixels.geometry import UnsupportedGeometry, arithmetic_of
from vrs_lmeval.pixels.layouts import Layout, Row, find_layout
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

logger = logging.getLogger(__name__)

BACKEND = "vrs"


def register_image_processors() -> None:
    """Make `AutoImageProcessor.from_pretrained(name, backend="vrs")` (and AutoProcessor's) give the fused op.

    This works for models with the image processor of CLIP, SigLIP (PaliGemma too), LLaVA, Gemma 3, Qwen2-VL (up to
    Qwen3.5), GLM-4V, or Got-OCR2 (InternVL and Aya Vision too). The other backends and the default do not change. May
    be called any number of times.
    """
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


_layouts: dict[tuple[type, str], Layout | UnsupportedGeometry] = {}
"""By class and settings, which seldom change from call to call: a layout, or why there is none. The oldest goes when
there are _MOST_LAYOUTS."""

_MOST_LAYOUTS = 32


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
        """As the processor. A call without settings of its own skips what transformers does about settings: 0.1 ms."""
        if not args and not settings.keys() - {"return_tensors"}:
            flat = images if isinstance(images, list) else [images]
            own = {name: getattr(self, name, None) for name in self.valid_kwargs.__annotations__}  # type: ignore[attr-defined]
            # Attributes that transformers would bring into another form first are not read here.
            layout = self._layout({**own, "return_tensors": None}) if flat and all(map(self._is_usual, flat)) else None
            if isinstance(layout, Layout):
                wanted = settings.get("return_tensors", getattr(self, "return_tensors", None))
                rows = layout.compute([_pair(image) for image in flat])
                return layout.features(rows, layout.count_images(images), wanted)
        return super().__call__(images, *args, **settings)  # type: ignore[misc]

    def _is_usual(self, image: Any) -> bool:
        return isinstance(image, Image.Image | np.ndarray) and _is_fusible(image, vars(self))

    def _preprocess_image_like_inputs(self, images: Any, *args: Any, **settings: Any) -> BatchFeature:
        prepared = self._prepare_images_structure(images)  # type: ignore[attr-defined] # the processor's
        flat = list(flatten_images(prepared))
        is_fusible = bool(flat) and all(_is_fusible(image, settings) for image in flat)
        layout = self._layout(settings) if is_fusible else None
        if isinstance(layout, UnsupportedGeometry):
            _warn_once(f"backend {BACKEND!r} leaves images to {type(self).__name__}'s own steps: {layout}")
        if isinstance(layout, Layout):
            # LLaVA-OneVision's processor counts the images before it takes them out of their lists.
            counts = args[0] if args else layout.count_images(prepared)
            if layout.takes(counts):
                rows = layout.compute([_pair(image) for image in flat])
                return layout.features(rows, counts, settings.get("return_tensors"))
        return super()._preprocess_image_like_inputs(prepared, *args, **settings)  # type: ignore[misc]

    def _layout(self, settings: dict[str, Any]) -> Layout | UnsupportedGeometry:
        """The layout of this call, in which the processor's settings fill gaps, or why the op cannot take it."""
        key = (type(self), repr(sorted(settings.items())))
        if key not in _layouts:
            while len(_layouts) >= _MOST_LAYOUTS:
                del _layouts[next(iter(_layouts))]
            _layouts[key] = self._read_layout(settings)
        return _layouts[key]

    def _read_layout(self, settings: dict[str, Any]) -> Layout | UnsupportedGeometry:
        asked = copy.copy(self)
        vars(asked).update(settings)

        def answer(images: list[Image.Image]) -> BatchFeature:
            own = super(FusedSteps, self)._preprocess_image_like_inputs  # type: ignore[misc]
            counts = [[1] * len(images)] if isinstance(self, LlavaOnevisionImageProcessorPil) else []
            return own(images, *counts, **{**settings, "return_tensors": "pt"})

        try:
            return find_layout(asked, answer)
        except UnsupportedGeometry as reason:
            return reason


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
}


class FusedImageProcessor:
    """Replaces a transformers image processor, and gives the same features from the fused op.

    Wraps a processor whose settings `find_layout` can reproduce bit for bit (else UnsupportedGeometry). A call whose
    own settings it cannot reproduce goes to that processor, and so does every attribute that this class lacks.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._layouts: dict[str, Layout | None] = {}
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
        is_fusible = bool(flat) and all(self._is_fusible(image, settings) for image in flat)
        counts = [] if layout is None else layout.count_images(images)
        is_tensor = return_tensors is None and self._gives_tensors
        if layout is None or not is_fusible or not layout.takes(counts) or is_tensor:
            return self._wrapped(images, return_tensors=return_tensors, **settings)
        answer = layout.features(self._compute(flat, layout), counts, return_tensors)
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
                rows = layout.compute([_pair(images[key]) for key in missing])
                self._computed |= zip(missing, rows, strict=True)
        known = [self._computed.get(_identify(image, layout)) for image in flat]
        rows = [row for row in known if row is not None]
        return rows if len(rows) == len(flat) else layout.compute([_pair(image) for image in flat])

    def _find_layout(self, settings: dict[str, Any]) -> Layout | None:
        """The layout of a call; None if the fused op cannot take its settings."""
        changed = {
            name: value for name, value in settings.items() if repr(value) != repr(getattr(self._wrapped, name, None))
        }
        if not changed:
            return self.layout
        key = repr(sorted(changed.items()))
        if key not in self._layouts:
            self._layouts[key] = self._read_layout(changed)
        return self._layouts[key]

    def _read_layout(self, changed: dict[str, Any]) -> Layout | None:
        asked = copy.copy(self._wrapped)
        if not set(changed) <= set(asked.valid_kwargs.__annotations__):
            return None
        vars(asked).update(changed)
        try:
            return find_layout(asked, partial(self._wrapped, return_tensors="pt", **changed))
        except UnsupportedGeometry as reason:
            _warn_once(f"vrs-hf leaves images to {type(self._wrapped).__name__}'s own steps: {reason}")
            return None

    def _is_fusible(self, image: Any, settings: dict[str, Any]) -> bool:
        converts = settings.get("do_convert_rgb", getattr(self._wrapped, "do_convert_rgb", None))
        return isinstance(image, Image.Image) and _is_fusible(image, {"do_convert_rgb": converts})


def _identify(image: Any, layout: Layout) -> Hashable:
    return (image.source_id, image.perturbation, id(layout)) if isinstance(image, VariantImage) else None


def _pair(image: Any) -> tuple[Any, Perturbation]:
    return image.pixels_and_change() if isinstance(image, VariantImage) else (image, Perturbation.identity())


def _is_fusible(image: Any, settings: dict[str, Any]) -> bool:
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
def _warn_once(message: str) -> None:
    logger.warning(message)
