"""Kept vision features: the tower sees an image once, and what the model gets is what it would have computed."""

import copy

import pytest
import torch
from support.architectures import ARCHITECTURES
from support.harness_models import make_requests, wrap

from vrs_lmeval.model import VrsHF
from vrs_lmeval.vision_features import VisionFeatures

ONE_ENTRY_AN_IMAGE = ["llava", "paligemma", "gemma3", "internvl"]


@pytest.fixture(scope="module", params=ONE_ENTRY_AN_IMAGE)
def model(request):
    if reason := ARCHITECTURES[request.param].reason_to_skip():
        pytest.skip(reason)
    return ARCHITECTURES[request.param].make()[0]


def draw_pixels(count):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def count_images(model, monkeypatch):
    """A list that grows by the number of images at each pass of the vision tower."""
    seen = []
    tower = next(module for name, module in model.named_modules() if name.endswith("vision_tower"))
    forward = tower.forward

    def counted(pixel_values, *args, **settings):
        seen.append(len(pixel_values))
        return forward(pixel_values, *args, **settings)

    monkeypatch.setattr(tower, "forward", counted)
    return seen


@torch.inference_mode()
def test_the_tower_computes_each_image_once_and_the_model_gets_its_features(model, monkeypatch):
    images = draw_pixels(3)
    expected = model.model.get_image_features(images, return_dict=True).pooler_output
    seen = count_images(model, monkeypatch)
    features = VisionFeatures(model, 2**20)
    with features.remembering():
        for order in ([0, 1, 1], [1, 2, 0], [2, 2, 0]):
            recalled = model.model.get_image_features(images[order], return_dict=True).pooler_output
            assert type(recalled) is type(expected)
            for entry, index in zip(recalled, order, strict=True):
                torch.testing.assert_close(entry, expected[index])
    assert seen == [2, 1]
    assert features.count == 9 - 3


@torch.inference_mode()
def test_afterwards_the_model_computes_as_before(model, monkeypatch):
    seen = count_images(model, monkeypatch)
    features = VisionFeatures(model, 2**20)
    for _ in range(2):
        with features.remembering():
            model.model.get_image_features(draw_pixels(1), return_dict=True)
        model.model.get_image_features(draw_pixels(1), return_dict=True)
    assert seen == [1] * 4


@torch.inference_mode()
def test_what_exceeds_the_budget_is_computed_again(model, monkeypatch):
    images = draw_pixels(3)
    size = next(iter(model.model.get_image_features(images[:1], return_dict=True).pooler_output)).nbytes
    seen = count_images(model, monkeypatch)
    with VisionFeatures(model, 2 * size).remembering():
        for index in (0, 1, 0, 2, 0, 1):  # 2 takes the place of 1, which was used longest ago
            model.model.get_image_features(images[index : index + 1], return_dict=True)
    assert len(seen) == 4


def test_paligemma_computes_an_image_once_for_all_its_questions(monkeypatch):
    model, processor = ARCHITECTURES["paligemma"].make()
    plain = wrap(VrsHF, copy.deepcopy(model), copy.deepcopy(processor), batch_size=4, prefix_cache_bytes=0)
    lm = wrap(VrsHF, model, processor, batch_size=4)
    requests = make_requests()
    expected = plain.generate_until(requests, disable_tqdm=True)
    seen = count_images(model, monkeypatch)
    assert lm.generate_until(requests, disable_tqdm=True) == expected
    work = lm.get_model_info()["vrs_work"]
    assert work["asked_plainly"] == len(requests)
    assert work["image_features_reused"] == len(requests) - (3 + 1), "three images and one blank for all sizes"
    assert sum(seen) < len(requests), "the self-check's images included"
