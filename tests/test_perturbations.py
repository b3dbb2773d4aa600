"""Each perturbation: native equals its numpy twin, and both do what the definition says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from support.images import CONTENTS, synthetic_image

from vrs_lmeval import _native
from vrs_lmeval import preprocess_reference as reference
from vrs_lmeval.pixels import Geometry, build_info, perturb, preprocess
from vrs_lmeval.records import Perturbation

KEY = 0x0123456789ABCDEF_FEDCBA9876543210
EXAMPLES = [
    Perturbation.identity(),
    Perturbation.blank((3, 200, 7)),
    Perturbation("brightness", (0.37,)),
    Perturbation("brightness", (2.5,)),
    Perturbation("contrast", (0.0,)),
    Perturbation("contrast", (1.7,)),
    Perturbation("gamma", (2.2,)),
    Perturbation("gaussian_noise", (0.0,), KEY),
    Perturbation("gaussian_noise", (25.0,), KEY),
    Perturbation("gaussian_noise", (255.0,), KEY),
    Perturbation("impulse_noise", (0.0,), KEY),
    Perturbation("impulse_noise", (0.1,), KEY),
    Perturbation("impulse_noise", (1.0,), KEY),
    Perturbation("shot_noise", (0.3,), KEY),
    Perturbation("shot_noise", (12.0,), KEY),
    Perturbation("shot_noise", (60.5,), KEY),
    Perturbation("shot_noise", (500.0,), KEY),
    Perturbation("speckle_noise", (0.0,), KEY),
    Perturbation("speckle_noise", (0.35,), KEY),
    Perturbation("speckle_noise", (2.0,), KEY),
    Perturbation("gaussian_blur", (0.1,)),
    Perturbation("gaussian_blur", (2.0,)),
    Perturbation("gaussian_blur", (10.0,)),
    Perturbation("low_pass", (1.0,)),
    Perturbation("low_pass", (9.0,)),
    Perturbation("low_pass", (32.0,)),
    Perturbation("low_pass", (4096.0,)),
    Perturbation("pixelate", (1.0,)),
    Perturbation("pixelate", (7.0,)),
    Perturbation("pixelate", (4096.0,)),
    Perturbation("patch_shuffle", (4.0, 4.0), KEY),
    Perturbation("patch_shuffle", (3.0, 5.0), KEY),
    Perturbation("patch_shuffle", (200.0, 2.0), KEY),
    Perturbation("occlusion", (0.25, 0.1, 0.75, 0.333, 128.0, 0.0, 255.0)),
    Perturbation("occlusion", (0.9, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0)),
    Perturbation("occlusion", (0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0)),
    Perturbation("flip_horizontal"),
    Perturbation("flip_vertical"),
    Perturbation("rotate_90"),
    Perturbation("rotate_180"),
    Perturbation("rotate_270"),
]
NAMES = [f"{example.kind}{example.parameters}" for example in EXAMPLES]


def native_pixels(image: np.ndarray, change: Perturbation) -> np.ndarray:
    return np.asarray(perturb(Image.fromarray(image), change))


def test_every_kind_has_an_example() -> None:
    assert {example.kind for example in EXAMPLES} == set(reference.PERTURBATIONS)


@pytest.mark.parametrize("change", EXAMPLES, ids=NAMES)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(CONTENTS))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_native_equals_twin(change: Perturbation, height: int, width: int, content: str) -> None:
    image = synthetic_image(height, width, content=content)
    np.testing.assert_array_equal(native_pixels(image, change), reference.perturb(image, change))


@pytest.mark.parametrize("hw", [(150, 230), (400, 90), (64, 64)])
@pytest.mark.parametrize("pad_colour", [None, (122, 116, 104)])
def test_fused_variants_equal_the_perturbed_image_preprocessed(
    hw: tuple[int, int], pad_colour: tuple[int, int, int] | None
) -> None:
    image = synthetic_image(*hw)
    geometry = Geometry(size=(96, 96), crop=(96, 96), pad_colour=pad_colour)
    identity = [Perturbation.identity()]
    expected = [preprocess([reference.perturb(image, each)], identity, geometry)[0, 0] for each in EXAMPLES]
    for simd in build_info()["simd"]:
        for threads in (1, 3):
            batch = preprocess([image], EXAMPLES, geometry, simd=simd, threads=threads)
            np.testing.assert_array_equal(batch[0].view(np.uint32), np.array(expected).view(np.uint32))


def test_rgbx_rows_are_perturbed_as_rgb_rows() -> None:
    image = synthetic_image(50, 61)
    rgbx = np.concatenate([image, synthetic_image(50, 61, content="noise")[:, :, :1]], axis=2)
    for change in EXAMPLES:
        actual = _native.perturb(rgbx, (change.kind, change.parameters, KEY & (1 << 64) - 1, KEY >> 64))
        np.testing.assert_array_equal(actual, reference.perturb(image, change), err_msg=change.kind)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # known answers of the authors' Random123 (kat_vectors, philox4x32 10)
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    whole_key = key[0] | key[1] << 32 | counter[2] << 64 | counter[3] << 96
    draw = reference.philox(whole_key, np.uint64(counter[1]), np.uint64(counter[0]))
    assert tuple(int(word) for word in draw) == expected


def test_gaussian_noise_is_gaussian() -> None:
    grey = np.full((300, 400, 3), 128, dtype=np.uint8)
    noise = native_pixels(grey, Perturbation("gaussian_noise", (25.0,), KEY)).astype(float) - 128
    assert abs(noise.mean()) < 0.15  # 360,000 values: the standard error is 0.042
    assert noise.std() == pytest.approx(25, rel=0.005)
    standardised = noise / noise.std()
    assert (standardised**3).mean() == pytest.approx(0, abs=0.03)
    assert (standardised**4).mean() == pytest.approx(3, abs=0.05)
    flat = noise.reshape(-1)
    assert abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < 0.01


def test_random_perturbations_depend_on_the_key_alone() -> None:
    image = synthetic_image(60, 70)
    for kind, parameters in (("gaussian_noise", (9.0,)), ("impulse_noise", (0.2,)), ("patch_shuffle", (5.0, 5.0))):
        first, again, other_low, other_high = (
            native_pixels(image, Perturbation(kind, parameters, key)) for key in (KEY, KEY, KEY + 1, KEY + (1 << 64))
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other_low)
        assert not np.array_equal(first, other_high)


def test_a_pixels_noise_does_not_depend_on_the_pixels_around_it() -> None:
    noise = Perturbation("gaussian_noise", (20.0,), KEY)
    grey = np.full((40, 50, 3), 128, dtype=np.uint8)
    part = native_pixels(grey[:25, :31], noise)
    np.testing.assert_array_equal(part, native_pixels(grey, noise)[:25, :31])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 5.0])
def test_blur_is_near_the_float_definition(sigma: float) -> None:
    image = synthetic_image(120, 140)
    smooth = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest", truncate=3.0)
    error = native_pixels(image, Perturbation("gaussian_blur", (sigma,))) - smooth
    assert np.abs(error).mean() < 1.0
    assert np.abs(error).max() < 4.0


def test_impulse_noise_hits_its_share_of_pixels() -> None:
    grey = np.full((300, 400, 3), 128, dtype=np.uint8)
    noisy = native_pixels(grey, Perturbation("impulse_noise", (0.1,), KEY))
    assert (noisy[:, :, 0] == 0).mean() == pytest.approx(0.05, abs=0.004)
    assert (noisy[:, :, 0] == 255).mean() == pytest.approx(0.05, abs=0.004)
    np.testing.assert_array_equal(noisy[:, :, 0], noisy[:, :, 2])


def test_patch_shuffle_keeps_the_pixels() -> None:
    image = synthetic_image(60, 90, content="noise")
    shuffled = native_pixels(image, Perturbation("patch_shuffle", (6.0, 9.0), KEY))
    assert not np.array_equal(shuffled, image)
    before, after = (np.sort(pixels.reshape(-1, 3), axis=0) for pixels in (image, shuffled))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Perturbation("gaussian_noise", (-1.0,)), "gaussian_noise.sigma is a number in 0..255, not -1"),
        (Perturbation("gaussian_noise", (float("nan"),)), "gaussian_noise.sigma is a number in 0..255, not nan"),
        (Perturbation("pixelate", (1.5,)), "pixelate.edge is a whole number in 1..65536, not 1.5"),
        (Perturbation("gaussian_noise", (1.0,), 1 << 128), "perturbation.key: 128 bits without a sign"),
        (Perturbation("gaussian_noise", (1.0,), -1), "perturbation.key: 128 bits without a sign"),
        (Perturbation("occlusion", (0.0,) * 3), "occlusion takes 7 parameters, not 3"),
        (Perturbation("blank", (0.0, 256.0, 0.0)), "blank.green is a whole number in 0..255, not 256"),
    ],
)
def test_errors_name_the_parameter(change: Perturbation, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        perturb(Image.new("RGB", (4, 4)), change)
