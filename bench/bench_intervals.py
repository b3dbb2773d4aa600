"""Do 95 % intervals cover, and do tests keep their 5 %? Simulated questions on shared images -> a Markdown table.

Every data set has a known VRS: question i on image g has the difference correct(real) - correct(shuffled) in -1, 0, 1
with mean VRS and a share of discordant pairs; an image's questions copy a common draw with probability `CORRELATION`,
which makes that their correlation. `python bench/bench_intervals.py --data-sets 2000` makes the table of
docs/metrics.md; its standard error is sqrt(.05 * .95 / data sets), half a point for 2,000.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt

from vrs_lmeval.intervals import find_t_interval
from vrs_lmeval.significance import find_group_difference, find_sign_flip_p_values

VRS, DISCORDANT, CORRELATION = 0.10, 0.30, 0.3
QUESTIONS = (50, 100, 200, 451, 1000, 2000)
PER_IMAGE = {"VQA-RAD": 2.2, "PathVQA": 7.8, "SLAKE": 11.0}
FLIPS = 999

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


def covers(differences: Floats, clusters: npt.NDArray[np.int64]) -> bool:
    interval = find_t_interval(differences, clusters)
    return interval.low <= VRS <= interval.high


def simulate_row(generator: np.random.Generator, questions: int, per_image: float, data_sets: int) -> dict[str, float]:
    """Shares over `data_sets`: coverage of both intervals, rejections of a true and of a false null hypothesis."""
    clustered, independent, false_alarms, naive_alarms, found = 0, 0, 0, 0, 0
    images = 0
    for index in range(data_sets):
        clusters = make_clusters(generator, questions, per_image)
        images += clusters.max() + 1
        differences = draw_differences(generator, clusters, VRS)
        clustered += covers(differences, clusters)
        independent += covers(differences, np.arange(questions))
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
        "independent": independent,
        "test": false_alarms,
        "test, rows independent": naive_alarms,
        "power": found,
    }
    return {name: total / data_sets for name, total in totals.items()}


def simulate_groups(generator: np.random.Generator, models: int, data_sets: int) -> float:
    """Coverage of the interval for the difference of two groups of `models` models, 451 questions as on VQA-RAD."""
    spread, hits = 0.05, 0  # between models: the standard deviation of their true VRS
    for _ in range(data_sets):
        clusters = make_clusters(generator, 451, PER_IMAGE["VQA-RAD"])
        effects = np.clip(generator.normal(VRS, spread, 2 * models), -DISCORDANT, DISCORDANT)
        columns = np.stack([draw_differences(generator, clusters, effect) for effect in effects], axis=1)
        is_first = np.arange(2 * models) < models
        interval = find_group_difference(columns, clusters, is_first)
        hits += interval.low <= 0 <= interval.high
    return hits / data_sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=500, help="simulated data sets a row")
    data_sets = parser.parse_args().data_sets
    generator = np.random.default_rng(20261123)
    print("| questions | an image | images | clustered t | rows as independent | test, no difference", end=" ")
    print("| the same, rows independent | test, VRS .10 against .20 |\n|---|---|---|---|---|---|---|---|")
    for name, per_image in PER_IMAGE.items():
        for questions in QUESTIONS:
            row = simulate_row(generator, questions, per_image, data_sets)
            images = row.pop("images")
            shares = " | ".join(f"{100 * share:.1f} %" for share in row.values())
            print(f"| {questions} | {per_image} ({name}) | {images:.0f} | {shares} |", flush=True)
    print("\n| models a group | coverage of the group difference |\n|---|---|")
    for models in (2, 3, 5, 10):
        print(f"| {models} | {100 * simulate_groups(generator, models, data_sets // 2):.1f} % |", flush=True)


if __name__ == "__main__":
    main()
