"""Calibration's numbers from confidences: by hand, against a naive twin and scikit-learn, and what must always hold."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vrs_lmeval.uncertainty.confidences import arrange_in_bins, find_lift, place_in_bins
from vrs_lmeval.uncertainty.forms import BRIER, CALIBRATION_ERROR, OVERCONFIDENCE, gather
from vrs_lmeval.uncertainty.intervals import (
    Quantity,
    find_both_intervals,
    find_error,
    find_interval,
    find_value,
)
from vrs_lmeval.uncertainty.limits import EXACT_METHOD, LIFT_METHOD

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)


def naive_ece(pairs):
    """Bins as fractions: a question's place is the middle of where its equals stand in the order, from 0 to 1."""
    bins = min(10, len(pairs) // 10) or 1
    gaps = {}
    for confidence, right in pairs:
        less = len([1 for other, _ in pairs if round(other, 9) < round(confidence, 9)])
        equal = len([1 for other, _ in pairs if round(other, 9) == round(confidence, 9)])
        number = math.floor(Fraction(2 * less + equal, 2 * len(pairs)) * bins)
        gaps.setdefault(number, []).append(confidence - right)
    return sum(abs(math.fsum(gap)) for gap in gaps.values()) / len(pairs)


confidences = st.one_of(st.floats(0.05, 1.0), st.sampled_from([0.25, 0.5, 0.9, 1.0]))
answers = st.lists(st.tuples(confidences, st.sampled_from([0.0, 1.0])), min_size=1, max_size=130)


def test_four_questions_worked_by_hand():
    # Too few for two bins: gaps .9 - 1, .8 - 1, .6 - 0 and .7 - 1 sum up to 0.
    four = [(0.9, 1.0), (0.8, 1.0), (0.6, 0.0), (0.7, 1.0)]
    assert find_value(CALIBRATION_ERROR, four) == pytest.approx(0.0)
    assert find_value(OVERCONFIDENCE, four) == pytest.approx(0.0)
    assert find_value(BRIER, four) == pytest.approx((0.01 + 0.04 + 0.36 + 0.09) / 4)
    assert find_value(CALIBRATION_ERROR, four[:3]) == pytest.approx(0.3 / 3)


def test_two_bins_worked_by_hand():
    # Ten answers at .6 of which four are right, ten at .9 of which all are: gaps +2 and -1, of twenty questions.
    pairs = [(0.6, float(k < 4)) for k in range(10)] + [(0.9, 1.0)] * 10
    assert find_value(CALIBRATION_ERROR, pairs) == pytest.approx(3 / 20)
    assert find_value(OVERCONFIDENCE, pairs) == pytest.approx(1 / 20)
    # The gradient is +1 for the first bin and -1 for the second; with one question an image the error is that of the
    # numbers +(.6 - c) and -(.9 - 1).
    numbers = [0.6 - right for _, right in pairs[:10]] + [0.1] * 10
    places = [(pair, str(image)) for image, pair in enumerate(pairs)]
    assert find_error(CALIBRATION_ERROR, places) == pytest.approx(float(stats.sem(numbers)))


def test_bins_hold_as_many_questions_and_equals_are_never_parted():
    assert np.bincount(place_in_bins(np.linspace(0.5, 1.0, 451))).tolist() == [45, 45, 45, 45, 45, 46, 45, 45, 45, 45]
    assert np.bincount(place_in_bins(np.linspace(0.5, 1.0, 39))).tolist() == [13, 13, 13]
    saturated = np.array([1.0] * 60 + [0.5 + k / 100 for k in range(40)])
    places = place_in_bins(saturated)
    assert set(places[:60].tolist()) == {7}  # from .4 to 1 of the order: its middle is .7
    assert np.bincount(places[60:]).tolist() == [10, 10, 10, 10]
    almost = place_in_bins(np.array([0.8 + k * 1e-13 for k in range(100)]))
    assert len(set(almost.tolist())) == 1  # rounding in a model's logarithms


@given(answers)
@settings(derandomize=True, max_examples=150, deadline=None)
def test_the_error_equals_its_naive_twin(pairs):
    assert find_value(CALIBRATION_ERROR, pairs) == pytest.approx(naive_ece(pairs), abs=1e-12)


@given(answers, st.randoms(use_true_random=False))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_what_holds_of_any_answers(pairs, random):
    ece, overconfidence = find_value(CALIBRATION_ERROR, pairs), find_value(OVERCONFIDENCE, pairs)
    assert 0 <= ece <= 1
    assert ece >= abs(overconfidence) - 1e-12
    assert find_value(BRIER, pairs) >= overconfidence**2 - 1e-12  # Jensen
    moved = random.sample(pairs, len(pairs))
    assert find_value(CALIBRATION_ERROR, moved) == pytest.approx(ece, abs=1e-12)


@given(answers, st.randoms(use_true_random=False), st.integers(2, 30))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_intervals_hold_the_estimate_stay_in_range_and_do_not_see_the_order(pairs, random, images):
    places = [(pair, str(index % images)) for index, pair in enumerate(pairs)]
    moved = random.sample(places, len(places))
    for form, bounds in ((CALIBRATION_ERROR, SHARE), (OVERCONFIDENCE, DIFFERENCE), (BRIER, SHARE)):
        found, again = find_interval(form, places, bounds), find_interval(form, moved, bounds)
        assert (again.low, again.high) == pytest.approx((found.low, found.high), nan_ok=True, abs=1e-9)
        if found.reason is None:
            assert bounds[0] <= found.low <= found.estimate <= found.high <= bounds[1]


def test_always_right_and_sure_is_without_error_and_the_limit_says_how_much_could_have_been_missed():
    places = [((1.0, 1.0), str(image)) for image in range(50)]
    for form in (CALIBRATION_ERROR, OVERCONFIDENCE, BRIER):
        found = find_interval(form, places, SHARE)
        assert (found.estimate, found.low, found.method) == (0, 0, EXACT_METHOD)
        assert found.high == pytest.approx(1 - 0.05 ** (1 / 50))


def test_always_right_and_nearly_sure_is_not_taken_for_certain():
    """Without a wrong answer the gaps hardly differ; their errors are those of two wrong ones, sqrt(2) / n at least."""
    places = [((0.99 + image * 1e-6, 1.0), str(image)) for image in range(100)]
    claimed = sum(pair[0] * (1 - pair[0]) for pair, _ in places)
    least = float(stats.t.ppf(0.975, 99)) * math.sqrt(2 + claimed) / 100
    for form, bounds in ((OVERCONFIDENCE, DIFFERENCE), (CALIBRATION_ERROR, SHARE)):
        found = find_interval(form, places, bounds)
        assert found.high == pytest.approx(found.estimate + least, rel=1e-6)
    brier = find_interval(BRIER, places, SHARE)
    assert brier.high == pytest.approx(1e-4 + least, rel=0.1)


def test_chance_is_taken_off_below_in_one_bin_as_worked_by_hand():
    # One bin, an image a question: e is normal with variance s^2 = sum (d - mean)^2 / (1 - 1/8), E|e| = s sqrt(2 / pi)
    # and var |e| = s^2 (1 - 2 / pi); the gap is within three s. Four images differ from the most frequent kind, which
    # gives 5 degrees of freedom.
    pairs = [(0.75, float(k % 2)) for k in range(8)]
    gaps = [confidence - right for confidence, right in pairs]
    s = math.sqrt(sum((gap - 0.25) ** 2 for gap in gaps) / (7 / 8)) / 8
    t = float(stats.t.ppf(0.975, 5))
    found = find_interval(CALIBRATION_ERROR, [(pair, str(k)) for k, pair in enumerate(pairs)], (-9.0, 9.0))
    assert found.low == pytest.approx(0.25 - s * (math.sqrt(2 / math.pi) + t * math.sqrt(1 - 2 / math.pi)))
    assert found.method == LIFT_METHOD


def test_what_chance_adds_is_that_of_normal_draws():
    """Two bins without a gap and one with a clear one, correlated by the images: against drawn numbers."""
    generator = np.random.default_rng(3)
    mixing = np.array([[2.0, 0.0, 0.0], [1.0, 1.5, 0.0], [-0.5, 0.5, 1.0]])  # of independent draws, a row a bin
    deviations = np.zeros((3, 7))
    deviations[:, :3] = mixing.T
    sums = np.array([0.5, -0.5, -40.0, 0.0, 0.0, 0.0, 10.0])
    lift = find_lift(sums, deviations)
    drawn = generator.standard_normal((400_000, 3)) @ mixing.T
    added = np.abs(drawn[:, 0]) + np.abs(drawn[:, 1]) - drawn[:, 2]
    assert (10 * lift.mean, 10 * lift.deviation) == pytest.approx((added.mean(), added.std()), rel=0.01)


def test_shuffled_partners_widen_what_chance_may_have_added():
    # Images a and b are each other's partners and err together, as are c and d.
    pairs = {"a": (0.9, 0.0), "b": (0.9, 0.0), "c": (0.6, 1.0), "d": (0.6, 1.0)}
    alone = [(pair, image) for image, pair in pairs.items()]
    joined = [(pair, image, "badc"["abcd".index(image)]) for image, pair in pairs.items()]
    one, other = (find_interval(CALIBRATION_ERROR, places, (-9.0, 9.0)) for places in (alone, joined))
    # u = .65, .65, -.65, -.65: the squares sum up to 4 u^2 and 2 * (u_a u_b + u_c u_d) adds as much.
    assert (other.estimate - other.low) == pytest.approx(math.sqrt(2) * (one.estimate - one.low))


def test_resampling_is_not_shown_where_it_does_not_cover():
    pairs = [(0.5 + k / 200, float(k % 3 > 0)) for k in range(100)]
    images = [str(k // 2) for k in range(100)]
    quantities = [Quantity(form, gather(form, pairs, images), SHARE) for form in (CALIBRATION_ERROR, BRIER)]
    error, brier = find_both_intervals(quantities, images, key="k", resamples=200)
    assert math.isnan(error.bootstrap.low)
    assert "percentiles do not cover" in error.bootstrap.reason
    assert error.analytic.low < error.analytic.estimate < error.analytic.high
    assert brier.bootstrap.low < brier.bootstrap.estimate < brier.bootstrap.high


@pytest.mark.parametrize("form", [CALIBRATION_ERROR, OVERCONFIDENCE, BRIER])
@pytest.mark.parametrize("value", [0.5, [0.5], [1.5, 1.0], [0.5, 2.0], ["a", 1.0], [0.5, math.nan]])
def test_a_value_that_is_no_confidence_with_a_score_is_an_error(form, value):
    with pytest.raises(ValueError, match=r"list|confidence|number"):
        find_value(form, [value])


def test_questions_without_a_confidence_take_no_part():
    places = [((0.9, 1.0), "a"), (None, "b"), ((0.8, 0.0), "c")]
    found = find_interval(CALIBRATION_ERROR, places, SHARE)
    assert (found.estimate, found.n, found.clusters) == (pytest.approx(0.7 / 2), 2, 2)
    assert math.isnan(find_value(CALIBRATION_ERROR, [None]))
    assert find_interval(CALIBRATION_ERROR, [((0.7, 1.0), "a")] * 3, SHARE).reason is not None
    assert find_interval(CALIBRATION_ERROR, [(None, "a")], SHARE).reason == "no values"


def test_brier_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    generator = np.random.default_rng(1)
    sure = generator.random(60)
    right = (generator.random(60) < 0.6).astype(float)
    found = find_value(BRIER, list(zip(sure.tolist(), right.tolist(), strict=True)))
    assert found == pytest.approx(metrics.brier_score_loss(right, sure))


def test_the_interval_covers_a_calibrated_model_and_percentiles_do_not():
    # 200 data sets of 100 questions on 50 images: 95 % - 3 standard errors of 1.5 points.
    generator = np.random.default_rng(4)
    images = np.arange(100) // 2
    covered = resampled = 0
    for _ in range(200):
        sure = 0.5 + 0.5 * generator.random(100)
        right = (generator.random(100) < sure).astype(float)
        pairs = np.column_stack([sure, right])
        covered += (
            find_interval(CALIBRATION_ERROR, list(zip(pairs.tolist(), map(str, images), strict=True)), SHARE).low == 0
        )
        summands = arrange_in_bins(pairs).reshape(50, 2, -1).sum(axis=1)
        drawn = generator.multinomial(50, np.full(50, 1 / 50), 200) @ summands
        values = np.abs(drawn[:, :10]).sum(axis=1) / drawn[:, -1]
        resampled += np.quantile(values, 0.025) <= 0
    assert covered >= 0.9 * 200
    assert resampled == 0
