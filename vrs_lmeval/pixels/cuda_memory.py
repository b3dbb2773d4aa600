"""Finds the CUDA device, torch's stream and torch's memory that the fused op works with.

This module knows nothing of the op itself: `preprocess.py` hands it over as a launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DeviceArray = tuple[int, int, int, int, int]  # address, height, width, channels, row stride in bytes
Launch = Callable[..., None]  # (out=, device=, stream=, allocate=): addresses, except the device's number


@dataclass(frozen=True)
class DevicePixels:
    """An image on a device: uint8 (height, width, 3), without gaps between rows."""

    tensor: torch.Tensor

    def address(self) -> DeviceArray:
        """The image in the form that the extension takes."""
        height, width, channels = self.tensor.shape
        return self.tensor.data_ptr(), height, width, channels, self.tensor.stride(0)


def find_device(images: Sequence[Any], out: Any, device: str | int | torch.device | None) -> torch.device | None:
    """The CUDA device on which the arguments lie, or `device`; None for the CPU.

    Raises `ValueError`, which names the argument, if they do not agree or if there is no such device.
    """
    arguments = {f"images[{index}]": image for index, image in enumerate(images)} | {"out": out}
    found = {name: value.device for name, value in arguments.items() if getattr(value, "is_cuda", False)}
    if device is None and not found:
        return None
    import torch

    wanted = list(found.values())[-1] if device is None else _name_device(device)  # `out` before images
    for name, place in found.items():
        if place != wanted:
            raise ValueError(f"{name}: lies on {place}, but the work is to be done on {wanted}")
    if wanted.type == "cpu":
        return None
    if out is not None and "out" not in found:
        raise ValueError(f"out: a tensor on {wanted} is needed")
    if wanted.index >= torch.cuda.device_count():
        raise ValueError(f"device: torch finds {torch.cuda.device_count()} CUDA devices, none is {wanted}")
    return wanted


def empty_batch(shape: tuple[int, ...], dtype: str | None, device: torch.device) -> torch.Tensor:
    """A tensor of `dtype`, float32 if it says nothing, with undefined values."""
    import torch

    return torch.empty(shape, dtype=getattr(torch, dtype or "float32"), device=device)


def pack_pixels(image: Any) -> DevicePixels | None:
    """The image as the op takes it, copied on its device only if needed; None if it does not lie on a device."""
    if not getattr(image, "is_cuda", False):
        return None
    if str(image.dtype) != "torch.uint8":
        raise TypeError(f"images: uint8 levels are needed, not {image.dtype}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(
            f"images: on a device, shape must be (height, width) or (height, width, 1 | 3), not {tuple(image.shape)}; "
            "permute the channels of a (3, height, width) tensor to the end, composite transparency first"
        )
    image = image.expand(-1, -1, 3)
    return DevicePixels(image if image.stride()[1:] == (3, 1) else image.contiguous())


def queue(launch: Launch, out: torch.Tensor) -> None:
    """Queue the op on the current stream of `out`'s device.

    The op works in torch's memory. Afterwards torch lends that memory only to later work on the same stream.
    """
    import torch

    if not out.is_contiguous():
        raise ValueError("out: must be contiguous")
    lent: list[torch.Tensor] = []

    def allocate(size: int) -> int:
        lent.append(torch.empty(size, dtype=torch.uint8, device=out.device))
        return lent[-1].data_ptr()

    stream = torch.cuda.current_stream(out.device).cuda_stream
    # Torch remembers which device was current even if nothing uses it, and so leaves no memory of it taken. The
    # extension, which finds its device chosen already, could not do both.
    with torch.cuda.device(out.device):
        launch(out=out.data_ptr(), device=out.device.index, stream=stream, allocate=allocate)


def _name_device(device: str | int | torch.device) -> torch.device:
    import torch

    named = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    if named.type not in ("cpu", "cuda"):
        raise ValueError(f"device: 'cpu' or 'cuda' is needed, not {named}")
    if named.type == "cpu" or named.index is not None:
        return named
    return torch.device("cuda", torch.cuda.current_device() if torch.cuda.is_available() else 0)
