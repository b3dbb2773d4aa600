"""The compiled op equals its numpy twin and transformers' Pillow-backed processor, bit for bit: every backend of it.

The CUDA backend runs on the host here (tests/cuda_on_cpu); test_cuda_device.py runs it on a device.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from support.cuda_batches import preprocess_on_device
from support.images import CONTENTS, pil_image, synthetic_image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vrs_lmeval.pixels.preprocess import Geometry, as_rgb, build_info, preprocess
from vrs_lmeval.pixels.reference import preprocess_reference
from vrs_lmeval.records import Perturbation

SIZES = (224, 336, 384, 448)
MODES = ("L", "LA", "RGB", "RGBA", "P", "P+t", "CMYK", "1")
GEOMETRY_MODES = ("RGB", "RGB", "RGB", "L", "LA", "RGBA", "P", "CMYK")
EXECUTIONS = [(simd, threads) for simd in build_info()["simd"] for threads in (1, 2)]
MANY_THREADS = [(simd, 5) for simd in build_info()["simd"]]

exactly = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def expected_pixels(processor: Any, image: Image.Image) -> np.ndarray:
    return processor(image, return_tensors="np")["pixel_values"][0]


def our_pixels(processor: Any, image: Any) -> np.ndarray:
    return preprocess([image], [Perturbation.identity()], geometry=Geometry.from_image_processor(processor))[0, 0]


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    different = np.flatnonzero(actual.view(np.uint32) != expected.view(np.uint32))
    assert different.size == 0, f"{different.size} of {actual.size} values differ"


def clip(size: int, **settings: Any) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}, **settings)


def sides(longest: int, other: int) -> st.SearchStrategy[tuple[int, int]]:
    """Either may be the height; an aspect of 1:100 at most."""
    pairs = st.tuples(st.integers(1, longest), st.integers(1, other), st.booleans())
    return pairs.filter(lambda pair: max(pair[:2]) <= 100 * min(pair[:2])).map(
        lambda pair: (pair[0], pair[1]) if pair[2] else (pair[1], pair[0])
    )


# Small ones more often: they are quick, and half of them are enlarged.
any_sides = st.one_of(sides(60, 60), sides(60, 60), sides(500, 60), sides(500, 500), sides(4096, 300))
large_sides = sides(4096, 4096)


def assert_all_agree(native_on_cpu: ModuleType, hw: tuple[int, int], size: int, mode: str, content: str) -> None:
    """Both backends in every execution, the numpy twin and the processor."""
    image: Any = Image.fromarray(synthetic_image(*hw, content=content)) if mode == "RGB" else pil_image(mode, *hw)
    processor = clip(size)
    geometry = Geometry.from_image_processor(processor)
    expected = expected_pixels(processor, image)
    identity = [Perturbation.identity()]
    for simd, threads in EXECUTIONS:
        assert_same_bits(preprocess([image], identity, geometry, simd=simd, threads=threads)[0, 0], expected)
    assert_same_bits(preprocess_on_device(native_on_cpu, [image], identity, geometry)[0, 0], expected)
    if hw[0] * hw[1] <= 60 * 60:  # the twin takes its time; larger ones are below
        assert_same_bits(preprocess_reference([as_rgb(image)], identity, geometry)[0, 0], expected)


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.whole) for part in range(1, 20))])
def test_2000_geometries(native_on_cpu: ModuleType, part: int) -> None:
    @seed(part)
    @settings(parent=exactly, max_examples=97, derandomize=False, database=None)
    @given(any_sides, st.sampled_from(SIZES), st.sampled_from(GEOMETRY_MODES), st.sampled_from(CONTENTS))
    @example((1, 100), 448, "RGB", "extremes")
    @example((4096, 41), 224, "L", "smooth")
    @example((225, 224), 224, "RGBA", "smooth")
    def agree(hw: tuple[int, int], size: int, mode: str, content: str) -> None:
        assert_all_agree(native_on_cpu, hw, size, mode, content)

    agree()


@settings(parent=exactly, max_examples=20)
@given(large_sides, st.sampled_from(SIZES), st.sampled_from(("noise", "edges", "extremes")))
@example((4096, 4096), 336, "extremes")
def test_large_geometries(native_on_cpu: ModuleType, hw: tuple[int, int], size: int, content: str) -> None:
    assert_all_agree(native_on_cpu, hw, size, "RGB", content)


@exactly
@given(any_sides, st.sampled_from(CONTENTS), st.sampled_from((1, 2, 3)))
def test_native_equals_clip_processor_by_every_filter(hw: tuple[int, int], content: str, resample: int) -> None:
    image = Image.fromarray(synthetic_image(*hw, content=content))
    processor = clip(96, resample=resample)
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@exactly
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=3),
    st.sampled_from(("none", "exact", "shortest_edge")),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(("bilinear", "bicubic", "lanczos")),
    st.sampled_from(("horizontal_first", "pillow12_2", "pillow13")),
    st.sampled_from((None, (122, 116, 104))),
    st.sampled_from(CONTENTS),
)
def test_native_equals_reference(
    native_on_cpu: ModuleType,
    sizes: list[tuple[int, int]],
    resize: Any,
    size: tuple[int, int],
    crop: tuple[int, int],
    filter_name: Any,
    pass_order: Any,
    pad_colour: Any,
    content: str,
) -> None:
    geometry = Geometry(resize, size, crop, filter_name, pad_colour, pass_order=pass_order)
    images = [synthetic_image(*hw, seed=i, content=content) for i, hw in enumerate(sizes)]
    perturbations = [Perturbation.identity(), Perturbation.blank((255, 0, 130))]
    expected = preprocess_reference(images, perturbations, geometry)
    for simd, threads in EXECUTIONS:
        actual = preprocess(images, perturbations, geometry, simd=simd, threads=threads)
        assert_same_bits(actual, expected)
    for on_device in (False, True):
        actual = preprocess_on_device(native_on_cpu, images, perturbations, geometry, images_on_device=on_device)
        assert_same_bits(actual, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [96, 336])
def test_every_image_mode_becomes_rgb_as_the_processor_does(mode: str, size: int) -> None:
    processor = clip(size)
    for height, width in ((61, 97), (240, 240), (300, 113)):
        image = pil_image(mode, height, width)
        assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize(
    "hw", [(1000, 300), (1000, 499), (1000, 500), (999, 333), (40, 1600), (1600, 40), (1600, 15), (500, 5)]
)
def test_pass_order_follows_the_installed_pillow(hw: tuple[int, int]) -> None:
    image = synthetic_image(*hw, content="extremes")
    processor = clip(224)
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, Image.fromarray(image)))


def test_the_order_of_pillow_12_2_differs_for_extremely_tall_images_alone() -> None:
    geometries = [
        Geometry("exact", (50, 60), (50, 60), pass_order=order) for order in ("horizontal_first", "pillow12_2")
    ]
    for hw, is_equal in (((900, 9), True), ((901, 9), False), ((40, 1), True)):
        image = synthetic_image(*hw, content="extremes")
        first, second = (preprocess([image], [Perturbation.identity()], each) for each in geometries)
        assert np.array_equal(first, second) == is_equal
        assert_same_bits(second, preprocess_reference([image], [Perturbation.identity()], geometries[1]))


def test_the_pass_order_is_a_choice_that_shows() -> None:
    image = synthetic_image(1000, 300, content="noise")
    old, new = (
        preprocess([image], [Perturbation.identity()], geometry=Geometry(pass_order=order))
        for order in ("horizontal_first", "pillow13")
    )
    assert not np.array_equal(old, new)


@pytest.mark.parametrize("hw", [(50, 80), (97, 31), (64, 64), (1, 9)])
@pytest.mark.parametrize("pads", [True, False])
def test_llava_padding(hw: tuple[int, int], pads: bool) -> None:
    image = Image.fromarray(synthetic_image(*hw))
    processor = LlavaImageProcessorPil(size={"shortest_edge": 96}, crop_size={"height": 96, "width": 96}, do_pad=pads)
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize("hw", [(50, 80), (500, 80)])
def test_siglip_exact_size_without_crop(hw: tuple[int, int]) -> None:
    image = Image.fromarray(synthetic_image(*hw))
    processor = SiglipImageProcessorPil(size={"height": 96, "width": 112})
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize("hw", [(50, 80), (500, 80), (61, 97)])
@pytest.mark.parametrize(
    "processor",
    [
        SiglipImageProcessorPil(size={"height": 112, "width": 112}, resample=3),  # as PaliGemma's
        Gemma3ImageProcessorPil(size={"height": 112, "width": 112}),
        Gemma3ImageProcessorPil(size={"height": 96, "width": 112}, do_pan_and_scan=False, do_convert_rgb=True),
    ],
    ids=["PaliGemma", "Gemma 3", "Gemma 3, pan-and-scan off"],
)
def test_paligemma_and_gemma3(hw: tuple[int, int], processor: Any) -> None:
    image = Image.fromarray(synthetic_image(*hw))
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize("crop", [(40, 90), (91, 91), (200, 33)])
def test_crop_pads_what_is_too_small(crop: tuple[int, int]) -> None:
    image = Image.fromarray(synthetic_image(77, 60))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": crop[0], "width": crop[1]})
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize("switched_off", ["do_resize", "do_rescale", "do_normalize"])
def test_steps_left_out(switched_off: str) -> None:
    image = Image.fromarray(synthetic_image(130, 140))
    processor = clip(96, **{switched_off: False})
    assert_same_bits(our_pixels(processor, image), expected_pixels(processor, image))


@pytest.mark.parametrize(("simd", "threads"), EXECUTIONS + MANY_THREADS)
@pytest.mark.parametrize("hw", [(640, 480), (1100, 300), (50, 900), (225, 224)])
def test_every_execution_gives_the_same_bits(hw: tuple[int, int], simd: str, threads: int) -> None:
    image = synthetic_image(*hw, content="extremes")
    images = [image, np.dstack([image, image[:, :, :1]])[:, :, :3]]  # the second with a wider row stride
    processor = clip(224)
    expected = expected_pixels(processor, Image.fromarray(image))
    geometry = Geometry.from_image_processor(processor)
    batch = preprocess(images, [Perturbation.identity()], geometry, simd=simd, threads=threads)
    for pixels in batch[:, 0]:
        assert_same_bits(pixels, expected)


@pytest.mark.parametrize(("simd", "threads"), EXECUTIONS)
def test_zero_keeps_its_sign(simd: str, threads: int) -> None:
    """By a negative factor level 0 is -0; a fuzzer found kernels that computed 0 in place of it."""
    image = Image.new("RGB", (40, 40))
    processor = clip(32, rescale_factor=-1 / 255, image_mean=[0.0] * 3, image_std=[0.5] * 3)
    expected = expected_pixels(processor, image)
    assert np.signbit(expected).all()
    batch = preprocess(
        [image], [Perturbation.identity()], Geometry.from_image_processor(processor), simd=simd, threads=threads
    )
    np.testing.assert_array_equal(np.signbit(batch[0, 0]), np.signbit(expected))


def test_concurrent_callers_agree() -> None:
    image = synthetic_image(300, 400)
    expected = preprocess([image] * 4, [Perturbation.identity()], Geometry(), threads=2)
    with ThreadPoolExecutor(3) as callers:
        batches = callers.map(
            lambda _: preprocess([image] * 4, [Perturbation.identity()], Geometry(), threads=3), range(12)
        )
        assert all(np.array_equal(batch, expected) for batch in batches)


def test_blank_equals_a_blank_image_resized() -> None:
    image = synthetic_image(333, 517)
    uniform = np.full_like(image, 255)
    geometry = replace(Geometry(), pad_colour=(9, 8, 7))
    for each in (Geometry(), geometry):
        blank = preprocess([image], [Perturbation.blank((255, 255, 255))], geometry=each)
        assert_same_bits(blank, preprocess([uniform], [Perturbation.identity()], geometry=each))
