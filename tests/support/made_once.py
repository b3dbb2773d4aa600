"""What takes long to make and several test files read: made by the first worker of pytest-xdist that asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def find_shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run of the tests that all its workers see; removed as pytest's other ones are."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make`; other workers wait for it. Where `make` fails, the next one tries again."""
    with FileLock(f"{folder}.lock"):
        done = folder / "made"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder
