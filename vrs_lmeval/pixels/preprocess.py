"""Images x perturbations x geometry -> the pixel batch of a vision model, by the compiled fused op.

The only module that imports `_native`. The arithmetic is that of transformers' image processors on Pillow or on
torchvision, bit for bit; `reference` is its twin in numpy, written to be read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import astuple
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from vrs_lmeval import _native
from vrs_lmeval.pixels import cuda_memory
from vrs_lmeval.pixels.geometry import Geometry, UnsupportedGeometry
from vrs_lmeval.pixels.rgb_pixels import as_rgb, borrow_pixels
from vrs_lmeval.records import Perturbation

if TYPE_CHECKING:
    import torch

    from vrs_lmeval.pixels.rgb_pixels import ImageLike

    DeviceLike: TypeAlias = str | int | torch.device

__all__ = [
    "Geometry",
    "UnsupportedGeometry",
    "as_rgb",
    "build_info",
    "count_devices",
    "empty_outputs",
    "perturb",
    "preprocess",
    "preprocess_pairs",
    "resize_pairs",
]

OutputType = Literal["float32", "bfloat16"]
Output = TypeVar("Output")

_KEY_WORD = (1 << 64) - 1


@overload
def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: Literal["float32"] | None = None,
    out: None = None,
) -> npt.NDArray[np.float32]: ...
@overload
def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike,
    out: None = None,
) -> torch.Tensor: ...
@overload
def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: Literal["bfloat16"],
    device: DeviceLike | None = None,
    out: None = None,
) -> torch.Tensor: ...
@overload
def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike | None = None,
    out: Output,
) -> Output: ...
def preprocess(
    images: Sequence[ImageLike],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike | None = None,
    out: Any = None,
) -> Any:
    """Every image under every perturbation, ready for the model: (N, K, 3, height, width), or blocks in its place.

    `images` may differ in size and kind: numpy or torch arrays of uint8, (height, width) or
    (height, width, 1 | 3 | 4), or PIL images of any mode; `as_rgb` says how each becomes RGB. RGB arrays whose
    rows are packed, and PIL images that fit one of Pillow's memory blocks, are read where they lie.
    `dtype` "bfloat16" is the float32 result rounded to nearest, ties to even, and comes as a torch tensor, as
    numpy has no such type. `out` is written to and returned: a contiguous numpy array (float32) or torch
    tensor (float32 or bfloat16) of the result's shape.
    With a `device` the result is a torch tensor there; `out`, or images on a CUDA device, choose the device too. On a
    CUDA device the work is queued on torch's current stream, and gives the same bits. Images of the host are uploaded
    once for all perturbations; while a CUDA graph is captured, images must lie on the device.
    `threads` is how many threads may work at once; None: one for each CPU that this process may use. `simd` names one
    of `build_info()["simd"]`; "auto" takes the fastest. Neither changes a bit of the result.
    Raises `ValueError` or `TypeError`, which name the wrong argument.
    """
    if not perturbations:
        raise ValueError("perturbations: empty")
    pairs = [(index, change) for index in range(len(images)) for change in perturbations]
    shape = (len(images), len(perturbations), *geometry.output_shape())
    return _run_jobs(images, pairs, geometry, threads, simd, dtype, device, out, shape)


@overload
def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: Literal["float32"] | None = None,
    out: None = None,
) -> npt.NDArray[np.float32]: ...
@overload
def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike,
    out: None = None,
) -> torch.Tensor: ...
@overload
def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: Literal["bfloat16"],
    device: DeviceLike | None = None,
    out: None = None,
) -> torch.Tensor: ...
@overload
def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike | None = None,
    out: Output,
) -> Output: ...
def preprocess_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]],
    geometry: Geometry,
    *,
    threads: int | None = None,
    simd: str = "auto",
    dtype: OutputType | None = None,
    device: DeviceLike | None = None,
    out: Any = None,
) -> Any:
    """One output per (image, perturbation): (N, 3, height, width); otherwise as `preprocess`.

    An image object that several pairs share is converted once. On the CPU, the outputs in `out` may lie apart.
    """
    images = {id(image): image for image, _ in pairs}
    index_of = {identity: index for index, identity in enumerate(images)}
    jobs = [(index_of[id(image)], change) for image, change in pairs]
    shape = (len(pairs), *geometry.output_shape())
    return _run_jobs(list(images.values()), jobs, geometry, threads, simd, dtype, device, out, shape)


@overload
def resize_pairs(pairs: Sequence[tuple[ImageLike, Perturbation]], geometry: Geometry) -> npt.NDArray[np.uint8]: ...
@overload
def resize_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]], geometry: Geometry, *, device: DeviceLike
) -> torch.Tensor: ...
def resize_pairs(
    pairs: Sequence[tuple[ImageLike, Perturbation]], geometry: Geometry, *, device: DeviceLike | None = None
) -> Any:
    """The uint8 levels of each (image, perturbation) before the tables, (N, height, width, 3).

    An array; a tensor with a `device`, or where images lie on one. `geometry` must have no blocks. Otherwise as
    `preprocess_pairs`.
    """
    if geometry.blocks is not None:
        raise ValueError("geometry.blocks: levels are written as whole images")
    images = {id(image): image for image, _ in pairs}
    index_of = {identity: index for index, identity in enumerate(images)}
    jobs = [(index_of[id(image)], _native_perturbation(change)) for image, change in pairs]
    shape = (len(pairs), *geometry.crop, 3)
    cuda_device = cuda_memory.find_device(list(images.values()), None, device)
    if cuda_device is not None:
        result = cuda_memory.empty_batch(shape, "uint8", cuda_device)
        _queue_on_device(list(images.values()), jobs, geometry, _usable_cpus(), "levels", result)
        return result
    count = math.prod(shape)
    levels: npt.NDArray[np.uint8] = empty_outputs((-(-count // 4),)).view(np.uint8)[:count].reshape(shape)
    _native.preprocess(
        [borrow_pixels(image, geometry.arithmetic) for image in images.values()],
        jobs,
        _native_geometry(geometry),
        threads=_usable_cpus(),
        out=levels,
    )
    if device is not None:  # then the result is a tensor, on the CPU as well
        import torch

        return torch.from_numpy(levels)
    return levels


def empty_outputs(shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """Memory for outputs, not set, from that of batches which are gone: new memory of this size costs page faults."""
    return _native.new_batch(list(shape))


def perturb(image: Image.Image, perturbation: Perturbation) -> Image.Image:
    """The perturbed RGB image itself: the very pixels that `preprocess` would resize."""
    return Image.fromarray(_native.perturb(as_rgb(image), _native_perturbation(perturbation)))


def build_info() -> dict[str, object]:
    """How the extension was built, for provenance: version, compiler, backends."""
    return _native.build_info()


def count_devices() -> tuple[int, str]:
    """How many CUDA devices the op can use; if none, the reason: no device, no driver, or no CUDA in this build.

    Asking initialises CUDA, and what is forked from this process afterwards cannot use it; `build_info` does not.
    """
    return _native.count_devices()


def _run_jobs(
    images: Sequence[ImageLike],
    jobs: Sequence[tuple[int, Perturbation]],
    geometry: Geometry,
    threads: int | None,
    simd: str,
    dtype: OutputType | None,
    device: DeviceLike | None,
    out: Any,
    shape: tuple[int, ...],
) -> Any:
    """Run the jobs on the device that fits. `shape` is the result's shape: the jobs, then the output of one."""
    if dtype not in (None, "float32", "bfloat16"):
        raise ValueError(f"dtype: 'float32' or 'bfloat16' is needed, not {dtype!r}")
    native_jobs = [(index, _native_perturbation(change)) for index, change in jobs]
    threads = _usable_cpus() if threads is None else threads
    cuda_device = cuda_memory.find_device(images, out, device)
    if cuda_device is not None:
        return _run_on_device(images, native_jobs, geometry, threads, dtype, cuda_device, out, shape)
    if out is None and dtype == "bfloat16":
        import torch

        out = torch.empty(shape, dtype=torch.bfloat16)
    native_shape = (3, *geometry.crop) if geometry.blocks is None else (math.prod(geometry.output_shape()),)
    target = None if out is None else _writable_values(out, shape, dtype, geometry).reshape(len(jobs), *native_shape)
    batch = _native.preprocess(
        [borrow_pixels(image, geometry.arithmetic) for image in images],
        native_jobs,
        _native_geometry(geometry),
        threads=threads,
        simd=simd,
        out=target,
    )
    if out is not None:
        return out
    if device is not None:  # then the result is a tensor, on the CPU as well
        import torch

        return torch.from_numpy(batch.reshape(shape))
    return batch.reshape(shape)


def _run_on_device(
    images: Sequence[ImageLike],
    jobs: Sequence[tuple[int, _native.PerturbationTuple]],
    geometry: Geometry,
    threads: int,
    dtype: OutputType | None,
    device: torch.device,
    out: Any,
    shape: tuple[int, ...],
) -> torch.Tensor:
    result: torch.Tensor = cuda_memory.empty_batch(shape, dtype, device) if out is None else out
    _queue_on_device(images, jobs, geometry, threads, _check_output(result, shape, dtype), result)
    return result


def _queue_on_device(
    images: Sequence[ImageLike],
    jobs: Sequence[tuple[int, _native.PerturbationTuple]],
    geometry: Geometry,
    threads: int,
    output_type: str,
    result: torch.Tensor,
) -> None:
    pixels = [cuda_memory.pack_pixels(image) or borrow_pixels(image, geometry.arithmetic) for image in images]
    launch = partial(
        _native.preprocess_on_device,
        [each.address() if isinstance(each, cuda_memory.DevicePixels) else each for each in pixels],
        jobs,
        _native_geometry(geometry),
        output_type=output_type,
        threads=threads,
    )
    cuda_memory.queue(launch, result)


def _check_output(out: Any, shape: tuple[int, ...], dtype: OutputType | None) -> OutputType:
    if tuple(out.shape) != shape:
        raise ValueError(f"out: shape must be {shape}, not {tuple(out.shape)}")
    kind = str(out.dtype).removeprefix("torch.")
    if (kind != "float32" and kind != "bfloat16") or dtype not in (None, kind):
        raise TypeError(f"out: {dtype or 'float32 or bfloat16'} is needed, not {out.dtype}")
    return kind  # type: ignore[return-value]


def _writable_values(
    out: Any, shape: tuple[int, ...], dtype: OutputType | None, geometry: Geometry
) -> npt.NDArray[Any]:
    """`out`'s own memory as the extension takes it: float32, or the bits of bfloat16 as uint16."""
    kind = _check_output(out, shape, dtype)
    if isinstance(out, np.ndarray):
        values = out
    else:
        if out.device.type != "cpu":
            raise ValueError(f"out: a tensor of the CPU or of CUDA is needed, not on {out.device}")
        import torch

        values = (out.view(torch.uint16) if kind == "bfloat16" else out).detach().numpy()
    is_of_pairs = len(shape) == 1 + len(geometry.output_shape())  # whose outputs may lie apart
    packed = values[:1] if is_of_pairs and values.strides[0] >= values[:1].nbytes else values
    if not (packed.flags.c_contiguous and values.flags.writeable):
        raise ValueError("out: must be contiguous and writeable")
    return values


def _usable_cpus() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _native_perturbation(change: Perturbation) -> _native.PerturbationTuple:
    if not 0 <= change.key < 1 << 128:
        raise ValueError(f"perturbation.key: 128 bits without a sign are needed, not {change.key}")
    return change.kind, change.parameters, change.key & _KEY_WORD, change.key >> 64


@lru_cache(maxsize=16)
def _native_geometry(geometry: Geometry) -> _native.Geometry:
    return _native.Geometry(**_geometry_arguments(geometry))


def _geometry_arguments(geometry: Geometry) -> dict[str, Any]:
    return {
        "resize": geometry.resize,
        "size": geometry.size,
        "crop": geometry.crop,
        "filter": geometry.filter,
        "arithmetic": geometry.arithmetic,
        "pass_order": geometry.pass_order,
        "placement": geometry.placement,
        "pad_colour": geometry.pad_colour,
        "table": geometry.table(),
        "normalisation": geometry.normalisation(),
        "blocks": None if geometry.blocks is None else astuple(geometry.blocks),
    }
