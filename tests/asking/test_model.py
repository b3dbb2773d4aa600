"""`vrs-hf`'s image path: the fused op really computes the pixels inside a transformers processor."""

import pytest
import torch
from support.stores import gradient, make_store
from support.tiny_llava import SIDE, save_tiny_llava
from transformers import AutoProcessor

from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.pixels.transformers_backend import FusedImageProcessor
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

pytestmark = pytest.mark.models

PROMPT = "<image>\nwhat is this?"


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    return AutoProcessor.from_pretrained(save_tiny_llava(tmp_path_factory.mktemp("tiny_llava")))


@pytest.fixture
def images():
    store, ids = make_store((50, 40), (40, 70))
    variants = [(ids[0], Perturbation.identity()), (ids[0], Perturbation.blank()), (ids[1], Perturbation.identity())]
    return [VariantImage(image_id, change, store, perturb) for image_id, change in variants]


def test_the_fused_op_gives_the_processors_bits_without_asking_it(processor, images, monkeypatch):
    stock = processor.image_processor
    expected = processor(images=images, text=[PROMPT] * 3, return_tensors="pt", padding="longest", truncation=False)
    monkeypatch.setattr(processor, "image_processor", FusedImageProcessor(stock))
    monkeypatch.setattr(type(stock), "__call__", lambda *args, **kwargs: pytest.fail("the stock processor was asked"))
    fused = processor(images=images, text=[PROMPT] * 3, return_tensors="pt", padding="longest", truncation=False)
    assert fused["pixel_values"].shape == (3, 3, SIDE, SIDE)
    assert torch.equal(fused["pixel_values"], expected["pixel_values"])
    assert torch.equal(fused["input_ids"], expected["input_ids"])


def test_nested_and_plain_images_are_taken_in_order(processor, images):
    fused = FusedImageProcessor(processor.image_processor)
    flat = fused([*images, gradient(33, 20)], return_tensors="pt")["pixel_values"]
    nested = fused([[images[0], images[1]], [images[2], gradient(33, 20)]], return_tensors="pt")["pixel_values"]
    assert torch.equal(flat, nested)


def test_a_call_with_settings_of_its_own_is_left_to_the_processor(processor, images):
    stock = processor.image_processor
    settings = {"size": {"height": 48, "width": 48}, "crop_size": {"height": 48, "width": 48}, "return_tensors": "pt"}
    assert torch.equal(
        FusedImageProcessor(stock)(images, **settings)["pixel_values"], stock(images, **settings)["pixel_values"]
    )
