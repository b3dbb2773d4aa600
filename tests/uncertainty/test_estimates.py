"""Standard errors and degrees of freedom against matrices: CR2 by statsmodels' hat matrix, and partners by hand."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from statsmodels.stats.multitest import multipletests
from support.naive_metrics import naive_freedom

from vrs_lmeval.uncertainty.estimates import count_differing, find_freedom, find_partners
from vrs_lmeval.uncertainty.forms import MEAN, RATIO
from vrs_lmeval.uncertainty.intervals import find_error, find_interval, find_standard_error, find_t_interval
from vrs_lmeval.uncertainty.model_tests import adjust_holm

rows = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), st.sampled_from("abcdef")), min_size=4, max_size=30
).filter(lambda drawn: len({cluster for _, cluster in drawn}) > 1 and len({value for value, _ in drawn}) > 1)


def fit(values):
    return sm.OLS(np.asarray(values), np.ones(len(values))).fit()


def compute_cr2(values, clusters):
    """Bell and McCaffrey's error and degrees of freedom of a mean by full matrices; the hat matrix is statsmodels'."""
    result = fit(values)
    design, names = result.model.exog, np.asarray(clusters)
    hat = design @ result.model.pinv_wexog
    annihilator = np.eye(len(values)) - hat
    bread = np.linalg.inv(design.T @ design)
    variance, vectors = 0.0, []
    for name in sorted(set(clusters)):
        own = names == name
        scale = np.linalg.pinv(np.real(sqrtm(annihilator[np.ix_(own, own)])), hermitian=True)
        weights = scale @ design[own] @ bread
        variance += float((weights.T @ result.resid[own]).item() ** 2)
        vectors.append(annihilator[:, own] @ weights[:, 0])
    products = np.array([[one @ other for other in vectors] for one in vectors])
    return math.sqrt(variance), float(np.trace(products) ** 2 / np.square(products).sum())


@given(rows)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_the_error_of_a_mean_is_cr2(drawn):
    values, clusters = zip(*drawn, strict=True)
    error, freedom = compute_cr2(values, clusters)
    if error > 1e-9:
        assert find_standard_error(values, clusters) == pytest.approx(error)
    shares = np.unique(clusters, return_counts=True)[1] / len(values)
    assert find_freedom(shares) == pytest.approx(freedom)


def test_with_equal_clusters_the_error_is_that_of_statsmodels():
    values, clusters = [1, 0, 0, 1, 1, 1, -1, 0, 1, 0], np.repeat(np.arange(5), 2)
    fitted = fit(values).get_robustcov_results("cluster", groups=clusters, use_correction=False)
    assert find_standard_error(values, clusters) == pytest.approx(fitted.bse.item() * math.sqrt(5 / 4))
    assert find_freedom(np.full(5, 0.2)) == pytest.approx(4)


def test_a_ratio_weighs_clusters_by_their_denominators():
    pairs = [((1, 1), "a"), ((0, 1), "a"), ((0, 0), "b"), ((1, 1), "c"), ((1, 1), "d")]
    fitted = sm.OLS([1, 0, 1, 1], np.ones(4)).fit()  # the mean of those that have a denominator
    residuals = fitted.resid
    expected = math.sqrt((residuals[0] + residuals[1]) ** 2 / 0.5 + sum(residuals[2:] ** 2) / 0.75) / 4
    assert find_error(RATIO, pairs) == pytest.approx(expected)


@given(rows)
@settings(derandomize=True, max_examples=60)
def test_degrees_of_freedom_equal_their_naive_twin(drawn):
    values, clusters = zip(*drawn, strict=True)
    names, codes, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    means = np.bincount(codes, weights=values) / counts
    found = min(find_freedom(counts / len(values)), 1 + count_differing(means))
    assert found == pytest.approx(naive_freedom(values, clusters))
    assert 1 - 1e-9 <= found <= len(names) - 1 + 1e-9


def test_images_that_are_partners_add_what_they_share():
    # One question an image, values 1, 1, -1, -1 around a mean of 0: u = value / 4 / sqrt(3/4).
    values, images = [1.0, 1.0, -1.0, -1.0], "abcd"
    alone = find_error(MEAN, list(zip(values, images, strict=True)))
    assert alone**2 == pytest.approx(4 / 12)
    # a with b, b with a, c with d, d with c: both pairs agree, 2 * (1 + 1) / 12 more.
    joined = find_error(MEAN, list(zip(values, images, "badc", strict=True)))
    assert joined**2 == pytest.approx(8 / 12)
    # a with c, b with d: they disagree, and the error stays what it was.
    assert find_error(MEAN, list(zip(values, images, "cdab", strict=True))) == pytest.approx(alone)
    # A partner that was not asked about joins nothing.
    assert find_error(MEAN, list(zip(values, images, "wxyz", strict=True))) == pytest.approx(alone)


def test_partners_are_joined_once_and_never_with_themselves():
    found = find_partners(list("aabc"), np.array([0, 0, 1, 2]), ["b", "b", "a", "c"])
    assert found.tolist() == [[0, 1]]
    assert find_partners(list("ab"), np.array([0, 1]), None).shape == (0, 2)


def test_few_clusters_that_differ_have_few_degrees_of_freedom():
    values = [0.0] * 99 + [1.0]
    interval = find_t_interval(values, range(100))
    assert interval.high - interval.estimate == pytest.approx(4.302653 * 0.01, rel=1e-6)  # t with 2, not 99


@pytest.mark.slow
def test_holm_is_that_of_statsmodels():
    generator = np.random.default_rng(1)
    for count in (1, 2, 7, 40):
        p_values = generator.random(count) ** 3
        assert adjust_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([((1, 1), "i0"), ((0, 1), "i0")], None),  # claims on one image alone
        ([((1, 1), "i0"), ((1, 1), "i1")], 1 - 0.05 ** (1 / 2)),  # on two, which agree: not on a hundred
    ],
)
def test_images_without_weight_say_nothing_of_a_ratio(claims, expected):
    places = [((0, 0), f"i{index}") for index in range(100)] + claims
    interval = find_interval(RATIO, places, (0.0, 1.0))
    if expected is None:
        assert math.isnan(interval.low)
        assert "one cluster" in interval.reason
    else:
        assert (interval.low, interval.high, interval.clusters) == (pytest.approx(1 - expected), 1.0, 2)


def test_questions_that_a_metric_does_not_apply_to_change_no_limit():
    places = [(float(index < 4), f"i{index}") for index in range(40)]
    others = [(None, f"i{index % 40}") for index in range(400)]
    assert find_interval(MEAN, places, (0.0, 1.0)) == find_interval(MEAN, places + others, (0.0, 1.0))
