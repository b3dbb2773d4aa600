"""Each perturbation: native equals its numpy twin, and both do what the definition says."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, stats
from support.cuda_batches import preprocess_on_device
from support.images import CONTENTS, synthetic_image
from support.perturbation_examples import EXAMPLES, KEY, NAMES

from vrs_lmeval import _native
from vrs_lmeval.pixels import reference
from vrs_lmeval.pixels.geometry import installed_pass_order
from vrs_lmeval.pixels.preprocess import Geometry, build_info, perturb, preprocess
from vrs_lmeval.records import Perturbation


def native_pixels(image: np.ndarray, change: Perturbation) -> np.ndarray:
    return np.asarray(perturb(Image.fromarray(image), change))


def test_every_kind_has_an_example() -> None:
    assert {example.kind for example in EXAMPLES} == set(reference.PERTURBATIONS)


@pytest.mark.parametrize("change", EXAMPLES, ids=NAMES)
@given(st.integers(1, 40), st.integers(1, 60), st.sampled_from(CONTENTS))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_native_equals_twin(change: Perturbation, height: int, width: int, content: str) -> None:
    image = synthetic_image(height, width, content=content)
    np.testing.assert_array_equal(native_pixels(image, change), reference.perturb(image, change))


@pytest.mark.parametrize(("hw", "content"), [((150, 230), "smooth"), ((400, 90), "smooth"), ((64, 64), "extremes")])
@pytest.mark.parametrize("pad_colour", [None, (122, 116, 104)])
def test_fused_variants_equal_the_perturbed_image_preprocessed(
    native_on_cpu: ModuleType, hw: tuple[int, int], content: str, pad_colour: tuple[int, int, int] | None
) -> None:
    image = synthetic_image(*hw, content=content)
    geometry = Geometry(size=(96, 96), crop=(96, 96), pad_colour=pad_colour)
    identity = [Perturbation.identity()]
    expected = [preprocess([reference.perturb(image, each)], identity, geometry)[0, 0] for each in EXAMPLES]
    for simd in build_info()["simd"]:
        for threads in (1, 3):
            batch = preprocess([image], EXAMPLES, geometry, simd=simd, threads=threads)
            np.testing.assert_array_equal(batch[0].view(np.uint32), np.array(expected).view(np.uint32))
    batch = preprocess_on_device(native_on_cpu, [image], EXAMPLES, geometry)
    np.testing.assert_array_equal(batch[0].view(np.uint32), np.array(expected).view(np.uint32))


shares = st.floats(0, 1)


@given(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.lists(st.tuples(shares, shares, shares, shares), min_size=1, max_size=4),
    st.sampled_from(("none", "exact", "shortest_edge")),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from((("pillow", "pillow13"), ("pillow", "horizontal_first"), ("torchvision", "pillow13"))),
    st.sampled_from(("bilinear", "bicubic", "lanczos")),
    st.sampled_from((None, (122, 116, 104))),
    st.sampled_from((3, 4)),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_an_occlusion_beside_the_whole_image_equals_one_alone(
    hw: tuple[int, int],
    corners: list[tuple[float, float, float, float]],
    resize: Any,
    crop: tuple[int, int],
    arithmetic: Any,
    filter_name: Any,
    pad_colour: Any,
    channels: int,
) -> None:
    geometry = Geometry(resize, (33, 47), crop, filter_name, pad_colour)
    geometry = replace(geometry, arithmetic=arithmetic[0], pass_order=arithmetic[1])
    source: Any = synthetic_image(*hw, content="noise")
    if channels == 4:
        source = Image.fromarray(source)  # which is read as Pillow's RGBX
    changes = [Perturbation("occlusion", (*each, 255.0, 0.0, 9.0)) for each in corners]
    alone = [preprocess([source], [change], geometry)[0, 0] for change in changes]
    for simd in build_info()["simd"]:
        for threads in (1, 2):
            variants = [changes[0], Perturbation.identity(), *changes[1:]]
            batch = preprocess([source], variants, geometry, simd=simd, threads=threads)[0]
            np.testing.assert_array_equal(np.delete(batch, 1, axis=0), np.array(alone))


def test_an_occlusion_beside_the_whole_image_in_bfloat16() -> None:
    images = [synthetic_image(90, 140), synthetic_image(200, 50)]
    variants = [Perturbation("occlusion", (0.3, 0.2, 0.6, 0.5, 0.0, 128.0, 255.0)), Perturbation.identity()]
    geometry = Geometry(size=(64, 64), crop=(64, 64))
    alone = preprocess(images, variants[:1], geometry, dtype="bfloat16")
    beside = preprocess(images, variants, geometry, dtype="bfloat16")
    assert torch.equal(beside[:, :1], alone)


def test_the_cuda_backend_gives_the_same_bfloat16(native_on_cpu: ModuleType) -> None:
    images = [synthetic_image(90, 140), synthetic_image(200, 50)]
    geometry = Geometry(size=(64, 64), crop=(64, 72))
    expected = preprocess(images, EXAMPLES, geometry, dtype="bfloat16").view(torch.uint16).numpy()
    actual = preprocess_on_device(native_on_cpu, images, EXAMPLES, geometry, output_type="bfloat16")
    np.testing.assert_array_equal(actual, expected)


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


@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.0, 3.3, 20.4, 45.9, 96.9, 180.0, 255.0])
def test_every_instruction_set_looks_up_the_same_offsets(sigma: float) -> None:
    grey = np.full((300, 301, 3), 128, dtype=np.uint8)  # over four words for each entry of the table
    noise = Perturbation("gaussian_noise", (sigma,), KEY)
    geometry = Geometry(resize="none", crop=(300, 301), rescale=None, mean=None, std=None)
    expected = reference.perturb(grey, noise).transpose(2, 0, 1)
    for simd in build_info()["simd"]:
        np.testing.assert_array_equal(preprocess([grey], [noise], geometry, simd=simd)[0, 0], expected)


def test_noise_of_every_sigma_can_be_made() -> None:
    # A table is refused where a GPU's cells of 16 entries would not hold its offsets.
    sigmas = [*np.linspace(0, 255, 511), *np.geomspace(0.01, 2, 200)]
    noises = [Perturbation("gaussian_noise", (float(sigma),), KEY) for sigma in sigmas]
    grey = np.full((1, 1, 3), 128, dtype=np.uint8)
    geometry = Geometry(resize="none", crop=(1, 1), rescale=None, mean=None, std=None)
    expected = [reference.perturb(grey, noise).transpose(2, 0, 1) for noise in noises]
    np.testing.assert_array_equal(preprocess([grey], noises, geometry)[0], expected)


def half_normal_quantiles(words: np.ndarray) -> np.ndarray:
    """z of the definitions, with the sign that the words' top bit gives."""
    z = stats.norm.ppf(0.5 + ((words & 0x7FFF) + 0.5) / 65536)
    return np.where(words >> 15, -z, z)


@pytest.mark.parametrize("sigma", [0.15, 0.35, 0.6])
def test_speckle_noise_is_the_float_definition_rounded(sigma: float) -> None:
    image = synthetic_image(200, 240, content="noise")
    z = half_normal_quantiles(reference.value_words(KEY, image))
    expected = np.clip(image + np.round(image * sigma * z), 0, 255)
    error = native_pixels(image, Perturbation("speckle_noise", (sigma,), KEY)) - expected
    assert np.abs(error).max() <= 1  # the product is rounded to 1/4096 before it is rounded to a level
    assert (error != 0).mean() < 0.02


@pytest.mark.parametrize("level", [0, 20, 60, 128])
def test_speckle_noise_is_gaussian_and_grows_with_the_level(level: int) -> None:
    grey = np.full((300, 400, 3), level, dtype=np.uint8)
    noise = native_pixels(grey, Perturbation("speckle_noise", (0.15,), KEY)).astype(float) - level
    assert abs(noise.mean()) < 0.005 * max(level, 1)
    assert noise.std() == pytest.approx(0.15 * level, rel=0.01)
    if level:
        assert ((noise / noise.std()) ** 4).mean() == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize("photons", [3.0, 12.0, 60.0, 500.0])
def test_shot_noise_is_the_float_definition(photons: float) -> None:
    image = synthetic_image(200, 240, content="noise")
    shares = (reference.value_words(KEY, image) + 0.5) / 65536
    counts = stats.poisson.ppf(shares, image * (photons / 255))
    expected = np.clip(np.floor(255 * counts / photons + 0.5), 0, 255)
    different = native_pixels(image, Perturbation("shot_noise", (photons,), KEY)) != expected
    assert different.mean() < 1e-4  # where a probability comes to within rounding of a word's


@pytest.mark.parametrize("photons", [60.0, 25.0, 12.0, 5.0, 3.0])
def test_shot_noise_has_the_moments_of_imagenet_c(photons: float) -> None:
    rng = np.random.default_rng(0)
    for level in (1, 40, 128, 230, 255):
        grey = np.full((300, 400, 3), level, dtype=np.uint8)
        ours = native_pixels(grey, Perturbation("shot_noise", (photons,), KEY)).astype(float)
        theirs = np.clip(rng.poisson(grey / 255 * photons) / photons, 0, 1) * 255
        assert ours.mean() == pytest.approx(theirs.mean(), abs=0.01 * theirs.std() + 0.1)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.05 if level == 1 else 0.01)


def test_random_perturbations_depend_on_the_key_alone() -> None:
    image = synthetic_image(60, 70)
    for kind, parameters in (
        ("gaussian_noise", (9.0,)),
        ("speckle_noise", (0.2,)),
        ("shot_noise", (25.0,)),
        ("impulse_noise", (0.2,)),
        ("patch_shuffle", (5.0, 5.0)),
    ):
        first, again, other_low, other_high = (
            native_pixels(image, Perturbation(kind, parameters, key)) for key in (KEY, KEY, KEY + 1, KEY + (1 << 64))
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other_low)
        assert not np.array_equal(first, other_high)


@pytest.mark.parametrize(("kind", "strength"), [("gaussian_noise", 20.0), ("speckle_noise", 0.3), ("shot_noise", 12.0)])
def test_a_pixels_noise_does_not_depend_on_the_pixels_around_it(kind: str, strength: float) -> None:
    noise = Perturbation(kind, (strength,), KEY)
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


LOW_PASS_SIZES = [(150, 230, 16), (97, 64, 63), (64, 64, 7), (300, 170, 1), (8, 1000, 5)]
TALL_SIZES = [(400, 90, 32), (1000, 8, 5), (512, 200, 96)]


@pytest.mark.parametrize(("height", "width", "lines"), LOW_PASS_SIZES + TALL_SIZES)
def test_low_pass_is_two_resizes_of_pillow(height: int, width: int, lines: int) -> None:
    if (height, width, lines) in TALL_SIZES and installed_pass_order() != "pillow13":
        pytest.skip("the definition's order of passes for tall images is that of Pillow 13")
    reduced = tuple(round(edge * lines / min(height, width)) for edge in (width, height))
    for content in CONTENTS:
        image = synthetic_image(height, width, content=content)
        source = Image.fromarray(image)
        expected = source.resize(reduced, Image.Resampling.LANCZOS).resize((width, height), Image.Resampling.LANCZOS)
        actual = native_pixels(image, Perturbation("low_pass", (float(lines),)))
        np.testing.assert_array_equal(actual, np.asarray(expected))


@pytest.mark.parametrize("lines", [16, 48])
def test_low_pass_keeps_what_is_coarser_than_its_lines_alone(lines: int) -> None:
    edge = 192
    positions = (np.arange(edge) + 0.5) / edge

    def contrast_left(cycles: float) -> float:
        wave = 127 + 100 * np.cos(2 * np.pi * cycles * positions)
        image = np.repeat(np.round(wave).astype(np.uint8)[None, :, None], edge, axis=0).repeat(3, axis=2)
        shown = native_pixels(image, Perturbation("low_pass", (float(lines),)))
        inner = shown[edge // 4 : -edge // 4, edge // 4 : -edge // 4].astype(float)
        return float(inner.std() / image.std())

    # `lines` pixels hold lines / 2 cycles; the window makes the limit soft.
    assert contrast_left(lines / 4) > 0.95
    assert contrast_left(lines) < 0.05


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turns_are_those_of_pillow(degrees: int) -> None:
    image = Image.fromarray(synthetic_image(31, 47))
    turned = perturb(image, Perturbation(f"rotate_{degrees}"))
    expected = image.transpose(Image.Transpose[f"ROTATE_{degrees}"])
    np.testing.assert_array_equal(np.asarray(turned), np.asarray(expected))


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
        (Perturbation("shot_noise", (0.0,)), "shot_noise.photons is a number in 1..500, not 0"),
        (Perturbation("speckle_noise", (3.5,)), "speckle_noise.sigma is a number in 0..3, not 3.5"),
        (Perturbation("low_pass", (0.5,)), "low_pass.lines is a whole number in 1..65536, not 0.5"),
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
