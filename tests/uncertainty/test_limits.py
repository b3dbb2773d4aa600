"""Limits: inside their range, around their estimate, and equal to what statsmodels says where it knows them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from vrs_lmeval.uncertainty.limits import UNBOUNDED, find_exact_limits, find_limits

RANGES = [(0.0, 1.0), (-1.0, 1.0), (-2.0, 2.0)]


@pytest.mark.parametrize(("right", "asked"), [(97, 100), (1, 451), (30, 60), (449, 451)])
def test_a_share_of_independent_questions_has_wilsons_interval(right, asked):
    share = right / asked
    low, high, _ = find_limits(share, math.sqrt(share * (1 - share) / asked), 1e12, (0.0, 1.0))
    assert (low, high) == pytest.approx(proportion_confint(right, asked, method="wilson"), rel=1e-6)


def test_a_vrs_near_its_end_has_the_interval_of_its_failures():
    # 97 of 100 questions count 1, the others 0: (1 + VRS) / 2 is a share with half the spread, of twice the number.
    low, high, _ = find_limits(0.97, math.sqrt(0.97 * 0.03 / 100), 1e12, (-1.0, 1.0))
    failures = 0.015 * 0.985 / (0.97 * 0.03 / 100 / 4)  # the effective number
    expected = proportion_confint(0.985 * failures, failures, method="wilson")
    assert ((1 + low) / 2, (1 + high) / 2) == pytest.approx(expected, rel=1e-6)


@given(
    st.sampled_from(RANGES),
    st.floats(0, 1),
    st.floats(1e-6, 1),
    st.floats(1, 500),
)
@settings(derandomize=True, max_examples=300)
def test_limits_stay_in_their_range_around_the_estimate(bounds, share, error, freedom):
    least, most = bounds
    value = least + share * (most - least)
    low, high, _ = find_limits(value, error * (most - least) / 2, freedom, bounds)
    assert least <= low <= value + 1e-12
    assert value - 1e-12 <= high <= most


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 1e-3))
@settings(derandomize=True, max_examples=100)
def test_far_from_its_ends_a_score_interval_is_the_t_interval(value, error):
    low, high, _ = find_limits(value, error, 50, (-1.0, 1.0))
    plain = find_limits(value, error, 50, UNBOUNDED)[:2]
    assert (low, high) == pytest.approx(plain, abs=0.02 * error + 10 * error**2)


def test_a_range_without_one_end_has_the_interval_of_the_logarithm():
    low, high, _ = find_limits(2.0, 0.5, 1e12, (0.0, math.inf))
    assert (low, high) == pytest.approx((2 * math.exp(-1.959964 / 4), 2 * math.exp(1.959964 / 4)), rel=1e-6)
    assert find_limits(-2.0, 0.5, 1e12, (-math.inf, 0.0))[:2] == (-high, -low)
    assert find_limits(2.0, 0.5, 1e12, UNBOUNDED)[:2] == pytest.approx((2 - 0.979982, 2 + 0.979982), rel=1e-6)


def test_the_exact_bound():
    """At the limit 59 images that all agree have a chance of 5 %: (1 - .0495)^59 = .05."""
    low, high = find_exact_limits(0.0, 59, (-1.0, 1.0))
    assert (1 - high) ** 59 == pytest.approx(0.05)
    assert low == -high
    assert find_exact_limits(1.0, 59, (0.0, 1.0)) == pytest.approx((1 - high, 1.0))
    assert find_exact_limits(0.0, 59, (0.0, 1.0)) == pytest.approx((0.0, high))
