"""Limits of a 95 % interval: takes an estimate, its error, degrees of freedom and range, gives limits in that range.

- A quantity with two limits has the score interval of Wilson (1927, J. Am. Stat. Assoc. 22:209-212) for an effective
  number of questions, share * (1 - share) / error^2 (as Korn and Graubard 1998, Survey Methodology 24:193-201).
- A quantity with one limit has the t interval of the logarithm of its distance from that limit; a quantity without
  limits has the t interval.
- A quantity that chance lifts (an expected calibration error) has special limits. The low limit takes off all that
  chance may have added. The high limit is that of the t interval, since a lifted value is seldom too low.
- If no cluster differs there is no spread, but still an exact bound: a share that was 0 in G independent draws is
  below 1 - .05^(1/G) (Clopper and Pearson 1934, Biometrika 26:404-413).
"""

from __future__ import annotations

import math

from scipy import stats

from vrs_lmeval.uncertainty.confidences import Lift

T_METHOD = "clustered t (CR2)"
SCORE_METHOD = "clustered score (CR2)"
LOG_METHOD = "clustered t of the logarithm (CR2)"
LIFT_METHOD = "clustered t (CR2), what chance adds taken off below"
EXACT_METHOD = "exact bound over images: none differs"

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-math.inf, math.inf)

_LARGEST_WEIGHT = 1e6
"""Largest weight of the prior half in a score interval: with more the interval is the whole range."""

_LARGEST_EXPONENT = 300.0
"""Largest exponent of the factor in a logarithm's interval: with more the limit would be infinite."""


def find_limits(
    value: float, error: float, freedom: float, bounds: Bounds, level: float = 0.95
) -> tuple[float, float, str]:
    """The low and high limit within `bounds` of an estimate with its standard error, and the method's name."""
    quantile = float(stats.t.ppf((1 + level) / 2, freedom))
    least, most = bounds
    if math.isfinite(least) and math.isfinite(most):
        low, high = _find_score_limits((value - least) / (most - least), error / (most - least), quantile)
        return least + (most - least) * low, least + (most - least) * high, SCORE_METHOD
    if math.isfinite(least) and value > least:
        factor = math.exp(min(quantile * error / (value - least), _LARGEST_EXPONENT))
        return least + (value - least) / factor, least + (value - least) * factor, LOG_METHOD
    if math.isfinite(most) and value < most:
        low, high, method = find_limits(-value, error, freedom, (-most, math.inf), level)
        return -high, -low, method
    return value - quantile * error, value + quantile * error, T_METHOD


def _find_score_limits(share: float, error: float, quantile: float) -> tuple[float, float]:
    """Wilson's limits of a share in 0..1 that has this standard error."""
    spread = max(share * (1 - share), 0.0)
    if spread == 0:  # by rounding: nothing beyond the bound can be told
        return max(0.0, share - quantile * error), min(1.0, share + quantile * error)
    weight = min(quantile * error / math.sqrt(spread), _LARGEST_WEIGHT) ** 2  # quantile^2 / effective number
    centre = (share + weight / 2) / (1 + weight)
    half = math.sqrt(spread * weight + weight**2 / 4) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def find_lifted_limits(
    value: float, lift: Lift, error: float, freedom: float, bounds: Bounds, level: float = 0.95
) -> tuple[float, float, str]:
    """The low and high limit within `bounds` of an estimate that chance lifts by at most `lift`, and the method's
    name."""
    quantile = float(stats.t.ppf((1 + level) / 2, freedom))
    low, high = value - lift.mean - quantile * lift.deviation, value + quantile * error
    return max(bounds[0], low), min(bounds[1], high), LIFT_METHOD if lift.mean else T_METHOD


def find_exact_limits(value: float, clusters: int, bounds: Bounds) -> tuple[float, float]:
    """Limits if each of `clusters` clusters gave `value`: the mean if as many clusters differ as could have been
    missed, in either direction."""
    missed = 1 - 0.05 ** (1 / clusters)
    return value + missed * (bounds[0] - value), value + missed * (bounds[1] - value)
