"""Do 95 % intervals cover, and do tests keep their 5 %? Simulated questions on shared images -> a Markdown table.

Every data set has a known VRS. Question i on image g has a difference correct(real) - correct(shuffled) of -1, 0 or 1,
with mean VRS and a known share of discordant pairs. A question copies its image's common draw with probability
`CORRELATION`, which is then the correlation of an image's questions. In the rows with partners, an image has a trait
that makes it easy as asked, and misleading (or easy) as another image's partner. For calibration, an answer of
confidence p is right with a known probability; the questions of an image share a draw that makes them right together.
`python bench/bench_intervals.py --data-sets 2000` makes the tables of docs/metrics.md and docs/leaderboard.md; the
standard error of their shares is sqrt(.05 * .95 / data sets), half a point for 2,000.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.leaderboard.pairs import compare_pairs
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Clusters, resample_means
from vrs_lmeval.uncertainty.confidences import add_gaps, arrange_in_bins
from vrs_lmeval.uncertainty.forms import BRIER, CALIBRATION_ERROR, MEAN, OVERCONFIDENCE
from vrs_lmeval.uncertainty.intervals import find_bootstrap_interval, find_interval, find_t_interval
from vrs_lmeval.uncertainty.model_groups import (
    bootstrap_group_difference,
    find_group_difference,
    find_matched_difference,
)

VRS, DISCORDANT, CORRELATION = 0.10, 0.30, 0.3
QUESTIONS = (50, 100, 200, 451, 1000)
PER_IMAGE = {"VQA-RAD": 2.2, "PathVQA": 7.8, "SLAKE": 11.0}
SKEWED = "three in four images have one question, the others 5 to 11"
SIZES = {"2.2 an image (VQA-RAD)": 2.2, "11 an image (SLAKE)": 11.0, SKEWED: None}
RELIANCE = {"VRS .10": (0.10, 0.30), "near the ceiling, VRS .97": (0.97, 0.97)}
PARTNERS = {"easy as asked, misleading as a partner": 1, "easy both ways": -1}
CALIBRATIONS = {
    "calibrated": lambda p: p,
    "overconfident by .10": lambda p: p - 0.10,
    "overconfident by .20": lambda p: p - 0.20,
    "overconfident where sure, underconfident where not": lambda p: 0.65 + 0.4 * (p - 0.65),
    "nearly always right, and says so": lambda p: 0.97 + 0.03 * (p - 0.5),
}
"""The chance that an answer of confidence p is right. Confidences are .5 to 1, as with two options."""

FLIPS = RESAMPLES = 999
BOUNDS = (-1.0, 1.0)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def make_clusters(generator: np.random.Generator, questions: int, per_image: float | None) -> Indices:
    """Images 0..G-1, each with at least one question: 1 + Poisson, or skewed as SKEWED says."""
    if per_image is None:
        large = generator.random(questions) < 0.25
        counts = np.where(large, generator.integers(5, 12, questions), 1)
    else:
        counts = 1 + generator.poisson(per_image - 1, questions)
    return np.repeat(np.arange(questions), counts)[:questions]


def draw_differences(
    generator: np.random.Generator, clusters: Indices, vrs: float, discordant: float = DISCORDANT
) -> Floats:
    """The difference of each question: -1, 0 or 1."""
    up = (discordant + vrs) / 2
    values, shares = [1.0, -1.0, 0.0], [up, discordant - up, 1 - discordant]
    own = generator.choice(values, size=len(clusters), p=shares)
    shared = generator.choice(values, size=clusters.max() + 1, p=shares)[clusters]
    copies = generator.random(len(clusters)) < np.sqrt(CORRELATION)
    return np.where(copies, shared, own)


def draw_with_partners(generator: np.random.Generator, clusters: Indices, sign: int) -> tuple[Floats, list[str]]:
    """Differences (mean: VRS) whose images have a trait as asked and as partners; and each question's partner."""
    circle = generator.permutation(clusters.max() + 1)
    partner_of = np.empty_like(circle)
    partner_of[circle] = np.roll(circle, -1)
    trait = generator.choice([-1.0, 1.0], clusters.max() + 1)
    real = generator.random(len(clusters)) < 0.55 + 0.4 * trait[clusters]
    shuffled = generator.random(len(clusters)) < 0.45 - 0.4 * sign * trait[partner_of[clusters]]
    return real.astype(np.float64) - shuffled, [str(partner) for partner in partner_of[clusters]]


def covers(interval: Interval, truth: float = VRS) -> bool:
    return interval.low - 1e-12 <= truth <= interval.high + 1e-12


def find_plain_interval(values: Floats, clusters: Indices) -> Interval:
    """The interval of version 0.1: the factor G/(G-1), and a symmetric t interval with G - 1 degrees of freedom."""
    sizes = np.bincount(clusters)
    residuals = np.bincount(clusters, weights=values) - sizes * values.mean()
    error = np.sqrt(len(sizes) / (len(sizes) - 1) * np.square(residuals).sum()) / len(values)
    half = float(stats.t.ppf(0.975, len(sizes) - 1) * error)
    return Interval(values.mean(), values.mean() - half, values.mean() + half, "", len(values), len(sizes))


def simulate_row(
    generator: np.random.Generator, questions: int, per_image: float | None, truth: tuple[float, float], data_sets: int
) -> dict[str, float]:
    """Shares over `data_sets`: coverage of four intervals, and how often two equal models are told apart."""
    hits = dict.fromkeys(("table", "bootstrap", "version 0.1", "rows", "test", "word", "word 0.1", "power"), 0)
    images = 0
    for index in range(data_sets):
        clusters = make_clusters(generator, questions, per_image)
        images += clusters.max() + 1
        names = list(map(str, clusters))
        values = draw_differences(generator, clusters, *truth)
        hits["table"] += covers(find_t_interval(values, clusters, bounds=BOUNDS), truth[0])
        key = f"bench/{index}"
        hits["bootstrap"] += covers(find_bootstrap_interval(values, clusters, key=key, resamples=RESAMPLES), truth[0])
        hits["version 0.1"] += covers(find_plain_interval(values, clusters), truth[0])
        hits["rows"] += covers(find_t_interval(values, np.arange(questions)), truth[0])
        if truth[0] == VRS:  # two models of equal reliance, and two that differ by VRS
            equal = np.stack([values, draw_differences(generator, clusters, *truth)], axis=1)
            test = compare_pairs(equal, names, key, flips=FLIPS)[0]
            plain = find_plain_interval(equal[:, 0] - equal[:, 1], clusters)
            other = np.stack([draw_differences(generator, clusters, 2 * VRS), values], axis=1)
            hits["test"] += test.p_value < 0.05
            hits["word"] += test.word is not None
            hits["word 0.1"] += plain.low > 0 or plain.high < 0
            hits["power"] += compare_pairs(other, names, key, flips=FLIPS)[0].word == "more"
    return {"images": images / data_sets} | {name: count / data_sets for name, count in hits.items()}


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
    """Differences (n, M), a column for each model."""
    possible = np.clip(effects, -DISCORDANT, DISCORDANT)
    return np.stack([draw_differences(generator, clusters, effect) for effect in possible], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=500, help="simulated data sets a row")
    tables = {
        "intervals": print_intervals,
        "partners": print_partners,
        "groups": print_groups,
        "calibration": print_calibration,
    }
    parser.add_argument("--only", choices=tables, help="one of the tables")
    chosen = parser.parse_args()
    for name, print_table in tables.items():
        if chosen.only in (None, name):
            print_table(chosen.data_sets)


def print_intervals(data_sets: int) -> None:
    generator = np.random.default_rng(20261123)
    print("| VRS | questions | images | in the table | bootstrap | version 0.1 | rows as independent", end=" ")
    print("| test, no difference | said to differ | version 0.1 said so | VRS .10 against .20 told apart |")
    print("|---" * 11 + "|")
    for reliance, truth in RELIANCE.items():
        for name, per_image in SIZES.items():
            for questions in QUESTIONS:
                row = simulate_row(generator, questions, per_image, truth, data_sets)
                images = row.pop("images")
                told = [f"{100 * share:.1f} %" for share in row.values()]
                told[4:] = told[4:] if truth[0] == VRS else [""] * 4
                print(f"| {reliance} | {questions}, {name} | {images:.0f} | {' | '.join(told)} |", flush=True)


def print_partners(data_sets: int) -> None:
    generator = np.random.default_rng(20261125)
    print("\n| images as partners | questions | with the partners' term (in the table) | without |")
    print("|---" * 4 + "|")
    for name, sign in PARTNERS.items():
        for questions in (100, 200, 451, 1000):
            hits = np.zeros(2)
            for _ in range(data_sets):
                clusters = make_clusters(generator, questions, PER_IMAGE["VQA-RAD"])
                values, partners = draw_with_partners(generator, clusters, sign)
                places = list(zip(values.tolist(), map(str, clusters), partners, strict=True))
                joined = find_interval(MEAN, places, BOUNDS)
                alone = find_t_interval(values, clusters, bounds=BOUNDS)
                hits += [covers(joined), covers(alone)]
            shares = " | ".join(f"{100 * share:.1f} %" for share in hits / data_sets)
            print(f"| {name} | {questions}, 2.2 an image | {shares} |", flush=True)


def print_groups(data_sets: int) -> None:
    generator = np.random.default_rng(20261124)
    data_sets //= 2
    print("\n| models a group | two-way clustered t | models, then images, resampled | same bases, two-way |")
    print("|---" * 4 + "|")
    for models in (2, 3, 5, 10):
        shares = " | ".join(f"{100 * share:.1f} %" for share in simulate_groups(generator, models, data_sets))
        print(f"| {models} | {shares} |", flush=True)


def draw_answers(generator: np.random.Generator, clusters: Indices, name: str) -> tuple[Floats, Floats, Floats]:
    """Confidences, chances to be right, and whether the answer is right; an image's questions share CORRELATION of a
    normal draw."""
    sure = name.startswith("nearly")
    confidences = 0.5 + 0.5 * generator.beta(20 if sure else 1.2, 0.8, len(clusters))
    chances = CALIBRATIONS[name](confidences)
    shared, own = generator.standard_normal(clusters.max() + 1)[clusters], generator.standard_normal(len(clusters))
    drawn = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    return confidences, chances, (stats.norm.cdf(drawn) < chances).astype(np.float64)


def resample_calibration(pairs: Floats, clusters: Clusters, key: str) -> Interval:
    """The bootstrap interval that the project does not show: `combine` over resampled images, in the bins of all
    data."""
    summands = arrange_in_bins(pairs)
    values = add_gaps(resample_means(summands, clusters, key=key, resamples=RESAMPLES))
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(add_gaps(summands.sum(axis=0))), float(low), float(high), "", len(pairs), 0)


def print_calibration(data_sets: int) -> None:
    generator = np.random.default_rng(20261126)
    print(
        "\n| model | questions | true error | mean estimate | in the table | too low | too high | mean width", end=" "
    )
    print("| percentile bootstrap | overconfidence | Brier score |")
    print("|---" * 11 + "|")
    for name in CALIBRATIONS:
        for per_image in SIZES.values():
            for questions in (50, 100, 451):
                row = simulate_calibration(generator, name, questions, per_image, data_sets)
                told = [f"{number:.3f}" if place in (0, 1, 5) else f"{100 * number:.1f} %" for place, number in row]
                size = "skewed" if per_image is None else f"{per_image:g} an image"
                print(f"| {name} | {questions}, {size} | {' | '.join(told)} |", flush=True)


def simulate_calibration(
    generator: np.random.Generator, name: str, questions: int, per_image: float | None, data_sets: int
) -> list[tuple[int, float]]:
    """The columns of the table, numbered. The true error is that between the limits of each data set's own bins."""
    sums = np.zeros(9)
    for index in range(data_sets):
        clusters = make_clusters(generator, questions, per_image)
        confidences, chances, right = draw_answers(generator, clusters, name)
        pairs, images = np.column_stack([confidences, right]), list(map(str, clusters))
        truth = float(add_gaps(arrange_in_bins(np.column_stack([confidences, chances])).sum(axis=0)))
        places = list(zip(pairs.tolist(), images, strict=True))
        found = find_interval(CALIBRATION_ERROR, places, (0.0, 1.0))
        resampled = resample_calibration(pairs, clusters, f"bench/{index}")
        over = find_interval(OVERCONFIDENCE, places, BOUNDS)
        brier = find_interval(BRIER, places, (0.0, 1.0))
        sums += [
            truth,
            found.estimate,
            covers(found, truth),
            found.high < truth,
            found.low > truth,
            found.high - found.low,
            covers(resampled, truth),
            covers(over, float((confidences - chances).mean())),
            covers(brier, float((chances * (1 - confidences) ** 2 + (1 - chances) * confidences**2).mean())),
        ]
    return list(enumerate((sums / data_sets).tolist()))


if __name__ == "__main__":
    main()
