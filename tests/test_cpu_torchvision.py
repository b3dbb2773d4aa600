"""torchvision beside a torch for CPUs: it imports in new processes too, and nothing else of Python's start changes."""

import importlib.util
import os
import subprocess
import sys

import pytest
from cpu_torchvision import sitecustomize

needs_torchvision = pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")


def run_python(code, *folders):
    path = os.pathsep.join(map(str, (sitecustomize.HERE, *folders)))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.models
@needs_torchvision
def test_torchvision_resizes_in_a_new_process():
    code = (
        "import torch; from torchvision.transforms.v2 import functional as F;"
        "print(*F.resize(torch.zeros(3, 8, 6, dtype=torch.uint8), [4, 3]).shape)"
    )
    assert run_python(code) == "3 4 3"


def test_starting_python_imports_no_torch():
    assert run_python("import sys; print('torch' in sys.modules, 'torchvision' in sys.modules)") == "False False"


def test_a_sitecustomize_further_down_the_path_runs_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.ran_here = __name__")
    assert run_python("import sys; print(sys.ran_here)", tmp_path) == "sitecustomize"


def test_with_cuda_nothing_is_declared(monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(sitecustomize, "_kept", [])
    sitecustomize.declare_operators(tmp_path / "_C.so")
    assert not sitecustomize._kept
