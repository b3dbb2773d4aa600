"""The output cut into blocks: the compiled op equals its numpy twin, and the same values as planes, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Literal

import numpy as np
import pytest
import torch
from support.block_geometries import GEOMETRIES, IMAGES
from support.cuda_batches import preprocess_on_device
from support.six_variants import SIX_VARIANTS

from vrs_lmeval.pixels import torch_op
from vrs_lmeval.pixels.geometry import Blocks, Geometry, Placement
from vrs_lmeval.pixels.preprocess import build_info, empty_outputs, preprocess, preprocess_pairs, resize_pairs
from vrs_lmeval.pixels.reference import preprocess_reference
from vrs_lmeval.records import Perturbation

IDENTITY = [Perturbation.identity()]
every_geometry = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)


def test_a_hand_worked_order() -> None:
    """Levels 0..15 of a 4 x 4 image, patches of 1 x 2, squares of 2 x 2 patches: two rows make one square."""
    levels = np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4, 1), 3, axis=2)
    geometry = Geometry("none", (1, 1), (4, 4), rescale=None, mean=None, std=None, blocks=Blocks(1, 2, merge=2))
    red = preprocess([levels], IDENTITY, geometry)[0, 0][:, 0, 0].reshape(8, 2)
    expected = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13], [14, 15]]
    np.testing.assert_array_equal(red, expected)
    of_columns = replace(geometry, blocks=Blocks(2, 1, merge=2))
    red = preprocess([levels], IDENTITY, of_columns)[0, 0][:, 0, 0].reshape(8, 2)
    expected = [[0, 4], [1, 5], [8, 12], [9, 13], [2, 6], [3, 7], [10, 14], [11, 15]]
    np.testing.assert_array_equal(red, expected)


def test_channels_last_by_hand() -> None:
    """A 2 x 4 image of levels 0..23, cut into two blocks of 2 x 2: a block's pixels, row by row."""
    levels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    blocks = Blocks(2, 2, channels_last=True)
    geometry = Geometry("none", (1, 1), (2, 4), rescale=None, mean=None, std=None, blocks=blocks)
    left, right = preprocess([levels], IDENTITY, geometry)[0, 0].reshape(2, 12)
    np.testing.assert_array_equal(left, [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17])
    np.testing.assert_array_equal(right, [6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23])


@pytest.mark.parametrize(
    ("placement", "row"),
    [("centre", [0, 0, 7, 9, 0]), ("upper_left", [0, 7, 9, 0, 0]), ("corner", [7, 9, 0, 0, 0])],
)
def test_placements_by_hand(placement: Placement, row: list[int]) -> None:
    """Two pixels in a row of five."""
    levels = np.repeat(np.array([7, 9], np.uint8).reshape(1, 2, 1), 3, axis=2)
    geometry = Geometry("none", (1, 1), (1, 5), rescale=None, mean=None, std=None, placement=placement)
    np.testing.assert_array_equal(preprocess([levels], IDENTITY, geometry)[0, 0, 1, 0], row)
    np.testing.assert_array_equal(resize_pairs([(levels, IDENTITY[0])], geometry)[0, 0, :, 2], row)


@every_geometry
def test_levels_are_the_values_before_the_tables(geometry: Geometry) -> None:
    bare = replace(geometry, blocks=None, rescale=None, mean=None, std=None)
    pairs = [(image, change) for image in IMAGES for change in SIX_VARIANTS]
    expected = np.moveaxis(preprocess_pairs(pairs, bare), 1, 3)
    np.testing.assert_array_equal(resize_pairs(pairs, bare), expected)


@pytest.mark.parametrize("options", [{}, {"device": "cpu"}, {"device": "cuda"}])
def test_levels_are_whole_images(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"geometry\.blocks: levels are written as whole images"):
        resize_pairs([(IMAGES[0], IDENTITY[0])], GEOMETRIES["tiles"], **options)


@every_geometry
@pytest.mark.parametrize("simd", build_info()["simd"])
def test_every_execution_equals_the_twin(geometry: Geometry, simd: str) -> None:
    expected = preprocess_reference(IMAGES, SIX_VARIANTS, geometry)
    for threads in (1, 2, 5):
        actual = preprocess(IMAGES, SIX_VARIANTS, geometry, simd=simd, threads=threads)
        np.testing.assert_array_equal(actual, expected, strict=True)


@every_geometry
def test_bfloat16_is_the_rounded_float32(geometry: Geometry) -> None:
    exact = torch.from_numpy(preprocess(IMAGES, SIX_VARIANTS, geometry))
    assert torch.equal(preprocess(IMAGES, SIX_VARIANTS, geometry, dtype="bfloat16"), exact.bfloat16())


@every_geometry
def test_outputs_may_lie_apart(geometry: Geometry) -> None:
    pairs = [(image, change) for image in IMAGES for change in SIX_VARIANTS]
    expected = preprocess_pairs(pairs, geometry)
    count = geometry.output_shape()[0]
    wide = empty_outputs((len(pairs), count + 3, *geometry.output_shape()[1:]))
    wide.fill(-7)
    preprocess_pairs(pairs, geometry, out=wide[:, 2 : 2 + count])
    np.testing.assert_array_equal(wide[:, 2 : 2 + count], expected)
    assert (wide[:, :2] == -7).all()
    assert (wide[:, 2 + count :] == -7).all()


@every_geometry
def test_an_output_of_one_entry_may_be_a_view_whose_first_stride_is_0(geometry: Geometry) -> None:
    out = np.zeros(geometry.output_shape(), np.float32)[np.newaxis]
    assert out.strides[0] == 0
    preprocess_pairs([(IMAGES[0], SIX_VARIANTS[1])], geometry, out=out)
    np.testing.assert_array_equal(out, preprocess_pairs([(IMAGES[0], SIX_VARIANTS[1])], geometry))


@pytest.mark.parametrize("shape", [(2**33, 2**33), (-1, 4), (2, 0), (2**62, 4)])
def test_memory_that_cannot_be_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape: empty, or beyond any memory"):
        empty_outputs(shape)


def test_outputs_that_overlap_are_refused() -> None:
    geometry = GEOMETRIES["tiles"]
    tight = np.zeros((3, *geometry.output_shape()), np.float32)
    overlapping = np.lib.stride_tricks.as_strided(tight, strides=(4, *tight.strides[1:]))
    with pytest.raises(ValueError, match="out: must be contiguous"):
        preprocess_pairs([(IMAGES[0], change) for change in SIX_VARIANTS[:3]], geometry, out=overlapping)


@pytest.mark.parametrize("numbers", [(5, 6), (6, 6, 5), (0, 6), (6, -6), (6, 6, 0), (6, 6, 1, 0)])
def test_blocks_that_do_not_fill_the_output_are_named(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"geometry\.blocks"):
        preprocess(IMAGES, IDENTITY, replace(GEOMETRIES["patches"], blocks=Blocks(*numbers)))


def test_the_outputs_of_preprocess_may_not_lie_apart() -> None:
    geometry = GEOMETRIES["tiles"]
    wide = np.zeros((2, 4, *geometry.output_shape()), np.float32)
    with pytest.raises(ValueError, match="out: must be contiguous"):
        preprocess(IMAGES, SIX_VARIANTS[:3], geometry, out=wide[:, :3])


def test_channels_last_and_repeats_are_refused_together() -> None:
    with pytest.raises(ValueError, match=r"geometry\.blocks: channels stand last only in blocks without repeats"):
        preprocess(IMAGES, IDENTITY, replace(GEOMETRIES["patches"], blocks=Blocks(6, 6, 2, 2, channels_last=True)))


@pytest.mark.parametrize("placement", ["upper_left", "corner"])
def test_the_cuda_backend_places_images_as_the_cpu_does(native_on_cpu: ModuleType, placement: Placement) -> None:
    geometry = Geometry("exact", (33, 50), (36, 61), placement=placement)
    actual = preprocess_on_device(native_on_cpu, IMAGES, IDENTITY, geometry)
    np.testing.assert_array_equal(actual, preprocess(IMAGES, IDENTITY, geometry))


@every_geometry
@pytest.mark.parametrize("output_type", ["float32", "bfloat16"])
def test_the_cuda_backend_writes_blocks_as_the_cpu_does(
    native_on_cpu: ModuleType, geometry: Geometry, output_type: Literal["float32", "bfloat16"]
) -> None:
    actual = preprocess_on_device(native_on_cpu, IMAGES, SIX_VARIANTS, geometry, output_type=output_type)
    expected = preprocess(IMAGES, SIX_VARIANTS, geometry, dtype=output_type, device="cpu")
    bits = expected.view(torch.uint16) if output_type == "bfloat16" else expected
    np.testing.assert_array_equal(actual, bits.numpy())


def test_the_cuda_backend_gives_levels_that_it_takes_again(native_on_cpu: ModuleType) -> None:
    """As in a chain of resizes, between which Idefics3 and SmolVLM round to levels."""
    first, second = Geometry("exact", (33, 47), (33, 47), filter="lanczos"), GEOMETRIES["tiles"]
    levels = preprocess_on_device(native_on_cpu, IMAGES, SIX_VARIANTS, first, output_type="levels")
    pairs = [(image, change) for image in IMAGES for change in SIX_VARIANTS]
    expected = resize_pairs(pairs, first)
    np.testing.assert_array_equal(levels.reshape(expected.shape), expected)
    assert torch.equal(resize_pairs(pairs, first, device="cpu"), torch.from_numpy(expected))
    again = list(levels.reshape(expected.shape))  # from any byte on
    actual = preprocess_on_device(native_on_cpu, again, IDENTITY, second, images_on_device=True)
    np.testing.assert_array_equal(actual, preprocess(list(expected), IDENTITY, second))


def test_the_torch_op_takes_blocks() -> None:
    geometry = GEOMETRIES["patches"]
    op = torch_op.Preprocess(geometry, SIX_VARIANTS)
    tensors = [torch.from_numpy(image) for image in IMAGES]
    expected = torch.from_numpy(preprocess(IMAGES, SIX_VARIANTS, geometry))
    assert torch.equal(op(tensors), expected)
    arguments = (tensors, op.perturbations, op.geometry)
    torch.library.opcheck(torch.ops.vrs.preprocess, arguments, test_utils=("test_schema", "test_faketensor"))
