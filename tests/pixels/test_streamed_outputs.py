"""Outputs of more than the caches hold are written past them: the same bits, wherever the memory begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.block_geometries import GEOMETRIES, IMAGES

from vrs_lmeval.pixels.geometry import Blocks, Geometry
from vrs_lmeval.pixels.preprocess import build_info, preprocess, resize_pairs
from vrs_lmeval.records import Perturbation

STREAMED_BYTES = 16 << 20  # csrc/contract/preprocess.h
CHANGES = [
    Perturbation.identity(),
    Perturbation("blank", (128, 3, 250)),
    Perturbation("occlusion", (0.2, 0.3, 0.6, 0.7, 9, 8, 7)),
    Perturbation("flip_horizontal", ()),
]
OCCLUSIONS = [CHANGES[2], CHANGES[0], Perturbation("occlusion", (0.9, 0.0, 1.0, 0.2, 200, 100, 0))]
"""And the image as it is between them."""

SHAPES = GEOMETRIES | {
    "planes": Geometry("exact", (40, 64), (40, 64)),
    "planes of odd rows": Geometry("exact", (33, 47), (33, 47)),
    "planes with margins": Geometry("exact", (33, 47), (35, 51)),
    "patches of a model": Geometry("exact", (56, 84), (56, 84), blocks=Blocks(14, 14, merge=2, repeats=2)),
    "wide tiles": Geometry("exact", (64, 280), (64, 280), blocks=Blocks(32, 140)),
    "wide tiles, repeated": Geometry("exact", (64, 280), (64, 280), blocks=Blocks(32, 140, repeats=2)),
}
every_shape = pytest.mark.parametrize("geometry", SHAPES.values(), ids=SHAPES)


def repeats_for(few_bytes: int) -> int:
    return STREAMED_BYTES // few_bytes + 1


@every_shape
@pytest.mark.parametrize("threads", [1, 3])
def test_many_images_are_as_few(geometry: Geometry, threads: int) -> None:
    few = preprocess(IMAGES, CHANGES, geometry)
    repeats = repeats_for(few.nbytes)
    many = preprocess(IMAGES * repeats, CHANGES, geometry, threads=threads)
    assert many.nbytes > STREAMED_BYTES
    np.testing.assert_array_equal(many.reshape(repeats, *few.shape), np.broadcast_to(few, (repeats, *few.shape)))


@every_shape
@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_occlusions_beside_the_image_are_as_alone(geometry: Geometry, is_streamed: bool, threads: int) -> None:
    few = np.stack([preprocess(IMAGES, [change], geometry)[:, 0] for change in OCCLUSIONS], axis=1)
    repeats = repeats_for(few.nbytes) if is_streamed else 1
    together = preprocess(IMAGES * repeats, OCCLUSIONS, geometry, threads=threads)
    np.testing.assert_array_equal(together.reshape(repeats, *few.shape), np.broadcast_to(few, (repeats, *few.shape)))


@pytest.mark.parametrize("is_streamed", [False, True])
def test_levels_of_occlusions_beside_the_image_are_as_alone(is_streamed: bool) -> None:
    geometry = SHAPES["planes with margins"]
    pairs = [(image, change) for image in IMAGES for change in OCCLUSIONS]
    few = np.concatenate([resize_pairs([pair], geometry) for pair in pairs])
    repeats = repeats_for(few.nbytes) if is_streamed else 1
    together = resize_pairs(pairs * repeats, geometry)  # each image as it is many times
    np.testing.assert_array_equal(together.reshape(repeats, *few.shape), np.broadcast_to(few, (repeats, *few.shape)))


@every_shape
def test_in_bfloat16(geometry: Geometry) -> None:
    few = preprocess(IMAGES, CHANGES, geometry, dtype="bfloat16")
    repeats = repeats_for(few.numel() * 2)
    many = preprocess(IMAGES * repeats, CHANGES, geometry, dtype="bfloat16", threads=2)
    assert torch.equal(many.reshape(repeats, *few.shape), few.expand(repeats, *few.shape))


@every_shape
@pytest.mark.parametrize("skipped", [1, 3])
def test_at_any_address(geometry: Geometry, skipped: int) -> None:
    few = preprocess(IMAGES, CHANGES, geometry)
    repeats = repeats_for(few.nbytes)
    memory = np.full(repeats * few.size + 64, -7, np.float32)
    out = memory[skipped : skipped + repeats * few.size].reshape(repeats * len(IMAGES), *few.shape[1:])
    preprocess(IMAGES * repeats, CHANGES, geometry, out=out)
    np.testing.assert_array_equal(out.reshape(repeats, *few.shape), np.broadcast_to(few, (repeats, *few.shape)))
    assert (memory[:skipped] == -7).all()
    assert (memory[skipped + out.size :] == -7).all()


@pytest.mark.parametrize("simd", build_info()["simd"])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_bands_that_end_within_blocks(simd: str, threads: int) -> None:
    """One image of 1,204 rows: bands of 301 or 86 rows, which are no multiples of 14."""
    image = np.random.default_rng(1).integers(0, 256, (700, 900, 3), np.uint8)
    whole = Geometry("exact", (1204, 1204), (1204, 1204))
    planes = preprocess([image], CHANGES[:1], whole, simd=simd, threads=threads)[0, 0]
    assert planes.nbytes > STREAMED_BYTES
    some = preprocess([image], CHANGES[:1], replace(whole, crop=(40, 1204)), simd=simd)[0, 0]
    assert some.nbytes < STREAMED_BYTES
    np.testing.assert_array_equal(planes[:, 582:622], some)
    cut = replace(whole, blocks=Blocks(14, 14, merge=2, repeats=2))
    patches = preprocess([image], CHANGES[:1], cut, simd=simd, threads=threads)[0, 0]
    squares = planes.reshape(3, 43, 2, 14, 43, 2, 14).transpose(1, 4, 2, 5, 0, 3, 6)
    twice = np.repeat(squares.reshape(86 * 86, 3, 1, 14, 14), 2, axis=2)
    np.testing.assert_array_equal(patches.reshape(twice.shape), twice)
