"""What `pixels` accepts, what it refuses and what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.images import synthetic_image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vrs_lmeval import _native
from vrs_lmeval.pixels import reference as preprocess_reference
from vrs_lmeval.pixels.preprocess import (
    Geometry,
    UnsupportedGeometry,
    _native_geometry,
    as_rgb,
    build_info,
    count_devices,
    perturb,
    preprocess,
    preprocess_pairs,
)
from vrs_lmeval.records import Perturbation

GEOMETRY = Geometry(size=(32, 32), crop=(32, 32))


def pixels(image: Any) -> np.ndarray:
    return preprocess([image], [Perturbation.identity()], geometry=GEOMETRY)


def test_memory_of_a_batch_is_used_again_only_when_nothing_shows_it() -> None:
    images = [synthetic_image(40, 50, seed=seed, content="noise") for seed in range(3)]
    identity = [Perturbation.identity()]
    expected = [preprocess([image], identity, GEOMETRY).copy() for image in images]
    view = preprocess([images[0]], identity, GEOMETRY)[0, 0, 1:]
    tensor = torch.from_numpy(preprocess([images[1]], identity, GEOMETRY))
    for _ in range(20):
        batch = preprocess([images[2]], identity, GEOMETRY)
        np.testing.assert_array_equal(batch, expected[2])
    address = batch.ctypes.data
    del batch
    assert preprocess([images[2]], identity, GEOMETRY).ctypes.data == address
    np.testing.assert_array_equal(view, expected[0][0, 0, 1:])
    np.testing.assert_array_equal(tensor.numpy(), expected[1])


def test_shape_is_images_by_perturbations() -> None:
    images = [synthetic_image(40, 50), synthetic_image(70, 33)]
    batch = preprocess(images, [Perturbation.identity(), Perturbation.blank()], geometry=GEOMETRY)
    assert batch.shape == (2, 2, 3, 32, 32)
    assert batch.dtype == np.float32
    for index, image in enumerate(images):
        np.testing.assert_array_equal(batch[index, 0], pixels(image)[0, 0])
    np.testing.assert_array_equal(batch[0, 1], batch[1, 1])


def test_pairs_are_outputs_of_their_own() -> None:
    first, second = synthetic_image(40, 50), Image.fromarray(synthetic_image(70, 33))
    blank = Perturbation.blank()
    pairs = [(first, Perturbation.identity()), (second, blank), (second, Perturbation.identity())]
    batch = preprocess_pairs(pairs, GEOMETRY)
    assert batch.shape == (3, 3, 32, 32)
    for pixels_of_pair, (image, perturbation) in zip(batch, pairs, strict=True):
        np.testing.assert_array_equal(pixels_of_pair, preprocess([image], [perturbation], GEOMETRY)[0, 0])


def test_perturb_gives_the_pixels_that_preprocess_resizes() -> None:
    image = Image.fromarray(synthetic_image(40, 50))
    for perturbation in (Perturbation.identity(), Perturbation.blank((7, 8, 9))):
        perturbed = perturb(image, perturbation)
        assert (perturbed.mode, perturbed.size) == ("RGB", image.size)
        np.testing.assert_array_equal(perturbed, preprocess_reference.perturb(np.asarray(image), perturbation))


@pytest.mark.parametrize("arithmetic", ["pillow", "torchvision"])
@pytest.mark.parametrize("simd", build_info()["simd"])
@pytest.mark.parametrize("crop", [(32, 32), (31, 45)])  # the second is padded, and no vector's multiple
def test_bfloat16_is_the_rounded_float32(arithmetic: Any, simd: str, crop: tuple[int, int]) -> None:
    geometry = Geometry(size=(32, 32), crop=crop, arithmetic=arithmetic)
    images = [synthetic_image(40, 50, content="noise"), synthetic_image(70, 33, content="smooth")]
    perturbations = [Perturbation.identity(), Perturbation.blank((1, 2, 3))]
    expected = torch.from_numpy(preprocess(images, perturbations, geometry, simd=simd)).to(torch.bfloat16)
    actual = preprocess(images, perturbations, geometry, simd=simd, dtype="bfloat16")
    assert actual.dtype == torch.bfloat16
    assert torch.equal(actual.view(torch.int16), expected.view(torch.int16))
    pairs = [(image, change) for image in images for change in perturbations]
    assert torch.equal(preprocess_pairs(pairs, geometry, dtype="bfloat16"), expected.flatten(0, 1))


@pytest.mark.parametrize("simd", build_info()["simd"])
def test_bfloat16_of_values_that_are_looked_up(simd: str) -> None:
    """Without a mean the formula does not give the table; infinities and NaN (std 0) must come through too."""
    image = synthetic_image(64, 64, content="noise")
    for std in ((0.3, 0.7, 0.9), (0.0, 1.0, 1.0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            geometry = Geometry(size=(64, 64), crop=(64, 64), rescale=0.0123, mean=(0.0, 0.1, 0.2), std=std)
            expected = torch.from_numpy(preprocess([image], [Perturbation.identity()], geometry)).to(torch.bfloat16)
            actual = preprocess([image], [Perturbation.identity()], geometry, simd=simd, dtype="bfloat16")
        is_number = ~expected.isnan()  # torch has two NaNs, one for whole vectors and one for what is left
        assert torch.equal(~actual.isnan(), is_number)
        assert torch.equal(actual[is_number].view(torch.int16), expected[is_number].view(torch.int16))


@pytest.mark.parametrize(
    "out",
    [
        np.full((2, 1, 3, 32, 32), 7, dtype=np.float32),
        torch.full((2, 1, 3, 32, 32), 7, dtype=torch.float32),
        torch.full((2, 1, 3, 32, 32), 7, dtype=torch.bfloat16),
        torch.full((4, 1, 3, 32, 32), 7, dtype=torch.bfloat16)[1:3],
    ],
    ids=["numpy", "float32", "bfloat16", "slice"],
)
def test_results_are_written_into_the_callers_memory(out: Any) -> None:
    images = [synthetic_image(40, 50), synthetic_image(70, 33)]
    expected = torch.from_numpy(preprocess(images, [Perturbation.identity()], GEOMETRY))
    address = out.ctypes.data if isinstance(out, np.ndarray) else out.data_ptr()
    result = preprocess(images, [Perturbation.identity()], GEOMETRY, out=out)
    assert result is out
    assert address == (out.ctypes.data if isinstance(out, np.ndarray) else out.data_ptr())
    assert torch.equal(torch.as_tensor(out), expected.to(torch.as_tensor(out).dtype))


@pytest.mark.parametrize(
    ("out", "dtype", "error", "message"),
    [
        (np.zeros((1, 1, 3, 9, 9), np.float32), None, ValueError, "out: shape must be (1, 1, 3, 32, 32), not"),
        (np.zeros((1, 1, 3, 32, 32)), None, TypeError, "out: float32 or bfloat16 is needed, not float64"),
        (np.zeros((1, 1, 3, 32, 32), np.uint16), None, TypeError, "not uint16"),
        (np.zeros((1, 1, 3, 32, 32), np.float32), "bfloat16", TypeError, "out: bfloat16 is needed, not float32"),
        (np.zeros((1, 1, 3, 32, 64), np.float32)[..., ::2], None, ValueError, "out: must be contiguous"),
        (
            torch.zeros((1, 1, 3, 32, 32), device="meta"),
            None,
            ValueError,
            "out: a tensor of the CPU or of CUDA is needed",
        ),
        (None, "float16", ValueError, "dtype: 'float32' or 'bfloat16' is needed, not 'float16'"),
    ],
)
def test_errors_name_the_output(out: Any, dtype: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        preprocess([synthetic_image(9, 9)], [Perturbation.identity()], GEOMETRY, out=out, dtype=dtype)


def test_nothing_is_copied_on_the_way_to_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the extension is handed lies where the caller's pixels lie, whatever holds them."""
    array = synthetic_image(45, 60)
    tensor = torch.from_numpy(synthetic_image(45, 60))
    permuted = tensor.permute(2, 0, 1).permute(1, 2, 0)  # a model's view of it, and back
    rows = np.zeros((45, 80, 3), dtype=np.uint8)[:, 10:70]  # a part of a wider image
    image = Image.fromarray(array)
    handed = []
    stock = _native.preprocess
    monkeypatch.setattr(
        _native, "preprocess", lambda images, *args, **kwargs: handed.extend(images) or stock(images, *args, **kwargs)
    )
    preprocess([array, tensor, permuted, rows, image], [Perturbation.identity()], GEOMETRY)
    assert [view.ctypes.data for view in handed[:4]] == [
        array.ctypes.data,
        tensor.data_ptr(),
        tensor.data_ptr(),
        rows.ctypes.data,
    ]
    if hasattr(image, "__arrow_c_array__"):  # Pillow's own memory, twice the same
        again = _native.view_rgbx(image.__arrow_c_array__()[1], image.height, image.width)
        assert handed[4].shape == (45, 60, 4)
        assert handed[4].ctypes.data == again.ctypes.data


def test_importing_it_does_not_import_torch() -> None:
    probe = (
        "import sys, vrs_lmeval.pixels.preprocess; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_blank_shows_its_colour() -> None:
    blank = preprocess([synthetic_image(40, 50)], [Perturbation.blank((1, 2, 3))], geometry=GEOMETRY)[0, 0]
    table = GEOMETRY.table()
    for channel, level in enumerate((1, 2, 3)):
        assert np.all(blank[channel] == table[channel, level])


def test_kinds_of_image_agree() -> None:
    image = synthetic_image(45, 37)
    expected = pixels(image)
    reversed_twice = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    wide = np.zeros((45, 60, 3), dtype=np.uint8)
    wide[:, :37] = image
    for same in (Image.fromarray(image), torch.from_numpy(image), reversed_twice, wide[:, :37]):
        np.testing.assert_array_equal(pixels(same), expected)


@pytest.mark.slow
def test_pil_images_too_large_to_borrow_are_copied() -> None:
    image = synthetic_image(2100, 2100)  # over 16 MB at four bytes a pixel
    np.testing.assert_array_equal(pixels(Image.fromarray(image)), pixels(image))


def test_borrowed_pil_memory_outlives_nothing_and_changes_nothing() -> None:
    image = Image.fromarray(synthetic_image(90, 80))
    before = image.tobytes()
    expected = pixels(np.asarray(image))
    for _ in range(3):
        np.testing.assert_array_equal(pixels(image), expected)
        np.testing.assert_array_equal(pixels(image.copy()), expected)
    assert image.tobytes() == before
    image.putpixel((0, 0), (1, 2, 3))  # no longer borrowed: writing is allowed
    assert image.getpixel((0, 0)) == (1, 2, 3)


def test_upside_down_view_is_read_by_its_stride() -> None:
    image = synthetic_image(45, 37)
    np.testing.assert_array_equal(pixels(image[::-1]), pixels(image[::-1].copy()))


def test_a_column_of_pixels_is_read_whatever_its_strides() -> None:
    """Turned by numpy, it keeps a stride for its axis of one entry that says nothing."""
    row = synthetic_image(1, 40)
    column = row.transpose(1, 0, 2)
    assert column.strides[1] != 3
    np.testing.assert_array_equal(pixels(column), pixels(column.copy()))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ((4096, 2, 2, 3, 6), ValueError, "images[0]: not in the CPU's memory"),
        ((1, 2), TypeError, "images[0]: (address, height, width, channels, row stride) is needed"),
    ],
)
def test_addresses_of_a_device_are_not_read_on_the_cpu(image: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        _native.preprocess([image], [(0, ("identity", (), 0, 0))], _native_geometry(GEOMETRY))


def test_an_output_that_is_not_aligned_is_refused() -> None:
    out = np.frombuffer(bytearray(4 * 3 * 32 * 32 + 1), np.uint8)[1:].view(np.float32).reshape(1, 1, 3, 32, 32)
    with pytest.raises(ValueError, match="out: must be aligned to its values"):
        preprocess([synthetic_image(9, 9)], [Perturbation.identity()], GEOMETRY, out=out)


@pytest.mark.parametrize("size", [(2**33, 2**33), (-1, -9), (2**63 - 1, 1)])
def test_sizes_that_no_image_has_are_refused(size: tuple[int, int]) -> None:
    image = Image.fromarray(synthetic_image(3, 3))
    with pytest.raises(ValueError, match="not one list of four bytes per pixel"):
        _native.view_rgbx(image.__arrow_c_array__()[1], *size)


def test_more_threads_than_there_can_be_bands_change_nothing() -> None:
    image = synthetic_image(9, 9)
    most = preprocess([image], [Perturbation.identity()], GEOMETRY, threads=2**31 - 1)
    np.testing.assert_array_equal(most, preprocess([image], [Perturbation.identity()], GEOMETRY))


def test_the_fourth_channel_is_ignored_by_the_extension() -> None:
    image = synthetic_image(45, 37)
    rgbx = np.concatenate([image, synthetic_image(45, 37, content="noise")[:, :, :1]], axis=2)
    geometry = _native.Geometry(
        resize="shortest_edge",
        size=(32, 32),
        crop=(32, 32),
        filter="bicubic",
        arithmetic="pillow",
        pass_order=GEOMETRY.pass_order,
        placement="centre",
        pad_colour=None,
        table=GEOMETRY.table(),
        normalisation=[(1.0, 0.0, 1.0)] * 3,  # not the table's: the table counts
    )
    actual = _native.preprocess([rgbx], [(0, ("identity", (), 0, 0))], geometry)
    np.testing.assert_array_equal(actual, pixels(image)[0])


def test_arrays_with_alpha_match_the_processor() -> None:
    rgba = np.dstack([synthetic_image(45, 37), synthetic_image(45, 37, content="noise")[:, :, 0]])
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    expected = processor(rgba, input_data_format="channels_last", return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(pixels(rgba)[0], expected)


def test_grey_is_repeated() -> None:
    grey = synthetic_image(45, 37)[:, :, 0]
    np.testing.assert_array_equal(pixels(grey), pixels(np.dstack([grey] * 3)))


def test_rgb_arrays_are_not_copied() -> None:
    image = synthetic_image(45, 37)
    assert np.shares_memory(as_rgb(image), image)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((3, 40, 50), np.uint8), ValueError, "not (3, 40, 50); move the channels"),
        (np.zeros((40, 50, 3), np.float32), TypeError, "uint8 levels are needed, not float32"),
        (
            np.zeros((0, 50, 3), np.uint8),
            ValueError,
            "images[0]: height and width must be 1..65536, not 0 x 50",
        ),
    ],
)
def test_errors_name_the_image(image: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        pixels(image)


@pytest.mark.parametrize(
    ("perturbation", "message"),
    [
        (Perturbation("melt"), "perturbation kind 'melt' is unknown; known: identity, blank, "),
        (Perturbation("blank", (1.0,)), "perturbation blank takes 3 parameters, not 1"),
        (Perturbation("blank", (0.0, 0.5, 0.0)), "jobs[0].perturbation: blank.green is a whole number"),
    ],
)
def test_errors_name_the_perturbation(perturbation: Perturbation, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        preprocess([synthetic_image(9, 9)], [perturbation], geometry=GEOMETRY)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (Geometry(crop=(0, 5)), "geometry.crop"),
        (Geometry(filter="box"), "geometry.filter: 'box' is unknown; known: bilinear"),  # type: ignore[arg-type]
        (Geometry(size=(0, 0)), "geometry.size"),
        (Geometry(size=(60_000, 60_000)), "too elongated"),
    ],
)
def test_errors_name_the_geometry(geometry: Geometry, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        preprocess([synthetic_image(1, 900)], [Perturbation.identity()], geometry=geometry)


@pytest.mark.parametrize(
    ("execution", "message"),
    [({"threads": 0}, "threads: at least 1, not 0"), ({"simd": "mmx"}, "simd: 'mmx' is not one of auto, ")],
)
def test_errors_name_the_execution(execution: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        preprocess([synthetic_image(9, 9)], [Perturbation.identity()], GEOMETRY, **execution)


def test_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="images: empty"):
        preprocess([], [Perturbation.identity()], geometry=GEOMETRY)
    with pytest.raises(ValueError, match="perturbations: empty"):
        preprocess([synthetic_image(9, 9)], [], geometry=GEOMETRY)


@pytest.mark.parametrize(
    ("processor", "setting"),
    [
        (CLIPImageProcessorPil(resample=0), "resample: NEAREST"),
        (CLIPImageProcessorPil(do_center_crop=False), "do_center_crop"),
        (CLIPImageProcessorPil(do_pad=True), "do_pad"),
        (CLIPImageProcessorPil(do_rescale=False, do_normalize=False), "do_rescale and do_normalize"),
        (CLIPImageProcessorPil(size={"shortest_edge": 9, "longest_edge": 20}), "size"),
        (CLIPImageProcessorPil(image_mean=[0.5], image_std=[0.5]), "image_mean: three channels"),
        (LlavaNextImageProcessorPil(), "LlavaNextImageProcessorPil"),
        (Gemma3ImageProcessorPil(do_pan_and_scan=True), "do_pan_and_scan"),
        (Gemma3ImageProcessorPil(size={"shortest_edge": 9}), "do_center_crop"),
        (CLIPImageProcessorPil(rescale_factor=0.0), "rescale_factor"),
        (object(), "backend"),
    ],
)
def test_unsupported_geometry_names_the_setting(processor: Any, setting: str) -> None:
    with pytest.raises(UnsupportedGeometry, match=setting):
        Geometry.from_image_processor(processor)


def test_geometry_is_read_from_the_processor() -> None:
    processor = SiglipImageProcessorPil(size={"height": 20, "width": 30}, resample=1)
    assert Geometry.from_image_processor(processor) == Geometry(
        resize="exact",
        size=(20, 30),
        crop=(20, 30),
        filter="lanczos",
        rescale=processor.rescale_factor,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


def test_build_info_says_what_was_built() -> None:
    info = build_info()
    number, reason = count_devices()
    assert info["backends"] == (("cpu",) if "no CUDA backend" in reason else ("cpu", "cuda"))
    assert number > 0 or reason
    assert info["version"]
    assert info["compiler"]
