"""Variants: derangements by image, keyed and stable; lazy images that any PIL consumer can use; clear refusals."""

import copy
import hashlib
import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.stores import make_store

from vrs_lmeval.records import Perturbation, Sample
from vrs_lmeval.variants.partners import derange
from vrs_lmeval.variants.rules import make_rule, read_variants
from vrs_lmeval.variants.variant import Split, VariantError
from vrs_lmeval.variants.variant_image import VariantImage


def save_as_png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


ids = st.sets(st.text("0123456789abcdef", min_size=4, max_size=16), min_size=2, max_size=40)


def fill(image, perturbation):
    """A perturbation that counts its calls is enough here; the real ones have their own tests."""
    fill.calls += 1
    if perturbation.kind == "blank":
        return Image.new("RGB", image.size, tuple(int(level) for level in perturbation.parameters))
    return image


@pytest.fixture(autouse=True)
def _reset_calls():
    fill.calls = 0


SPLIT = Split(
    [Sample(f"s-{name}", name, "is it?", (gold,), "closed") for name, gold in (("a", "yes"), ("b", "no"))],
    {"a": (448, 500), "b": (2240, 3000)},
)


@given(ids, st.integers(0, 5))
@settings(derandomize=True, max_examples=100)
def test_derangement_moves_every_image_and_uses_each_once(image_ids, seed):
    partners = derange(image_ids, seed)
    assert set(partners) == set(image_ids) == set(partners.values())
    assert all(partners[image_id] != image_id for image_id in image_ids)


@given(ids)
@settings(derandomize=True, max_examples=50)
def test_derangement_does_not_depend_on_order_or_repeats(image_ids):
    rows = sorted(image_ids)
    assert derange(rows, 0) == derange(rows[::-1] + rows, 0)


def test_derangement_is_the_keyed_circle_worked_by_hand():
    order = sorted("abc", key=lambda name: hashlib.sha256(f"7:{name}".encode()).digest())
    assert derange("abc", 7) == {order[0]: order[1], order[1]: order[2], order[2]: order[0]}


def test_another_seed_draws_other_partners():
    image_ids = [f"{number:04x}" for number in range(50)]
    assert derange(image_ids, 0) != derange(image_ids, 1)


def test_one_image_cannot_be_shuffled():
    with pytest.raises(VariantError, match="at least two different images"):
        derange(["a", "a"], 0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["real", "blurred"], "unknown 'blurred'.*known are real, blank, shuffled"),
        (["blank", "shuffled"], "'real' is missing"),
        (["real", "blank", "blank"], "each name may stand once"),
        (["real", {"name": "shuffled", "kind": "blank"}], "'shuffled' is the name of another kind than 'blank'"),
        (["real", {"name": "blank", "shade": 3}], "'blank' has no parameter shade; it has colour"),
    ],
)
def test_wrong_variants_are_refused_with_what_would_be_right(entries, message):
    with pytest.raises(VariantError, match=message):
        read_variants(entries)


@pytest.mark.parametrize("colour", [[0, 0], [0, 0, 256], [0.5, 0, 0]])
def test_wrong_colours_are_refused(colour):
    (_, blank) = read_variants(["real", {"name": "blank", "colour": colour}])
    with pytest.raises(VariantError, match=r"three integers of 0\.\.255"):
        make_rule(blank, SPLIT)


def test_rules_choose_image_and_perturbation():
    sample = SPLIT.samples[0]
    variants = read_variants(["real", {"name": "black", "kind": "blank", "colour": [0, 0, 0]}, "shuffled"])
    rules = {variant.name: make_rule(variant, SPLIT) for variant in variants}
    shown = {name: (rule.choose(sample), rule.change(rule.choose(sample), sample)) for name, rule in rules.items()}
    assert shown == {
        "real": ("a", Perturbation.identity()),
        "black": ("a", Perturbation.blank((0, 0, 0))),
        "shuffled": ("b", Perturbation.identity()),
    }


def test_variant_image_is_not_decoded_before_its_pixels_are_asked_for():
    store, (image_id, _) = make_store((30, 20), (8, 8))
    image = VariantImage(image_id, Perturbation.identity(), store, fill)
    assert (image.size, image.mode) == ((30, 20), "RGB")
    assert store.decoded_bytes == 0
    assert np.array_equal(np.asarray(image), np.asarray(store.open(image_id)))
    assert store.decoded_bytes > 0


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image.resize((7, 5), Image.Resampling.BICUBIC),
        lambda image: image.convert("L"),
        lambda image: image.convert("RGB"),
        lambda image: image.crop((1, 2, 5, 6)),
        lambda image: image.copy(),
        lambda image: copy.deepcopy(image),
        lambda image: np.array([image.load()[x, 2] for x in range(30)]),
        lambda image: np.frombuffer(save_as_png(image), dtype=np.uint8),
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_variant_image_does_what_the_plain_image_does(use):
    store, (image_id, _) = make_store((30, 20), (8, 8))
    plain, lazy = store.open(image_id), VariantImage(image_id, Perturbation.identity(), store, fill)
    assert isinstance(lazy, Image.Image)
    assert np.array_equal(np.asarray(use(lazy)), np.asarray(use(plain)))


def test_variant_image_shows_its_perturbation():
    store, (image_id, _) = make_store((6, 4), (8, 8))
    blank = VariantImage(image_id, Perturbation.blank((1, 2, 3)), store, fill)
    assert np.array_equal(np.asarray(blank), np.full((4, 6, 3), (1, 2, 3), dtype=np.uint8))


def test_writing_into_a_variant_image_leaves_the_source_alone():
    store, (image_id, _) = make_store((6, 4), (8, 8))
    before = np.array(store.open(image_id))
    lazy = VariantImage(image_id, Perturbation.identity(), store, fill)
    lazy.paste((255, 0, 0), (0, 0, 2, 2))
    assert np.asarray(lazy)[0, 0].tolist() == [255, 0, 0]
    assert np.array_equal(np.asarray(store.open(image_id)), before)
