"""The fused op as `torch.ops.vrs.preprocess`: uint8 tensors in, a batch out, inside torch.compile as outside of it.

Importing this module registers the op. An op takes no classes of ours, so perturbations and geometry are passed as
JSON; `Preprocess` keeps them encoded, so that a compiled function traces nothing but the call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from vrs_lmeval.pixels.geometry import Blocks, Geometry
from vrs_lmeval.pixels.preprocess import OutputType, preprocess
from vrs_lmeval.records import Perturbation

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Preprocess(torch.nn.Module):
    """`pixels.preprocess` as a module: a list of uint8 (height, width, 3) tensors -> (N, K, 3, height, width).

    The result lies where the images do, or on `device`.
    """

    def __init__(
        self,
        geometry: Geometry,
        perturbations: Sequence[Perturbation] = (Perturbation.identity(),),
        *,
        dtype: OutputType = "float32",
        threads: int | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.geometry = encode_geometry(geometry)
        self.perturbations = encode_perturbations(perturbations)
        self.dtype = dtype
        self.threads = threads
        self.device = device

    def forward(self, images: list[torch.Tensor]) -> torch.Tensor:
        """Raises as `pixels.preprocess` does."""
        result: torch.Tensor = torch.ops.vrs.preprocess(
            images, self.perturbations, self.geometry, self.dtype, self.threads, self.device
        )
        return result


def encode_geometry(geometry: Geometry) -> str:
    """The geometry as JSON, for the op's argument `geometry`."""
    return json.dumps(asdict(geometry))


def encode_perturbations(perturbations: Sequence[Perturbation]) -> str:
    """The perturbations as JSON, for the op's argument `perturbations`."""
    return json.dumps([asdict(change) for change in perturbations])


def _decode_geometry(text: str) -> Geometry:
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    if settings.get("blocks"):
        settings["blocks"] = Blocks(**settings["blocks"])
    return Geometry(**settings)


def _decode_perturbations(text: str) -> list[Perturbation]:
    return [Perturbation(**{**entry, "parameters": tuple(entry["parameters"])}) for entry in json.loads(text)]


@torch.library.custom_op(
    "vrs::preprocess",
    mutates_args=(),
    schema="(Tensor[] images, str perturbations, str geometry, str dtype='float32', int? threads=None, "
    "str? device=None) -> Tensor",
)
def _preprocess(
    images: Any,
    perturbations: str,
    geometry: str,
    dtype: Any = "float32",
    threads: Any = None,
    device: str | None = None,
) -> Any:
    out = _empty_batch(images, perturbations, geometry, dtype, threads, device)
    return preprocess(
        images, _decode_perturbations(perturbations), _decode_geometry(geometry), threads=threads, out=out
    )


@_preprocess.register_fake
def _empty_batch(
    images: Any,
    perturbations: str,
    geometry: str,
    dtype: str = "float32",
    threads: int | None = None,
    device: str | None = None,
) -> torch.Tensor:
    if dtype not in _DTYPES:
        raise ValueError(f"dtype: {' or '.join(map(repr, _DTYPES))} is needed, not {dtype!r}")
    shape = (len(images), len(json.loads(perturbations)), *_decode_geometry(geometry).output_shape())
    return torch.empty(shape, dtype=_DTYPES[dtype], device=device or images[0].device)
