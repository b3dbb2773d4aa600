"""Kept vision features: the tower sees an image once, and what the model gets is what it would have computed."""

import copy
import inspect

import pytest
import torch
from support.architectures import ARCHITECTURES
from support.harness_models import make_requests, wrap
from transformers.modeling_outputs import BaseModelOutputWithPooling

from vrs_lmeval.asking.vision_features import VisionFeatures
from vrs_lmeval.model import VrsHF

pytestmark = pytest.mark.models

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
    expected = model.model.get_image_features(images, return_dict=True)
    seen = count_images(model, monkeypatch)
    features = VisionFeatures(model, 2**20)
    with features.remembering():
        for order in ([0, 1, 1], [1, 2, 0], [2, 2, 0]):
            recalled = model.model.get_image_features(images[order], return_dict=True)
            assert type(recalled) is type(expected)
            assert set(recalled) == set(expected)
            assert type(recalled.pooler_output) is type(expected.pooler_output)
            for entry, index in zip(recalled.pooler_output, order, strict=True):
                torch.testing.assert_close(entry, expected.pooler_output[index])
            torch.testing.assert_close(recalled.last_hidden_state, expected.last_hidden_state[order])
    assert seen == [2, 1, 1], "two together, one of them once more alone to compare, then the third"
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
    output = model.model.get_image_features(images[:1], return_dict=True)
    fields = [one for value in output.values() for one in (value if isinstance(value, list | tuple) else [value])]
    size = sum(one.nbytes for one in fields if one is not None)
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


class Tower:
    """Features by a rule: `rule(pixel_values)` gives the output's fields; counts the images it computes."""

    def __init__(self, rule):
        self.rule, self.seen = rule, []

    def get_image_features(self, pixel_values, image_sizes=None, scale=1.0, **settings):
        self.seen.append(len(pixel_values))
        return BaseModelOutputWithPooling(**self.rule(pixel_values * scale))


class Model:
    def __init__(self, rule):
        self.model = Tower(rule)


def sum_up(pixels):
    sums = pixels.flatten(1).sum(1, keepdim=True)
    return {"pooler_output": sums, "hidden_states": (None, sums * 2), "last_hidden_state": sums * 3}


def test_the_stand_in_has_the_signature_of_what_it_stands_for():
    model = Model(sum_up)
    expected = inspect.signature(model.model.get_image_features)
    with VisionFeatures(model, 2**20).remembering():
        assert inspect.signature(model.model.get_image_features) == expected
        with pytest.raises(TypeError, match="pixel_values"):
            model.model.get_image_features()


def test_every_field_is_given_back_by_position_and_by_name():
    model, images = Model(sum_up), draw_pixels(3)
    expected = model.model.get_image_features(images, None, 2.0)
    with VisionFeatures(model, 2**20).remembering():
        model.model.get_image_features(images[:2], scale=2.0)
        for arguments, settings in (((images, None, 2.0), {}), ((images,), {"scale": 2.0})):
            recalled = model.model.get_image_features(*arguments, **settings)
            assert list(recalled) == list(expected)
            assert recalled.hidden_states[0] is None
            for name in ("pooler_output", "last_hidden_state"):
                torch.testing.assert_close(recalled[name], expected[name])
            torch.testing.assert_close(recalled.hidden_states[1], expected.hidden_states[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"image_sizes": torch.tensor([[32, 32]] * 2)},
        {"grid": torch.tensor([1])},
        {"nested": {"mask": [torch.ones(2)]}},
    ],
)
def test_a_call_with_another_tensor_goes_to_the_model(settings):
    model, images = Model(sum_up), draw_pixels(2)
    features = VisionFeatures(model, 2**20)
    with features.remembering():
        for _ in range(2):
            model.model.get_image_features(images, **settings)
    assert model.model.seen == [2, 2]
    assert features.count == 0


def centre(pixels):
    return {"pooler_output": pixels.flatten(1) - pixels.flatten(1).mean(0)}


def count_all(pixels):
    return {"pooler_output": torch.ones(len(pixels) + 1, 3)}


def per_batch_field(pixels):
    return {"pooler_output": pixels.flatten(1), "attentions": (torch.ones(1, 4),)}


@pytest.mark.parametrize("rule", [centre, count_all, per_batch_field])
def test_features_that_depend_on_the_batch_are_never_recalled(rule):
    model, images = Model(rule), draw_pixels(3)
    features = VisionFeatures(model, 2**20)
    with features.remembering():
        for order in ([0, 1], [1, 2], [0, 1]):
            ours, theirs = model.model.get_image_features(images[order]), rule(images[order])
            torch.testing.assert_close(ours.pooler_output, theirs["pooler_output"])
    assert features.count == 0


def test_one_image_at_a_time_needs_no_comparison():
    model, images = Model(centre), draw_pixels(2)
    features = VisionFeatures(model, 2**20)
    with features.remembering():
        for index in (0, 1, 0, 1):
            expected = centre(images[index : index + 1])["pooler_output"]
            ours = model.model.get_image_features(images[index : index + 1]).pooler_output
            torch.testing.assert_close(ours, expected)
    assert (model.model.seen, features.count) == ([1, 1], 2)
