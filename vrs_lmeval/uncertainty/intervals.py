"""Intervals: take per-question values and the cluster (image) of each, give standard errors and 95 % intervals.

Questions about one image share its difficulty, so the image, not the question, is the independent unit (Miller 2024,
"Adding Error Bars to Evals", arXiv 2411.00640, on clustered standard errors and paired differences). Two routes:

- `find_t_interval`: the cluster-robust variance of a mean with a t quantile of G - 1 degrees of freedom (Cameron and
  Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2):317-372). For a mean
  their finite-sample factor G/(G-1) * (N-1)/(N-K) with K = 1 is G/(G-1). The one in the table: it is exact to
  recompute, costs nothing, and covers better than the bootstrap where images are few (docs/metrics.md).
- `find_bootstrap_interval`: percentiles of the mean over resampled clusters, for statistics without a formula. Its
  random numbers come from a key, so that the same question gives the same interval in any process.

Degenerate input gives NaN limits with a reason, never a limit of 0. `sum_statistics.py` gives both intervals for many
metrics at once, means and others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.records import Interval

Floats = npt.NDArray[np.float64]
Values = Sequence[float] | Floats
Clusters = Sequence[str] | Sequence[int] | npt.NDArray[np.generic]

T_METHOD = "clustered t"
BOOTSTRAP_METHOD = "clustered percentile bootstrap"

NO_VALUES = "no values"
ONE_CLUSTER = "one cluster: no spread between clusters can be seen"
ALL_EQUAL = "all values are equal: no spread to estimate from"
CLUSTERS_ALIKE = "all clusters have the same mean: no spread between them to estimate from"

NO_SPREAD = 1e-12
"""A standard error below this is rounding: the values are shares, their differences or logarithms."""

_BLOCK_DRAWS = 2_000_000
"""Cluster draws held at once, 16 MB of indices: 10,000 resamples of 2,000 images never stand in memory together."""


def find_t_interval(values: Values, clusters: Clusters, level: float = 0.95) -> Interval:
    """Mean of `values` (n,) with its cluster-robust t interval; `clusters` (n,) names each value's cluster.

    low, high = mean -+ t(G-1) * s, s^2 = G/(G-1) * sum_g (sum_{i in g} (x_i - mean))^2 / n^2. With one value a
    cluster it is the usual t interval. NaN limits with a reason: no values, one cluster, all values or clusters alike.
    """
    sums, counts, data = _sum_by_cluster(values, clusters)
    reason = _why_degenerate(data, sums, counts)
    if reason is not None:
        return _make_degenerate(data, len(counts), T_METHOD, level, reason)
    estimate = float(data.mean())
    half = float(stats.t.ppf((1 + level) / 2, len(counts) - 1)) * _standard_error(sums, counts)
    return Interval(estimate, estimate - half, estimate + half, T_METHOD, len(data), len(counts), level)


def find_bootstrap_interval(
    values: Values, clusters: Clusters, *, key: str, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Mean of `values` (n,) with the percentile interval of its clustered bootstrap.

    `key` names the random stream, e.g. "vrs/<task>/<model>"; the result depends on it and on the values by cluster,
    not on their order. NaN limits with a reason as in `find_t_interval`.
    """
    sums, counts, data = _sum_by_cluster(values, clusters)
    reason = _why_degenerate(data, sums, counts)
    if reason is not None:
        return _make_degenerate(data, len(counts), BOOTSTRAP_METHOD, level, reason)
    means = resample_means(data[:, None], clusters, key=key, resamples=resamples)[:, 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(data.mean()), float(low), float(high), BOOTSTRAP_METHOD, len(data), len(counts), level)


def resample_means(columns: Floats, clusters: Clusters, *, key: str, resamples: int = 10_000) -> Floats:
    """Means (resamples, m) of every column of `columns` (n, m) over resampled clusters, the same draws for all columns.

    A NaN in `columns` is a value that does not apply and is left out of its column's mean; a resample without any
    value is NaN. Sharing draws keeps columns paired: the difference of two columns of means is a bootstrap of the
    difference.
    """
    sums, counts = sum_columns_by_cluster(columns, clusters)
    both = np.hstack([sums, counts])
    means = np.empty((resamples, columns.shape[1]))
    for rows, weights in draw_cluster_weights(len(sums), key, resamples):
        drawn_sums, drawn_counts = np.hsplit(weights @ both, 2)
        with np.errstate(invalid="ignore"):
            means[rows] = drawn_sums / drawn_counts
    return means


def draw_cluster_weights(total: int, key: str, resamples: int) -> Iterator[tuple[slice, Floats]]:
    """How often each of `total` clusters is drawn, (rows, total), for some resamples at a time, and which they are."""
    generator = make_generator(key)
    block = max(1, _BLOCK_DRAWS // total)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = generator.integers(0, total, size=(rows, total))
        draws += np.arange(rows)[:, None] * total
        weights = np.bincount(draws.ravel(), minlength=rows * total).reshape(rows, total)
        yield slice(start, start + rows), weights.astype(np.float64)


def sum_columns_by_cluster(columns: Floats, clusters: Clusters) -> tuple[Floats, Floats]:
    """Sums and counts (G, m) of every column of `columns` (n, m) over each cluster, in order of the clusters' names.

    A NaN is a value that does not apply: it adds nothing to either.
    """
    codes, total = number_clusters(clusters, len(columns))
    applies = np.isfinite(columns)
    sums = np.zeros((total, columns.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, codes, np.where(applies, columns, 0.0))
    np.add.at(counts, codes, applies.astype(np.float64))
    return sums, counts


def make_generator(key: str) -> np.random.Generator:
    """A generator whose numbers depend on `key` alone (Philox keyed by the first 128 bits of SHA-256)."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")))


def find_standard_error(values: Values, clusters: Clusters) -> float:
    """Cluster-robust standard error of the mean of `values` (n,); NaN with fewer than two clusters.

    With one value a cluster it is the harness's own: sample standard deviation / sqrt(n).
    """
    sums, counts, _ = _sum_by_cluster(values, clusters)
    return _standard_error(sums, counts)


def find_ratio_standard_error(numerators: Values, denominators: Values, clusters: Clusters) -> float:
    """Cluster-robust standard error of mean(numerators) / mean(denominators), all (n,), by the delta method.

    The ratio R is linearised: its error is that of the mean of (numerator - R * denominator) / mean(denominator).
    NaN with a zero denominator or fewer than two clusters.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if len(above) == 0 or below.mean() == 0:
        return float("nan")
    ratio = above.mean() / below.mean()
    return find_standard_error((above - ratio * below) / below.mean(), clusters)


def _standard_error(sums: Floats, counts: Floats) -> float:
    """From the sums (G,) and counts (G,) of the clusters."""
    total = len(counts)
    if total < 2:
        return float("nan")
    residuals = sums - counts * (sums.sum() / counts.sum())
    return float(np.sqrt(total / (total - 1) * np.square(residuals).sum()) / counts.sum())


def _sum_by_cluster(values: Values, clusters: Clusters) -> tuple[Floats, Floats, Floats]:
    """Sums (G,), counts (G,) and the values (n,) as an array."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"values should be one number a question, their shape is {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("values should be finite: leave out the questions to which the metric does not apply")
    codes, total = number_clusters(clusters, len(data))
    sums = np.bincount(codes, weights=data, minlength=total).astype(np.float64)
    return sums, np.bincount(codes, minlength=total).astype(np.float64), data


def number_clusters(clusters: Clusters, expected: int) -> tuple[npt.NDArray[np.int64], int]:
    """Each value's cluster as 0..G-1 in sorted order of the names, and G."""
    if len(clusters) != expected:
        raise ValueError(f"{expected} values need as many clusters, there are {len(clusters)}")
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    return codes.astype(np.int64), len(names)


def _why_degenerate(data: Floats, sums: Floats, counts: Floats) -> str | None:
    if len(data) == 0:
        return NO_VALUES
    if len(counts) < 2:
        return ONE_CLUSTER
    if np.ptp(data) == 0:
        return ALL_EQUAL
    return CLUSTERS_ALIKE if _standard_error(sums, counts) < NO_SPREAD else None


def _make_degenerate(data: Floats, total: int, method: str, level: float, reason: str) -> Interval:
    nan = float("nan")
    estimate = float(data.mean()) if len(data) else nan
    return Interval(estimate, nan, nan, method, len(data), total, level, reason)
