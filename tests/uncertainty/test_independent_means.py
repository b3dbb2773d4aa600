"""The mean of independent estimates and its limits, by hand and against draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.independent_means import find_mean_interval


def interval(estimate, low, high, reason=None):
    return Interval(estimate, low, high, "t", 10, 5, reason=reason)


def test_two_by_hand():
    found = find_mean_interval([interval(0.2, 0.1, 0.5), interval(0.4, 0.4 - 0.1, 0.8)])
    assert found.estimate == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - math.sqrt(0.1**2 + 0.1**2) / 2)
    assert found.high == pytest.approx(0.3 + math.sqrt(0.3**2 + 0.4**2) / 2)
    assert (found.n, found.clusters) == (20, 10)


def test_one_is_itself():
    found = find_mean_interval([interval(0.2, -0.1, 0.3)])
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, -0.1, 0.3))


def test_without_one_limit_there_is_none_and_the_reason_is_kept():
    found = find_mean_interval([interval(0.2, 0.1, 0.3), interval(0.4, math.nan, math.nan, "one image")])
    assert found.estimate == pytest.approx(0.3)
    assert math.isnan(found.low)
    assert found.reason == "one image"


def test_of_nothing_there_is_no_mean():
    with pytest.raises(ValueError, match="at least one"):
        find_mean_interval([])


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_it_holds_the_mean_and_is_never_wider_than_the_mean_of_the_limits(parts):
    found = find_mean_interval([interval(e, e - below, e + above) for e, below, above in parts])
    assert found.low - 1e-9 <= found.estimate <= found.high + 1e-9
    assert found.estimate - found.low <= sum(below for _, below, _ in parts) / len(parts) + 1e-9


def test_it_covers_the_true_mean_of_normal_estimates():
    draws = np.random.default_rng(1).normal([0.0, 0.3, 0.1], [0.02, 0.05, 0.1], (4000, 3))
    covered = 0
    for row in draws:
        parts = [interval(x, x - 1.96 * s, x + 1.96 * s) for x, s in zip(row, (0.02, 0.05, 0.1), strict=True)]
        found = find_mean_interval(parts)
        covered += found.low <= 0.4 / 3 <= found.high
    assert covered / 4000 == pytest.approx(0.95, abs=0.012)  # three standard errors of a share of 4000
