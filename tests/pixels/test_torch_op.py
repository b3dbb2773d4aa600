"""`torch.ops.vrs.preprocess` is `pixels.preprocess`, and torch.compile takes it in one graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.images import synthetic_image

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.preprocess import preprocess
from vrs_lmeval.pixels.torch_op import Preprocess, encode_geometry, encode_perturbations
from vrs_lmeval.records import Perturbation

GEOMETRY = Geometry(size=(32, 32), crop=(32, 40), pad_colour=(1, 2, 3), arithmetic="torchvision", rescale=1 / 127.5)
PERTURBATIONS = [
    Perturbation.identity(),
    Perturbation("gaussian_noise", (25.3,), key=(1 << 127) + 12345),
    Perturbation.blank((1, 2, 3)),
]


def tensors() -> list[torch.Tensor]:
    return [torch.from_numpy(synthetic_image(*hw, content="noise")) for hw in ((40, 50), (70, 33))]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("backend", [None, "aot_eager"])
def test_it_gives_the_bits_of_pixels(dtype: Any, backend: str | None) -> None:
    module = Preprocess(GEOMETRY, PERTURBATIONS, dtype=dtype)
    expected = torch.as_tensor(preprocess(tensors(), PERTURBATIONS, GEOMETRY, dtype=dtype))

    def double(images: list[torch.Tensor]) -> torch.Tensor:
        return module(images) * 2

    run = double if backend is None else torch.compile(double, fullgraph=True, backend=backend)
    actual = run(tensors())
    assert actual.dtype == expected.dtype
    assert torch.equal(actual, expected * 2)


@pytest.mark.slow
def test_torchs_own_checks_of_an_op_pass() -> None:
    arguments = (tensors(), encode_perturbations(PERTURBATIONS), encode_geometry(GEOMETRY), "bfloat16", 1)
    torch.library.opcheck(torch.ops.vrs.preprocess.default, arguments)


def test_errors_are_those_of_pixels() -> None:
    with pytest.raises(TypeError, match="uint8 levels are needed, not float32"):
        Preprocess(GEOMETRY)([torch.zeros(4, 5, 3)])
    with pytest.raises(ValueError, match="dtype: 'float32' or 'bfloat16' is needed, not 'float16'"):
        Preprocess(GEOMETRY, dtype="float16")(tensors())  # type: ignore[arg-type]
