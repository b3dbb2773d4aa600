"""Compares models on questions that need the image: those that no other model of the board answers without one.

This follows the cleaned benchmarks of Mirage (arXiv 2603.21687), with one difference: only the *other* models choose
the questions on which a model is judged. If the model's own answers without an image chose too, its accuracy with
another image would be low by selection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vrs_lmeval.leaderboard.runs import Run, ScoredSample
from vrs_lmeval.leaderboard.text_floors import find_right
from vrs_lmeval.leaderboard.verdict import FEWEST_IMAGES
from vrs_lmeval.records import ABSENT, GUESS, SHUFFLED, Interval
from vrs_lmeval.uncertainty.clusters import Floats
from vrs_lmeval.uncertainty.forms import MEAN, Form, expect_list, expect_number
from vrs_lmeval.uncertainty.intervals import find_interval
from vrs_lmeval.uncertainty.model_tests import find_rank_intervals

ASKED_WITHOUT = (ABSENT, GUESS)
"""A question needs no image if another model answers it right under one of these variants."""

TESTS_AT = 0.05


@dataclass(frozen=True, slots=True)
class NecessaryRow:
    """One model on its questions: how many, on how many images, accuracy and VRS there, and its rank by that VRS."""

    label: str
    questions: int
    images: int
    accuracy: Interval
    vrs: Interval
    best_rank: int
    worst_rank: int


@dataclass(frozen=True, slots=True)
class VisionNecessary:
    """`chosen_by`: the models that were asked without an image; all but the model itself choose its questions."""

    chosen_by: tuple[str, ...]
    rows: tuple[NecessaryRow, ...]


def find_vision_necessary(
    runs: Sequence[Run], labels: Mapping[str, str], text_runs: Sequence[Run]
) -> VisionNecessary | None:
    """The models of a board, the highest VRS first; None if no other model was asked without an image.

    Ranks hold jointly at 95 %: of two models, one ranks below the other where the interval of their difference, at 5 %
    over the number of pairs (Bonferroni), leaves out 0. Each difference is that of two means on two sets of questions
    that overlap, with the standard error of both together, clustered by image; degrees of freedom go by the images of
    one of them, so both ways round must tell them apart, each on FEWEST_IMAGES at least.
    """
    answered = {run.model: _find_answered(run) for run in (*runs, *text_runs) if _was_asked_without(run)}
    if any(not answered.keys() - {run.model} for run in runs):
        return None
    chosen = [_choose(run, answered) for run in runs]
    level = 1 - TESTS_AT / max(1, math.comb(len(runs), 2))
    apart = np.full((len(runs), len(runs)), np.nan)
    for first, second in combinations(range(len(runs)), 2):
        is_apart = _are_apart(runs, chosen, first, second, level) and _are_apart(runs, chosen, second, first, level)
        apart[first, second] = apart[second, first] = 0.0 if is_apart else 1.0
    found = [_measure(run, ids) for run, ids in zip(runs, chosen, strict=True)]
    ranks = find_rank_intervals([vrs.estimate for _, vrs in found], apart)
    rows = [
        NecessaryRow(labels[run.model], accuracy.n, accuracy.clusters, accuracy, vrs, best, worst)
        for run, (accuracy, vrs), (best, worst) in zip(runs, found, ranks, strict=True)
    ]
    rows.sort(key=lambda row: (math.isnan(row.vrs.estimate), -row.vrs.estimate))
    return VisionNecessary(tuple(labels[model] for model in answered), tuple(rows))


def _are_apart(runs: Sequence[Run], chosen: Sequence[set[str]], first: int, second: int, level: float) -> bool:
    """Whether the difference leaves out 0, by the images of the first."""
    interval = _compare(runs, chosen, first, second, level)
    return interval.clusters >= FEWEST_IMAGES and (interval.low > 0 or interval.high < 0)


def _was_asked_without(run: Run) -> bool:
    return any(variant in sample.answers for sample in run.samples for variant in ASKED_WITHOUT)


def _find_answered(run: Run) -> set[str]:
    """Ids of the questions that the model answers right without an image."""
    return {s.sample_id for s in run.samples if any(find_right(s, variant) for variant in ASKED_WITHOUT)}


def _choose(run: Run, answered: Mapping[str, set[str]]) -> set[str]:
    """The questions on which a model is judged."""
    others = (ids for model, ids in answered.items() if model != run.model)
    return {sample.sample_id for sample in run.samples}.difference(*others)


def _measure(run: Run, chosen: set[str]) -> tuple[Interval, Interval]:
    """Accuracy and VRS on these questions."""
    samples = [sample for sample in run.samples if sample.sample_id in chosen]
    accuracy = find_interval(MEAN, [(s.values["acc"], s.image_id) for s in samples], (0.0, 1.0))
    vrs = find_interval(MEAN, [(s.values["vrs"], s.image_id, _partner(s)) for s in samples], (-1.0, 1.0))
    return accuracy, vrs


def _partner(sample: ScoredSample) -> str | None:
    return sample.answers[SHUFFLED].image_id if SHUFFLED in sample.answers else None


def _subtract_ratios(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])


def _differentiate_ratios(sums: Floats) -> Floats:
    above, below, other_above, other_below = sums
    return np.array([1 / below, -above / below**2, -1 / other_below, other_above / other_below**2])


DIFFERENCE_OF_MEANS = Form(
    "difference of two means on two sets of questions",
    lambda value: [expect_number(each) for each in expect_list(value, 4)],
    _subtract_ratios,
    _differentiate_ratios,
    width=4,
)


def _compare(runs: Sequence[Run], chosen: Sequence[set[str]], first: int, second: int, level: float) -> Interval:
    """VRS of the first on its questions minus VRS of the second on its own."""
    others = {sample.sample_id: sample.values["vrs"] for sample in runs[second].samples}
    places = []
    for sample in runs[first].samples:
        own, other = sample.sample_id in chosen[first], sample.sample_id in chosen[second]
        if own or other:
            vrs, other_vrs = sample.values["vrs"] or 0.0, others[sample.sample_id] or 0.0
            value = [vrs * own, float(own), other_vrs * other, float(other)]
            places.append((value, sample.image_id, _partner(sample)))
    return find_interval(DIFFERENCE_OF_MEANS, places, (-2.0, 2.0), level)
