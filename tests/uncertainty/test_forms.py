"""Both intervals of functions of sums: against the plain formulas, by finite differences, and on degenerate input."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_metrics import naive_clustered_error

from vrs_lmeval.uncertainty.forms import MEAN, RATE_TIMES_COMPLEMENT, RATIO, RATIO_TO_DIFFERENCE, SPREAD, Units
from vrs_lmeval.uncertainty.intervals import (
    Quantity,
    find_bootstrap_interval,
    find_both_intervals,
    find_error,
    find_t_interval,
    find_value,
)

IMAGES = list("abcdefgh")


def make_quantity(form, rows, clusters, applies=None):
    summands = np.array(rows, dtype=float)
    applies = np.ones(len(rows), dtype=bool) if applies is None else np.array(applies)
    return Quantity(form, Units(summands, applies, clusters))


def find_one(form, rows, clusters, applies=None, resamples=400):
    quantity = make_quantity(form, rows, clusters, applies)
    (found,) = find_both_intervals([quantity], clusters, key="k", resamples=resamples)
    return found


rows_of_mean = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.sampled_from(IMAGES)), min_size=1, max_size=25)


@given(rows_of_mean)
@settings(derandomize=True, max_examples=100, deadline=None)
def test_a_mean_has_the_intervals_of_the_plain_functions(rows):
    values, clusters = zip(*rows, strict=True)
    found = find_one(MEAN, [(value, 1.0) for value in values], clusters)
    expected = find_t_interval(values, clusters), find_bootstrap_interval(values, clusters, key="k", resamples=400)
    for mine, theirs in zip((found.analytic, found.bootstrap), expected, strict=True):
        assert (mine.n, mine.clusters, mine.reason, mine.method) == (
            theirs.n,
            theirs.clusters,
            theirs.reason,
            theirs.method,
        )
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), nan_ok=True, abs=1e-12)


def test_questions_that_a_metric_does_not_apply_to_take_no_part():
    values, clusters = [1.0, 0.0, 1.0, 0.0, 1.0], list("aabcd")
    applies = [True, True, True, True, False]
    rows = [(value, 1.0) if applied else (0.0, 0.0) for value, applied in zip(values, applies, strict=True)]
    found = find_one(RATIO, rows, clusters, applies).analytic
    assert found == find_t_interval(values[:4], clusters[:4])
    assert (found.n, found.clusters) == (4, 3)


def test_a_ratio_has_the_error_of_the_delta_method():
    above, below = [1, 0, 0, 1, 0, 1], [1, 1, 0, 1, 1, 1]
    found = find_one(RATIO, list(zip(above, below, strict=True)), list("aabbcd")).analytic
    assert found.estimate == pytest.approx(3 / 5)
    linear = [(a - 3 / 5 * b) / (5 / 6) for a, b in zip(above, below, strict=True)]
    pairs = list(zip(zip(above, below, strict=True), "aabbcd", strict=True))
    assert find_error(RATIO, pairs) == pytest.approx(naive_clustered_error(linear, "aabbcd", below))


def test_a_rate_times_a_complement_has_the_error_of_the_delta_method():
    triples = [(1.0, 0.0, "a"), (0.0, 1.0, "a"), (1.0, None, "b"), (1.0, 1.0, "c"), (0.0, 0.0, "d"), (1.0, 0.0, "e")]
    rows = [(claim, 1.0, *((0.0, 0.0) if change is None else (change, 1.0))) for claim, change, _ in triples]
    found = find_one(RATE_TIMES_COMPLEMENT, rows, [image for _, _, image in triples]).analytic
    assert found.estimate == pytest.approx(4 / 6 * (1 - 2 / 5))
    linear = [
        (1 - 2 / 5) * claim - (0 if change is None else 4 / 6 * (change - 2 / 5) / (5 / 6))
        for claim, change, _ in triples
    ]
    pairs = [((claim, change), image) for claim, change, image in triples]
    images = [image for _, _, image in triples]
    assert find_value(RATE_TIMES_COMPLEMENT, [value for value, _ in pairs]) == found.estimate
    assert find_error(RATE_TIMES_COMPLEMENT, pairs) == pytest.approx(
        naive_clustered_error(linear, images, [change is not None for _, change, _ in triples])
    )


def test_a_spread_is_differentiated_rightly():
    draws = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=float)
    found = find_one(SPREAD, np.column_stack([draws, np.ones(5)]), list("aabcd")).analytic
    assert found.estimate == pytest.approx(statistics.stdev(draws.mean(axis=0)))
    # The infinitesimal jackknife by finite differences: a little more weight on one image at a time.
    residuals = []
    for image in "abcd":

        def weigh(extra, image=image):
            weights = np.array([1.0 + extra * (name == image) for name in "aabcd"])
            return statistics.stdev((weights @ draws) / weights.sum())

        residuals.append((weigh(1e-6) - weigh(-1e-6)) / 2e-6)
    expected = math.sqrt(sum(r * r / (1 - share) for r, share in zip(residuals, (0.4, 0.2, 0.2, 0.2), strict=True)))
    pairs = list(zip(draws.tolist(), "aabcd", strict=True))
    assert find_error(SPREAD, pairs) == pytest.approx(expected, rel=1e-6)


def test_all_statistics_share_their_draws_and_chunks_do_not_show(monkeypatch):
    generator = np.random.default_rng(2)
    clusters = generator.integers(0, 30, 90)
    rows = [np.column_stack([generator.integers(0, 2, 90), np.ones(90)]) for _ in range(5)]
    quantities = [make_quantity(RATIO, each, clusters) for each in rows]
    together = find_both_intervals(quantities, clusters, key="k", resamples=300)
    assert together == [find_one(RATIO, each, clusters, resamples=300) for each in rows]
    monkeypatch.setattr("vrs_lmeval.uncertainty.intervals._QUANTITIES_AT_ONCE", 2)
    assert find_both_intervals(quantities, clusters, key="k", resamples=300) == together


@pytest.mark.parametrize(
    ("form", "rows", "clusters", "applies", "reason"),
    [
        (RATIO, [(0, 0)] * 3, list("abc"), [False] * 3, "no values"),
        (RATIO, [(0, 0)] * 3, list("abc"), None, "denominator is not above 0"),
        (RATIO, [(1, 1), (0, 1)], list("aa"), None, "one cluster"),
        (RATIO, [(1, 1)] * 3, list("abc"), None, "all values are equal"),
        (RATIO, [(1, 1), (-1, 1)] * 3, list("aabbcc"), None, "all clusters have the same mean"),
        (SPREAD, [(1, 1, 1), (0, 0, 1)], list("ab"), None, "all clusters have the same mean"),
    ],
)
def test_degenerate_input_gives_nan_with_a_reason(form, rows, clusters, applies, reason):
    found = find_one(form, rows, clusters, applies)
    for interval in (found.analytic, found.bootstrap):
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
        assert reason in interval.reason


def test_a_bootstrap_with_many_empty_resamples_is_not_shown():
    rows, applies = [(1, 1), (0, 1)] + [(0, 0)] * 8, [True, True] + [False] * 8
    found = find_one(RATIO, rows, range(10), applies)
    assert not math.isnan(found.analytic.low)
    assert math.isnan(found.bootstrap.low)
    assert "too few clusters have values" in found.bootstrap.reason


@pytest.mark.parametrize(
    ("rows", "value"), [([(0.4, 0.8), (0.2, 0.4)], 0.5), ([(-0.1, -0.2)], None), ([(0.4, 0.0)], None)]
)
def test_a_share_of_a_ceiling_that_is_not_above_0_is_no_number(rows, value):
    found = find_value(RATIO_TO_DIFFERENCE, rows)
    assert math.isnan(found) if value is None else found == pytest.approx(value)
