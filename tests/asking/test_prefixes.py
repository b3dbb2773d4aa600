"""Planning of shared prefixes: every request once, prefixes kept no longer and no larger than promised."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.stores import gradient, make_store

from vrs_lmeval.asking.batch_planning import (
    Ask,
    Group,
    common_length,
    identify_image,
    plan_batches,
    text_before_question,
)
from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

groups_of_asks = st.lists(
    st.tuples(st.integers(1, 50), st.lists(st.sampled_from("ab"), min_size=1, max_size=7)), max_size=12
)


def make_groups(drawn):
    numbers = itertools.count()
    return [
        Group(prefix, cost, [Ask(next(numbers), settings) for settings in asks])
        for prefix, (cost, asks) in enumerate(drawn)
    ]


@given(groups_of_asks, st.integers(1, 6), st.integers(1, 120))
def test_every_request_is_asked_once_in_batches_that_fit(drawn, size, budget):
    groups = make_groups(drawn)
    batches = list(plan_batches(iter(groups), lambda: size, budget))
    assert sorted(ask.index for batch in batches for _, ask in batch.asks) == list(range(sum(len(a) for _, a in drawn)))
    for batch in batches:
        assert 1 <= len(batch.asks) <= size
        assert len({ask.settings for _, ask in batch.asks}) == 1


@given(groups_of_asks, st.integers(1, 6), st.integers(1, 120))
def test_prefixes_within_the_budget_are_computed_once_and_dropped_after_their_last_request(drawn, size, budget):
    alive, dropped = {}, []
    for batch in plan_batches(iter(make_groups(drawn)), lambda: size, budget):
        for group, _ in batch.asks:
            assert group.prefix not in dropped, "a prefix would be computed again"
            alive[group.prefix] = group.cost
        assert sum(alive.values()) <= budget or len(alive) == 1
        for group in batch.finished:
            del alive[group.prefix]
            dropped.append(group.prefix)
    assert not alive
    assert sorted(dropped) == list(range(len(drawn)))


def test_groups_are_read_only_as_far_as_a_batch_needs():
    read = []

    def lazily():
        for group in make_groups([(1, "aa")] * 5):
            read.append(group.prefix)
            yield group

    next(plan_batches(lazily(), lambda: 4, budget=100))
    assert read == [0, 1]


def test_a_smaller_batch_size_counts_from_the_next_batch():
    sizes = iter([4, 4, 2, 2, 2, 2, 2, 2])
    batches = plan_batches(iter(make_groups([(1, "a" * 8)])), lambda: next(sizes, 2), budget=10)
    assert [len(batch.asks) for batch in batches] == [4, 2, 2]


def test_common_length_leaves_the_last_token_of_each():
    assert common_length([[1, 2, 3, 4], [1, 2, 9]]) == 2
    assert common_length([[1, 2, 3], [1, 2, 3]]) == 2
    assert common_length([[1, 2, 3, 4], [1, 2, 3]]) == 2
    assert common_length([[7], [7, 8]]) == 0


def test_text_before_question_ends_with_the_last_image():
    assert text_before_question("a <image> b <image>\nwhat?", "<image>") == "a <image> b <image>"
    assert text_before_question("no picture", "<image>") == ""


def test_images_are_known_by_what_they_show():
    store, (first, second) = make_store((20, 12), (16, 24))
    shown = [
        VariantImage(image_id, change, store, perturb)
        for image_id, change in [
            (first, Perturbation.identity()),
            (second, Perturbation.identity()),
            (first, Perturbation.blank()),
            (first, Perturbation("gaussian_noise", (25.0,), key=1)),
            (first, Perturbation("gaussian_noise", (25.0,), key=2)),
        ]
    ]
    assert len({identify_image(image) for image in shown}) == 5
    again = VariantImage(first, Perturbation.identity(), store, perturb)
    assert identify_image(again) == identify_image(shown[0])


def test_plain_images_are_known_by_their_pixels_mode_and_size():
    assert identify_image(gradient(20, 12)) == identify_image(gradient(20, 12))
    grey = Image.new("L", (6, 4))
    others = [gradient(20, 12), gradient(16, 24), grey, Image.new("L", (4, 6)), Image.new("RGB", (2, 4))]
    assert len({identify_image(image) for image in others}) == len(others)
