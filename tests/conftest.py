"""What all tests start with, and what several build once: the extension with its CUDA kernels compiled for the host."""

from __future__ import annotations

import os
from types import ModuleType

import pytest
from cpu_torchvision import sitecustomize as cpu_torchvision
from support import cuda_on_cpu

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported: tiny models run slower with more threads
cpu_torchvision.install()  # here, and in every Python that a test starts:
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(cpu_torchvision.HERE), os.environ.get("PYTHONPATH"))))


MARKER_OF_FIXTURE = {"browser": "browser", "cuda_build_folder": "cuda_on_cpu"}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a browser, or for kernels on the host, is marked so: `make quick` leaves it out."""
    for item in items:
        for fixture, marker in MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def cuda_build_folder(tmp_path_factory: pytest.TempPathFactory):
    """Where objects of our sources lie, by flavour."""
    return tmp_path_factory.mktemp("cuda_backend")


@pytest.fixture(scope="session")
def native_on_cpu(cuda_build_folder) -> ModuleType:
    """The extension module, whose device is the host: addresses of numpy arrays are those of device memory."""
    if reason := cuda_on_cpu.reason_to_skip(cuda_on_cpu.PLAIN):
        pytest.skip(reason)
    return cuda_on_cpu.load_extension(cuda_build_folder)
