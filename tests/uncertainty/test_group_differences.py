"""Differences between groups of models: by hand, against a naive twin and a simulation, and on degenerate input."""

import math

import numpy as np
import pytest
from scipy import stats

from vrs_lmeval.uncertainty.clusters import resample_means
from vrs_lmeval.uncertainty.model_groups import (
    bootstrap_group_difference,
    find_group_difference,
    find_matched_difference,
)


def make_models(effects, images=80, seed=0):
    generator = np.random.default_rng(seed)
    scores = (generator.random((images * 2, len(effects))) < np.array(effects)).astype(float)
    return scores, np.arange(images * 2) // 2


def test_the_group_difference_worked_by_hand():
    # Models of constant values, so that images add nothing: means .3 and .3, s^2/k = .02/2 and .08/2, and Welch's
    # degrees of freedom .05^2 / (.01^2 + .04^2) = 1.4706.
    columns = np.tile([0.2, 0.4, 0.1, 0.5], (4, 1))
    interval = find_group_difference(columns, list("abcd"), np.array([True, True, False, False]))
    half = stats.t.ppf(0.975, 0.05**2 / (0.01**2 + 0.04**2)) * math.sqrt(0.05)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.0, -half, half))


def naive_two_way_variance(columns, clusters, is_first):
    """Cameron, Gelbach and Miller's sum over pairs of observations that share an image but not a model."""
    k = {True: sum(is_first), False: len(is_first) - sum(is_first)}
    residual = {}
    for m, column in enumerate(columns.T):
        sign = 1 if is_first[m] else -1
        for i, value in enumerate(column):
            residual[i, m] = sign * (value - column.mean()) / (k[bool(is_first[m])] * len(column))
    images = len(set(clusters))
    return sum(
        residual[i, m] * residual[j, o] * images / (images - 1)
        for i, m in residual
        for j, o in residual
        if clusters[i] == clusters[j] and m != o
    )


def test_the_group_variance_equals_its_naive_twin():
    columns, clusters = make_models([0.2, 0.3, 0.4, 0.6, 0.7], images=6)
    columns += np.arange(12)[:, None] // 2 % 3 * np.array([1, 1, 0, 0, 0])  # what the first group's models share
    is_first = np.array([True, True, False, False, False])
    means = columns.mean(axis=0)
    between = means[:2].var(ddof=1) / 2, means[2:].var(ddof=1) / 3
    freedom = sum(between) ** 2 / (between[0] ** 2 / 1 + between[1] ** 2 / 2)
    shared = naive_two_way_variance(columns, list(clusters), is_first)
    assert shared > 0
    interval = find_group_difference(columns, clusters, is_first)
    assert interval.estimate == pytest.approx(means[:2].mean() - means[2:].mean())
    assert interval.high - interval.estimate == pytest.approx(
        stats.t.ppf(0.975, freedom) * math.sqrt(sum(between) + shared)
    )


def test_the_group_interval_grows_with_the_spread_between_models():
    alike, clusters = make_models([0.5] * 8)
    apart, _ = make_models([0.1, 0.9] * 4)
    is_first = np.arange(8) < 4
    narrow, wide = (find_group_difference(each, clusters, is_first) for each in (alike, apart))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


@pytest.mark.parametrize(
    ("is_first", "reason"), [([True, True, True], "without models"), ([True, False, False], "two")]
)
def test_too_few_models_give_the_reason(is_first, reason):
    columns, clusters = make_models([0.2, 0.3, 0.4])
    interval = find_group_difference(columns, clusters, np.array(is_first))
    assert math.isnan(interval.low)
    assert reason in interval.reason


def test_the_bootstrap_of_groups_resamples_models_and_images():
    # No spread between images: the means of two models, .2 and .4, are drawn in pairs, and so are .1 and .5.
    columns, clusters = np.tile([0.2, 0.4, 0.1, 0.5], (4, 1)), list("abcd")
    is_first = np.array([True, True, False, False])
    means = resample_means(columns, clusters, key="k", resamples=20_000)
    found = bootstrap_group_difference(find_group_difference(columns, clusters, is_first), means, is_first, key="k")
    # First minus second is .4 - .1 = .3 in 1/16 of the draws and .2 - .5 = -.3 in as many: beyond 2.5 % on either side.
    assert (found.estimate, found.low, found.high) == pytest.approx((0.0, -0.3, 0.3))
    again = bootstrap_group_difference(find_group_difference(columns, clusters, is_first), means, is_first, key="k")
    assert again == found


def test_the_bootstrap_of_groups_sees_the_spread_between_images():
    columns, clusters = make_models([0.4, 0.4, 0.4, 0.4, 0.4, 0.4], images=40)
    is_first = np.arange(6) < 3
    analytic = find_group_difference(columns, clusters, is_first)
    means = resample_means(columns, clusters, key="k", resamples=4000)
    fixed = bootstrap_group_difference(analytic, np.tile(columns.mean(axis=0), (4000, 1)), is_first, key="k")
    found = bootstrap_group_difference(analytic, means, is_first, key="k")
    assert found.high - found.low > 1.2 * (fixed.high - fixed.low)


def test_the_matched_difference_worked_by_hand():
    # Differences within three bases, without spread between images: mean .2, s = .1, t(2) = 4.30265.
    found = find_matched_difference(np.tile([0.1, 0.2, 0.3], (4, 1)), list("abcd"))
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, 0.2 - half, 0.2 + half), rel=1e-6)


def test_what_bases_have_in_common_drops_out_of_the_matched_difference():
    generator = np.random.default_rng(4)
    bases = np.array([0.1, 0.4, 0.7])
    first = (generator.random((400, 3)) < bases + 0.1).astype(float)
    second = (generator.random((400, 3)) < bases).astype(float)
    clusters = np.arange(400) // 2
    matched = find_matched_difference(first - second, clusters)
    groups = find_group_difference(np.hstack([first, second]), clusters, np.arange(6) < 3)
    assert matched.estimate == pytest.approx(groups.estimate)
    assert matched.high - matched.low < 0.5 * (groups.high - groups.low)


@pytest.mark.parametrize(
    ("columns", "clusters", "reason"),
    [
        (np.empty((4, 0)), list("abcd"), "not enough base models"),
        (np.zeros((4, 1)), list("abcd"), "not enough base models"),
        (np.eye(4)[:, :2], list("aaaa"), "one cluster"),
        (np.eye(4)[:, :2], list("abcd"), "do not differ at all"),
    ],
)
def test_a_matched_difference_without_grounds_has_a_reason(columns, clusters, reason):
    found = find_matched_difference(columns, clusters)
    assert math.isnan(found.low)
    assert reason in found.reason
