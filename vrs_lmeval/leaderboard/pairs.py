"""VRS of several models on the same questions -> a test of every two: difference, interval, p-value, and power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Floats, number_clusters
from vrs_lmeval.uncertainty.estimates import (
    NO_SPREAD,
    ONE_CLUSTER,
    count_differing,
    find_freedom,
    find_least_error,
    find_partners,
)
from vrs_lmeval.uncertainty.limits import EXACT_METHOD, T_METHOD, find_exact_limits, find_limits
from vrs_lmeval.uncertainty.model_tests import (
    adjust_holm,
    find_detectable_difference,
    find_needed_images,
    find_pairwise_errors,
    find_pairwise_p_values,
)

SIGNIFICANT = 0.05

PLANNED_DIFFERENCE = 0.05
"""The difference of two VRS that a study should find; the page says how many images like these it needs."""

BOUNDS = (-2.0, 2.0)
"""The range of the difference of two VRS."""


@dataclass(frozen=True, slots=True)
class PairTest:
    """VRS of model `first` minus that of model `second` (places in the order given), paired by question.

    `difference` has its own 95 % interval, not adjusted for the number of pairs. `p_value` is that of sign flips by
    image, adjusted by Holm for all pairs; NaN if no question differs. The last three are for 80 % power by one test at
    5 %: `detectable` is the true difference that these images find; `needed_images` find a difference of the size seen;
    `planned_images` find PLANNED_DIFFERENCE. They are NaN if no image differs, infinite for a difference of 0.
    """

    first: int
    second: int
    difference: Interval
    p_value: float
    detectable: float
    needed_images: float
    planned_images: float

    @property
    def word(self) -> Literal["more", "less"] | None:
        """Whether the first model relies "more" or "less" on the image than the second; None if neither is shown.

        Two things are required: an interval that leaves out 0, and an adjusted p-value below 5 %.
        """
        if not self.p_value < SIGNIFICANT:
            return None
        return "more" if self.difference.low > 0 else "less" if self.difference.high < 0 else None


def compare_pairs(
    columns: Floats,
    images: Sequence[str],
    key: str,
    partners: Sequence[str | None] | None = None,
    *,
    flips: int = 10_000,
) -> list[PairTest]:
    """A test of every two columns of `columns` (n, M), in the order (0, 1), (0, 2) ... (1, 2) ...; clustered by
    `images` (n,).

    `partners` (n,) is the image that each question was shown under shuffled.
    """
    codes, clusters = number_clusters(images, len(columns))
    shares = np.bincount(codes, minlength=clusters) / len(columns)
    joined = find_partners(images, codes, partners)
    first, second = np.triu_indices(columns.shape[1], 1)
    adjusted = adjust_holm(find_pairwise_p_values(columns, images, key=key, flips=flips)[first, second])
    errors = find_pairwise_errors(columns, images, joined)[first, second]
    tests = []
    for i, j, error, p_value in zip(first.tolist(), second.tolist(), errors.tolist(), adjusted.tolist(), strict=True):
        differences = columns[:, i] - columns[:, j]
        estimate = float(differences.mean())
        reason = ONE_CLUSTER if clusters < 2 else None
        low = high = detectable = needed = planned = math.nan
        method = T_METHOD
        if reason is None and error < NO_SPREAD:
            low, high = find_exact_limits(estimate, clusters, BOUNDS)
            method = EXACT_METHOD
        elif reason is None:
            means = np.bincount(codes, weights=differences, minlength=clusters) / (shares * len(columns))
            differing = count_differing(means)
            freedom = min(find_freedom(shares), 1 + differing)
            spread = max(error, find_least_error((differences - estimate) / len(columns), shares, differing))
            low, high, method = find_limits(estimate, spread, freedom, BOUNDS)
            least = max(1 / len(columns), error**2 / float(differences.var()))  # a design effect of 1 at least
            detectable = find_detectable_difference(error, freedom, least)
            needed = find_needed_images(clusters, error, freedom, least, estimate)
            planned = find_needed_images(clusters, error, freedom, least, PLANNED_DIFFERENCE)
        interval = Interval(estimate, low, high, method, len(columns), clusters, reason=reason)
        tests.append(PairTest(i, j, interval, p_value, detectable, needed, planned))
    return tests


def find_apart(tests: Sequence[PairTest], count: int) -> Floats:
    """As `fill_matrix`, with 1 for pairs that are not said to differ: so ranks agree with the sentences."""
    p_values = fill_matrix(tests, count)
    for test in tests:
        if test.word is None:
            p_values[test.first, test.second] = p_values[test.second, test.first] = 1.0
    return p_values


def fill_matrix(tests: Sequence[PairTest], count: int) -> Floats:
    """The tests' p-values as a symmetric matrix (M, M) with NaN on the diagonal."""
    p_values = np.full((count, count), np.nan)
    for test in tests:
        p_values[test.first, test.second] = p_values[test.second, test.first] = test.p_value
    return p_values
