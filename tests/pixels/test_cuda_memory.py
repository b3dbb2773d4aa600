"""Where the fused op works, and what it refuses before it does: no device is needed to say so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vrs_lmeval.pixels.preprocess import Geometry, cuda_memory, preprocess
from vrs_lmeval.records import Perturbation

IDENTITY = [Perturbation.identity()]
IMAGE = np.zeros((8, 9, 3), np.uint8)


def on_cuda(number: int, **fields: Any) -> Any:
    """What is asked of a tensor on a device before anything runs there."""
    return SimpleNamespace(is_cuda=True, device=torch.device("cuda", number), **fields)


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_cpu_is_chosen_where_nothing_asks_for_a_device() -> None:
    assert cuda_memory.find_device([IMAGE, torch.from_numpy(IMAGE)], None, None) is None
    assert cuda_memory.find_device([IMAGE], None, "cpu") is None


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("images", "out", "device", "chosen"),
    [
        ([IMAGE], None, "cuda:1", 1),
        ([IMAGE], None, 1, 1),
        ([IMAGE], None, "cuda", 0),
        ([IMAGE, on_cuda(1)], None, None, 1),
        ([IMAGE], on_cuda(1), None, 1),
        ([on_cuda(1)], on_cuda(1), torch.device("cuda", 1), 1),
    ],
)
def test_the_device_is_that_of_the_arguments(images: Any, out: Any, device: Any, chosen: int) -> None:
    assert cuda_memory.find_device(images, out, device) == torch.device("cuda", chosen)


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("images", "out", "device", "message"),
    [
        ([IMAGE, on_cuda(0)], on_cuda(1), None, r"images\[1\]: lies on cuda:0, but the work is to be done on cuda:1"),
        ([IMAGE], on_cuda(0), "cpu", "out: lies on cuda:0, but the work is to be done on cpu"),
        ([on_cuda(0)], np.zeros(3), None, "out: a tensor on cuda:0 is needed"),
        ([IMAGE], None, "meta", "device: 'cpu' or 'cuda' is needed, not meta"),
        ([IMAGE], None, 2, "device: torch finds 2 CUDA devices, none is cuda:2"),
    ],
)
def test_what_does_not_agree_is_named(images: Any, out: Any, device: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cuda_memory.find_device(images, out, device)


def test_a_refused_capture_may_warn_that_its_graph_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch does at the end of a capture that failed; a warning is an error in our tests."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("images[0]: while a CUDA graph is captured, images must lie on the device")

    @contextmanager
    def capture(_: object) -> Iterator[None]:
        try:
            yield
        finally:
            warnings.warn("The CUDA Graph is empty. This usually means that", UserWarning, stacklevel=1)

    path = Path(__file__).with_name("test_cuda_device.py")
    on_a_device: Any = ModuleType("on_a_device")
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(on_a_device))
    monkeypatch.setattr(on_a_device, "preprocess", refuse)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    on_a_device.test_images_of_the_host_are_refused_while_a_graph_is_captured()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a device")
def test_without_a_device_none_is_promised() -> None:
    with pytest.raises(ValueError, match="device: torch finds 0 CUDA devices, none is cuda:0"):
        preprocess([IMAGE], IDENTITY, Geometry(), device="cuda")


def test_a_named_cpu_gives_a_tensor() -> None:
    batch = preprocess([IMAGE], IDENTITY, Geometry(), device="cpu")
    assert torch.equal(batch, torch.from_numpy(preprocess([IMAGE], IDENTITY, Geometry())))


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1)])
def test_grey_on_a_device_is_repeated(shape: tuple[int, ...]) -> None:
    grey = torch.arange(72, dtype=torch.uint8).reshape(shape)
    packed = pack(grey)
    assert torch.equal(packed, grey.reshape(8, 9, 1).repeat(1, 1, 3))
    assert packed.stride()[1:] == (3, 1)


def test_rgb_on_a_device_is_copied_only_where_its_rows_are_not_packed() -> None:
    whole = torch.zeros((8, 20, 3), dtype=torch.uint8)
    assert pack(whole[:, 4:13]).data_ptr() == whole[:, 4:].data_ptr()
    assert pack(whole[:, ::2]).stride() == (30, 3, 1)


def test_work_is_queued_while_its_device_is_torch_s_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    current = [0]

    @contextmanager
    def choose(device: torch.device) -> Iterator[None]:
        current.append(device.index)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device", choose)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=device.index))
    queued: list[tuple[int, int, int]] = []

    def launch(*, device: int, stream: int, **_: Any) -> None:
        queued.append((current[-1], device, stream))

    cuda_memory.queue(launch, on_cuda(1, is_contiguous=lambda: True, data_ptr=lambda: 64))
    assert queued == [(1, 1, 1)]
    assert current == [0]


def pack(image: torch.Tensor) -> torch.Tensor:
    class OnDevice(torch.Tensor):
        is_cuda = True

    packed = cuda_memory.pack_pixels(image.as_subclass(OnDevice))
    assert packed is not None
    assert packed.address() == (packed.tensor.data_ptr(), *packed.tensor.shape, packed.tensor.stride(0))
    return packed.tensor.as_subclass(torch.Tensor)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.zeros((8, 9, 3)), TypeError, "uint8 levels are needed, not torch.float32"),
        (torch.zeros((3, 8, 9), dtype=torch.uint8), ValueError, "permute the channels"),
        (torch.zeros((8, 9, 4), dtype=torch.uint8), ValueError, "composite transparency first"),
    ],
)
def test_images_that_a_device_cannot_take_are_refused(image: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pack(image)
