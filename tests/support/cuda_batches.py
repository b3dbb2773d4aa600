"""Pixel batches of the CUDA backend, run on the host: `pixels.preprocess` with numpy arrays as device memory."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from vrs_lmeval.pixels import preprocess as pixels
from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.records import Perturbation


def preprocess_on_device(
    native: ModuleType,
    images: Sequence[Any],
    perturbations: Sequence[Perturbation],
    geometry: Geometry,
    *,
    output_type: str = "float32",
    images_on_device: bool = False,
) -> np.ndarray:
    """As `preprocess`, the bits of bfloat16 as uint16, or levels as uint8; `native`: the fixture `native_on_cpu`."""
    borrowed = [pixels.borrow_pixels(image, geometry.arithmetic) for image in images]
    changes = [pixels._native_perturbation(change) for change in perturbations]
    shape = (*geometry.crop, 3) if output_type == "levels" else geometry.output_shape()
    dtype = {"float32": np.float32, "bfloat16": np.uint16, "levels": np.uint8}[output_type]
    out = np.full((len(images), len(perturbations), *shape), 0xAB, dtype)
    sources = [(each.ctypes.data, *each.shape, each.strides[0]) if images_on_device else each for each in borrowed]
    jobs = [(index, change) for index in range(len(images)) for change in changes]
    _launch(native, sources, jobs, native.Geometry(**pixels._geometry_arguments(geometry)), out)
    return out


def _launch(native: ModuleType, images: list[Any], jobs: list[Any], geometry: Any, out: np.ndarray) -> None:
    """`geometry`: the extension's own. What is written follows from `out`'s dtype."""
    lent: list[np.ndarray] = []

    def allocate(size: int) -> int:
        lent.append(np.full(size, 0xCD, np.uint8))
        return lent[-1].ctypes.data

    native.preprocess_on_device(
        images,
        jobs,
        geometry,
        out=out.ctypes.data,
        output_type={"float32": "float32", "uint16": "bfloat16", "uint8": "levels"}[out.dtype.name],
        device=0,
        stream=0,
        allocate=allocate,
    )


class NativeOnDevice:
    """The extension as `vrs_lmeval.pixels.preprocess` calls it, whose CPU path goes to the device, on the host.

    `calls` counts batches.
    """

    def __init__(self, native: ModuleType) -> None:
        self._native = native
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def preprocess(
        self, images: list[Any], jobs: list[Any], geometry: Any, *, threads: int, simd: str = "auto", out: Any = None
    ) -> Any:
        self.calls += 1
        shape = self._native.preprocess(images, jobs, geometry, threads=threads, out=out).shape
        batch = np.full(shape, 0xAB, np.float32 if out is None else out.dtype)
        _launch(self._native, images, jobs, geometry, batch)
        if out is None:
            return batch
        out[...] = batch
        return out
