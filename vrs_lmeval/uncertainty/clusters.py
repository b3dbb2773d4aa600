"""Clusters: takes the cluster (image) of each value, gives sums by cluster and keyed draws of whole clusters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Values = Sequence[float] | Floats
Clusters = Sequence[str] | Sequence[int] | npt.NDArray[np.generic]

_BLOCK_DRAWS = 2_000_000
"""Cluster draws held at once, 16 MB of indices: 10,000 resamples of 2,000 images never stand in memory together."""


def number_clusters(clusters: Clusters, expected: int) -> tuple[npt.NDArray[np.int64], int]:
    """Each value's cluster (n,) as a number 0..G-1 in the sorted order of the names; and G. Raises ValueError unless
    there are `expected` clusters."""
    if len(clusters) != expected:
        raise ValueError(f"{expected} values need as many clusters, there are {len(clusters)}")
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    return codes.astype(np.int64), len(names)


def sum_columns_by_cluster(columns: Floats, clusters: Clusters) -> tuple[Floats, Floats]:
    """Sums and counts (G, m) of every column of `columns` (n, m) over each cluster, in order of the clusters' names.

    A NaN is a value that does not apply: it adds nothing to sums or counts.
    """
    codes, total = number_clusters(clusters, len(columns))
    applies = np.isfinite(columns)
    sums = np.zeros((total, columns.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, codes, np.where(applies, columns, 0.0))
    np.add.at(counts, codes, applies.astype(np.float64))
    return sums, counts


def resample_means(columns: Floats, clusters: Clusters, *, key: str, resamples: int = 10_000) -> Floats:
    """Means (resamples, m) of every column of `columns` (n, m) over resampled clusters, the same draws for all columns.

    A NaN in `columns` is a value that does not apply, and is left out of its column's mean; a resample without any
    value is NaN. Shared draws keep columns paired: the difference of two columns of means is a bootstrap of the
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
    """Yields some resamples at a time: which they are, and how often each of `total` clusters is drawn, (rows,
    total)."""
    generator = make_generator(key)
    block = max(1, _BLOCK_DRAWS // total)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = generator.integers(0, total, size=(rows, total))
        draws += np.arange(rows)[:, None] * total
        weights = np.bincount(draws.ravel(), minlength=rows * total).reshape(rows, total)
        yield slice(start, start + rows), weights.astype(np.float64)


def make_generator(key: str) -> np.random.Generator:
    """A generator whose numbers depend on `key` alone (Philox keyed by the first 128 bits of SHA-256)."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")))
