"""Confidences: takes each answer's confidence and whether it was right, gives the sums for the calibration metrics.

With n questions in bins b, each with confidence p and right or not (c = 1 or 0), the error is

    ECE = 1/n * sum over bins of |sum over the bin's questions of (p - c)|

(Naeini, Cooper and Hauskrecht 2015, AAAI; Guo et al. 2017, arXiv 1706.04599), with as many questions in every bin
(Nguyen and O'Connor 2015, EMNLP; less biased than bins of equal width: Roelofs et al. 2022, arXiv 2012.08668).

Chance lifts the error: if a bin's true gap is 0, |gap| is still above 0. `find_lift` says by how much. The bins count
as fixed: the estimate is the error between these limits, and an error that averages to 0 within a bin is not seen.

Overconfidence and Brier score are means. Their spread depends on the rarer kind of answer, which a sample may lack: if
all answers are right and sure, the values hardly differ. So their standard errors, too, are at least those of a
calibrated model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vrs_lmeval.uncertainty.clusters import Floats

MOST_BINS = 10
"""Bins, as Naeini et al. have them. More bins show more of the curve, but lift the error more (by the root of their
number)."""

FEWEST_IN_BIN = 10
"""Questions that each bin needs: with 10 a bin's accuracy has a standard error of .16; with fewer its gap is chance."""

DIGITS = 9
"""Confidences that agree to so many digits count as equal: the rest is rounding in a model's logarithms."""

CLEAR = 3.0
"""A gap of more standard errors is not 0 by chance (1 in 370); in such a bin chance adds as much as it takes away."""

UNSEEN = 2.0
"""The variance counts so many unseen answers of the rarer kind: 100 right of 100 still leave some 3 % (the two of
Agresti and Coull 1998, The American Statistician 52:119-126)."""


@dataclass(frozen=True, slots=True)
class Lift:
    """The most that chance adds to a value, as mean and standard deviation; and the value's least standard error."""

    mean: float
    deviation: float
    least_error: float


def place_in_bins(confidences: Floats) -> npt.NDArray[np.int64]:
    """The bin (n,) of each confidence (n,), 0 for the least sure. At most MOST_BINS; fewer if bins would hold less than
    FEWEST_IN_BIN.

    The bin depends only on how many confidences are below and how many are equal. So equal ones share a bin, and the
    order of the questions does not matter. With many equal confidences, bins are unequal or empty.
    """
    count = len(confidences)
    bins = max(1, min(MOST_BINS, count // FEWEST_IN_BIN))
    rounded = np.round(confidences, DIGITS)
    ordered = np.sort(rounded)
    below, with_equals = (np.searchsorted(ordered, rounded, side=side) for side in ("left", "right"))
    return np.asarray(bins * (below + with_equals) // (2 * count), dtype=np.int64)


def arrange_in_bins(pairs: Floats) -> Floats:
    """Pairs (confidence p, right c) (n, 2) -> summands (n, 2B + 1): the gap p - c in its bin, p (1 - p) in its bin, and
    1.

    The second is the variance of the gap if the model is calibrated.
    """
    confidences, right = pairs.T
    places = place_in_bins(confidences)
    bins, rows = int(places.max()) + 1, np.arange(len(pairs))
    summands = np.zeros((len(pairs), 2 * bins + 1))
    summands[rows, places] = confidences - right
    summands[rows, bins + places] = confidences * (1 - confidences)
    summands[:, -1] = 1.0
    return summands


def add_gaps(sums: Floats) -> Floats:
    """The expected calibration error (...) from sums (..., 2B + 1)."""
    bins = sums.shape[-1] // 2
    return np.asarray(np.abs(sums[..., :bins]).sum(axis=-1) / sums[..., -1])


def differentiate_gaps(sums: Floats) -> Floats:
    """The gradient of `add_gaps` at sums (2B + 1,); from above if a gap is 0."""
    bins, count = len(sums) // 2, sums[-1]
    signs = np.where(sums[:bins] >= 0, 1.0, -1.0)
    return np.concatenate([signs / count, np.zeros(bins), [-add_gaps(sums) / count]])


def find_lift(sums: Floats, deviations: Floats) -> Lift:
    """The lift of the error, from the total sums (2B + 1,) and each cluster's deviation (G, 2B + 1) from its share of
    them.

    Let e_b be what chance adds to the gap of bin b. Then |gap_b + e_b| - |gap_b| is at most |e_b|; it is e_b or -e_b if
    the gap is clearly not 0 (the derivative of Fang and Santos 2019, Review of Economic Studies 86:377-412).
    The e_b are taken as normal with the clusters' covariances: E|x| = s sqrt(2 / pi), and for a correlation r,
    Cov(|x|, |y|) = 2 / pi * s_x s_y (sqrt(1 - r^2) + r arcsin(r) - 1). A bin without a wrong answer seems to have no
    variance, so a bin has at least the variance of a calibrated model.
    """
    bins, count = len(sums) // 2, sums[-1]
    gaps, calibrated = sums[:bins], sums[bins:-1]
    covariances = deviations[:, :bins].T @ deviations[:, :bins]
    np.fill_diagonal(covariances, np.maximum(covariances.diagonal(), calibrated))
    spreads = np.sqrt(covariances.diagonal())
    is_clear = np.abs(gaps) > CLEAR * spreads
    signs = np.where(is_clear, np.sign(gaps), 0.0)
    varies = ~is_clear & (spreads > 0)
    products = np.outer(spreads[varies], spreads[varies])
    correlations = np.clip(covariances[np.ix_(varies, varies)] / products, -1.0, 1.0)
    shapes = np.sqrt(1 - correlations**2) + correlations * np.arcsin(correlations) - 1
    variance = float(2 / math.pi * (products * shapes).sum() + signs @ covariances @ signs)
    return Lift(
        mean=math.sqrt(2 / math.pi) * float(spreads[varies].sum()) / count,
        deviation=math.sqrt(max(variance, 0.0)) / count,
        least_error=math.sqrt(float(calibrated.sum()) + UNSEEN) / count,
    )


def split_overconfidence(confidence: float, right: float) -> list[float]:
    """Summands of overconfidence: the gap p - c, its variance if the model is calibrated, the squared change by the
    other outcome, and 1."""
    return [confidence - right, confidence * (1 - confidence), 1.0, 1.0]


def split_brier(confidence: float, right: float) -> list[float]:
    """The same summands of (p - c)^2, which is (1 - p)^2 with chance p, else p^2; the two differ by 2 p - 1."""
    jump = (2 * confidence - 1) ** 2
    return [(confidence - right) ** 2, confidence * (1 - confidence) * jump, jump, 1.0]


def average(sums: Floats) -> Floats:
    """The first sum divided by the last: (..., 4) -> (...)."""
    return np.asarray(sums[..., 0] / sums[..., -1])


def differentiate_average(sums: Floats) -> Floats:
    """The gradient of `average` at sums (4,)."""
    return np.array([1 / sums[-1], 0.0, 0.0, -sums[0] / sums[-1] ** 2])


def allow_for_unseen(sums: Floats, deviations: Floats) -> Lift:
    """The lift of a mean: 0, since chance does not lift it; with its standard error, and the least that this may be."""
    _, calibrated, jumps, count = sums.tolist()
    least = math.sqrt(calibrated + UNSEEN * jumps / count) / count
    return Lift(0.0, max(float(np.linalg.norm(deviations[:, 0])) / count, least), least)
