"""Intervals of independent quantities -> the interval of their plain mean, by their limits alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vrs_lmeval.records import Interval

METHOD = "MOVER"


def find_mean_interval(intervals: Sequence[Interval]) -> Interval:
    """The unweighted mean of independent estimates (benchmarks on other images), with limits of the same level.

    Method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): with limits l_i, u_i of
    estimates e_i and weights w = 1/k the lower limit is mean - sqrt(sum of (w (e_i - l_i))^2), the upper one likewise;
    limits need not lie symmetrically. NaN limits where an interval has none. Raises ValueError without intervals.
    """
    if not intervals:
        raise ValueError("a mean needs at least one interval")
    count = len(intervals)
    mean = sum(each.estimate for each in intervals) / count
    below = math.sqrt(sum((each.estimate - each.low) ** 2 for each in intervals)) / count
    above = math.sqrt(sum((each.high - each.estimate) ** 2 for each in intervals)) / count
    reason = next((each.reason for each in intervals if math.isnan(each.low) or math.isnan(each.high)), None)
    return Interval(
        mean,
        mean - below,
        mean + above,
        METHOD,
        sum(each.n for each in intervals),
        sum(each.clusters for each in intervals),
        reason=reason,
    )
