"""The arithmetic "torchvision" equals torch's uint8 resize and transformers' torchvision-backed processors.

Torch's `interpolate` is what torchvision's resize calls, so that much is tested without torchvision; the processors
need it, and their tests skip without it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.cuda_batches import preprocess_on_device
from support.images import CONTENTS, pil_image, synthetic_image

from vrs_lmeval.pixels.geometry import Geometry, UnsupportedGeometry
from vrs_lmeval.pixels.preprocess import build_info, preprocess
from vrs_lmeval.pixels.reference import int16_bits, preprocess_reference, resize
from vrs_lmeval.pixels.transformers_backend import FusedImageProcessor
from vrs_lmeval.records import Perturbation

IDENTITY = [Perturbation.identity()]
EXECUTIONS = [(simd, threads) for simd in build_info()["simd"] for threads in (1, 2)]
FILTERS = ["bilinear", "bicubic"]
try:  # torch has it since 2.13
    torch.nn.functional.interpolate(
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8), size=(2, 2), mode="lanczos", antialias=True
    )
    FILTERS.append("lanczos")
except (NotImplementedError, ValueError):
    pass

exactly = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
needs_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="torchvision is not installed: make test-torchvision"
)


def sizes(longest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Torch 2.13 fails an internal assertion where it should resize to a single pixel."""
    edge = st.integers(1, longest)
    return st.tuples(edge, edge).filter(lambda size: size != (1, 1))


def levels_only(resize: str, size: tuple[int, int], filter_name: str, crop: tuple[int, int] | None = None) -> Geometry:
    """The output is the resized levels themselves."""
    return Geometry(
        resize, size, crop or size, filter_name, rescale=None, mean=None, std=None, arithmetic="torchvision"
    )


def torch_resized(
    image: np.ndarray, size: tuple[int, int], mode: str, memory_format: torch.memory_format
) -> np.ndarray:
    """(height, width, 3) uint8."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous(memory_format=memory_format)
    resized = torch.nn.functional.interpolate(tensor, size=size, mode=mode, align_corners=False, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    different = np.flatnonzero(actual.view(np.uint32) != expected.view(np.uint32))
    assert different.size == 0, f"{different.size} of {actual.size} values differ"


@exactly
@given(
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    sizes(250),
    st.sampled_from(FILTERS),
    st.sampled_from(CONTENTS),
)
def test_every_execution_equals_torch(
    native_on_cpu: ModuleType, hw: tuple[int, int], size: tuple[int, int], filter_name: str, content: str
) -> None:
    image = synthetic_image(*hw, content=content)
    geometry = levels_only("exact", size, filter_name)
    # An image one pixel wide has both formats at once, which torch mixes up on processors without AVX2.
    formats = (torch.contiguous_format, torch.channels_last) if min(*hw, *size) > 1 else (torch.contiguous_format,)
    for memory_format in formats:
        expected = torch_resized(image, size, filter_name, memory_format).transpose(2, 0, 1).astype(np.float32)
        for simd, threads in EXECUTIONS:
            actual = preprocess([image], IDENTITY, geometry, simd=simd, threads=threads)[0, 0]
            assert_same_bits(actual, expected)
        assert_same_bits(preprocess_on_device(native_on_cpu, [image], IDENTITY, geometry)[0, 0], expected)


@settings(parent=exactly, max_examples=25)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    sizes(60),
    st.sampled_from(FILTERS),
    st.sampled_from(CONTENTS),
)
def test_the_reference_equals_torch(hw: tuple[int, int], size: tuple[int, int], filter_name: str, content: str) -> None:
    image = synthetic_image(*hw, content=content)
    actual = resize(image, *size, levels_only("exact", size, filter_name))
    np.testing.assert_array_equal(actual, torch_resized(image, size, filter_name, torch.contiguous_format))


@settings(parent=exactly, max_examples=60)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(("none", "exact", "shortest_edge")),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(("bilinear", "bicubic", "lanczos")),
    st.sampled_from((None, (122, 116, 104))),
    st.sampled_from(CONTENTS),
)
def test_native_equals_reference(
    hw: tuple[int, int],
    resize_mode: Any,
    size: tuple[int, int],
    crop: tuple[int, int],
    filter_name: Any,
    pad_colour: Any,
    content: str,
) -> None:
    geometry = Geometry(resize_mode, size, crop, filter_name, pad_colour, arithmetic="torchvision")
    images = [synthetic_image(*hw, content=content)]
    perturbations = [*IDENTITY, Perturbation.blank((255, 0, 130))]
    expected = preprocess_reference(images, perturbations, geometry)
    for simd, threads in EXECUTIONS:
        assert_same_bits(preprocess(images, perturbations, geometry, simd=simd, threads=threads), expected)


@pytest.mark.parametrize(
    ("largest", "bits"),
    [
        (1.0, 14),  # 1.0 * 2^15 is one too many for an int16
        (0.99998, 15),  # rounds to 32767
        (0.99999, 14),  # rounds to 32768
        (0.5, 15),
        (1 / 3, 16),
        (1e-6, 22),  # no more than that
    ],
)
def test_the_precision_follows_the_largest_weight(largest: float, bits: int) -> None:
    assert int16_bits(largest) == bits


@pytest.mark.parametrize("simd", build_info()["simd"])
def test_the_largest_weights_have_a_path_too(simd: str) -> None:
    """Among these scales some largest weight is over 32639, more than two balanced int8 digits hold."""
    for size in range(20, 120):
        image = synthetic_image(97, 33, content="extremes")
        expected = torch_resized(image, (size, 33), "bicubic", torch.contiguous_format)
        geometry = levels_only("exact", (size, 33), "bicubic")
        actual = preprocess([image], IDENTITY, geometry, simd=simd)[0, 0]
        assert_same_bits(actual, expected.transpose(2, 0, 1).astype(np.float32))


def test_an_odd_margin_is_larger_after_the_image() -> None:
    image = np.full((2, 2, 3), 9, dtype=np.uint8)
    padded = preprocess([image], IDENTITY, levels_only("none", (1, 1), "bicubic", crop=(5, 5)))[0, 0, 0]
    expected = np.zeros((5, 5), dtype=np.float32)
    expected[1:3, 1:3] = 9
    np.testing.assert_array_equal(padded, expected)


def test_tall_images_run_the_horizontal_pass_first_as_ever() -> None:
    image = synthetic_image(900, 90, content="extremes")
    expected = torch_resized(image, (50, 60), "bicubic", torch.contiguous_format)
    for pass_order in ("horizontal_first", "pillow13"):
        geometry = Geometry(
            "exact", (50, 60), (50, 60), rescale=None, mean=None, std=None, pass_order=pass_order,
            arithmetic="torchvision",
        )  # fmt: skip
        actual = preprocess([image], IDENTITY, geometry)[0, 0]
        assert_same_bits(actual, expected.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.parametrize("rescale", [1 / 255, 1 / 127.5, None])
@pytest.mark.parametrize("is_normalised", [True, False])
def test_the_values_are_those_of_torch(rescale: float | None, is_normalised: bool) -> None:
    """As TorchvisionBackend.rescale_and_normalize: mean and std are multiplied by 1 / rescale, in float32."""
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    levels = torch.arange(256, dtype=torch.uint8).repeat(3, 1)
    if is_normalised:
        factor = 1.0 if rescale is None else 1.0 / rescale
        centre, spread = ((torch.tensor(triple) * factor)[:, None] for triple in (mean, std))
        expected = (levels.to(torch.float32) - centre) / spread
    else:
        expected = levels.to(torch.float32) if rescale is None else levels * rescale
    geometry = Geometry(
        rescale=rescale,
        mean=mean if is_normalised else None,
        std=std if is_normalised else None,
        arithmetic="torchvision",
    )
    assert_same_bits(geometry.table(), expected.numpy())


def torchvision_processor(name: str, **changes: Any) -> Any:
    module = name.removesuffix("ImageProcessor").lower()
    return getattr(import_module(f"transformers.models.{module}.image_processing_{module}"), name)(**changes)


def skip_what_this_release_resizes_in_float(processor: Any) -> None:
    """Before 0.24 torchvision resizes BILINEAR so on processors with AVX-512, before 0.27 LANCZOS on all."""
    try:
        Geometry.from_image_processor(processor)
    except UnsupportedGeometry as reason:
        if tuple(map(int, version("torchvision").split(".")[:2])) >= (0, 27):
            raise
        pytest.skip(str(reason))


def assert_equals_processor(processor: Any, image: Any, tensor: torch.Tensor | None = None) -> None:
    expected = processor(image if tensor is None else tensor, return_tensors="pt")["pixel_values"][0].numpy()
    assert_same_bits(preprocess([image], IDENTITY, Geometry.from_image_processor(processor))[0, 0], expected)


SMALL = {"size": {"shortest_edge": 96}, "crop_size": {"height": 96, "width": 96}}
PROCESSORS = [
    ("CLIPImageProcessor", SMALL),
    ("CLIPImageProcessor", {**SMALL, "resample": 2}),
    ("CLIPImageProcessor", {**SMALL, "resample": 1}),
    ("CLIPImageProcessor", {**SMALL, "crop_size": {"height": 91, "width": 130}}),
    ("CLIPImageProcessor", {**SMALL, "do_rescale": False}),
    ("CLIPImageProcessor", {**SMALL, "do_normalize": False}),
    ("CLIPImageProcessor", {**SMALL, "do_resize": False}),
    ("SiglipImageProcessor", {"size": {"height": 96, "width": 112}}),
    ("LlavaImageProcessor", SMALL),
    ("LlavaImageProcessor", {**SMALL, "do_pad": True}),
    ("Gemma3ImageProcessor", {"size": {"height": 90, "width": 90}}),
]


@needs_torchvision
@pytest.mark.parametrize(("name", "changes"), PROCESSORS)
def test_native_equals_the_torchvision_backed_processor(name: str, changes: dict[str, Any]) -> None:
    processor = torchvision_processor(name, **changes)
    assert processor.backend == "torchvision"
    skip_what_this_release_resizes_in_float(processor)
    rng = np.random.default_rng(len(changes))
    for index in range(50):
        height, width = (int(edge) for edge in rng.integers(1, 500, 2))
        content = CONTENTS[index % len(CONTENTS)]
        array = synthetic_image(height, width, seed=index, content=content)
        assert_equals_processor(processor, Image.fromarray(array))


@needs_torchvision
@pytest.mark.parametrize(("name", "changes"), PROCESSORS)
def test_the_fused_processor_stands_in_for_a_torchvision_backed_one(name: str, changes: dict[str, Any]) -> None:
    processor = torchvision_processor(name, **changes)
    skip_what_this_release_resizes_in_float(processor)
    images = [pil_image(mode, 117, 203) for mode in ("RGB", "RGBA")]
    expected = processor(images, return_tensors="pt")
    actual = FusedImageProcessor(processor)(images, return_tensors="pt")
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[key], expected[key]) for key in expected)


@needs_torchvision
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "P+t", "CMYK", "1"])
def test_every_image_mode_becomes_rgb_as_the_torchvision_backend_does(mode: str) -> None:
    processor = torchvision_processor("CLIPImageProcessor", **SMALL)
    assert_equals_processor(processor, pil_image(mode, 117, 203))


@needs_torchvision
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_become_rgb_as_the_torchvision_backend_does(channels: int) -> None:
    array = np.dstack([synthetic_image(117, 203), synthetic_image(117, 203, content="noise")])[:, :, 4 - channels : 4]
    assert_equals_processor(
        torchvision_processor("CLIPImageProcessor", **SMALL), array, torch.from_numpy(array).permute(2, 0, 1)
    )


@needs_torchvision
@pytest.mark.parametrize(
    ("name", "changes", "setting"),
    [
        ("CLIPImageProcessor", {"resample": 0}, "resample: NEAREST"),
        ("CLIPImageProcessor", {"do_pad": True}, "do_pad"),
        ("Gemma3ImageProcessor", {"do_pan_and_scan": True}, "do_pan_and_scan"),
    ],
)
def test_unsupported_settings_are_named(name: str, changes: dict[str, Any], setting: str) -> None:
    with pytest.raises(UnsupportedGeometry, match=setting):
        Geometry.from_image_processor(torchvision_processor(name, **changes))


@needs_torchvision
@pytest.mark.parametrize(
    ("release", "capability", "is_reproduced"),
    [("0.21.0", "AVX512", False), ("0.21.0", "AVX2", True), ("0.24.0", "AVX512", True), ("0.28.0", "DEFAULT", False)],
)
def test_a_bilinear_resize_in_float_is_left_to_torchvision(monkeypatch, release, capability, is_reproduced) -> None:
    """As `_do_native_uint8_resize_on_cpu` of these releases says."""
    monkeypatch.setattr("torchvision.__version__", release)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    processor = torchvision_processor("CLIPImageProcessor", resample=2)
    if is_reproduced:
        assert Geometry.from_image_processor(processor).filter == "bilinear"
    else:
        with pytest.raises(UnsupportedGeometry, match="BILINEAR"):
            Geometry.from_image_processor(processor)
