"""Tests whether a difference between models is real: per-question differences and their images -> p-values, ranks,
power.

The image is the independent unit here as in `intervals.py`. Every test has a key in place of a random state, so that
the same comparison gives the same p-value in any process. What cannot be tested is NaN, never 1 or 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.uncertainty.clusters import Clusters, Floats, make_generator, sum_columns_by_cluster

Indices = npt.NDArray[np.int64]

_MAX_ENUMERATED = 12
"""With at most so many images (G) all 2^G sign vectors are tried: fewer than the usual 10,000 random ones, and
exact."""

_BLOCK_SIGNS = 4_000_000
"""Random signs held at once, 32 MB."""

_CANCELLED = 1e-10
"""Share of a variance that rounding leaves for two equal columns; one different question in 100,000 leaves more."""

_TIE = 1e-9
"""Sums closer than this are equal: they add halves and thirds, not continuous numbers."""


def find_sign_flip_p_values(differences: Floats, clusters: Clusters, *, key: str, flips: int = 10_000) -> Floats:
    """Two-sided p-values (m,) of "no difference" for every column of `differences` (n, m), paired by question.

    Under the hypothesis an image's summed difference is as likely to be its negative, so the signs of whole images
    are flipped (Fisher's randomisation test; Good 2005, "Permutation, Parametric and Bootstrap Tests", ch. 3). All
    columns share the flips. p = (1 + #{|T*| >= |T|}) / (1 + flips), which never is 0 (Phipson and Smyth 2010), or the
    exact share if all sign vectors are tried. If no flip reaches T, p is at most the bound of Hoeffding's inequality,
    2 exp(-T^2 / (2 sum of squares)): otherwise 10,000 flips could not tell apart any of 33 models' 528 pairs.
    A NaN in `differences` is a question that does not apply. A column without any difference gives NaN: there is
    nothing to test.
    """
    sums, _ = sum_columns_by_cluster(differences, clusters)
    columns = np.arange(sums.shape[1])
    return _find_p_values(np.column_stack([sums, np.zeros(len(sums))]), columns, np.full_like(columns, -1), key, flips)


def find_pairwise_p_values(columns: Floats, clusters: Clusters, *, key: str, flips: int = 10_000) -> Floats:
    """The test of `find_sign_flip_p_values` for the difference of every two columns of `columns` (n, M): (M, M).

    They are not adjusted for the number of pairs; the diagonal is NaN. A column holds one model's values, without NaN.
    """
    sums, _ = sum_columns_by_cluster(columns, clusters)
    models = sums.shape[1]
    first, second = np.triu_indices(models, 1)
    p_values = np.full((models, models), np.nan)
    p_values[first, second] = p_values[second, first] = _find_p_values(sums, first, second, key, flips)
    return p_values


def find_pairwise_errors(columns: Floats, clusters: Clusters, partners: Indices | None = None) -> Floats:
    """Standard error of the mean difference of every two columns of `columns` (n, M): (M, M).

    It is the standard error of `estimates.py`, for all pairs by two matrix products; `partners` (P, 2) as there. NaN
    with fewer than two clusters.
    """
    centred, counts = sum_columns_by_cluster(columns - columns.mean(axis=0), clusters)
    if len(centred) < 2:
        return np.full((columns.shape[1], columns.shape[1]), np.nan)
    sums = centred / np.sqrt(1 - counts / len(columns)) / len(columns)
    squares = _combine(sums.T @ sums)
    if partners is not None and len(partners):
        one, other = sums[partners[:, 0]], sums[partners[:, 1]]
        squares += np.maximum(0.0, _combine(one.T @ other + other.T @ one))
    return np.asarray(np.sqrt(squares))


def _combine(products: Floats) -> Floats:
    """Products of columns -> products of the differences of every two columns; the rest of equal columns is set to
    0."""
    own = np.diag(products)
    both = own[:, None] + own[None, :]
    squares = both - products - products.T
    squares[np.abs(squares) < _CANCELLED * np.abs(both)] = 0.0
    return np.asarray(squares)


def _find_p_values(sums: Floats, first: Indices, second: Indices, key: str, flips: int) -> Floats:
    """P-values of column first[i] of `sums` (G, m) minus column second[i]. (A flipped difference is the difference of
    flipped columns.)"""
    observed = np.abs(sums.sum(axis=0)[first] - sums.sum(axis=0)[second])
    extreme, tried = np.zeros(len(first)), 0
    for signs in _make_sign_blocks(len(sums), key, flips):
        flipped = signs @ sums
        tried += len(flipped)
        for row in flipped:
            extreme += np.abs(row[first] - row[second]) >= observed - _TIE
    is_exact = len(sums) <= _MAX_ENUMERATED
    p_values = extreme / tried if is_exact else (1 + extreme) / (1 + tried)
    unreached = np.flatnonzero(extreme == 0)
    squares = np.square(sums[:, first[unreached]] - sums[:, second[unreached]]).sum(axis=0)
    p_values[unreached] = np.minimum(p_values[unreached], 2 * np.exp(-(observed[unreached] ** 2) / (2 * squares)))
    differs = np.array(
        [bool(np.any(np.abs(sums[:, i] - sums[:, j]) > _TIE)) for i, j in zip(first, second, strict=True)]
    )
    return np.where(differs, p_values, np.nan)


def _make_sign_blocks(total: int, key: str, flips: int) -> Iterator[Floats]:
    """Yields sign vectors, some at a time: all of them for few images, else `flips` random ones."""
    if total <= _MAX_ENUMERATED:
        yield np.array(list(itertools.product((-1.0, 1.0), repeat=total)))
        return
    generator = make_generator(key)
    block = max(1, _BLOCK_SIGNS // total)
    for start in range(0, flips, block):
        shape = (min(block, flips - start), total)
        yield generator.integers(0, 2, size=shape, dtype=np.int8).astype(np.float64) * 2 - 1


def adjust_holm(p_values: Sequence[float] | Floats) -> Floats:
    """Holm's step-down adjustment (Holm 1979, Scand. J. Stat. 6:65-70); compare them with .05.

    NaN entries were not tested: they stay NaN and do not count as tests.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * raw[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def find_rank_intervals(estimates: Sequence[float], adjusted: Floats, level: float = 0.95) -> list[tuple[int, int]]:
    """Best and worst rank of every model, jointly at `level`: rank 1 is the highest estimate.

    `adjusted` (M, M), symmetric, holds family-wise adjusted p-values of all pairs. A model ranks below those that are
    significantly higher and above those that are significantly lower; other models may be in any order
    (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for Ranks", Rev. Econ. Stud. 91:476-518, section 3).
    """
    values = np.asarray(estimates, dtype=np.float64)
    is_apart = np.nan_to_num(adjusted, nan=1.0) < 1 - level
    better = (is_apart & (values[None, :] > values[:, None])).sum(axis=1)
    worse = (is_apart & (values[None, :] < values[:, None])).sum(axis=1)
    return [(1 + int(above), len(values) - int(below)) for above, below in zip(better, worse, strict=True)]


def find_mcnemar_p_value(first_only: int, second_only: int) -> float:
    """Exact two-sided McNemar test: how many questions only the first, or only the second, has right.

    It is for single questions on different images. If images repeat, its p-values are too small: use the sign flips.
    NaN without any discordant pair.
    """
    discordant = first_only + second_only
    return float(stats.binomtest(first_only, discordant).pvalue) if discordant else math.nan


def find_detectable_difference(error: float, freedom: float, least: float) -> float:
    """The smallest true difference d that a two-sided test at 5 % finds with probability 80 %.

    d = (t + t') * s(d); t and t' are t quantiles with `freedom` degrees of freedom, s(d)^2 is the variance if d were
    true. This is the observed variance `error`^2, but at least `least` * (d - d^2): a mean of d needs at least a share
    d of questions that differ (`least` is the design effect divided by the number of questions). With one question of
    451 that differs, the observed variance alone would promise 80 % power although the power is 30 %.
    """
    reach = _find_reach(freedom)
    odds = reach**2 * least
    return max(reach * error, odds / (1 + odds))


def find_needed_images(images: int, error: float, freedom: float, least: float, difference: float) -> float:
    """How many images like these find `difference` with that power; the variance of a mean falls with their number."""
    size = abs(difference)
    if size == 0:
        return math.inf
    variance = max(error**2, least * (size - size**2))
    return images * _find_reach(freedom) ** 2 * variance / size**2


@lru_cache(maxsize=16)
def _find_reach(freedom: float) -> float:
    """t + t' of `find_detectable_difference`; cached, since 200 models ask 40,000 times."""
    return float(stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom))
