"""Estimates: takes a metric's summands and clusters, gives its value, standard error and degrees of freedom.

Questions about one image share its difficulty, so the independent unit is the image, not the question (Miller 2024,
"Adding Error Bars to Evals", arXiv 2411.00640, on clustered standard errors and paired differences). Let g be
the gradient of a form at the total sums. A cluster's residual is r = g . (its sums); h is its share of all weight.

- Standard error: s^2 = sum over clusters of u^2, u = r / sqrt(1 - h) (CR2 of Bell and McCaffrey 2002, "Bias reduction
  in standard errors for linear regression with multi-stage samples", Survey Methodology 28:169-181; for a mean this is
  its closed form, for the others its delta method). Equal clusters have the usual factor G/(G-1).
- Questions that are also asked with another cluster's image depend on that image too: if an image that is easy as asked
  misleads as a partner, u of a cluster and u of its partner correlate. So 2 * sum of u * u(partner) is added if it is
  positive (the dyadic variance of Aronow, Samii and Assenova 2015, Political Analysis 23:564-577, on a circle of
  partners); a negative term is left out, so that the interval errs on the wide side.
- Degrees of freedom: Bell and McCaffrey's, 1 / (sum h^2 + (sum q)^2 - sum q^2) with q = h^2 / (1 - h), G - 1 for equal
  clusters; at most one more than the number of clusters that differ from the most frequent one. Few failures on few
  images say little about how failures cluster: if fewer than FEW_DIFFERING clusters differ, limits count an image as at
  most WORTH questions.
- A value that chance lifts (a sum of absolute values) comes with its `Lift`, multiplied by the ratio of the spread to
  the plain error (without partners and least errors).

What cannot be computed is NaN with a reason, never 0.
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
"""If fewer clusters than the first number differ from the most frequent one, it cannot be estimated how values cluster;
a cluster then counts as at most the second number of independent questions. (Simulated with a correlation of .3 in
clusters of 11: without it, 95 % intervals near the ceiling covered 82 to 92 %.)"""

NAN = float("nan")

Indices = npt.NDArray[np.int64]

NO_PARTNERS: Indices = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One metric of one model: its form, and the units that are summed."""

    form: Form
    units: Units
    bounds: Bounds = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value over `units` questions or sets, its standard error, and the numbers that its limits need.

    `spread` is the error, or more if few clusters differ; `freedom` is its degrees of freedom.
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
    """A quantity with its sums by cluster and its partners, as `estimate` takes them."""
    codes, total = number_clusters(quantity.units.clusters, len(quantity.units.summands))
    sums = sum_by_cluster(quantity.units.summands, codes, total)
    return quantity, sums, find_partners_of(quantity.units, codes)


def find_partners_of(units: Units, codes: Indices) -> Indices:
    """As `find_partners`, for the units to which the metric applies."""
    if units.partners is None:
        return find_partners(units.clusters, codes, None)
    applying = [partner if applies else None for partner, applies in zip(units.partners, units.applies, strict=True)]
    return find_partners(units.clusters, codes, applying)


def find_partners(clusters: Clusters, codes: Indices, partners: Sequence[str | None] | None) -> Indices:
    """Pairs (P, 2) of clusters that a question joins, each pair once; empty if questions have no partners."""
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
    """The sums (G, k) of `summands` (n, k) over each of `total` = G clusters; `codes` (n,) numbers the clusters."""
    columns = [np.bincount(codes, weights=column, minlength=total) for column in summands.T]
    return np.stack(columns, axis=1).astype(np.float64)


def estimate_value(form: Form, units: Units) -> float:
    """The metric's value; NaN if it applies to no unit, or if its denominator is 0."""
    if not units.applies.any():
        return NAN
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(form.combine(units.summands.sum(axis=0)))
    return value if np.isfinite(value) else NAN


def estimate(quantity: Quantity, sums: Floats, partners: Indices) -> Estimate:
    """The estimate from the clusters' sums (G, k) and `partners` (P, 2). Clusters without weight do not count: for
    example, the metric does not apply to them."""
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
    """The lift, and the spread that it allows; `plain` is the error without the increases that `spread` may hold."""
    totals = sums.sum(axis=0)
    lift = find(totals, (sums - shares[:, None] * totals) / np.sqrt(1 - shares)[:, None])
    scale = spread / plain if plain > NO_SPREAD else 1.0
    scaled = Lift(lift.mean * scale, lift.deviation * scale, lift.least_error)
    return scaled, max(spread, lift.least_error)


def find_error(residuals: Floats, shares: Floats, partners: Indices) -> float:
    """The standard error, from each cluster's residual (G,) and its share (G,) of the weight, which is below 1."""
    scaled = residuals / np.sqrt(1 - shares)
    shared = float(2 * (scaled[partners[:, 0]] * scaled[partners[:, 1]]).sum())
    return math.sqrt(float(np.square(scaled).sum()) + max(0.0, shared))


def find_least_error(linear: Floats, shares: Floats, differing: int) -> float:
    """The error of questions with these linear terms (n,) if a cluster counts as WORTH questions; 0 if enough clusters
    differ."""
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
