"""What users of torchvision, kornia and CV-CUDA run on a GPU today; bench_cuda.py times those that are installed.

There are six variants, as in bench_preprocess.py. Filters, noise and blur are defined differently from ours
(torchvision on CUDA resizes in float), so times can be compared, but not pixels. Images are (height, width, 3) uint8
tensors on the device.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from vrs_lmeval.pixels.geometry import Geometry

Pipeline = Callable[[Tensor, int], Tensor]  # (image, variants: 1 or 6) -> (variants, 3, size, size)
GREY = 128
PATCHES = torch.randperm(16, generator=torch.Generator().manual_seed(0)).tolist()


def perturb_tensor(image: Tensor, blur: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """(3, height, width) uint8 -> the six variants of it."""
    _, height, width = image.shape
    noise = torch.randn(image.shape, device=image.device) * 25
    noisy = (image + noise).round_().clamp_(0, 255).to(torch.uint8)
    occluded = image.clone()
    occluded[:, height // 4 : height // 2, width // 4 : width // 2] = GREY
    tall, wide = height // 4, width // 4
    rows = [
        torch.cat([_patch(image, PATCHES[4 * row + column], tall, wide) for column in range(4)], dim=2)
        for row in range(4)
    ]
    return [image, torch.full_like(image, GREY), noisy, blur(image), occluded, torch.cat(rows, dim=1)]


def _patch(image: Tensor, index: int, tall: int, wide: int) -> Tensor:
    top, left = index // 4 * tall, index % 4 * wide
    return image[:, top : top + tall, left : left + wide]


def torchvision_pipeline(geometry: Geometry, device: torch.device) -> Pipeline:
    """Torchvision v2, as transformers' processor calls it: resize with antialias, crop, normalise."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as tvF  # noqa: N812 - as transformers calls it

    size = geometry.size[0]
    mean, std = _moments(geometry, device)

    def blur(image: Tensor) -> Tensor:
        return tvF.gaussian_blur(image, [13, 13], [2.0])

    def run(image: Tensor, variants: int) -> Tensor:
        planes = image.permute(2, 0, 1)
        shown = [planes] if variants == 1 else perturb_tensor(planes, blur)
        outputs = []
        for each in shown:
            small = tvF.resize(each, [size], InterpolationMode.BICUBIC, antialias=True)
            crop = tvF.center_crop(small, [size, size])
            outputs.append((crop.to(torch.float32) - mean) / std)
        return torch.stack(outputs)

    return run


def kornia_pipeline(geometry: Geometry, device: torch.device) -> Pipeline:
    """Kornia: float images, resize with its antialias (a blur before plain bicubic), crop, normalise."""
    import kornia

    size = geometry.size[0]
    mean, std = _moments(geometry, device)

    def blur(image: Tensor) -> Tensor:
        return kornia.filters.gaussian_blur2d(image[None].float(), (13, 13), (2.0, 2.0))[0].to(torch.uint8)

    def run(image: Tensor, variants: int) -> Tensor:
        planes = image.permute(2, 0, 1)
        shown = [planes] if variants == 1 else perturb_tensor(planes, blur)
        outputs = []
        for each in shown:
            small = kornia.geometry.resize(each[None].float(), size, "bicubic", side="short", antialias=True)
            crop = kornia.geometry.center_crop(small, (size, size))
            outputs.append((crop[0] - mean) / std)
        return torch.stack(outputs)

    return run


def cvcuda_pipeline(geometry: Geometry, device: torch.device) -> Pipeline:
    """CV-CUDA 0.19's functions of torchvision's names, on torch's tensors and stream."""
    from cvcuda import tv

    size = geometry.size[0]
    assert geometry.mean is not None
    assert geometry.std is not None
    mean, std = list(geometry.mean), list(geometry.std)

    def blur(image: Tensor) -> Tensor:
        blurred: Tensor = tv.gaussian_blur(image, [13, 13], [2.0, 2.0])
        return blurred

    def run(image: Tensor, variants: int) -> Tensor:
        planes = image.permute(2, 0, 1).contiguous()  # CV-CUDA takes whole planes
        shown = [planes] if variants == 1 else perturb_tensor(planes, blur)
        outputs = []
        for each in shown:
            small = tv.resize(each, [size], "bicubic", antialias=True)
            crop = tv.center_crop(small, [size, size])
            outputs.append(tv.normalize(tv.to_dtype(crop, torch.float32, scale=True), mean, std))
        return torch.stack(outputs)

    return run


def installed_pipelines(geometry: Geometry, device: torch.device) -> dict[str, Pipeline]:
    """By name, the pipelines whose packages are installed here."""
    makers = {"torchvision": torchvision_pipeline, "kornia": kornia_pipeline, "cvcuda": cvcuda_pipeline}
    return {name: make(geometry, device) for name, make in makers.items() if try_import(name)[0]}


def try_import(name: str) -> tuple[bool, str]:
    """Whether the package can be imported, and its version or why not."""
    try:
        return True, str(import_module(name).__version__)
    except ModuleNotFoundError:
        return False, "not installed"
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision was built for another torch
        return False, f"cannot be imported: {error}"


def _moments(geometry: Geometry, device: torch.device) -> tuple[Tensor, Tensor]:
    assert geometry.mean is not None
    assert geometry.std is not None
    mean, std = (torch.tensor(triple, device=device)[:, None, None] * 255 for triple in (geometry.mean, geometry.std))
    return mean, std
