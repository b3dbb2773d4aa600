"""What all tests start with, and what several build once: the extension with its CUDA kernels compiled for the host."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from cpu_torchvision import sitecustomize as cpu_torchvision
from hypothesis import settings
from support import cuda_on_cpu
from support.control_runs import ask_controls
from support.encodable import drop_surrogates
from support.fuzzing import IS_ASKED
from support.made_once import find_shared_folder, make_once

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported: tiny models run slower with more threads
cpu_torchvision.install()  # here, and in every Python that a test starts:
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(cpu_torchvision.HERE), os.environ.get("PYTHONPATH"))))

settings.register_profile("the same each time", derandomize=not IS_ASKED)
settings.load_profile("the same each time")

MARKER_OF_FIXTURE = {"browser": "browser", "cuda_build_folder": "cuda_on_cpu"}


LONG = ("cuda_on_cpu", "native", "models", "browser")
"""Marks of tests that take seconds or build something."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a browser, or for kernels on the host, is marked so: `make quick` leaves it out.

    Files with long tests come first, so that at the end no worker waits for another's.
    """
    for item in items:
        for fixture, marker in MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    long_files = {item.path for item in items if any(map(item.get_closest_marker, LONG))}
    items.sort(key=lambda item: item.path not in long_files)  # a stable sort: else in their order


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Without Python's collector: torch and transformers make a million objects, and none of them goes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Iterator[None]:
    """Without halves of surrogate pairs: xdist writes UTF-8, and a worker that cannot tell a failure ends the run."""
    return drop_surrogates((yield))


@pytest.fixture(scope="session")
def cuda_build_folder(tmp_path_factory: pytest.TempPathFactory):
    """Where objects of our sources lie, by flavour; all workers share them."""
    folder = find_shared_folder(tmp_path_factory) / "cuda_backend"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def native_on_cpu(cuda_build_folder) -> ModuleType:
    """The extension module, whose device is the host: addresses of numpy arrays are those of device memory."""
    if reason := cuda_on_cpu.reason_to_skip(cuda_on_cpu.PLAIN):
        pytest.skip(reason)
    return cuda_on_cpu.load_extension(cuda_build_folder)


@pytest.fixture(scope="session")
def control_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of both controls on some tasks (`control_runs.TASKS`), in folders of their names."""
    return make_once(find_shared_folder(tmp_path_factory) / "control_runs", ask_controls)
