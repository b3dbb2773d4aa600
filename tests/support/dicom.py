"""DICOM files made here, each with a planted name that nothing of ours may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

NAME = "Zwetschgenbaum"


def make_dicom(
    values: npt.NDArray[Any],
    *,
    bits: int,
    window: tuple[float, float] | None = None,
    rescale: tuple[float, float] | None = None,
    photometric: str = "MONOCHROME2",
    syntax: str = ExplicitVRLittleEndian,
    **further: Any,
) -> FileDataset:
    """`values`: (rows, columns), (frames, rows, columns) or, RGB, (rows, columns, 3)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
    made.PatientName, made.PatientID = f"{NAME}^Anna", f"ID-{NAME}"
    made.InstitutionName, made.PatientBirthDate = f"{NAME} Hospital", "19500101"
    is_colour = photometric == "RGB"
    made.SamplesPerPixel = 3 if is_colour else 1
    if is_colour:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = photometric
    made.Rows, made.Columns = values.shape[:2] if is_colour else values.shape[-2:]
    if values.ndim == 3 and not is_colour:
        made.NumberOfFrames = len(values)
    made.BitsAllocated, made.BitsStored, made.HighBit = 8 * values.dtype.itemsize, bits, bits - 1
    made.PixelRepresentation = int(np.issubdtype(values.dtype, np.signedinteger))
    if window:
        made.WindowCenter, made.WindowWidth = window
    if rescale:
        made.RescaleSlope, made.RescaleIntercept = rescale
    for keyword, value in further.items():
        setattr(made, keyword, value)
    made.PixelData = encapsulate([values.tobytes()]) if meta.TransferSyntaxUID.is_encapsulated else values.tobytes()
    return made


def write_dicom(folder: Path, values: npt.NDArray[Any], *, name: str = "scan.dcm", **options: Any) -> Path:
    """The same as a file."""
    path = folder / name
    make_dicom(values, **options).save_as(path, enforce_file_format=True)
    return path
