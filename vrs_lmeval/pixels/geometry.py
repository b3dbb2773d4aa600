"""How an RGB image becomes a model's pixels: the settings of the fused op, and those of transformers' processors."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL import __version__ as pillow_version

Resize = Literal["none", "exact", "shortest_edge"]
Filter = Literal["bilinear", "bicubic", "lanczos"]
Arithmetic = Literal["pillow", "torchvision"]
PassOrder = Literal["horizontal_first", "pillow12_2", "pillow13"]
Placement = Literal["centre", "upper_left", "corner"]
Triple = tuple[float, float, float]

_FILTER_OF_RESAMPLING: dict[int, Filter] = {
    int(Image.Resampling.BILINEAR): "bilinear",
    int(Image.Resampling.BICUBIC): "bicubic",
    int(Image.Resampling.LANCZOS): "lanczos",
}


class UnsupportedGeometry(ValueError):  # noqa: N818 - reads as what it says: the geometry is unsupported
    """An image processor has a setting that this package cannot reproduce exactly; the message names it."""


def installed_pass_order() -> PassOrder:
    """The order of the two resize passes in the installed Pillow; releases 12.2 and 13.0 (PR 9549) changed it."""
    version = tuple(int(part) for part in pillow_version.split(".")[:2])
    if version < (12, 2):
        return "horizontal_first"
    return "pillow12_2" if version < (13, 0) else "pillow13"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The output as blocks of `height` x `width` pixels that fill it: patches of a vision tower, or tiles.

    Squares of `merge` x `merge` neighbouring blocks stand together, row by row; in a block, each of the three channels
    stands `repeats` times, or the channels of each pixel stand together (`channels_last`, without repeats).
    """

    height: int
    width: int
    merge: int = 1
    repeats: int = 1
    channels_last: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a number below one."""
        if min(self.height, self.width, self.merge, self.repeats) < 1:
            raise ValueError(f"geometry.blocks: all numbers must be at least 1, not {self}")


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an RGB image becomes a model's pixels: pad -> resize -> centre crop -> rescale -> normalise.

    Sizes are (height, width) in pixels. `resize` "shortest_edge" makes the shorter edge `size[0]` and ignores
    `size[1]`; "exact" ignores the aspect ratio. `crop` is also the output's size: smaller images are padded
    with level 0. `placement` "centre" puts an odd margin as the crop of `arithmetic` does, "upper_left" puts more of
    it after the image, and with "corner" image and crop begin at the same pixel. `pad_colour` (RGB) pads the image to
    a square before the resize, None does not.
    `arithmetic` says whose bits the result has: those of Pillow and transformers' Pillow-backed processors, or those
    of torch's uint8 resize on a CPU and transformers' torchvision-backed processors. `pass_order` matters only to
    the first. The output value of level v is `(v * rescale - mean) / std`; None leaves a step out. `blocks` says how
    the output is cut; None leaves it whole.
    """

    resize: Resize = "shortest_edge"
    size: tuple[int, int] = (224, 224)
    crop: tuple[int, int] = (224, 224)
    filter: Filter = "bicubic"
    pad_colour: tuple[int, int, int] | None = None
    rescale: float | None = 1 / 255
    mean: Triple | None = (0.48145466, 0.4578275, 0.40821073)  # OPENAI_CLIP_MEAN
    std: Triple | None = (0.26862954, 0.26130258, 0.27577711)  # OPENAI_CLIP_STD
    pass_order: PassOrder = field(default_factory=installed_pass_order)
    arithmetic: Arithmetic = "pillow"
    blocks: Blocks | None = None
    placement: Placement = "centre"

    def output_shape(self) -> tuple[int, ...]:
        """The shape of one image's output: (3, height, width), or (blocks, 3, repeats, block height, block width), or
        (blocks, block height, block width, 3) where channels stand last."""
        height, width = self.crop
        if self.blocks is None:
            return 3, height, width
        count = (height // self.blocks.height) * (width // self.blocks.width)
        if self.blocks.channels_last:
            return count, self.blocks.height, self.blocks.width, 3
        return count, 3, self.blocks.repeats, self.blocks.height, self.blocks.width

    @staticmethod
    def from_image_processor(processor: Any) -> Geometry:
        """Read the geometry of a transformers image processor: CLIP, SigLIP (PaliGemma), LLaVA, Gemma 3 ...

        It reads both backends; the torchvision-backed one is reproduced as it computes on a CPU.
        Raises `UnsupportedGeometry`, which names the setting, if the result would not be the same bit for bit.
        The geometry holds for RGB images and for those that the processor is told to convert to RGB.
        """
        return _geometry_of_processor(processor)

    def table(self) -> npt.NDArray[np.float32]:
        """The output value of each level per channel, (3, 256), rounded step by step as transformers does."""
        levels = np.tile(np.arange(256, dtype=np.float64), (3, 1))
        rescale = 1.0 if self.rescale is None or self._is_folded() else self.rescale
        if self.arithmetic == "pillow":
            values = (levels * rescale).astype(np.float32)
        else:
            values = levels.astype(np.float32) * np.float32(rescale)
        if self.mean is not None and self.std is not None:
            _, mean, std = np.array(self.normalisation(), dtype=np.float32).T[:, :, None]
            values = (values - mean) / std
        return values

    def normalisation(self) -> list[Triple]:
        """(divisor, mean, std) per channel: the extension tries to compute `(level / divisor - mean) / std`."""
        mean: Sequence[float] = self.mean or (0.0, 0.0, 0.0)
        std: Sequence[float] = self.std or (1.0, 1.0, 1.0)
        divisor = 1 / self.rescale if self.rescale else 1.0
        if self._is_folded():
            scale = np.float32(divisor)
            mean, std = ([float(np.float32(value) * scale) for value in triple] for triple in (mean, std))
            divisor = 1.0
        return [(divisor, mean[channel], std[channel]) for channel in range(3)]

    def _is_folded(self) -> bool:
        """Whether mean and std are multiplied by 1 / rescale: the torchvision backend does so and does not rescale."""
        is_complete = self.rescale is not None and self.mean is not None and self.std is not None
        return self.arithmetic == "torchvision" and is_complete


def _geometry_of_processor(processor: Any) -> Geometry:
    arithmetic = arithmetic_of(processor)
    preparation = _require_known_steps(processor, arithmetic)
    resize, size = _resize_of(processor)
    levels = read_levels(processor, arithmetic)
    mean = _triple(processor.image_mean, "image_mean")
    return replace(
        levels,
        resize=resize,
        size=size,
        crop=_crop_of(processor, resize, size, preparation),
        pad_colour=_pad_colour(mean, arithmetic) if processor.do_pad else None,
    )


def read_levels(processor: Any, arithmetic: Arithmetic) -> Geometry:
    """What a processor does to levels: filter, rescale, normalise; with `resize` "exact" and no size yet.

    Raises UnsupportedGeometry, which names the setting.
    """
    if not processor.do_normalize and not processor.do_rescale:
        raise UnsupportedGeometry("do_rescale and do_normalize: both off, the processor would return integers")
    mean = _triple(processor.image_mean, "image_mean")
    std = _triple(processor.image_std, "image_std")
    if processor.do_normalize and (mean is None or std is None):
        raise UnsupportedGeometry("do_normalize: on, but image_mean or image_std is missing")
    if processor.do_rescale and not processor.rescale_factor:
        raise UnsupportedGeometry(f"rescale_factor: {processor.rescale_factor} leaves no image")
    return Geometry(
        resize="exact",
        size=(1, 1),
        crop=(1, 1),
        filter=_filter_of(processor, arithmetic),
        rescale=float(processor.rescale_factor) if processor.do_rescale else None,
        mean=mean if processor.do_normalize else None,
        std=std if processor.do_normalize else None,
        arithmetic=arithmetic,
    )


_STEPS = ("process_image", "convert_to_rgb", "resize", "center_crop", "rescale", "normalize")
_FOLDED_STEPS = (*_STEPS, "rescale_and_normalize", "_fuse_mean_std_and_rescale_factor")
Preparation = Literal["plain", "llava", "gemma3"]


def arithmetic_of(processor: Any) -> Arithmetic:
    """Whose bits a processor of transformers gives. Raises UnsupportedGeometry for other kinds of processor."""
    if isinstance(processor, _transformers_class("image_processing_backends", "PilBackend")):
        return "pillow"
    from transformers.utils import is_torchvision_available

    if is_torchvision_available():
        torchvision_backend = _transformers_class("image_processing_backends", "TorchvisionBackend")
        if isinstance(processor, torchvision_backend):
            return "torchvision"
    backend = getattr(processor, "backend", type(processor).__name__)
    raise UnsupportedGeometry(
        f"backend: {backend!r} is not reproduced, only transformers' Pillow and torchvision backends are"
    )


def _require_known_steps(processor: Any, arithmetic: Arithmetic) -> Preparation:
    """Raise UnsupportedGeometry unless the processor runs exactly the functions that are reproduced: a subclass may
    override any of them."""
    kind, is_pillow = type(processor), arithmetic == "pillow"
    infix, suffix = ("pil_", "Pil") if is_pillow else ("", "")
    backend = _backend_of(arithmetic)
    llava = _transformers_class(f"models.llava.image_processing_{infix}llava", f"LlavaImageProcessor{suffix}")
    gemma3 = _transformers_class(f"models.gemma3.image_processing_{infix}gemma3", f"Gemma3ImageProcessor{suffix}")
    require_steps(kind, arithmetic)
    known: dict[Preparation, Any] = {"plain": backend, "llava": llava, "gemma3": gemma3}
    preparation = next((name for name, owner in known.items() if kind._preprocess is owner._preprocess), None)
    if preparation is None:
        raise UnsupportedGeometry(f"{kind.__name__}._preprocess: overridden with other steps")
    if preparation == "gemma3" and processor.do_pan_and_scan:
        raise UnsupportedGeometry("do_pan_and_scan: the extra crops of Gemma 3 are not reproduced")
    if processor.do_pad and not (preparation == "llava" and kind.pad_to_square is llava.pad_to_square):
        raise UnsupportedGeometry("do_pad: only LLaVA's padding to a square is reproduced")
    return preparation


def require_steps(kind: Any, arithmetic: Arithmetic, owner: Any = None, own: Sequence[str] = ()) -> None:
    """Raise UnsupportedGeometry unless a class has its backend's own steps, and of `own` those of the class `owner`."""
    backend = _backend_of(arithmetic)
    for step in {*own, *(_STEPS if arithmetic == "pillow" else _FOLDED_STEPS)}:
        if getattr(kind, step) is not getattr(owner if step in own else backend, step):
            raise UnsupportedGeometry(f"{kind.__name__}.{step}: overridden with other steps")


def _backend_of(arithmetic: Arithmetic) -> Any:
    name = "PilBackend" if arithmetic == "pillow" else "TorchvisionBackend"
    return _transformers_class("image_processing_backends", name)


def _transformers_class(module: str, name: str) -> Any:
    return getattr(import_module(f"transformers.{module}"), name)


def _resize_of(processor: Any) -> tuple[Resize, tuple[int, int]]:
    if not processor.do_resize:
        return "none", (1, 1)
    edges = {name: value for name, value in dict(processor.size).items() if value is not None}
    if set(edges) == {"shortest_edge"}:
        return "shortest_edge", (edges["shortest_edge"], edges["shortest_edge"])
    if set(edges) == {"height", "width"}:
        return "exact", (edges["height"], edges["width"])
    raise UnsupportedGeometry(f"size: {edges} is neither a shortest_edge nor a height and a width")


def _crop_of(processor: Any, resize: Resize, size: tuple[int, int], preparation: Preparation) -> tuple[int, int]:
    if processor.do_center_crop and preparation != "gemma3":  # whose processor never crops
        return processor.crop_size["height"], processor.crop_size["width"]
    if resize != "exact":
        raise UnsupportedGeometry("do_center_crop is off: the output's size would depend on the image")
    return size


def _filter_of(processor: Any, arithmetic: Arithmetic) -> Filter:
    resample = processor.resample
    if resample is None:
        resample = int(Image.Resampling.BILINEAR)
    if not isinstance(resample, int) and arithmetic == "pillow":
        raise UnsupportedGeometry(f"resample: {resample!r} is no filter of Pillow")
    if not isinstance(resample, int):  # the torchvision backend also takes torchvision's own names
        name = str(getattr(resample, "value", resample))
        resample = {"bilinear": 2, "bicubic": 3, "lanczos": 1, "nearest": 0}.get(name, name)
    if processor.do_resize and resample not in _FILTER_OF_RESAMPLING:
        name = Image.Resampling(resample).name if isinstance(resample, int) else resample
        raise UnsupportedGeometry(f"resample: {name} is not reproduced")
    filter_name = _FILTER_OF_RESAMPLING.get(resample, "bilinear")
    if processor.do_resize and arithmetic == "torchvision":
        _require_uint8_resize(filter_name)
    return filter_name


def _require_uint8_resize(filter_name: Filter) -> None:
    """Raise UnsupportedGeometry if torchvision's resize leaves uint8 (resize_image in
    transforms/v2/functional/_geometry.py)."""
    import torch
    from torchvision import __version__ as version

    release = tuple(int(part) for part in version.split(".")[:2])
    vectorised = ("AVX2", "AVX512") if release >= (0, 24) else ("AVX2",)
    is_arm = release >= (0, 27) and platform.machine() in ("aarch64", "arm64")
    if filter_name == "bilinear" and not (torch.backends.cpu.get_cpu_capability() in vectorised or is_arm):
        raise UnsupportedGeometry("resample: BILINEAR, which this torchvision computes in float on this processor")
    if filter_name == "lanczos" and release < (0, 27):
        raise UnsupportedGeometry("resample: LANCZOS, which needs torchvision 0.27")


def _triple(values: Any, name: str) -> Triple | None:
    if values is None:
        return None
    numbers = [float(value) for value in values] if np.ndim(values) else [float(values)] * 3
    if len(numbers) != 3:
        raise UnsupportedGeometry(f"{name}: three channels are needed, not {len(numbers)}")
    return numbers[0], numbers[1], numbers[2]


def _pad_colour(mean: Triple | None, arithmetic: Arithmetic) -> tuple[int, int, int]:
    """The colour of LLaVA's pad_to_square: int(mean * 255); black without a mean, if the backend allows that."""
    if mean is None and arithmetic == "torchvision":
        raise UnsupportedGeometry("do_pad: on, but image_mean is missing")
    red, green, blue = mean or (0.0, 0.0, 0.0)
    return int(red * 255), int(green * 255), int(blue * 255)
