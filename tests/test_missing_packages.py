"""What a user reads where a model needs a package that is not there: its name, and the command that brings it."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from vrs_lmeval import missing_packages
from vrs_lmeval.missing_packages import MODELS_EXTRA, MissingPackageError, explain_missing_package

LOAD_WITHOUT = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
import importlib.metadata, importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {hidden!r} else found(name, package)

from vrs_lmeval import missing_packages
missing_packages.find_spec = importlib.util.find_spec
from transformers import AutoProcessor
try:
    AutoProcessor.from_pretrained({folder!r})
except ImportError as error:
    print(missing_packages.explain_missing_package(error, "tiny-qwen"))
"""


def save_qwen_processor(folder):
    """A Qwen2-VL processor's folder as on the hub, written by hand, so that it needs no torchvision to be made."""
    tokens = ["a", "<unk>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)
    kinds = {"processor_class": "Qwen2VLProcessor", "image_processor_type": "Qwen2VLImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(kinds))
    video = {"processor_class": "Qwen2VLProcessor", "video_processor_type": "Qwen2VLVideoProcessor"}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))


def test_a_qwen_processor_without_torchvision_names_the_extra(tmp_path):
    save_qwen_processor(tmp_path)
    program = LOAD_WITHOUT.format(hidden="torchvision", folder=str(tmp_path))
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip() == f"tiny-qwen cannot be loaded without torchvision: {MODELS_EXTRA}", shown.stderr


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Package `num2words` is required to run SmolVLM processor. Install it with `pip install num2words`.",
            "some/model needs num2words: pip install num2words",
        ),
        (
            "\nTimmWrapperModel requires the timm library but it was not found in your environment. You can install it "
            "with pip:\n`pip install timm`. Please note that you may need to restart your runtime after installation.\n",
            "some/model needs timm: pip install timm",
        ),
        (
            "\nX requires the PyAv library but it was not found in your environment. You can install it with:\n```\n"
            "pip install av\n```\nPlease note that you may need to restart your runtime after installation.\n",
            "some/model needs av: pip install av",
        ),
        (
            "\nX requires the detectron2 library but it was not found in your environment. Check out the instructions",
            "some/model needs detectron2: pip install detectron2",
        ),
        ("No module named 'einops'", "some/model needs einops: pip install einops"),
    ],
)
def test_the_message_names_what_to_install(message, told):
    explained = explain_missing_package(ImportError(message), "some/model")
    assert isinstance(explained, MissingPackageError)
    assert str(explained) == told


def test_an_error_about_no_package_stays_as_it_is():
    error = ImportError("cannot import name 'AutoModelX' from 'transformers'")
    assert explain_missing_package(error, "some/model") is error


def test_a_torchvision_of_another_torch_is_told_with_both_versions(monkeypatch):
    """As transformers says it: its lazy modules name the module, and the cause names the operator."""
    monkeypatch.setattr(missing_packages, "find_spec", lambda name: object())
    monkeypatch.setattr(missing_packages, "version", {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}.__getitem__)
    error = ModuleNotFoundError("Could not import module 'Qwen2VLVideoProcessor'")
    error.__cause__ = RuntimeError("operator torchvision::nms does not exist")
    assert str(explain_missing_package(error, "some/model")) == (
        "some/model cannot be loaded: torchvision 0.28.0 does not work beside torch 2.13.0+cpu (operator "
        "torchvision::nms does not exist); install the two from the same place, in releases that pair "
        "(https://pytorch.org/get-started/locally)"
    )


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_a_missing_torchvision_is_found_missing():
    assert missing_packages.find_torchvision_fault() == "not installed"
