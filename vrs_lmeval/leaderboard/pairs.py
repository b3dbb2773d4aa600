"""VRS of several models on the same questions -> a test of every two: difference, interval, p-value, and power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Floats
from vrs_lmeval.uncertainty.intervals import CLUSTERS_ALIKE, NO_SPREAD, ONE_CLUSTER, T_METHOD
from vrs_lmeval.uncertainty.model_tests import (
    adjust_holm,
    find_detectable_difference,
    find_needed_images,
    find_pairwise_errors,
    find_pairwise_p_values,
)


@dataclass(frozen=True, slots=True)
class PairTest:
    """VRS of model `first` minus that of model `second` (places in the order given), paired by question.

    `p_value` is that of sign flips by image, adjusted by Holm for all pairs; NaN where no question differs. A true
    difference of `detectable` is found with 80 % power on these images (by one test at 5 %), and one of the size seen
    with `needed_images` like these; NaN without an interval, infinite for no difference.
    """

    first: int
    second: int
    difference: Interval
    p_value: float
    detectable: float
    needed_images: float


def compare_pairs(columns: Floats, images: Sequence[str], key: str) -> list[PairTest]:
    """Every two columns of `columns` (n, M), in the order (0, 1), (0, 2) ... (1, 2) ...; clustered by `images` (n,)."""
    count, clusters = columns.shape[1], len(set(images))
    first, second = np.triu_indices(count, 1)
    adjusted = adjust_holm(find_pairwise_p_values(columns, images, key=key)[first, second])
    errors = find_pairwise_errors(columns, images)[first, second]
    means = columns.mean(axis=0)
    quantile = float(stats.t.ppf(0.975, max(clusters - 1, 1)))
    tests = []
    for i, j, error, p_value in zip(first.tolist(), second.tolist(), errors.tolist(), adjusted.tolist(), strict=True):
        estimate = float(means[i] - means[j])
        reason = ONE_CLUSTER if clusters < 2 else CLUSTERS_ALIKE if error < NO_SPREAD else None
        half = quantile * error if reason is None else math.nan
        interval = Interval(estimate, estimate - half, estimate + half, T_METHOD, len(columns), clusters, reason=reason)
        detectable = math.nan if reason else find_detectable_difference(error)
        needed = math.nan if reason else find_needed_images(clusters, error, estimate)
        tests.append(PairTest(i, j, interval, p_value, detectable, needed))
    return tests


def fill_matrix(tests: Sequence[PairTest], count: int) -> Floats:
    """Their p-values as (M, M), symmetric, NaN on the diagonal."""
    p_values = np.full((count, count), np.nan)
    for test in tests:
        p_values[test.first, test.second] = p_values[test.second, test.first] = test.p_value
    return p_values
