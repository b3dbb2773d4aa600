"""Do 95 % intervals cover, and do tests keep their 5 %? Simulated questions on shared images -> a Markdown table.

Every data set has a known VRS: question i on image g has the difference correct(real) - correct(shuffled) in -1, 0, 1
with mean VRS and a share of discordant pairs; an image's questions copy a common draw with probability `CORRELATION`,
which makes that their correlation. `python bench/bench_intervals.py --data-sets 2000` makes the tables of
docs/leaderboard.md; their standard error is sqrt(.05 * .95 / data sets), half a point for 2,000. Takes 15 minutes.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import resample_means
from vrs_lmeval.uncertainty.intervals import find_bootstrap_interval, find_t_interval
from vrs_lmeval.uncertainty.model_groups import (
    bootstrap_group_difference,
    find_group_difference,
    find_matched_difference,
)
from vrs_lmeval.uncertainty.model_tests import find_sign_flip_p_values

VRS, DISCORDANT, CORRELATION = 0.10, 0.30, 0.3
QUESTIONS = (50, 100, 200, 451, 1000, 2000)
PER_IMAGE = {"VQA-RAD": 2.2, "PathVQA": 7.8, "SLAKE": 11.0}
FLIPS = RESAMPLES = 999

Floats = npt.NDArray[np.float64]


def make_clusters(generator: np.random.Generator, questions: int, per_image: float) -> npt.NDArray[np.int64]:
    """Images 0..G-1, each with at least one question: 1 + Poisson."""
    counts = 1 + generator.poisson(per_image - 1, questions)
    return np.repeat(np.arange(questions), counts)[:questions]


def draw_differences(generator: np.random.Generator, clusters: npt.NDArray[np.int64], vrs: float) -> Floats:
    """-1, 0 or 1 for each question."""
    up = (DISCORDANT + vrs) / 2
    values, shares = [1.0, -1.0, 0.0], [up, DISCORDANT - up, 1 - DISCORDANT]
    own = generator.choice(values, size=len(clusters), p=shares)
    shared = generator.choice(values, size=clusters.max() + 1, p=shares)[clusters]
    copies = generator.random(len(clusters)) < np.sqrt(CORRELATION)
    return np.where(copies, shared, own)


def covers(interval: Interval, truth: float = VRS) -> bool:
    return interval.low <= truth <= interval.high


def simulate_row(generator: np.random.Generator, questions: int, per_image: float, data_sets: int) -> dict[str, float]:
    """Shares over `data_sets`: coverage of three intervals, rejections of a true and of a false null hypothesis."""
    clustered, bootstrap, independent, false_alarms, naive_alarms, found, images = 0, 0, 0, 0, 0, 0, 0
    for index in range(data_sets):
        clusters = make_clusters(generator, questions, per_image)
        images += clusters.max() + 1
        differences = draw_differences(generator, clusters, VRS)
        clustered += covers(find_t_interval(differences, clusters))
        bootstrap += covers(find_bootstrap_interval(differences, clusters, key=f"bench/{index}", resamples=RESAMPLES))
        independent += covers(find_t_interval(differences, np.arange(questions)))
        # Two models of equal reliance: the difference of their VRS has mean 0.
        null = draw_differences(generator, clusters, VRS) - differences
        columns = np.stack([null, draw_differences(generator, clusters, 2 * VRS) - differences], axis=1)
        same, other = find_sign_flip_p_values(columns, clusters, key=f"bench/{index}", flips=FLIPS)
        (naive,) = find_sign_flip_p_values(null[:, None], np.arange(questions), key=f"bench/{index}", flips=FLIPS)
        false_alarms += same < 0.05
        naive_alarms += naive < 0.05
        found += other < 0.05
    totals = {
        "images": images,
        "clustered": clustered,
        "bootstrap": bootstrap,
        "independent": independent,
        "test": false_alarms,
        "test, rows independent": naive_alarms,
        "power": found,
    }
    return {name: total / data_sets for name, total in totals.items()}


def simulate_groups(generator: np.random.Generator, models: int, data_sets: int) -> list[float]:
    """Coverage of three intervals for the difference of two groups of `models` models, 451 questions as on VQA-RAD.

    The first two: all models of different bases. The third: each base has a model in either group, and they differ in
    what training did and in what they share.
    """
    spread, of_base, of_training = 0.05, 0.04, 0.03  # standard deviations between models of their true VRS
    hits = np.zeros(3)
    is_first = np.arange(2 * models) < models
    for index in range(data_sets):
        clusters = make_clusters(generator, 451, PER_IMAGE["VQA-RAD"])
        columns = draw_models(generator, clusters, generator.normal(VRS, spread, 2 * models))
        analytic = find_group_difference(columns, clusters, is_first)
        means = resample_means(columns, clusters, key=f"bench/{index}", resamples=RESAMPLES)
        resampled = bootstrap_group_difference(analytic, means, is_first, key=f"bench/{index}/models")
        bases = np.tile(generator.normal(VRS, of_base, models), 2)
        columns = draw_models(generator, clusters, bases + generator.normal(0, of_training, 2 * models))
        matched = find_matched_difference(columns[:, :models] - columns[:, models:], clusters)
        hits += [covers(interval, 0) for interval in (analytic, resampled, matched)]
    return (hits / data_sets).tolist()


def draw_models(generator: np.random.Generator, clusters: npt.NDArray[np.int64], effects: Floats) -> Floats:
    """A column per model."""
    possible = np.clip(effects, -DISCORDANT, DISCORDANT)
    return np.stack([draw_differences(generator, clusters, effect) for effect in possible], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=500, help="simulated data sets a row")
    parser.add_argument("--only", choices=("intervals", "groups"), help="one of the two tables")
    chosen = parser.parse_args()
    if chosen.only != "groups":
        print_intervals(chosen.data_sets)
    if chosen.only != "intervals":
        print_groups(chosen.data_sets // 2)


def print_intervals(data_sets: int) -> None:
    generator = np.random.default_rng(20261123)
    print("| questions | an image | images | clustered t | clustered bootstrap | rows as independent", end=" ")
    print("| test, no difference | the same, rows independent | test, VRS .10 against .20 |")
    print("|---" * 9 + "|")
    for name, per_image in PER_IMAGE.items():
        for questions in QUESTIONS:
            row = simulate_row(generator, questions, per_image, data_sets)
            images = row.pop("images")
            shares = " | ".join(f"{100 * share:.1f} %" for share in row.values())
            print(f"| {questions} | {per_image} ({name}) | {images:.0f} | {shares} |", flush=True)


def print_groups(data_sets: int) -> None:
    generator = np.random.default_rng(20261124)
    print("\n| models a group | two-way clustered t | models, then images, resampled | same bases, two-way |")
    print("|---" * 4 + "|")
    for models in (2, 3, 5, 10):
        shares = " | ".join(f"{100 * share:.1f} %" for share in simulate_groups(generator, models, data_sets))
        print(f"| {models} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
