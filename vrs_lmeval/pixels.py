"""Images x perturbations x geometry -> the pixel batch of a vision model, by the compiled fused op.

The only module that imports `_native`. The arithmetic is that of Pillow and of transformers' Pillow-backed
image processors, bit for bit; `preprocess_reference.py` is its twin in numpy, written to be read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL import __version__ as pillow_version

from vrs_lmeval import _native
from vrs_lmeval.records import Perturbation

if TYPE_CHECKING:
    import torch

    ImageLike: TypeAlias = npt.NDArray[np.uint8] | Image.Image | torch.Tensor

Resize = Literal["none", "exact", "shortest_edge"]
Filter = Literal["bilinear", "bicubic", "lanczos"]
PassOrder = Literal["horizontal_first", "pillow12_2", "pillow13"]
Triple = tuple[float, float, float]

_FILTER_OF_RESAMPLING: dict[int, Filter] = {
    int(Image.Resampling.BILINEAR): "bilinear",
    int(Image.Resampling.BICUBIC): "bicubic",
    int(Image.Resampling.LANCZOS): "lanczos",
}
_KEY_WORD = (1 << 64) - 1


class UnsupportedGeometry(ValueError):  # noqa: N818 - reads as what it says: the geometry is unsupported
    """An image processor has a setting that this module cannot reproduce exactly; the message names it."""


def installed_pass_order() -> PassOrder:
    """The order of the two resize passes in the installed Pillow: 12.2 and 13.0 (PR 9549) changed it."""
    version = tuple(int(part) for part in pillow_version.split(".")[:2])
    if version < (12, 2):
        return "horizontal_first"
    return "pillow12_2" if version < (13, 0) else "pillow13"


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an RGB image becomes a model's pixels: pad -> resize -> centre crop -> rescale -> normalise.

    Sizes are (height, width) in pixels. `resize` "shortest_edge" makes the shorter edge `size[0]` and ignores
    `size[1]`; "exact" ignores the aspect ratio. `crop` is also the output's size: smaller images are padded
    with level 0. `pad_colour` (RGB) pads the image to a square before the resize, None does not.
    Output value of level v: `(v * rescale - mean) / std`; None leaves the step out.
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

    @staticmethod
    def from_image_processor(processor: Any) -> Geometry:
        """Reads a transformers image processor of the Pillow backend: CLIP, LLaVA (padding too), SigLIP ...

        Raises `UnsupportedGeometry`, naming the setting, for what would not come out bit for bit the same.
        The geometry holds for RGB images and for those that the processor is told to convert to RGB.
        """
        return _geometry_of_processor(processor)

    def table(self) -> npt.NDArray[np.float32]:
        """The output value of each level per channel, (3, 256), rounded step by step as transformers does."""
        levels = np.tile(np.arange(256, dtype=np.float64), (3, 1))
        if self.rescale is not None:
            levels = levels * self.rescale
        values = levels.astype(np.float32)
        if self.mean is not None and self.std is not None:
            mean, std = (np.array(triple, dtype=np.float32)[:, None] for triple in (self.mean, self.std))
            values = (values - mean) / std
        return values


def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
) -> npt.NDArray[np.float32]:
    """Every image under every perturbation, ready for the model: (N, K, 3, height, width) float32.

    `images` may differ in size and kind: numpy or CPU torch arrays of uint8, (height, width) or
    (height, width, 1 | 3 | 4), or PIL images of any mode; `as_rgb` says how each becomes RGB.
    `threads` is how many may work at once, None for every CPU that this process may use; `simd` names one of
    `build_info()["simd"]`, "auto" takes the fastest. Neither changes a bit.
    Raises `ValueError` or `TypeError` naming the argument at fault.
    """
    if not perturbations:
        raise ValueError("perturbations: empty")
    pairs = [(index, change) for index in range(len(images)) for change in perturbations]
    batch = _run_jobs(images, pairs, geometry, threads, simd)
    return batch.reshape(len(images), len(perturbations), *batch.shape[1:])


def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
) -> npt.NDArray[np.float32]:
    """One output per (image, perturbation): (N, 3, height, width) float32; otherwise as `preprocess`.

    An image object that several pairs share is converted once.
    """
    images = {id(image): image for image, _ in pairs}
    index_of = {identity: index for index, identity in enumerate(images)}
    jobs = [(index_of[id(image)], change) for image, change in pairs]
    return _run_jobs(list(images.values()), jobs, geometry, threads, simd)


def perturb(image: Image.Image, perturbation: Perturbation) -> Image.Image:
    """The perturbed RGB image itself: the very pixels that `preprocess` would resize."""
    return Image.fromarray(_native.perturb(as_rgb(image), _native_perturbation(perturbation)))


def as_rgb(image: ImageLike) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8, converted as transformers' Pillow backend does; RGB arrays are not copied.

    Transparency is composited over white: by Pillow for PIL images, in float with rounding for arrays.
    Grey is repeated.
    """
    if isinstance(image, Image.Image):
        return _rgb_of_pil(image)
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise TypeError(f"images: uint8 levels are needed, not {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"images: shape must be (height, width) or (height, width, 1 | 3 | 4), not {array.shape}; "
            "move the channels of a (3, height, width) array to the end"
        )
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return _composite_over_white(array)
    has_packed_rows = array.strides[1:] == (3, 1)
    return array if has_packed_rows else np.ascontiguousarray(array)


def build_info() -> dict[str, object]:
    """What the extension is, for provenance: version, compiler, backends."""
    return _native.build_info()


def _borrow_pixels(image: ImageLike) -> npt.NDArray[np.uint8]:
    """(height, width, 3 | 4) for the extension, which ignores a fourth channel; RGB images are not copied.

    Pillow lends its own memory (four bytes a pixel) while the image fits one of its 16 MB blocks.
    """
    if not isinstance(image, Image.Image):
        return as_rgb(image)
    is_plain_rgb = image.mode == "RGB" and image.info.get("transparency") is None
    if is_plain_rgb and hasattr(image, "__arrow_c_array__"):  # Pillow >= 11.2
        try:
            _, array = image.__arrow_c_array__()
            return _native.view_rgbx(array, image.height, image.width)
        except ValueError:
            pass  # more than one block
    return _rgb_of_pil(image)


def _rgb_of_pil(image: Image.Image) -> npt.NDArray[np.uint8]:
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _composite_over_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    opacity = rgba[:, :, 3:] / 255
    blended = opacity * rgba[:, :, :3] + (1 - opacity) * 255
    rgb: npt.NDArray[np.uint8] = np.round(blended).astype(np.uint8)
    return rgb


def _run_jobs(
    images: Sequence[ImageLike],
    jobs: Sequence[tuple[int, Perturbation]],
    geometry: Geometry,
    threads: int | None,
    simd: str,
) -> npt.NDArray[np.float32]:
    return _native.preprocess(
        [_borrow_pixels(image) for image in images],
        [(index, _native_perturbation(change)) for index, change in jobs],
        _native_geometry(geometry),
        threads=_usable_cpus() if threads is None else threads,
        simd=simd,
    )


def _usable_cpus() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _native_perturbation(change: Perturbation) -> _native.PerturbationTuple:
    if not 0 <= change.key < 1 << 128:
        raise ValueError(f"perturbation.key: 128 bits without a sign are needed, not {change.key}")
    return change.kind, change.parameters, change.key & _KEY_WORD, change.key >> 64


@lru_cache(maxsize=16)
def _native_geometry(geometry: Geometry) -> _native.Geometry:
    return _native.Geometry(
        resize=geometry.resize,
        size=geometry.size,
        crop=geometry.crop,
        filter=geometry.filter,
        pass_order=geometry.pass_order,
        pad_colour=geometry.pad_colour,
        table=geometry.table(),
        normalisation=_normalisation(geometry),
    )


def _normalisation(geometry: Geometry) -> list[tuple[float, float, float]]:
    """(divisor, mean, std) per channel: the formula that the extension tries in place of the table."""
    divisor = 1.0 if geometry.rescale in (None, 0.0) else 1 / geometry.rescale
    mean, std = geometry.mean or (0.0, 0.0, 0.0), geometry.std or (1.0, 1.0, 1.0)
    return [(divisor, mean[channel], std[channel]) for channel in range(3)]


def _geometry_of_processor(processor: Any) -> Geometry:
    _require_known_steps(processor)
    if not processor.do_normalize and not processor.do_rescale:
        raise UnsupportedGeometry("do_rescale and do_normalize: both off, the processor would return integers")
    mean = _triple(processor.image_mean, "image_mean")
    std = _triple(processor.image_std, "image_std")
    if processor.do_normalize and (mean is None or std is None):
        raise UnsupportedGeometry("do_normalize: on, but image_mean or image_std is missing")
    resize, size = _resize_of(processor)
    return Geometry(
        resize=resize,
        size=size,
        crop=_crop_of(processor, resize, size),
        filter=_filter_of(processor),
        pad_colour=_pad_colour(mean) if processor.do_pad else None,
        rescale=float(processor.rescale_factor) if processor.do_rescale else None,
        mean=mean if processor.do_normalize else None,
        std=std if processor.do_normalize else None,
    )


_KNOWN_STEPS = ("process_image", "convert_to_rgb", "resize", "center_crop", "rescale", "normalize")


def _require_known_steps(processor: Any) -> None:
    """The processor must run the very functions that are reproduced: a subclass may override any of them."""
    from transformers.image_processing_backends import PilBackend
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    kind = type(processor)
    if not isinstance(processor, PilBackend):
        backend = getattr(processor, "backend", kind.__name__)
        raise UnsupportedGeometry(f"backend: Pillow's arithmetic is reproduced, not that of {backend!r}")
    for step in _KNOWN_STEPS:
        if getattr(kind, step) is not getattr(PilBackend, step):
            raise UnsupportedGeometry(f"{kind.__name__}.{step}: overridden with other steps")
    is_llava = kind._preprocess is LlavaImageProcessorPil._preprocess
    if not is_llava and kind._preprocess is not PilBackend._preprocess:
        raise UnsupportedGeometry(f"{kind.__name__}._preprocess: overridden with other steps")
    if processor.do_pad and not (is_llava and kind.pad_to_square is LlavaImageProcessorPil.pad_to_square):
        raise UnsupportedGeometry("do_pad: only LLaVA's padding to a square is reproduced")


def _resize_of(processor: Any) -> tuple[Resize, tuple[int, int]]:
    if not processor.do_resize:
        return "none", (1, 1)
    edges = {name: value for name, value in dict(processor.size).items() if value is not None}
    if set(edges) == {"shortest_edge"}:
        return "shortest_edge", (edges["shortest_edge"], edges["shortest_edge"])
    if set(edges) == {"height", "width"}:
        return "exact", (edges["height"], edges["width"])
    raise UnsupportedGeometry(f"size: {edges} is neither a shortest_edge nor a height and a width")


def _crop_of(processor: Any, resize: Resize, size: tuple[int, int]) -> tuple[int, int]:
    if processor.do_center_crop:
        return processor.crop_size["height"], processor.crop_size["width"]
    if resize != "exact":
        raise UnsupportedGeometry("do_center_crop is off: the output's size would depend on the image")
    return size


def _filter_of(processor: Any) -> Filter:
    resampling = int(processor.resample) if processor.resample is not None else int(Image.Resampling.BILINEAR)
    if processor.do_resize and resampling not in _FILTER_OF_RESAMPLING:
        raise UnsupportedGeometry(f"resample: {Image.Resampling(resampling).name} is not reproduced")
    return _FILTER_OF_RESAMPLING.get(resampling, "bilinear")


def _triple(values: Any, name: str) -> Triple | None:
    if values is None:
        return None
    numbers = [float(value) for value in values] if isinstance(values, Sequence) else [float(values)] * 3
    if len(numbers) != 3:
        raise UnsupportedGeometry(f"{name}: three channels are needed, not {len(numbers)}")
    return numbers[0], numbers[1], numbers[2]


def _pad_colour(mean: Triple | None) -> tuple[int, int, int]:
    red, green, blue = mean or (0.0, 0.0, 0.0)  # LLaVA's pad_to_square: int(mean * 255), black without a mean
    return int(red * 255), int(green * 255), int(blue * 255)
