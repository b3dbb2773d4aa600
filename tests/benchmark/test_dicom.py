"""DICOM files become the picture that a viewer opens with; nothing else of them is read or said."""

import io
import logging
import warnings

import numpy as np
import pytest
from pydicom.pixels import apply_voi_lut
from support.dicom import NAME, make_dicom, write_dicom

from vrs_lmeval.benchmark import dicom
from vrs_lmeval.benchmark.dicom import FIRST_FRAME, PERCENTILES, is_dicom, read_dicom, window_values
from vrs_lmeval.benchmark.images import ImageStore, UnreadableImageError

RAMP = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)


def read(path):
    image, remarks = read_dicom(path)
    assert image.mode == "RGB"
    levels = np.asarray(image)
    assert (levels == levels[..., :1]).all()
    return levels[..., 0], remarks


def test_a_window_is_looked_through_as_the_standard_says(tmp_path):
    """PS3.3 C.11.2.1.2.1 by hand, centre 2048 and width 1024: black to 1536, white from 2559, 2048 at the middle."""
    values, remarks = read(write_dicom(tmp_path, RAMP, bits=12, window=(2048, 1024)))
    by_hand = {0: 0, 1536: 0, 1552: 4, 2048: 128, 2544: 251, 2560: 255, 4080: 255}
    assert {stored: int(values[stored == RAMP][0]) for stored in by_hand} == by_hand
    assert remarks == frozenset()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048, 1024), (40, 400), (1000.5, 1)])
def test_windows_are_those_of_pydicom(tmp_path, function, centre, width):
    dataset = make_dicom(RAMP, bits=12, window=(centre, width))
    dataset.VOILUTFunction = function
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        theirs = apply_voi_lut(RAMP, dataset) / 4095
        ours = window_values(RAMP, centre, width, function)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_stored_values_are_rescaled_before_the_window(tmp_path):
    """CT: stored 1024 is 0 HU by slope 1 and intercept -1024; a window of 0 +- 100 HU shows it mid grey."""
    stored = np.array([[824, 1024, 1224]], dtype=np.uint16)
    values, _ = read(write_dicom(tmp_path, stored, bits=12, window=(0, 200), rescale=(1, -1024)))
    assert values.tolist() == [[0, 128, 255]]


def test_monochrome1_is_the_negative_of_monochrome2(tmp_path):
    white, _ = read(write_dicom(tmp_path, RAMP, bits=12, window=(2048, 4096), photometric="MONOCHROME1"))
    black, _ = read(write_dicom(tmp_path, RAMP, bits=12, window=(2048, 4096)))
    assert white[0, 0] == 255
    assert np.abs(white.astype(int) - (255 - black.astype(int))).max() <= 1  # each is rounded for itself


def test_without_a_window_the_outer_half_percents_are_cut_and_that_is_said(tmp_path):
    stored = np.full((20, 50), 1000, dtype=np.uint16)
    stored[:, :25] = 500
    stored[0, 0], stored[0, -1] = 0, 4095  # two pixels of a thousand
    values, remarks = read(write_dicom(tmp_path, stored, bits=12))
    assert (values[1, 0], values[1, -1]) == (0, 255)
    assert remarks == {PERCENTILES}


def test_padding_does_not_stretch_that_window(tmp_path):
    stored = np.full((10, 10), 4000, dtype=np.uint16)
    stored[:, 2:6], stored[:, 6:] = 100, 200
    values, _ = read(write_dicom(tmp_path, stored, bits=12, PixelPaddingValue=4000))
    assert (values[0, 2], values[0, 9], values[0, 0]) == (0, 255, 255)


def test_an_image_of_one_value_is_black_not_an_error(tmp_path):
    assert read(write_dicom(tmp_path, np.full((4, 4), 7, dtype=np.uint16), bits=12))[0].max() == 0


def test_the_first_frame_is_shown_and_that_is_said(tmp_path):
    frames = np.stack([np.full((4, 4), level, dtype=np.uint8) for level in (50, 100, 150)])
    values, remarks = read(write_dicom(tmp_path, frames, bits=8, window=(128, 256)))
    assert values.tolist() == [[50] * 4] * 4
    assert remarks == {FIRST_FRAME}


def test_colours_are_kept(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image, remarks = read_dicom(write_dicom(tmp_path, rgb, bits=8, photometric="RGB"))
    assert (np.asarray(image) == rgb).all()
    assert remarks == frozenset()


def test_bytes_and_files_without_the_suffix_are_known_by_their_mark(tmp_path):
    path = write_dicom(tmp_path, RAMP, bits=12, window=(2048, 1024))
    bare = path.rename(tmp_path / "IM0001")
    assert is_dicom(bare)
    assert is_dicom(bare.read_bytes())
    assert (np.asarray(read_dicom(bare)[0]) == np.asarray(read_dicom(bare.read_bytes())[0])).all()


def test_no_word_of_the_patient_comes_into_errors_warnings_or_logs(tmp_path, caplog, capfd):
    """The planted name stands in each header; the files lack pixels, are cut, or have it in place of a number."""
    caplog.set_level(logging.DEBUG)
    whole = make_dicom(RAMP, bits=12, window=(2048, 1024))
    for broken in ("no pixels", "cut", "bad window", "bad count", "no description"):
        further = {"NumberOfFrames": 1024} if broken == "bad count" else {"window": (2048, 1024)}
        path = write_dicom(tmp_path, RAMP, bits=12, name=f"{broken}.dcm", **further)
        if broken == "cut":
            path.write_bytes(path.read_bytes()[:-100])
        elif broken in ("bad window", "bad count"):
            path.write_bytes(path.read_bytes().replace(b"1024", NAME[:4].encode()))
        else:
            dataset = make_dicom(RAMP, bits=12)
            for keyword in ("PixelData",) if broken == "no pixels" else ("PhotometricInterpretation",):
                delattr(dataset, keyword)
            dataset.save_as(path, enforce_file_format=True)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with pytest.raises(UnreadableImageError) as raised:
                ImageStore().add(lambda path=path: path, f"row 3, {path.name}")
        told, error = " ".join(str(warning.message) for warning in warned), raised.value
        while error is not None:
            told, error = f"{told} {error}", error.__cause__
        assert "DICOM" in told
        assert raised.value.__cause__.__suppress_context__  # a traceback shows nothing of pydicom's own words
        assert NAME[:4] not in told
    assert NAME in str(whole.PatientName)
    said = caplog.text + "".join(capfd.readouterr())
    assert NAME[:4] not in said


def test_a_compressed_file_without_a_plugin_says_which(tmp_path):
    path = write_dicom(tmp_path, RAMP, bits=12, syntax="1.2.840.10008.1.2.4.80")  # JPEG-LS
    with pytest.raises(ValueError, match=r"compressed as 'JPEG-LS Lossless.*needs a plugin: .*pyjpegls"):
        read_dicom(path)


def test_what_the_plugins_here_cannot_decode_is_damaged_or_needs_another(tmp_path):
    path = write_dicom(tmp_path, RAMP, bits=12, syntax="1.2.840.10008.1.2.4.90")  # JPEG 2000, and no such data in it
    with pytest.raises(
        ValueError, match=r"compressed as 'JPEG 2000.* are damaged, or need another plugin: .*pylibjpeg"
    ):
        read_dicom(path)


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    path = write_dicom(tmp_path, RAMP, bits=12)
    monkeypatch.setattr(dicom, "find_spec", lambda name: None)
    with pytest.raises(dicom.MissingDicomPackageError, match=r'pip install "vrs_lmeval\[dicom\]"'):
        read_dicom(path)


def test_the_store_counts_remarks_once_a_file(tmp_path):
    store = ImageStore()
    paths = [write_dicom(tmp_path, RAMP + number, bits=12, name=f"{number}.dcm") for number in range(2)]
    for path in (*paths, *paths):
        store.add(lambda path=path: path, "row")
    assert store.remarks == {PERCENTILES: 2}


def test_other_files_are_not_taken_for_dicom(tmp_path):
    png = io.BytesIO()
    dicom.Image.new("RGB", (8, 8)).save(png, "PNG")
    assert not is_dicom(png.getvalue())
