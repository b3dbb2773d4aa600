"""RGB pixels of any image that the op takes, read where they lie if they can be: PIL images, arrays, tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vrs_lmeval import _native
from vrs_lmeval.pixels.geometry import Arithmetic

if TYPE_CHECKING:
    import torch

    ImageLike: TypeAlias = npt.NDArray[np.uint8] | Image.Image | torch.Tensor


def as_rgb(image: ImageLike, arithmetic: Arithmetic = "pillow") -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8, converted as transformers' backend of that arithmetic does; RGB arrays are not copied.

    Transparency is composited over white: by Pillow for PIL images, in float for arrays, with rounding by the
    Pillow backend and without by the torchvision one. Grey is repeated.
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
        return _composite_over_white(array, arithmetic)
    has_packed_rows = array.strides[1:] == (3, 1)
    return array if has_packed_rows else np.ascontiguousarray(array)


def borrow_pixels(image: ImageLike, arithmetic: Arithmetic) -> npt.NDArray[np.uint8]:
    """(height, width, 3 | 4) for the extension, which ignores a fourth channel; RGB images are not copied.

    Pillow lends its own memory (four bytes a pixel) if the image lies in one of its blocks: of 16 MiB, or as
    `raise_block_size` says.
    """
    if not isinstance(image, Image.Image):
        return as_rgb(image, arithmetic)
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
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))  # convert would copy RGB as well


def _composite_over_white(rgba: npt.NDArray[np.uint8], arithmetic: Arithmetic) -> npt.NDArray[np.uint8]:
    if arithmetic == "torchvision":  # transformers' TorchvisionBackend.convert_to_rgb
        shares = rgba.astype(np.float32) * np.float32(1 / 255)
        blended = shares[:, :, :3] * shares[:, :, 3:] + (1 - shares[:, :, 3:])
        truncated: npt.NDArray[np.uint8] = (blended * np.float32(255.999)).astype(np.uint8)
        return truncated
    opacity = rgba[:, :, 3:] / 255
    blended = opacity * rgba[:, :, :3] + (1 - opacity) * 255
    rgb: npt.NDArray[np.uint8] = np.round(blended).astype(np.uint8)
    return rgb
