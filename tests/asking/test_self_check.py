"""What the checks of shared work compare: how closely, on which prompts, and for which kinds of batches."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vrs_lmeval.asking.joined_prefill import name_what_a_batch_changes
from vrs_lmeval.asking.kept_prefixes import CannotShare
from vrs_lmeval.asking.prefix_check import (
    SEVERAL_IMAGES,
    Agreement,
    choose_checked,
    name_traits,
    relative_difference,
    tolerance,
)


def test_a_difference_is_measured_in_standard_deviations():
    theirs = torch.tensor([1.0, 3.0])  # mean 2, standard deviation 1
    assert relative_difference(theirs + torch.tensor([0.5, -0.5]), theirs) == pytest.approx(0.5)
    assert relative_difference(theirs, theirs) == 0


def test_tokens_that_a_model_rules_out_do_not_hide_a_difference():
    lowest = torch.finfo(torch.float32).min
    for masked in (lowest, -math.inf):
        theirs = torch.tensor([1.0, 3.0, masked])
        assert relative_difference(torch.tensor([1.5, 2.5, masked]), theirs) == pytest.approx(0.5)
        assert math.isnan(relative_difference(torch.tensor([1.0, 3.0, 0.0]), theirs)), "ruled out by one alone"


def test_what_holds_for_more_traits_holds_for_fewer():
    agreement = Agreement(torch.float32)
    assert not agreement.covers(set())
    agreement.settle(set(), [0.0])
    assert agreement.covers(set())
    assert not agreement.covers({SEVERAL_IMAGES})
    agreement.settle({SEVERAL_IMAGES, "long"}, [1e-6, 1e-7])
    assert agreement.covers({"long"})
    assert agreement.covers({SEVERAL_IMAGES})
    assert agreement.largest == 1e-6


@pytest.mark.parametrize("difference", [1e-3, math.nan, math.inf])
def test_what_exceeds_rounding_settles_nothing(difference):
    agreement = Agreement(torch.float32)
    with pytest.raises(CannotShare, match="differ by"):
        agreement.settle(set(), [0.0, difference])
    assert not agreement.covers(set())
    assert tolerance(torch.float32) < 1e-3 < tolerance(torch.bfloat16)


def test_traits_of_a_batch():
    assert name_traits(["a", "a"]) == set()
    assert name_traits(["a", "b"]) == {SEVERAL_IMAGES}


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=9))
def test_the_shortest_the_longest_and_two_images_are_checked(batch):
    sizes, images = zip(*batch, strict=True)
    chosen = choose_checked(sizes, images)
    assert len(chosen) == len(set(chosen)) <= 3
    assert {min(sizes), max(sizes)} <= {sizes[index] for index in chosen}
    assert len({images[index] for index in chosen}) >= min(2, len(set(images)))


def encode(ids, pixels, pad_to=0, **more):
    padding = max(pad_to - len(ids), 0)
    return {
        "input_ids": torch.tensor([[0] * padding + ids]),
        "attention_mask": torch.tensor([[0] * padding + [1] * len(ids)]),
        "pixel_values": torch.full((1, 2), float(pixels)),
        **more,
    }


def test_a_batch_that_is_its_prompts_joined_changes_nothing():
    single = [encode([5, 6, 7], 1), encode([8, 9], 2)]
    padded = [encode([5, 6, 7], 1), encode([8, 9], 2, pad_to=3)]
    batch = {name: torch.cat([one[name] for one in padded]) for name in padded[0]}
    assert name_what_a_batch_changes(batch, single) is None


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("pooling", torch.tensor([[0, 1], [2, 3]])),  # counts on through the batch, as Molmo2's
        ("pooling", torch.tensor([[0, 1, -1], [0, 1, -1]])),  # padded to the longest of the batch
        ("pooling", None),
        ("input_ids", torch.tensor([[5, 6, 7], [0, 9, 8]])),
        ("pixel_values", torch.tensor([[2.0, 2.0], [1.0, 1.0]])),
    ],
)
def test_what_a_batch_changes_is_named(name, changed):
    pooling = torch.tensor([[0, 1]])
    single = [encode([5, 6, 7], 1, pooling=pooling), encode([8, 9], 2, pooling=pooling)]
    batch = {
        "input_ids": torch.tensor([[5, 6, 7], [0, 8, 9]]),
        "attention_mask": torch.tensor([[1, 1, 1], [0, 1, 1]]),
        "pixel_values": torch.tensor([[1.0, 1.0], [2.0, 2.0]]),
        "pooling": torch.cat([pooling, pooling]),
    }
    assert name_what_a_batch_changes(batch, single) is None
    assert name_what_a_batch_changes({**batch, name: changed}, single) == name
