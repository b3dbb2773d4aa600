"""Tests between models: by hand, against full enumeration and naive twins, and on degenerate input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_metrics import naive_clustered_error

from vrs_lmeval.leaderboard.pairs import compare_pairs, fill_matrix
from vrs_lmeval.uncertainty.model_tests import (
    adjust_holm,
    find_detectable_difference,
    find_mcnemar_p_value,
    find_needed_images,
    find_pairwise_errors,
    find_pairwise_p_values,
    find_rank_intervals,
    find_sign_flip_p_values,
)


def naive_sign_flip(values, clusters):
    """Every sign vector of the images, in loops."""
    sums = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value
    observed = abs(sum(sums.values()))
    flipped = [
        abs(sum(sign * total for sign, total in zip(signs, sums.values(), strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(sums))
    ]
    return sum(total >= observed - 1e-9 for total in flipped) / len(flipped)


def test_the_sign_flip_test_worked_by_hand():
    # Images a: 1 + 1, b: 1, c: -1. |2 + 1 - 1| = 2; of the 8 sign vectors the sums are +-2, +-4, +-2, +-0: 6 reach 2.
    differences = np.array([[1.0], [1.0], [1.0], [-1.0]])
    assert find_sign_flip_p_values(differences, list("aabc"), key="k") == pytest.approx([6 / 8])


@given(st.lists(st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), st.sampled_from("abcdef")), min_size=1, max_size=20))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_the_sign_flip_test_equals_its_naive_twin(rows):
    values, clusters = zip(*rows, strict=True)
    (p_value,) = find_sign_flip_p_values(np.array(values)[:, None], clusters, key="k")
    sums = [sum(v for v, c in rows if c == name) for name in set(clusters)]
    expected = naive_sign_flip(values, clusters) if any(sums) else math.nan
    assert p_value == pytest.approx(expected, nan_ok=True)


def test_random_flips_agree_with_the_enumeration(monkeypatch):
    generator = np.random.default_rng(3)
    values, clusters = generator.integers(-1, 3, 40).astype(float), np.arange(40) % 11
    exact = find_sign_flip_p_values(values[:, None], clusters, key="k")
    monkeypatch.setattr("vrs_lmeval.uncertainty.model_tests._MAX_ENUMERATED", 0)
    drawn = find_sign_flip_p_values(values[:, None], clusters, key="k", flips=40_000)
    assert drawn == pytest.approx(exact, abs=5 * math.sqrt(exact[0] * (1 - exact[0]) / 40_000))
    assert find_sign_flip_p_values(values[:, None], clusters, key="k", flips=40_000) == drawn
    monkeypatch.setattr("vrs_lmeval.uncertainty.model_tests._BLOCK_SIGNS", 500)
    assert find_sign_flip_p_values(values[:, None], clusters, key="k", flips=40_000) == pytest.approx(exact, abs=0.02)


def test_columns_are_tested_each_for_itself_and_nan_does_not_apply():
    clusters = list("abcd")
    columns = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, np.nan], [1.0, 0.0, 1.0], [1.0, 0.0, np.nan]])
    all_up, nothing, two = find_sign_flip_p_values(columns, clusters, key="k")
    assert (all_up, two) == (2 / 16, 2 / 4)
    assert math.isnan(nothing)


@pytest.mark.parametrize("images", [9, 40])
def test_pairs_of_columns_are_tested_as_their_differences(images):
    generator = np.random.default_rng(5)
    columns, clusters = generator.integers(-1, 2, (3 * images, 4)).astype(float), np.arange(3 * images) % images
    columns[:, 3] = columns[:, 0]
    pairs = find_pairwise_p_values(columns, clusters, key="k", flips=500)
    for i, j in itertools.product(range(4), repeat=2):
        (expected,) = find_sign_flip_p_values((columns[:, i] - columns[:, j])[:, None], clusters, key="k", flips=500)
        assert pairs[i, j] == pytest.approx(expected, nan_ok=True)
    assert math.isnan(pairs[0, 3])


def test_a_p_value_from_random_flips_is_never_zero():
    # 12 up and 1 down of 13: T = 11, and 2 exp(-121 / 26) = .019 is above what 999 flips leave, 1 / 1000.
    barely = np.array([[1.0]] * 12 + [[-1.0]])
    (p_value,) = find_sign_flip_p_values(barely, np.arange(13), key="k", flips=999)
    assert p_value >= 1 / 1000


def test_a_difference_that_no_flip_reaches_has_hoeffdings_bound():
    columns, clusters = np.ones((200, 1)), np.arange(200)
    expected = 2 * math.exp(-(200**2) / (2 * 200))
    assert find_sign_flip_p_values(columns, clusters, key="k", flips=999) == pytest.approx([expected])


@given(st.lists(st.sampled_from([-1.0, 0.5, 1.0, 2.0]), min_size=1, max_size=12))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_hoeffdings_bound_is_never_below_the_exact_p_value(values):
    bound = 2 * math.exp(-(sum(values) ** 2) / (2 * sum(value**2 for value in values)))
    assert naive_sign_flip(values, range(len(values))) <= bound + 1e-12


def test_many_models_can_still_be_told_apart():
    # 40 models, 780 pairs: with 10,000 flips alone the smallest adjusted p would be 780 / 10,001 = .078.
    generator = np.random.default_rng(11)
    columns = (generator.random((600, 40)) < np.linspace(0.1, 0.9, 40)).astype(float)
    tests = compare_pairs(columns, list(map(str, range(600))), key="k")
    ranks = find_rank_intervals(columns.mean(axis=0).tolist(), fill_matrix(tests, 40))
    assert tests[38].p_value < 1e-6  # the first against the last
    assert all(1 <= best <= 40 - index <= worst <= 40 for index, (best, worst) in enumerate(ranks))
    assert max(worst - best for best, worst in ranks) < 20


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0]), st.sampled_from("abcd"))))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_errors_of_pairs_are_those_of_their_differences(rows):
    columns = np.array([row[:2] for row in rows]).reshape(-1, 2)
    clusters = [row[2] for row in rows]
    if len(rows):
        expected = naive_clustered_error(columns[:, 0] - columns[:, 1], clusters)
        found = find_pairwise_errors(columns, clusters)[0, 1]
        assert (found or math.nan) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_holm_worked_by_hand():
    # 3 tests: .01 * 3 = .03, .02 * 2 = .04, .03 * 1 = .03, raised to .04; a NaN is no test.
    assert adjust_holm([0.03, math.nan, 0.01, 0.02]) == pytest.approx([0.04, math.nan, 0.03, 0.04], nan_ok=True)
    assert adjust_holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert adjust_holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(derandomize=True, max_examples=100)
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = set()
    for step, index in enumerate(order):
        if p_values[index] * (len(order) - step) > 0.05:
            break
        rejected.add(index)
    assert set(np.flatnonzero(adjust_holm(p_values) <= 0.05)) == rejected


def test_rank_intervals_worked_by_hand():
    # A is above C alone; B is told apart from nobody.
    adjusted = np.array([[np.nan, 0.3, 0.01], [0.3, np.nan, 0.2], [0.01, 0.2, np.nan]])
    assert find_rank_intervals([0.5, 0.4, 0.1], adjusted) == [(1, 2), (1, 3), (2, 3)]
    assert find_rank_intervals([0.1, 0.5], np.array([[np.nan, 0.001], [0.001, np.nan]])) == [(2, 2), (1, 1)]
    assert find_rank_intervals([0.1, 0.1], np.full((2, 2), np.nan)) == [(1, 2), (1, 2)]


def test_mcnemar_of_the_published_example():
    # arXiv 2603.03437, PathVQA: 56 right with the image, 65 with another, n = 100; 31 discordant pairs are 11 and 20.
    assert find_mcnemar_p_value(11, 20) == pytest.approx(0.150, abs=5e-4)
    assert find_mcnemar_p_value(0, 5) == 2 / 2**5
    assert math.isnan(find_mcnemar_p_value(0, 0))


def test_detectable_difference_worked_by_hand():
    # With endless degrees of freedom 1.959964 + .841621 standard errors; half of it needs four times the images.
    many = 1e9
    assert find_detectable_difference(0.1, many, 0.0) == pytest.approx(0.2801585)
    assert find_needed_images(100, 0.1, many, 0.0, 0.2801585 / 2) == pytest.approx(400, rel=1e-5)
    assert find_needed_images(100, 0.1, many, 0.0, 0.0) == math.inf
    assert find_detectable_difference(0.1, 10, 0.0) == pytest.approx(0.1 * (2.228139 + 0.879058))


def test_one_question_that_differs_promises_no_power_for_a_tiny_difference():
    # One of 451 differs. A mean of d has a variance of (d - d^2) / 451 at least: d / (1 - d) = 2.8016^2 / 451.
    error = 1 / 451
    odds = 2.8015852**2 / 451
    found = find_detectable_difference(error, 1e9, 1 / 451)
    assert found == pytest.approx(odds / (1 + odds), rel=1e-5)
    assert found > 2.5 * 2.8015852 * error
    # So many images like these find that difference: as many as there are.
    assert find_needed_images(451, error, 1e9, 1 / 451, found) == pytest.approx(451, rel=1e-5)
