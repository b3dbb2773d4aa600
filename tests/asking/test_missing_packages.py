"""A processor whose package is missing or broken: the error names what to install. Real processors, real errors."""

import subprocess
import sys

import pytest
from support.architectures import ARCHITECTURES

from vrs_lmeval.asking.missing_packages import NEEDED_BY, explain_missing_package, find_fault

pytestmark = pytest.mark.models

WITHOUT = """
import importlib.util, sys
HIDDEN = {hidden!r}
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.split(".")[0] in HIDDEN else find_spec(name, package)

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
"""

LOAD = """
from vrs_lmeval.model import VrsHF
VrsHF(pretrained={folder!r}, device="cpu", dtype="float32")
"""


def load_without(hidden, folder):
    script = WITHOUT.format(hidden=list(hidden)) + LOAD.format(folder=str(folder))
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    return finished.returncode, finished.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    def write(name):
        architecture = ARCHITECTURES[name]
        if reason := architecture.reason_to_skip():
            pytest.skip(reason)
        return architecture.save(tmp_path_factory.mktemp(name))

    return write


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "package"),
    [
        pytest.param("qwen2_5_vl", "torchvision", marks=pytest.mark.whole),
        pytest.param("molmo2", "torchvision", marks=pytest.mark.whole),
        ("smolvlm", "num2words"),
    ],
)
def test_the_error_names_the_extra(save, name, package):
    code, last_line = load_without({package}, save(name))
    assert code != 0
    assert last_line == (
        f"vrs_lmeval.asking.missing_packages.MissingPackageError: this model's processor needs {package}: "
        'pip install "vrs_lmeval[models]"'
    )


@pytest.mark.models
def test_models_that_need_none_load_without(save):
    code, last_line = load_without(NEEDED_BY, save("llava"))
    assert code == 0, last_line


@pytest.mark.models
def test_doctor_says_that_a_torchvision_was_built_for_another_torch(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from vrs_lmeval.commands.doctor import examine"
    script += "; print(next(found for found in examine() if found.subject == 'torchvision'))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert "is_fine=False" in finished.stdout, finished.stderr
    assert "operator torchvision::nms does not exist" in finished.stdout
    assert "install torch and torchvision from the same index" in finished.stdout


@pytest.mark.parametrize(
    ("message", "packages"),
    [
        (
            "\nTimm requires the timm library but it was not found. You can install it:\n`pip install timm`.",
            "timm",
        ),
        (
            "\nX requires the PyAv library but it was not found. You can install it with:\n```\npip install av\n```\n",
            "av",
        ),
        ("\nX requires the detectron2 library but it was not found. Check out the instructions", "detectron2"),
        ("No module named 'einops'", "einops"),
    ],
)
def test_any_other_package_that_is_missing_is_named(message, packages):
    assert str(explain_missing_package(ImportError(message))) == f"this model needs {packages}: pip install {packages}"


def test_other_errors_stay_what_they_are():
    assert find_fault("json") is None
    assert find_fault("no_such_package_of_ours") == "not installed"
    assert explain_missing_package(ValueError("another thing")) is None
    assert explain_missing_package(ImportError("cannot import name 'X' from 'transformers'")) is None
