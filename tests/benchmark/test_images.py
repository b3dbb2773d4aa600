"""Images: ids by pixels, conversion to RGB, bounded memory, errors that name the row."""

import io
import random
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.stores import encode, gradient, make_store

from vrs_lmeval.benchmark.decoding import DARK, MAX_PIXELS_VARIABLE, convert_to_rgb
from vrs_lmeval.benchmark.dicom import FIRST_FRAME
from vrs_lmeval.benchmark.images import ImageStore, UnreadableImageError, encoded_image, hash_pixels


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


def write_tiff(values, bits, photometric):
    """A grey TIFF of one strip, little-endian, as the format's paper writes it: Pillow would write other tags."""
    height, width = values.shape
    if bits == 12:  # two values in three bytes
        high, low = values[:, ::2], values[:, 1::2]
        data = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=-1).astype(np.uint8).tobytes()
    else:
        data = values.astype("<u2").tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (277, 1), (278, height)]
    tags = sorted([*tags, (273, 8), (279, len(data))])
    padded = data + b"\0" * (len(data) % 2)
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(padded))
    return header + padded + struct.pack("<H", len(tags)) + directory + struct.pack("<I", 0)


@pytest.mark.parametrize(
    ("bits", "photometric", "expected"),
    [(16, 1, [0, 1, 128, 255]), (16, 0, [255, 254, 127, 0]), (12, 1, [0, 1, 128, 255])],
    ids=["16 bits", "16 bits, zero is white", "12 bits"],
)
def test_grey_tiffs_are_shown_by_their_own_scale(bits, photometric, expected):
    levels = np.array([[0, 255, 32768, 65535]]) if bits == 16 else np.array([[0, 16, 2056, 4095]])
    store = ImageStore()
    image_id = store.add(lambda: write_tiff(levels, bits, photometric), "row")
    assert np.asarray(store.open(image_id))[0, :, 0].tolist() == expected
    assert not store.remarks


def test_what_is_odd_about_files_is_counted_and_not_said_at_each_decode(caplog):
    frames = io.BytesIO()
    gradient(8, 8).save(frames, "GIF", save_all=True, append_images=[gradient(8, 8).rotate(90)])
    dark = encode(Image.fromarray(np.array([[0, 4095]], dtype=np.uint16)), "PNG")
    store = ImageStore()
    ids = [store.add(lambda data=data: data, "row") for data in (frames.getvalue(), dark)]
    assert store.remarks == {FIRST_FRAME: 1, DARK: 1}
    [store.open(image_id) for image_id in ids * 2]
    assert store.remarks == {FIRST_FRAME: 1, DARK: 1}
    assert not caplog.records


def write_psd(width, height):
    """A picture of Photoshop without layers; Pillow counts its frames from 1, and has no frame 0."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3)
    return header + struct.pack(">IIIH", 0, 0, 0, 0) + bytes(range(3 * width)) * height


def test_a_picture_whose_first_frame_is_not_number_0_is_read():
    store = ImageStore()
    image_id = store.add(lambda: write_psd(4, 2), "row")
    assert store.open(image_id).size == (4, 2)


def test_damage_behind_the_first_frame_costs_no_row():
    buffer = io.BytesIO()
    gradient(64, 64).save(buffer, "GIF", save_all=True, append_images=[gradient(64, 64).rotate(90)] * 2)
    whole = buffer.getvalue()
    store = ImageStore()
    first = store.add(lambda: whole, "row")
    assert store.add(lambda: whole[: 2 * len(whole) // 3], "row") == first
    assert store.remarks[FIRST_FRAME] >= 1


def write_png_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize("size", [(30000, 30000), (200000, 1000)])
def test_a_header_of_too_many_pixels_names_its_row_and_the_way_out(size):
    data = write_png_header(*size)
    with pytest.raises(UnreadableImageError, match=r"row 7: .*,000 pixels are more than 178,956,970.*VRS_MAX_PIXELS="):
        ImageStore().add(lambda: data, "row 7")


def test_the_limit_for_pixels_can_be_raised_and_lowered(monkeypatch):
    image = encode(gradient(20, 10), "PNG")
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "199")
    with pytest.raises(UnreadableImageError, match=r"20 x 10 pixels are more than 199; .* set VRS_MAX_PIXELS=200"):
        ImageStore().add(lambda: image, "row 0")
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "200")
    assert ImageStore().add(lambda: image, "row 0") == hash_pixels(gradient(20, 10))
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "many")
    with pytest.raises(UnreadableImageError, match="VRS_MAX_PIXELS should be a number of pixels, it is 'many'"):
        ImageStore().add(lambda: image, "row 0")
    assert Image.MAX_IMAGE_PIXELS is not None


def find_reason(data):
    """Why it cannot be read; None where it can."""
    try:
        ImageStore().add(lambda: data, "set, row 7")
    except UnreadableImageError as error:
        return str(error)
    return None


FORMATS = ("BMP", "DDS", "GIF", "ICNS", "JPEG", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_damaged_file_is_read_or_names_its_row(name, data):
    whole = encode(gradient(24, 18), name)
    place = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=8))
    damaged = whole[:place] + noise + whole[place + len(noise) * data.draw(st.booleans()) :]
    assert_read_or_named(damaged)


def assert_read_or_named(damaged):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's words on what it could read all the same
        reason = find_reason(damaged)
    assert reason is None or re.match(r"set, row 7: cannot read the image: .*\S", reason)


def damage(whole, draw):
    """Bits flipped, cut, a part overwritten with noise, zeros, the largest values or another part, a part cut out."""
    content = bytearray(whole)
    place, length = draw.randrange(len(whole)), draw.choice((1, 2, 4, 8, 64))
    kind = draw.choice(("bits", "bits", "cut", "noise", "zeros", "largest", "copied", "out"))
    if kind == "bits":
        for _ in range(draw.choice((1, 1, 4, 30))):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "out":
        del content[place : place + length]
    else:
        other = draw.randrange(len(whole))
        put = {"noise": draw.randbytes(length), "zeros": bytes(length), "largest": b"\xff" * length}
        content[place : place + length] = put.get(kind, whole[other : other + length])
    return bytes(content)


@pytest.mark.whole
@pytest.mark.parametrize("name", FORMATS)
def test_two_thousand_damaged_files_of_a_format_are_read_or_named(name):
    wholes = [encode(gradient(24, 18), name), encode(gradient(90, 70), name)]
    for case in range(2000):
        key = f"{name} {case}"
        draw = random.Random(key)
        damaged = damage(draw.choice(wholes), draw)
        try:
            assert_read_or_named(damaged)
        except Exception as error:
            raise AssertionError(f"damage(..., random.Random({key!r}))") from error


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


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no file of a format that Pillow reads"),
        (b"not an image", "no file of a format that Pillow reads"),
        (encode(gradient(90, 90), "PNG")[:60], "no file|truncated|broken"),
    ],
)
def test_broken_files_are_refused_by_row(data, reason):
    with pytest.raises(UnreadableImageError, match=f"split test, row 7: cannot read the image: .*({reason})"):
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


@pytest.mark.slow
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
