"""Estimates: takes a metric's summands and clusters, gives its value, standard error and degrees of freedom.

Questions about one image share its difficulty, so the image, not the question, is the independent unit (Miller 2024,
"Adding Error Bars to Evals", arXiv 2411.00640, on clustered standard errors and paired differences). With g the
gradient of a form at the total sums, a cluster's residual is r = g . (its sums), and h its share of all weight.

- Standard error: s^2 = sum over clusters of u^2, u = r / sqrt(1 - h) (CR2 of Bell and McCaffrey 2002, "Bias reduction
  in standard errors for linear regression with multi-stage samples", Survey Methodology 28:169-181; for a mean this is
  its closed form, for the others its delta method). Equal clusters have the usual factor G/(G-1).
- Where questions are also asked with another cluster's image, partners share that image: u of a cluster and of its
  partner go together where an image that is easy as asked misleads as a partner. 2 * sum of u * u(partner) is added
  where it is positive (the dyadic variance of Aronow, Samii and Assenova 2015, Political Analysis 23:564-577, on a
  circle of partners): where it is negative the interval stays on the safe side.
- Degrees of freedom: Bell and McCaffrey's, 1 / (sum h^2 + (sum q)^2 - sum q^2) with q = h^2 / (1 - h), G - 1 for equal
  clusters; at most one more than the number of clusters that differ from the most frequent one. Few failures on few
  images say little of how they cluster: where fewer than FEW_DIFFERING differ, limits count an image for at most WORTH
  questions.

- A value that chance lifts (a sum of absolute values) comes with its `Lift`, scaled as the spread is to the error
  without partners and least errors.

What cannot be had is NaN with a reason, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vrs_lmeval.uncertainty.clusters import Clusters, Floats, number_clusters
from vrs_lmeval.uncertainty.confidences import Lift
from vrs_lmeval.uncertainty.forms import Form, Units
from vrs_lmeval.uncertainty.limits import UNBOUNDED, Bounds

NO_VALUES = "no values"
ONE_CLUSTER = "one cluster: no spread between clusters can be seen"
ALL_EQUAL = "all values are equal: no spread to estimate from"
CLUSTERS_ALIKE = "all clusters have the same mean: no spread between them to estimate from"
NOTHING_TO_DIVIDE_BY = "its denominator is not above 0"

NO_SPREAD = 1e-12
"""A standard error below this is rounding: the values are shares, their differences or logarithms."""

FEW_DIFFERING, WORTH = 20, 3.0
"""Where fewer clusters than this differ from the most frequent one, how they cluster cannot be estimated: a cluster
then counts for at most so many independent questions. (Simulated with a correlation of .3 in clusters of 11: without
it, 95 % intervals near the ceiling covered 82 to 92 %.)"""

NAN = float("nan")

Indices = npt.NDArray[np.int64]

NO_PARTNERS: Indices = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One metric of one model: its form, and what its sums are made of."""

    form: Form
    units: Units
    bounds: Bounds = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value over `units` questions or sets, with its error, and what its limits are made of.

    `spread` is the error, or more where few clusters differ; `freedom` its degrees of freedom.
    """

    value: float
    error: float
    spread: float
    freedom: float
    units: int
    clusters: int
    reason: str | None  # why there is no error
    lift: Lift | None = None


def sum_up(quantity: Quantity) -> tuple[Quantity, Floats, Indices]:
    """A quantity with its sums by cluster and its partners: what `estimate` takes."""
    codes, total = number_clusters(quantity.units.clusters, len(quantity.units.summands))
    sums = sum_by_cluster(quantity.units.summands, codes, total)
    return quantity, sums, find_partners_of(quantity.units, codes)


def find_partners_of(units: Units, codes: Indices) -> Indices:
    """As `find_partners`, of the units that the metric applies to."""
    if units.partners is None:
        return find_partners(units.clusters, codes, None)
    applying = [partner if applies else None for partner, applies in zip(units.partners, units.applies, strict=True)]
    return find_partners(units.clusters, codes, applying)


def find_partners(clusters: Clusters, codes: Indices, partners: Sequence[str | None] | None) -> Indices:
    """(P, 2) of each two clusters that a question joins, once; empty where none were asked together."""
    if partners is None:
        return NO_PARTNERS
    code_of = dict(zip(clusters, codes.tolist(), strict=True))
    joined = {
        tuple(sorted((code, code_of[partner])))
        for code, partner in zip(codes.tolist(), partners, strict=True)
        if partner in code_of and code_of[partner] != code
    }
    return np.array(sorted(joined), dtype=np.int64).reshape(-1, 2)


def sum_by_cluster(summands: Floats, codes: npt.NDArray[np.int64], total: int) -> Floats:
    """(G, k)."""
    columns = [np.bincount(codes, weights=column, minlength=total) for column in summands.T]
    return np.stack(columns, axis=1).astype(np.float64)


def estimate_value(form: Form, units: Units) -> float:
    """NaN where the metric does not apply to any unit, or its denominator is 0."""
    if not units.applies.any():
        return NAN
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(form.combine(units.summands.sum(axis=0)))
    return value if np.isfinite(value) else NAN


def estimate(quantity: Quantity, sums: Floats, partners: Indices) -> Estimate:
    """From the sums (G, k) of the clusters; those without weight (that it does not apply to, say) do not count."""
    form, units = quantity.form, quantity.units
    applying = np.flatnonzero(sums[:, form.weight] > 0)
    value, error, spread, freedom, lift = estimate_value(form, units), NAN, NAN, NAN, None
    if not np.isnan(value) and len(applying) > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            gradient = form.differentiate(sums.sum(axis=0))
            residuals, linear = sums @ gradient, units.summands @ gradient
            shares = sums[:, form.weight] / sums[:, form.weight].sum()
            differing = count_differing(_find_means(sums, residuals)[applying])
            error = find_error(residuals, shares, partners)
            spread = max(error, find_least_error(linear[units.summands[:, form.weight] > 0], shares, differing))
            freedom = min(find_freedom(shares), 1 + differing)
            if form.find_lift is not None:
                plain = find_error(residuals, shares, NO_PARTNERS)
                lift, spread = _find_lift(form.find_lift, sums, shares, spread, plain)
    reason = _why_degenerate(units, len(applying), value, error)
    error = error if reason is None else NAN
    return Estimate(value, error, spread, freedom, int(units.applies.sum()), len(applying), reason, lift)


def _find_lift(
    find: Callable[[Floats, Floats], Lift], sums: Floats, shares: Floats, spread: float, plain: float
) -> tuple[Lift, float]:
    """The lift, and the spread that it allows; `plain` is the error of which `spread` may be an increase."""
    totals = sums.sum(axis=0)
    lift = find(totals, (sums - shares[:, None] * totals) / np.sqrt(1 - shares)[:, None])
    scale = spread / plain if plain > NO_SPREAD else 1.0
    scaled = Lift(lift.mean * scale, lift.deviation * scale, lift.least_error)
    return scaled, max(spread, lift.least_error)


def find_error(residuals: Floats, shares: Floats, partners: Indices) -> float:
    """From each cluster's residual (G,) and share (G,) of the weight; none has it all."""
    scaled = residuals / np.sqrt(1 - shares)
    shared = float(2 * (scaled[partners[:, 0]] * scaled[partners[:, 1]]).sum())
    return math.sqrt(float(np.square(scaled).sum()) + max(0.0, shared))


def find_least_error(linear: Floats, shares: Floats, differing: int) -> float:
    """That of questions with these linear terms (n,) if a cluster counts for WORTH of them; 0 where enough differ."""
    if differing >= FEW_DIFFERING:
        return 0.0
    design_effect = max(1.0, len(linear) * float(np.square(shares).sum()) / WORTH)
    return math.sqrt(float(np.square(linear).sum()) * design_effect)


def find_freedom(shares: Floats) -> float:
    """Bell and McCaffrey's degrees of freedom of a weighted mean, from each cluster's share (G,) of the weight."""
    squares = np.square(shares)
    products = squares / (1 - shares)
    return float(1 / (squares.sum() + products.sum() ** 2 - np.square(products).sum()))


def count_differing(means: Floats) -> int:
    """How many of the clusters' means (G,) differ from the most frequent one."""
    _, counts = np.unique(np.round(means, 9), return_counts=True)
    return len(means) - int(counts.max())


def _find_means(sums: Floats, residuals: Floats) -> Floats:
    """A cluster's residual for each of its questions, or of the largest of its sums."""
    return np.asarray(residuals / np.abs(sums).max(axis=1, initial=NO_SPREAD))


def _why_degenerate(units: Units, clusters: int, value: float, error: float) -> str | None:
    if not units.applies.any():
        return NO_VALUES
    if np.isnan(value):
        return NOTHING_TO_DIVIDE_BY
    if clusters < 2:
        return ONE_CLUSTER
    if not error > NO_SPREAD:  # the gradient of a spread of 0 is NaN
        applying = units.summands[units.applies]
        return ALL_EQUAL if (applying == applying[0]).all() else CLUSTERS_ALIKE
    return None
