"""Images: ids by pixels, conversion to RGB, bounded memory, errors that name the row."""

import io

import numpy as np
import pytest
from PIL import Image
from support.stores import encode, gradient, make_store

from vrs_lmeval.benchmark.images import ImageStore, UnreadableImageError, convert_to_rgb, encoded_image, hash_pixels


def test_id_depends_on_pixels_not_on_the_encoding():
    image = gradient(20, 10)
    store = ImageStore()
    files = [encode(image, file_format) for file_format in ("PNG", "BMP", "TIFF")]
    ids = {store.add(lambda data=data: data, "row") for data in files}
    assert len(ids) == len(store) == 1
    assert ids == {hash_pixels(image)}


def test_id_depends_on_shape_as_well_as_bytes():
    grey = Image.new("RGB", (4, 2), (9, 9, 9))
    assert hash_pixels(grey) != hash_pixels(grey.resize((2, 4)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I"])
def test_every_mode_becomes_rgb(mode):
    grey = gradient(9, 7).convert("L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode.startswith("I") else grey.convert(mode)
    rgb = convert_to_rgb(image.convert("I") if mode == "I" else image)
    assert (rgb.mode, rgb.size) == ("RGB", (9, 7))
    if mode in {"L", "LA", "RGBA", "I;16", "I"}:  # the lossless ones
        assert np.array_equal(np.asarray(rgb)[:, :, 0], np.asarray(grey))


def test_transparency_is_shown_over_white():
    clear = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    assert convert_to_rgb(clear).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_is_scaled_where_pillow_would_clip():
    levels = Image.fromarray(np.array([[0, 255, 32768, 65535]], dtype=np.uint16))
    assert np.asarray(convert_to_rgb(levels))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_exif_rotation_is_applied():
    image = gradient(6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise to show
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as stored:
        assert convert_to_rgb(stored).size == (3, 6)


def test_a_float_image_is_refused_by_row():
    with pytest.raises(UnreadableImageError, match="row 3: cannot read the image: a float image has no defined range"):
        ImageStore().add(lambda: Image.new("F", (2, 2)), "row 3")


@pytest.mark.parametrize("data", [b"", b"not an image", encode(gradient(9, 9), "PNG")[:60]])
def test_broken_files_are_refused_by_row(data):
    with pytest.raises(UnreadableImageError, match="split test, row 7: cannot read the image"):
        ImageStore().add(lambda: data, "split test, row 7")


def test_decoded_images_are_kept_within_the_budget():
    store, image_ids = make_store((10, 10), (11, 10), (12, 10), budget_bytes=700)
    for image_id in image_ids:
        store.open(image_id)
    assert store.decoded_bytes <= 700
    assert store.open(image_ids[-1]) is store.open(image_ids[-1])
    assert store.open(image_ids[0]).size == (10, 10)


def test_images_come_as_bytes_paths_and_pil(tmp_path):
    image = gradient(5, 4)
    image.save(tmp_path / "a.png")
    forms = [
        {"bytes": encode(image, "PNG"), "path": None},
        {"bytes": None, "path": str(tmp_path / "a.png")},
        encode(image, "PNG"),
        image,
        "a.png",
    ]
    store = ImageStore()
    assert {store.add(lambda form=form: encoded_image(form, tmp_path), "row") for form in forms} == {hash_pixels(image)}
    with pytest.raises(ValueError, match=r"expected an image .*, got NoneType"):
        encoded_image(None, None)


@pytest.mark.parametrize(("before", "after"), [(16 << 20, 64 << 20), (128 << 20, 128 << 20)])
def test_a_decoded_image_of_over_four_megapixels_lies_in_one_block(before, after):
    """Then the fused op reads it where it lies; a process that set larger blocks keeps them."""
    was = Image.core.get_block_size()
    try:
        Image.core.set_block_size(before)
        store = ImageStore()
        image = store.open(store.add(lambda: encode(Image.new("RGB", (2500, 2048)), "PNG"), "row 0"))
        assert Image.core.get_block_size() == after
        if hasattr(image, "__arrow_c_array__"):  # Pillow >= 11.2, which refuses images of several blocks
            image.__arrow_c_array__()
    finally:
        Image.core.set_block_size(was)
