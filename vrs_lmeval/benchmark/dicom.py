"""DICOM files: takes one, gives the picture that a viewer opens with, as 8-bit RGB, and nothing else of the file.

Only the elements that describe pixels are read; those that name a patient, a person or a place are never parsed. So
none can come into a message: errors are worded here, and pydicom's own are dropped. What is burned into the pixels
stays in them. The steps are those of PS3.3 C.11 and PS3.4 N.2: modality, window, MONOCHROME1.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

INSTALL = 'pip install "vrs_lmeval[dicom]"'
SUFFIXES = (".dcm", ".dicom")

FIRST_FRAME = "several frames, of which the first is shown"
PERCENTILES = "no window of their own, so shown from the 0.5th to the 99.5th percentile of their values"
"""Remarks on how a file was read, worded for several of them."""

WINDOW_PERCENTILES = (0.5, 99.5)
"""Where a file names no window: all but the darkest and the brightest half percent of its values, so that a few
pixels of metal or of a burned-in mark do not take the whole range."""

_PALETTE = tuple(
    f"{form}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for form, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
_DESCRIPTION = (
    "NumberOfFrames", "PhotometricInterpretation", "BitsStored", "PixelRepresentation", "PixelPaddingValue",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *_PALETTE,
)  # fmt: skip
"""All that is read of a file besides its pixels."""

Values = npt.NDArray[Any]


class MissingDicomPackageError(ImportError):
    """A DICOM file is to be read without pydicom; the message says what to install."""


def is_dicom(encoded: bytes | Path) -> bool:
    """Whether this is a DICOM file: by the mark behind its preamble (PS3.10, 7.1); without one, by its name.

    Raises OSError for a file that cannot be read.
    """
    if isinstance(encoded, bytes):
        return encoded[128:132] == b"DICM"
    with encoded.open("rb") as file:
        begin = file.read(132)
    return begin[128:] == b"DICM" or encoded.suffix.lower() in SUFFIXES


def read_dicom(encoded: bytes | Path) -> tuple[Image.Image, frozenset[str]]:
    """A DICOM file -> its first frame as mode RGB, and the remarks on how it was read.

    Raises ValueError for a file that cannot be read, MissingDicomPackageError without pydicom.
    """
    if find_spec("pydicom") is None:
        raise MissingDicomPackageError(f"DICOM images need pydicom: {INSTALL}")
    try:
        with _without_quotes():
            return _show(*_read(encoded))
    except _UnreadableDicomError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # pydicom raises a dozen kinds, whose words may hold what the file says of a patient
        raise ValueError(f"not a DICOM image that can be read ({type(error).__name__})") from None


class _UnreadableDicomError(ValueError):
    """A message of ours, which holds nothing of the file's elements."""


def _read(encoded: bytes | Path) -> tuple[Any, Values]:
    """What describes the pixels, and those of the first frame: (rows, columns) or, RGB, (rows, columns, 3)."""
    import pydicom
    from pydicom.pixels import get_decoder, pixel_array

    def opened() -> Any:
        return io.BytesIO(encoded) if isinstance(encoded, bytes) else str(encoded)

    description = pydicom.dcmread(opened(), force=True, stop_before_pixels=True, specific_tags=list(_DESCRIPTION))
    syntax = getattr(description, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is None or "PhotometricInterpretation" not in description:
        raise _UnreadableDicomError("not a DICOM image: it says nothing of its pixels, or not how they are encoded")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise _UnreadableDicomError(f"DICOM pixels encoded as {syntax.name!r}, which pydicom does not read") from None
    if not decoder.is_available:
        missing = "; or ".join(decoder.missing_dependencies)
        raise _UnreadableDicomError(f"DICOM pixels compressed as {syntax.name!r}, which needs a plugin: {missing}")
    try:
        return description, pixel_array(opened(), index=0)
    except RuntimeError:  # none of the installed plugins could: Pillow reads no JPEG of 12 bits
        missing = "; or ".join(decoder.missing_dependencies) or "none that pydicom knows"
        raise _UnreadableDicomError(
            f"DICOM pixels compressed as {syntax.name!r} are damaged, or need another plugin: {missing}"
        ) from None


def _without_quotes() -> AbstractContextManager[None]:
    """While it lasts, pydicom does not warn of values that break the standard: its warning quotes them."""
    from pydicom.config import disable_value_validation

    quiet: AbstractContextManager[None] = disable_value_validation()
    return quiet


def _show(description: Any, values: Values) -> tuple[Image.Image, frozenset[str]]:
    remarks = {FIRST_FRAME} if int(description.get("NumberOfFrames") or 1) > 1 else set()
    if values.ndim == 3 or description.PhotometricInterpretation == "PALETTE COLOR":
        return Image.fromarray(_show_colours(values, description)), frozenset(remarks)
    levels, has_window = _show_grey(values, description)
    remarks |= set() if has_window else {PERCENTILES}
    return Image.fromarray(levels).convert("RGB"), frozenset(remarks)


def _show_colours(values: Values, description: Any) -> npt.NDArray[np.uint8]:
    from pydicom.pixels import apply_color_lut

    if description.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, description)[..., :3]
        bits = 8 * values.dtype.itemsize  # entries of a palette fill their words (PS3.3 C.7.6.3.1.6)
    else:
        bits = int(description.BitsStored)
    return (values >> (bits - 8)).astype(np.uint8) if bits > 8 else values.astype(np.uint8)


def _show_grey(stored: Values, description: Any) -> tuple[npt.NDArray[np.uint8], bool]:
    """Levels 0..255 of stored values, and whether the file says which window to look through."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    modality, window = _of_first_frame(description, "PixelValueTransformationSequence", "FrameVOILUTSequence")
    values = np.asarray(apply_modality_lut(stored, modality))
    has_window = True
    if window.get("VOILUTSequence"):
        depth = int(window.VOILUTSequence[0].LUTDescriptor[2])
        shares = apply_voi(np.rint(values).astype(np.int64), window) / (2**depth - 1)
    elif window.get("WindowCenter") is not None and window.get("WindowWidth") is not None:
        function = str(window.get("VOILUTFunction") or "LINEAR")
        shares = window_values(values, _first(window.WindowCenter), _first(window.WindowWidth), function)
    else:
        has_window = False
        padding = description.get("PixelPaddingValue")
        seen = values[stored != padding] if padding is not None else values
        low, high = np.percentile(seen if seen.size else values, WINDOW_PERCENTILES)
        shares = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(values.shape)
    if description.PhotometricInterpretation == "MONOCHROME1":  # its lowest value is white
        shares = 1 - shares
    return np.rint(255 * shares).astype(np.uint8), has_window


def window_values(values: Values, centre: float, width: float, function: str = "LINEAR") -> npt.NDArray[np.float64]:
    """Values -> 0..1 by the window functions of PS3.3 C.11.2.1.2.1 and C.11.2.1.3. Raises ValueError."""
    x = values.astype(np.float64)
    if function == "SIGMOID" and width > 0:
        return np.asarray(1 / (1 + np.exp(-4 * (x - centre) / width)))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((x - centre) / width + 0.5, 0, 1)
    if function != "LINEAR" or width < 1:
        raise _UnreadableDicomError("a DICOM window of a width or function that the standard does not have")
    if width == 1:  # a threshold: values up to centre - 0.5 are black
        return (x > centre - 0.5).astype(np.float64)
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _first(value: Any) -> float:
    """Of several windows the first, which the file offers as its main one."""
    return float(value if isinstance(value, int | float | str) else value[0])


def _of_first_frame(description: Any, *names: str) -> list[Any]:
    """By the name of a functional group, the item that holds for frame 0 (PS3.3 C.7.6.16), or the file's top level."""
    groups = [
        group[0]
        for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
        if (group := description.get(sequence))
    ]
    return [next((group.get(name)[0] for group in groups if group.get(name)), description) for name in names]
