"""Decoding: takes the bytes or the path of an image, gives it as 8-bit RGB, and remarks on how its file was read."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from vrs_lmeval.benchmark.dicom import FIRST_FRAME, is_dicom, read_dicom

EncodedImage = bytes | Path | Image.Image

MAX_PIXELS_VARIABLE = "VRS_MAX_PIXELS"
MAX_PIXELS = 178_956_970
"""Pillow's own limit, beyond which a small file that unpacks to gigabytes is more likely than a picture."""

DARK = "16-bit grey that uses only values below 4096, so they look dark; window them first if these are 12-bit values"
"""A remark on how a file was read, worded for several of them."""

PILLOW_BLOCK_BYTES = 64 << 20
"""Pillow lends an image's memory without a copy if it lies in one block. Its own blocks hold 16 MiB: 4 megapixels."""

_opening = threading.Lock()
"""Held while Pillow's limit, which is one for the whole process, is lifted: ours is asked instead."""


def decode(encoded: EncodedImage) -> tuple[Image.Image, frozenset[str]]:
    """The image as mode RGB, and remarks on how its file was read; of several frames the first.

    Raises ValueError beyond $VRS_MAX_PIXELS, and whatever Pillow raises for a file that it cannot read.
    """
    raise_block_size()
    if isinstance(encoded, Image.Image):
        return convert_to_rgb(encoded), frozenset()
    if is_dicom(encoded):
        return read_dicom(encoded)
    with _open(encoded) as image:
        _check_size(image)
        image.load()
        remarks = {DARK} if _is_dark(image) else set()
        shown = convert_to_rgb(image).copy()
        if _has_more_frames(image):
            remarks.add(FIRST_FRAME)
        return shown, frozenset(remarks)


def _has_more_frames(image: Image.Image) -> bool:
    """Whether there is more than the frame shown. Asked last: counting moves in the file, and meets its damage."""
    try:
        return bool(getattr(image, "n_frames", 1) > 1)
    except Exception:  # what is damaged lies behind the frame that is shown
        return True


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """Any PIL image -> mode RGB, upright by its EXIF tag, as `datasets` and transformers show it to a model.

    Transparency is composited over white (as transformers does). 16-bit grey is scaled by its full range, 0..65535
    to 0..255, where Pillow's own conversion would clip everything above 255 to white; a TIFF of 12 bits by its own
    range, and one whose zero is white is turned. Float images have no defined range: ValueError.
    """
    highest, is_turned = _read_grey_scale(image)
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        return _scale_grey(image, highest, is_turned)
    if image.mode == "F":
        raise ValueError("a float image has no defined range; save it as 8-bit or 16-bit grey first")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def raise_block_size() -> None:
    """Let new images of this process lie in one block each, up to PILLOW_BLOCK_BYTES; a larger setting stays."""
    core: Any = vars(Image)["core"]  # the stubs lack it
    if core.get_block_size() < PILLOW_BLOCK_BYTES:
        core.set_block_size(PILLOW_BLOCK_BYTES)


def _open(encoded: bytes | Path) -> Image.Image:
    with _opening:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _check_size(image: Image.Image) -> None:
    """Before any pixel is unpacked: the header alone has been read."""
    asked = os.environ.get(MAX_PIXELS_VARIABLE, "").replace("_", "")
    if asked and not asked.isdecimal():
        raise ValueError(f"{MAX_PIXELS_VARIABLE} should be a number of pixels, it is {asked!r}")
    limit = int(asked) if asked else MAX_PIXELS
    if image.width * image.height > limit:
        raise ValueError(
            f"{image.width:,} x {image.height:,} pixels are more than {limit:,}; if the file is what it should be, set "
            f"{MAX_PIXELS_VARIABLE}={image.width * image.height}"
        )


def _read_grey_scale(image: Image.Image) -> tuple[int, bool]:
    """(the value that stands for one end of a grey of more than 8 bits, whether it stands for black).

    Pillow itself turns 8-bit TIFFs whose zero is white, and leaves 16-bit ones.
    """
    tags = getattr(image, "tag_v2", None)  # TIFF alone has them
    if tags is None:
        return 65535, False
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]
    return (4095 if bits == 12 else 65535), tags.get(ExifTags.Base.PhotometricInterpretation) == 0


def _is_dark(image: Image.Image) -> bool:
    """Whether a grey of 16 bits is probably one of 12."""
    highest, _ = _read_grey_scale(image)
    return image.mode.startswith("I") and highest == 65535 and 0 < np.asarray(image).max() < 4096


def _scale_grey(image: Image.Image, highest: int, is_turned: bool) -> Image.Image:
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > highest:
        raise ValueError(
            f"grey values {grey.min()}..{grey.max()} do not fit {highest.bit_length()} bits; rescale the image first"
        )
    grey = highest - grey if is_turned else grey
    return Image.fromarray(((grey * 255 + highest // 2) // highest).astype(np.uint8)).convert("RGB")
