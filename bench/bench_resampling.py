"""Times clustered resamples of many models and metrics at once, against scipy's bootstrap and the harness's own.

`python bench/bench_resampling.py` first checks that the fast routes agree with the slow ones on a small case, then
prints times of one run side by side; ours are all that the leaderboard computes for its metrics, quantiles included.
scipy and the harness resample rows, one statistic at a time, and take rows as independent. They are timed on one metric
of one model; the time is multiplied by the number of metrics and models.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from vrs_lmeval.uncertainty.forms import MEAN, Units
from vrs_lmeval.uncertainty.intervals import Quantity, find_bootstrap_interval, find_both_intervals, find_t_interval
from vrs_lmeval.uncertainty.model_tests import find_pairwise_p_values


def make_columns(questions: int, models: int, metrics: int) -> tuple[np.ndarray, np.ndarray]:
    """(questions, models * metrics) differences in -1, 0, 1 and the image of each question."""
    generator = np.random.default_rng(0)
    columns = generator.choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=(questions, models * metrics))
    return columns, np.arange(questions) // 4


def make_quantities(columns: np.ndarray, clusters: np.ndarray) -> list[Quantity]:
    """A mean of each column."""
    ones, applies = np.ones(len(columns)), np.ones(len(columns), dtype=bool)
    return [Quantity(MEAN, Units(np.column_stack([column, ones]), applies, clusters)) for column in columns.T]


def check() -> None:
    """Check that the vectorised bootstrap equals that of one column, and agrees with scipy's if every image has one
    question."""
    columns, _ = make_columns(400, 2, 1)
    clusters = np.arange(400)
    both = find_both_intervals(make_quantities(columns, clusters), clusters, key="bench", resamples=4000)[0]
    alone = find_bootstrap_interval(columns[:, 0], clusters, key="bench", resamples=4000)
    assert np.allclose([both.bootstrap.low, both.bootstrap.high], [alone.low, alone.high])
    assert np.isclose(both.analytic.low, find_t_interval(columns[:, 0], clusters).low)
    theirs = stats.bootstrap((columns[:, 0],), np.mean, n_resamples=4000, method="percentile", random_state=0)
    assert abs(theirs.confidence_interval.low - alone.low) < 0.01
    assert abs(theirs.confidence_interval.high - alone.high) < 0.01


def measure(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resample_with_harness(values: np.ndarray, resamples: int) -> None:
    from lm_eval.api.metrics import bootstrap_stderr, mean

    bootstrap_stderr(mean, values.tolist(), iters=resamples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=7000)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--metrics", type=int, default=15)
    parser.add_argument("--resamples", type=int, default=10_000)
    chosen = parser.parse_args()
    check()
    columns, clusters = make_columns(chosen.questions, chosen.models, chosen.metrics)
    values, statistics = columns[:, 0], columns.shape[1]
    vrs = columns[:, : chosen.models]
    times = {
        "ours: clustered bootstrap and clustered t of all": measure(
            lambda: find_both_intervals(
                make_quantities(columns, clusters), clusters, key="bench", resamples=chosen.resamples
            )
        ),
        "ours: sign-flip tests of all pairs of models": measure(
            lambda: find_pairwise_p_values(vrs, clusters, key="bench", flips=chosen.resamples)
        ),
        "scipy.stats.bootstrap, rows, one at a time": statistics
        * measure(
            lambda: stats.bootstrap(
                (values,), np.mean, n_resamples=chosen.resamples, method="percentile", batch=500, random_state=0
            )
        ),
        "lm_eval bootstrap_stderr, rows, one at a time": statistics
        * measure(lambda: resample_with_harness(values, chosen.resamples)),
    }
    reference = next(iter(times.values()))
    cores = len(os.sched_getaffinity(0))
    print(f"{chosen.questions} questions, {chosen.models} models x {chosen.metrics} metrics, ", end="")
    print(f"{chosen.resamples} resamples, {cores} cores\n\n| what | seconds | times ours |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.1f} | {seconds / reference:.2g}x |")


if __name__ == "__main__":
    main()
