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
    """As `preprocess`: float32, or the bits of bfloat16 as uint16; `native`: the fixture `native_on_cpu`."""
    borrowed = [pixels.borrow_pixels(image, geometry.arithmetic) for image in images]
    changes = [pixels._native_perturbation(change) for change in perturbations]
    shape = (len(images), len(perturbations), *geometry.output_shape())
    out = np.full(shape, 0xAB, np.uint16 if output_type == "bfloat16" else np.float32)
    lent: list[np.ndarray] = []

    def allocate(size: int) -> int:
        lent.append(np.full(size, 0xCD, np.uint8))
        return lent[-1].ctypes.data

    native.preprocess_on_device(
        [(each.ctypes.data, *each.shape, each.strides[0]) if images_on_device else each for each in borrowed],
        [(index, change) for index in range(len(images)) for change in changes],
        native.Geometry(**pixels._geometry_arguments(geometry)),
        out=out.ctypes.data,
        output_type=output_type,
        device=0,
        stream=0,
        allocate=allocate,
    )
    return out
