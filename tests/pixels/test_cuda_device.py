"""The CUDA backend on a real device: the bits of the CPU backend, on streams, in graphs and under torch.compile.

Skips where there is none; with VRS_REQUIRE_GPU=1 that is a failure.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.block_geometries import GEOMETRIES, IMAGES
from support.images import CONTENTS, synthetic_image
from support.perturbation_examples import EXAMPLES, NAMES
from support.six_variants import SIX_VARIANTS

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.preprocess import count_devices, preprocess, resize_pairs
from vrs_lmeval.pixels.torch_op import Preprocess
from vrs_lmeval.records import Perturbation

IDENTITY = [Perturbation.identity()]


@pytest.fixture(autouse=True)
def _device() -> None:
    """Asked for when a test runs: what is forked from a process that has asked cannot use CUDA."""
    number, reason = count_devices()
    if number > 0 and torch.cuda.is_available():
        return
    message = f"no CUDA device: {reason or 'torch finds none'}"
    if os.environ.get("VRS_REQUIRE_GPU") == "1":
        pytest.fail(message)
    pytest.skip(message)


def assert_equal_on_device(images: Any, changes: list[Perturbation], geometry: Geometry, **options: Any) -> None:
    expected = torch.as_tensor(preprocess(images, changes, geometry, **options))
    for sources in (images, [torch.from_numpy(image).cuda() for image in images]):
        actual = preprocess(sources, changes, geometry, device="cuda", **options)
        assert actual.is_cuda
        assert torch.equal(actual.cpu(), expected)


@pytest.mark.parametrize("change", EXAMPLES, ids=NAMES)
@pytest.mark.parametrize("pad_colour", [None, (122, 116, 104)])
def test_every_perturbation(change: Perturbation, pad_colour: Any) -> None:
    images = [synthetic_image(*hw) for hw in ((150, 230), (400, 90), (64, 64), (1, 7))]
    geometry = Geometry(size=(96, 96), crop=(96, 104), pad_colour=pad_colour)
    assert_equal_on_device(images, [change], geometry)
    assert_equal_on_device(images, [change], geometry, dtype="bfloat16")


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_blocks(geometry: Geometry) -> None:
    assert_equal_on_device(IMAGES, SIX_VARIANTS, geometry)
    assert_equal_on_device(IMAGES, SIX_VARIANTS, geometry, dtype="bfloat16")


def test_a_chain_of_resizes() -> None:
    first, second = Geometry("exact", (33, 47), (33, 47), filter="lanczos"), GEOMETRIES["tiles"]
    pairs = [(image, change) for image in IMAGES for change in SIX_VARIANTS]
    expected = resize_pairs(pairs, first)
    levels = resize_pairs(pairs, first, device="cuda")
    assert np.array_equal(levels.cpu().numpy(), expected)
    again = [(levels[0], IDENTITY[0])]
    assert np.array_equal(resize_pairs(again, first).cpu().numpy(), resize_pairs([(expected[0], IDENTITY[0])], first))
    actual = preprocess(list(levels), IDENTITY, second)
    assert np.array_equal(actual.cpu().numpy(), preprocess(list(expected), IDENTITY, second))


@pytest.mark.parametrize("size", [224, 336, 448])
@pytest.mark.parametrize("arithmetic", ["pillow", "torchvision"])
def test_random_geometries(size: int, arithmetic: Any) -> None:
    rng = np.random.default_rng(size)
    geometry = Geometry(size=(size, size), crop=(size, size), arithmetic=arithmetic)
    for _ in range(40):
        height, width = np.exp(rng.uniform(0, np.log(4096), 2)).astype(int)
        if max(height, width) <= 100 * min(height, width):
            image = synthetic_image(height, width, content=str(rng.choice(CONTENTS)))
            assert_equal_on_device([image], IDENTITY, geometry)


def test_one_launch_takes_many_jobs() -> None:
    images = [synthetic_image(20 + i, 90 - i, content="noise") for i in range(40)]
    assert_equal_on_device(images, EXAMPLES, Geometry(size=(48, 48), crop=(48, 48)))


def test_pillow_images_are_read_where_they_lie() -> None:
    image = synthetic_image(300, 200)
    actual = preprocess([Image.fromarray(image)], IDENTITY, Geometry(), device="cuda")
    assert np.array_equal(actual.cpu().numpy(), preprocess([image], IDENTITY, Geometry()))


def test_it_writes_into_out_on_the_current_stream() -> None:
    image = synthetic_image(500, 400)
    expected = torch.from_numpy(preprocess([image], EXAMPLES, Geometry()))
    stream = torch.cuda.Stream()
    out = torch.empty(expected.shape, device="cuda")
    with torch.cuda.stream(stream):
        for _ in range(10):  # memory of one call is lent to the next
            assert preprocess([image], EXAMPLES, Geometry(), out=out) is out
    stream.synchronize()
    assert torch.equal(out.cpu(), expected)


def test_a_captured_graph_reads_what_lies_in_its_images() -> None:
    first, second = synthetic_image(120, 90), synthetic_image(120, 90, seed=1)
    image = torch.from_numpy(first).cuda()
    preprocess([image], EXAMPLES, Geometry())  # warms up
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        batch = preprocess([image], EXAMPLES, Geometry())
    for source in (first, second, first):
        image.copy_(torch.from_numpy(source))
        graph.replay()
        torch.cuda.synchronize()
        assert np.array_equal(batch.cpu().numpy(), preprocess([source], EXAMPLES, Geometry()))


def test_images_of_the_host_are_refused_while_a_graph_is_captured() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The CUDA Graph is empty")  # torch's, since the capture ends with an error
        with (
            pytest.raises(ValueError, match=r"images\[0\]: while a CUDA graph is captured"),
            torch.cuda.graph(torch.cuda.CUDAGraph()),
        ):
            preprocess([synthetic_image(9, 9)], IDENTITY, Geometry(), device="cuda")


def test_torch_compile_takes_it_in_one_graph() -> None:
    images = [synthetic_image(40, 50), synthetic_image(70, 33)]
    module = Preprocess(Geometry(size=(32, 32), crop=(32, 32)), EXAMPLES)
    run = torch.compile(lambda sources: module(sources) * 2, fullgraph=True)
    actual = run([torch.from_numpy(image).cuda() for image in images])
    expected = module([torch.from_numpy(image) for image in images]) * 2
    assert torch.equal(actual.cpu(), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda image: image.permute(2, 0, 1), "permute the channels"),
        (lambda image: image[:, :, :1].expand(-1, -1, 4), "composite transparency first"),
    ],
)
def test_errors_name_what_to_do(make: Any, message: str) -> None:
    image = torch.from_numpy(synthetic_image(8, 9)).cuda()
    with pytest.raises(ValueError, match=message):
        preprocess([make(image)], IDENTITY, Geometry())
