"""The packages that hold the sample's images: where they come from, their sha256, and how a file is read out of one."""

from __future__ import annotations

import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One released archive; `sha256` pins its bytes, so that a rebuilt sample cannot drift."""

    name: str
    version: str
    registry: str
    archive: str
    sha256: str


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "mricron-data",
            "1.2.20211006+dfsg-4",
            "debian",
            "mricron-data_1.2.20211006+dfsg-4_all.deb",
            "d40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f",
        ),
        Package(
            "insighttoolkit5-examples",
            "5.2.1-5+deb12u1",
            "debian",
            "insighttoolkit5-examples_5.2.1-5+deb12u1_all.deb",
            "6ca1f323eac0b3cba50e786bbf0f2c76ed44b52ecb9e7aeea808ccc42bf09f69",
        ),
        Package(
            "nilearn",
            "0.14.1",
            "pypi",
            "nilearn-0.14.1-py3-none-any.whl",
            "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
        ),
        Package(
            "scikit-image",
            "0.26.0",
            "pypi",
            # One platform's wheel is pinned for its bytes; its data files are the same in every wheel.
            "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        ),
        Package(
            "pydicom-data",
            "1.0.0",
            "pypi",
            "pydicom_data-1.0.0-py3-none-any.whl",
            "622ac97265f1d91f76b5120b5bd6eb0f57737c392ef863b72c71779c91e33637",
        ),
    )
}


def fetch_packages(folder: Path) -> None:
    """Download what `folder` lacks with the registries' own clients, then check every sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES.values():
        if not (folder / package.archive).exists():
            if package.registry == "debian":
                command = ["apt-get", "download", f"{package.name}={package.version}"]
            else:
                pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
                target = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
                command = [*pip, *target, f"{package.name}=={package.version}"]
            subprocess.run(command, cwd=folder, check=True)
        verify_package(folder, package)


def verify_package(folder: Path, package: Package) -> None:
    """Raise ValueError if the archive is not the pinned one."""
    found = hashlib.sha256((folder / package.archive).read_bytes()).hexdigest()
    if found != package.sha256:
        raise ValueError(f"{package.archive}: sha256 is {found}, expected {package.sha256}")


def open_sources(folder: Path) -> Callable[[str, str], bytes]:
    """Return `read(package name, path inside it) -> bytes`; each archive is checked before it is first read."""

    @cache
    def open_archive(name: str) -> Callable[[str], bytes]:
        package = PACKAGES[name]
        verify_package(folder, package)
        payload = (folder / package.archive).read_bytes()
        if package.registry == "debian":
            tar = tarfile.open(  # noqa: SIM115 - kept open: many files are read from it
                fileobj=io.BytesIO(lzma.decompress(_read_ar_member(payload, "data.tar.xz")))
            )
            return lambda path: _read_tar_member(tar, path)
        archive = zipfile.ZipFile(io.BytesIO(payload))
        return archive.read

    return lambda name, path: open_archive(name)(path)


def _read_tar_member(tar: tarfile.TarFile, path: str) -> bytes:
    member = tar.extractfile(f"./{path}")
    if member is None:
        raise KeyError(f"{path} is not a file in the package")
    return member.read()


def _read_ar_member(payload: bytes, name: str) -> bytes:
    """A .deb is an `ar` archive: 8 magic bytes, then 60-byte headers with the size at 48:58, data padded to even."""
    position = 8
    while position < len(payload):
        header = payload[position : position + 60]
        size = int(header[48:58])
        if header[:16].decode("ascii").strip().rstrip("/") == name:
            return payload[position + 60 : position + 60 + size]
        position += 60 + size + size % 2
    raise KeyError(f"{name} is not in the .deb")
