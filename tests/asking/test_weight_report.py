"""A checkpoint that lacks weights: named by vrs-hf before it answers, where transformers only logs it."""

import logging

import pytest
from safetensors.torch import load_file, save_file
from support.tiny_llava import save_tiny_llava

from vrs_lmeval.model import VrsHF

pytestmark = pytest.mark.models


def load(folder):
    return VrsHF(pretrained=str(folder), device="cpu", dtype="float32", batch_size=2)


def test_a_whole_checkpoint_lacks_nothing(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        lm = load(save_tiny_llava(tmp_path))
    assert lm.get_model_info()["vrs_missing_weights"] == []
    assert "drawn at random" not in caplog.text


def test_weights_under_another_name_are_told(tmp_path, caplog):
    weights = load_file(save_tiny_llava(tmp_path) / "model.safetensors")
    name = next(name for name in sorted(weights) if "vision_tower" in name and "embedding" in name)
    weights["renamed"] = weights.pop(name)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        lm = load(tmp_path)
    (missing,) = lm.get_model_info()["vrs_missing_weights"]
    assert missing.endswith(name.split(".")[-2] + "." + name.split(".")[-1])
    assert "lacks 1 of the model's weights" in caplog.text
