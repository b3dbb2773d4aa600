"""Processors whose output depends on the image's size: bit for bit transformers' own, by both backends.

The twin is transformers' processor itself, of the version that is installed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from support.cuda_batches import NativeOnDevice
from support.images import synthetic_image
from support.layout_images import draw_image
from support.stores import make_store

from vrs_lmeval.pixels import preprocess as pixels
from vrs_lmeval.pixels.geometry import UnsupportedGeometry
from vrs_lmeval.pixels.preprocess import as_rgb, perturb
from vrs_lmeval.pixels.transformers_backend import FusedImageProcessor
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

SMALL_TILES = {"size": {"height": 48, "width": 48}, "crop_to_patches": True}
SMALL_PATCHES = {"size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 90}}
PINPOINTS = {"image_grid_pinpoints": [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144], [240, 48], [48, 240]]}
SMALL_LFM2 = {
    "tile_size": 64,
    "encoder_patch_size": 8,
    "max_image_tokens": 16,
    "min_image_tokens": 4,
    "do_convert_rgb": True,
}
CHAIN = {"size": {"longest_edge": 192}, "max_image_size": {"longest_edge": 48}}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2_vl": ("Qwen2VLImageProcessor", SMALL_PATCHES),
    "qwen3_vl": ("Qwen2VLImageProcessor", {**SMALL_PATCHES, "patch_size": 16, "image_mean": [0.5] * 3}),
    "glm4v": ("Glm4vImageProcessor", {"size": {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 180}}),
    "glm46v": ("Glm46VImageProcessor", {"size": {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 180}}),
    "internvl": ("GotOcr2ImageProcessor", {**SMALL_TILES, "max_patches": 6}),
    "internvl_twelve": ("GotOcr2ImageProcessor", {"size": {"height": 28, "width": 36}, "crop_to_patches": True}),
    "got_ocr2": ("GotOcr2ImageProcessor", {"size": {"height": 50, "width": 40}}),
    "cohere2_vision": ("Cohere2VisionImageProcessor", {**SMALL_TILES, "max_patches": 8}),
    "ovis2": ("Ovis2ImageProcessor", {**SMALL_TILES, "max_patches": 9}),
    "llava_next": ("LlavaNextImageProcessor", {"size": {"shortest_edge": 48}, "crop_size": 48, **PINPOINTS}),
    "llava_onevision": ("LlavaOnevisionImageProcessor", {"size": {"height": 48, "width": 48}, **PINPOINTS}),
    "pixtral": ("PixtralImageProcessor", {"size": {"longest_edge": 160}}),
    "pixtral_wide": (
        "PixtralImageProcessor",
        {"size": {"height": 90, "width": 200}, "patch_size": {"height": 14, "width": 20}},
    ),
    "gemma4": ("Gemma4ImageProcessor", {"max_soft_tokens": 70, "patch_size": 8}),
    "siglip2": ("Siglip2ImageProcessor", {"max_num_patches": 100, "patch_size": 14, "do_convert_rgb": True}),
    "lfm2_vl": ("Lfm2VlImageProcessor", SMALL_LFM2),
    "lfm2_vl_whole": ("Lfm2VlImageProcessor", {**SMALL_LFM2, "do_image_splitting": False, "return_row_col_info": True}),
    "mllama": ("MllamaImageProcessor", {"size": {"height": 60, "width": 60}}),
    "idefics3": ("Idefics3ImageProcessor", CHAIN),
    "idefics3_rows": ("Idefics3ImageProcessor", {**CHAIN, "size": {"longest_edge": 100}, "return_row_col_info": True}),
    "idefics3_once": ("Idefics3ImageProcessor", {**CHAIN, "do_resize": False}),
    "smolvlm": ("SmolVLMImageProcessor", {**CHAIN, "size": {"longest_edge": 144}}),
    "smolvlm_whole": ("SmolVLMImageProcessor", {**CHAIN, "do_image_splitting": False}),
    "ovis2_nearest": ("Ovis2ImageProcessor", {**SMALL_TILES, "max_patches": 9, "use_covering_area_grid": False}),
}
CELLS = [
    (case, backend)
    for case, (name, _) in CASES.items()
    for backend in ("Pil", "")
    if hasattr(transformers, name + backend) and (backend or find_spec("torchvision"))
]
"""Every processor with every backend that it has and that is installed."""

LEVELS = {"do_normalize": False, "rescale_factor": 1.0}
"""With these the values are the resized levels, uint8, as floats."""

CHANGES = (
    Perturbation.identity(),
    Perturbation.blank(),
    Perturbation("rotate_90", ()),
    Perturbation("gaussian_blur", (2.0,)),
    Perturbation("occlusion", (0.2, 0.3, 0.6, 0.7, 0.0, 0.0, 0.0)),
    Perturbation("gaussian_noise", (25.0,), key=7),
)

every_cell = pytest.mark.parametrize(("case", "backend"), CELLS)
every_pillow_case = pytest.mark.parametrize("case", [case for case, backend in CELLS if backend])


def make(case: str, backend: str, **settings: Any) -> Any:
    name, own = CASES[case]
    return getattr(transformers, name + backend)(**{**own, **settings})


def assert_same(actual: Any, expected: Any) -> None:
    assert set(actual) == set(expected)
    for name, theirs in expected.items():
        ours = actual[name]
        assert type(ours) is type(theirs)
        if isinstance(theirs, list):
            assert ours == theirs
            continue
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert torch.equal(ours, theirs), f"{name}: {int((ours != theirs).sum())} of {theirs.numel()} differ"


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.whole) for part in range(1, 50))])
@pytest.mark.parametrize("settings", [{}, LEVELS], ids=["float32", "levels"])
def test_200_images(case: str, backend: str, settings: dict[str, Any], part: int) -> None:
    stock = make(case, backend, **settings)
    images = [draw_image(number) for number in range(4 * part, 4 * part + 4)]
    fused = FusedImageProcessor(stock)
    # LFM2-VL's own steps cannot stack an elongated image, of more patches than they pad to, with others.
    for batch in [[image] for image in images] if case.startswith("lfm2") else [images]:
        try:
            expected = stock(batch, return_tensors="pt")
        except RuntimeError as error:  # nor with its own tiles
            assert case == "lfm2_vl"
            with pytest.raises(RuntimeError, match=re.escape(str(error))):
                fused(batch, return_tensors="pt")
        else:
            assert_same(fused(batch, return_tensors="pt"), expected)


@pytest.mark.skipif(not find_spec("torchvision"), reason="LFM2-VL has a torchvision backend alone")
def test_an_image_of_too_many_patches_is_left_to_the_processor(caplog: pytest.LogCaptureFixture) -> None:
    """6 x 320 becomes 16 x 464: 116 patches of 8 x 8, where 64 are the most."""
    stock, image = make("lfm2_vl", ""), Image.fromarray(synthetic_image(6, 320))
    expected = stock([image], return_tensors="pt")
    assert expected["pixel_values"].shape == (1, 116, 192)
    assert_same(FusedImageProcessor(stock)([image], return_tensors="pt"), expected)
    assert "an image of 6 x 320 has more than 64 patches" in caplog.text


@every_cell
def test_the_stock_processor_is_not_asked(case: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = make(case, backend)
    image = draw_image(1)
    expected = stock([image], return_tensors="pt")
    fused = FusedImageProcessor(stock)
    monkeypatch.setattr(type(stock), "_preprocess", lambda *args, **settings: pytest.fail("its own steps ran"))
    assert_same(fused([image], return_tensors="pt"), expected)


@pytest.mark.slow
@every_cell
def test_variants_in_one_pass_are_the_materialised_images(case: str, backend: str) -> None:
    stock = make(case, backend)
    fused = FusedImageProcessor(stock)
    store, ids = make_store((150, 90), (64, 200))
    lazy = [VariantImage(image_id, change, store, perturb) for image_id in ids for change in CHANGES]
    plain = [perturb(Image.fromarray(as_rgb(store.open(each.source_id))), each.perturbation) for each in lazy]
    expected = stock(plain, return_tensors="pt")
    with fused.computing_together(lazy):
        assert_same(fused(lazy, return_tensors="pt"), expected)
        assert_same(fused([lazy[3]], return_tensors="pt"), stock([plain[3]], return_tensors="pt"))
        assert_same(fused(lazy[::-1], return_tensors="pt"), stock(plain[::-1], return_tensors="pt"))
    assert_same(fused(lazy, return_tensors="pt"), expected)


@pytest.fixture
def device(native_on_cpu: ModuleType) -> Iterator[NativeOnDevice]:
    """Kept geometries are of one extension, and not for the other."""
    yield NativeOnDevice(native_on_cpu)
    pixels._native_geometry.cache_clear()


@pytest.mark.slow
@pytest.mark.whole
@every_cell
def test_the_cuda_backend_gives_the_same_features(
    case: str, backend: str, device: NativeOnDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = make(case, backend)
    store, ids = make_store((150, 90), (64, 200))
    lazy = [VariantImage(image_id, change, store, perturb) for image_id in ids for change in CHANGES]
    plain = [perturb(Image.fromarray(as_rgb(store.open(each.source_id))), each.perturbation) for each in lazy]
    expected = stock(plain, return_tensors="pt")
    fused = FusedImageProcessor(stock)
    pixels._native_geometry.cache_clear()
    monkeypatch.setattr(pixels, "_native", device)
    with fused.computing_together(lazy):
        assert_same(fused(lazy, return_tensors="pt"), expected)
    assert device.calls > 0


@pytest.mark.slow
@every_pillow_case
@pytest.mark.parametrize("return_tensors", ["pt", "np", None])
def test_it_returns_what_the_processor_returns(case: str, return_tensors: str | None) -> None:
    stock = make(case, "Pil")
    images = [draw_image(number) for number in (3, 4)]
    expected, actual = (each(images, return_tensors=return_tensors) for each in (stock, FusedImageProcessor(stock)))
    assert list(actual) == list(expected)
    for name, theirs in expected.items():
        assert type(actual[name]) is type(theirs)
        for ours, other in zip(actual[name], theirs, strict=True):
            np.testing.assert_array_equal(ours, other, strict=True)


NESTED = ("llava_onevision", "mllama", "idefics3", "smolvlm", "gemma4")


@pytest.mark.slow
@pytest.mark.parametrize(("case", "backend"), [cell for cell in CELLS if cell[0] in NESTED])
def test_entries_of_several_images_are_the_processors_own(case: str, backend: str) -> None:
    """OneVision's cuts only images that are alone; two of these pad entries of fewer images."""
    stock = make(case, backend)
    fused = FusedImageProcessor(stock)
    first, second, third = (draw_image(number) for number in (3, 4, 5))
    for images in ([[first], [second]], [[first, second], [third]], [first, second], first):
        assert_same(fused(images, return_tensors="pt"), stock(images, return_tensors="pt"))


@pytest.mark.parametrize("backend", [backend for case, backend in CELLS if case == "qwen2_vl"])
def test_settings_of_a_call_choose_the_size(backend: str) -> None:
    stock = make("qwen2_vl", backend)
    settings = {"size": {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 8}, "return_tensors": "pt"}
    image = draw_image(2)
    fused = FusedImageProcessor(stock)
    assert_same(fused([image], **settings), stock([image], **settings))
    assert_same(fused([image], return_tensors="pt"), stock([image], return_tensors="pt"))


def test_an_image_too_elongated_gets_the_processors_own_error() -> None:
    stock = make("qwen2_vl", "Pil")
    image = Image.fromarray(synthetic_image(2, 500))
    for each in (stock, FusedImageProcessor(stock)):
        with pytest.raises(ValueError, match="absolute aspect ratio must be smaller than 200"):
            each([image], return_tensors="pt")


STOCK_PATCHIFY = transformers.Qwen2VLImageProcessorPil.patchify


def patchify_in_reverse(self: Any, *args: Any, **settings: Any) -> Any:
    """What a later release might do under the same name."""
    patches, rows, columns = STOCK_PATCHIFY(self, *args, **settings)
    return patches[::-1].copy(), rows, columns


class OtherPatches(transformers.Qwen2VLImageProcessorPil):
    """A subclass with a step of its own."""

    patchify = patchify_in_reverse


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"do_resize": False}, "do_resize: off"),
        ({"do_normalize": False, "do_rescale": False}, "both off"),
        ({"resample": Image.Resampling.HAMMING}, "resample: HAMMING"),
        ({"do_pad": True}, "do_pad: True is not reproduced"),
    ],
)
def test_what_is_not_reproduced_is_named(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedGeometry, match=reason):
        FusedImageProcessor(make("qwen2_vl", "Pil", **settings))


def test_an_overridden_step_is_named() -> None:
    with pytest.raises(UnsupportedGeometry, match=r"OtherPatches\.patchify: overridden with other steps"):
        FusedImageProcessor(OtherPatches(**SMALL_PATCHES))


def test_another_computation_under_the_same_names_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.Qwen2VLImageProcessorPil, "patchify", patchify_in_reverse)
    with pytest.raises(UnsupportedGeometry, match="gives other pixels than the fused op"):
        FusedImageProcessor(make("qwen2_vl", "Pil"))


@pytest.mark.slow
@every_cell
def test_a_copy_computes_the_same(case: str, backend: str) -> None:
    fused = FusedImageProcessor(make(case, backend))
    image = draw_image(5)
    assert_same(copy.deepcopy(fused)([image], return_tensors="pt"), fused([image], return_tensors="pt"))
