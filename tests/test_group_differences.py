"""Differences between groups of models: by hand, against a naive twin and a simulation, and on degenerate input."""

import math

import numpy as np
import pytest
from scipy import stats

from vrs_lmeval.group_differences import find_group_difference


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
