"""Clustered intervals: by hand, against naive twins and full enumeration, and on degenerate input."""

import itertools
import math
import statistics
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.columns import find_form_error
from support.naive_metrics import naive_clustered_error

from vrs_lmeval.uncertainty.clusters import make_generator, resample_means
from vrs_lmeval.uncertainty.forms import RATIO
from vrs_lmeval.uncertainty.intervals import find_bootstrap_interval, find_standard_error, find_t_interval

clustered = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.sampled_from("abcde")), min_size=1, max_size=25)


def test_the_t_interval_worked_by_hand():
    # Images a (1, 1), b (0), c (-1, 0, 1); mean 2/6. Residual sums: a 2 - 2/3 = 4/3, b -1/3, c 0 - 1 = -1.
    # Shares 1/3, 1/6, 1/2: s^2 = (16/9 * 3/2 + 1/9 * 6/5 + 1 * 2) / 36 = 4.8 / 36. Sum h^2 = 14/36, q = h^2 / (1 - h) =
    # 1/6, 1/30, 1/2; degrees of freedom 1 / (14/36 + .49 - .27889) = 1.6667; t(1.6667, .975) = 5.2423.
    interval = find_t_interval([1, 1, 0, -1, 0, 1], ["a", "a", "b", "c", "c", "c"])
    half = 5.242265 * math.sqrt(4.8 / 36)
    assert interval.estimate == pytest.approx(1 / 3)
    assert (interval.low, interval.high) == pytest.approx((1 / 3 - half, 1 / 3 + half), rel=1e-3)
    assert (interval.n, interval.clusters, interval.level, interval.reason) == (6, 3, 0.95, None)


def test_one_question_an_image_is_the_textbook_interval():
    values = [0.0, 1.0, -1.0, 0.25, 0.5, 0.75, -0.5]
    interval = find_t_interval(values, range(7), level=0.9)
    assert find_standard_error(values, range(7)) == pytest.approx(statistics.stdev(values) / math.sqrt(7))
    expected = stats.t.interval(0.9, 6, loc=np.mean(values), scale=stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_repeating_every_question_of_an_image_buys_no_precision():
    once = find_t_interval([1, 0, 0, -1, 1], list("abcde"))
    thrice = find_t_interval([1, 0, 0, -1, 1] * 3, list("abcde") * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


@given(clustered)
@settings(derandomize=True, max_examples=150)
def test_the_standard_error_equals_the_naive_twin(rows):
    values, clusters = zip(*rows, strict=True)
    expected = naive_clustered_error(values, clusters)
    assert find_standard_error(values, clusters) == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(clustered, st.randoms(use_true_random=False))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_the_order_of_rows_changes_nothing(rows, random):
    moved = random.sample(rows, len(rows))
    for find in (find_t_interval, lambda *data: find_bootstrap_interval(*data, key="k", resamples=50)):
        first, second = (find(*zip(*order, strict=True)) for order in (rows, moved))
        assert (second.low, second.high) == pytest.approx((first.low, first.high), nan_ok=True)


def test_the_bootstrap_draws_clusters_uniformly():
    # Three clusters with means that tell them apart: all 27 ordered resamples, each as often as the enumeration says.
    sums, counts = (3.0, 0.0, -8.0), (1, 2, 4)
    columns = np.array([3.0, 0.0, 0.0, -2.0, -2.0, -2.0, -2.0])[:, None]
    means = resample_means(columns, list("abbcccc"), key="enumerated", resamples=27_000)[:, 0]
    expected = Counter(
        round(sum(sums[i] for i in draw) / sum(counts[i] for i in draw), 9)
        for draw in itertools.product(range(3), repeat=3)
    )
    seen = Counter(np.round(means, 9).tolist())
    assert set(seen) == set(expected)
    assert all(abs(seen[mean] - 1000 * times) < 6 * math.sqrt(1000 * times) for mean, times in expected.items())


def test_the_bootstrap_agrees_with_the_formula_on_many_images():
    generator = np.random.default_rng(7)
    clusters = generator.integers(0, 300, 900)
    values = generator.integers(-1, 2, 900) + 0.5 * generator.standard_normal(300)[clusters]
    analytic, resampled = find_t_interval(values, clusters), find_bootstrap_interval(values, clusters, key="b")
    assert resampled.estimate == analytic.estimate
    assert resampled.high - resampled.low == pytest.approx(analytic.high - analytic.low, rel=0.05)


def test_the_key_decides_the_bootstrap_alone():
    values, clusters = [1, 0, -1, 1, 0, 1], list("aabbcd")
    first = find_bootstrap_interval(values, clusters, key="vrs/one", resamples=500)
    np.random.default_rng(0).random(10)
    assert find_bootstrap_interval(values, clusters, key="vrs/one", resamples=500) == first
    assert make_generator("vrs/one").random() != make_generator("vrs/two").random()


def test_blocks_do_not_show_in_the_result(monkeypatch):
    columns, clusters = np.arange(12.0)[:, None], np.arange(12) // 2
    whole = resample_means(columns, clusters, key="k", resamples=101)
    monkeypatch.setattr("vrs_lmeval.uncertainty.clusters._BLOCK_DRAWS", 6 * 7)
    assert np.array_equal(resample_means(columns, clusters, key="k", resamples=101), whole)


def test_columns_share_their_draws_and_leave_out_what_does_not_apply():
    columns = np.array([[1.0, 2.0, np.nan], [0.0, 0.0, 5.0], [3.0, 6.0, 5.0]])
    means = resample_means(columns, list("abc"), key="k", resamples=200)
    assert means[:, 1] == pytest.approx(2 * means[:, 0])
    assert set(means[:, 2][~np.isnan(means[:, 2])]) == {5.0}
    assert np.isnan(means[:, 2]).any()  # resamples that drew the first cluster alone


@pytest.mark.parametrize(
    ("values", "clusters", "reason"),
    [
        ([], [], "no values"),
        ([1.0, 0.0], ["a", "a"], "one cluster"),
        ([0.0, 0.0, 0.0], ["a", "b", "c"], "all values are equal"),
        ([1.0, -1.0, 1.0, -1.0], ["a", "a", "b", "b"], "all clusters have the same mean"),
    ],
)
def test_degenerate_input_gives_nan_with_a_reason(values, clusters, reason):
    for interval in (find_t_interval(values, clusters), find_bootstrap_interval(values, clusters, key="k")):
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
        assert reason in interval.reason
        assert (interval.n, interval.clusters) == (len(values), len(set(clusters)))
        assert interval.estimate == pytest.approx(np.mean(values) if values else math.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [([1.0], [], "as many clusters"), ([math.nan], ["a"], "finite"), ([[1.0]], ["a"], "one number a question")],
)
def test_malformed_input_is_an_error(values, clusters, message):
    with pytest.raises(ValueError, match=message):
        find_t_interval(values, clusters)


def test_the_ratio_error_worked_by_hand():
    # One question an image: blank 1 0 0 1, real 1 1 0 1; R = 2/3, residuals (1/3, -2/3, 0, 1/3) / (3/4).
    residuals = [4 / 9, -8 / 9, 0.0, 4 / 9]
    # Of the denominator a has a third, as have b and d: c counts for nothing.
    expected = (
        math.sqrt(
            sum(residual**2 / (1 - share) for residual, share in zip(residuals, (1 / 3, 1 / 3, 0, 1 / 3), strict=True))
        )
        / 4
    )
    assert find_form_error(RATIO, [(1, 1), (0, 1), (0, 0), (1, 1)], "abcd") == pytest.approx(expected)
    assert math.isnan(find_form_error(RATIO, [(1, 0), (0, 0)], "ab"))
    assert math.isnan(find_form_error(RATIO, [], []))


def test_clustered_intervals_cover_and_unclustered_ones_do_not():
    # 300 data sets of 200 questions, 5 an image, correlated: 95 % +- 3 standard errors of 1.26 points.
    generator = np.random.default_rng(1)
    clusters = np.arange(200) // 5
    covered = dict.fromkeys(("clustered t", "bootstrap", "rows"), 0)
    for index in range(300):
        shared = generator.choice([1.0, -1.0, 0.0], p=[0.2, 0.1, 0.7], size=40)[clusters]
        own = generator.choice([1.0, -1.0, 0.0], p=[0.2, 0.1, 0.7], size=200)
        values = np.where(generator.random(200) < 0.6, shared, own)
        intervals = {
            "clustered t": find_t_interval(values, clusters),
            "bootstrap": find_bootstrap_interval(values, clusters, key=f"k{index}", resamples=400),
            "rows": find_t_interval(values, np.arange(200)),
        }
        for name, interval in intervals.items():
            covered[name] += interval.low <= 0.1 <= interval.high
    assert 0.91 <= covered["clustered t"] / 300 <= 0.99
    assert 0.90 <= covered["bootstrap"] / 300 <= 0.99
    assert covered["rows"] / 300 < 0.85
