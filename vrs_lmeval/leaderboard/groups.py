"""Compares models tuned on synthetic pairs with models tuned on authentic pairs: the difference of their VRS.

Models are the random unit here: an interval about training data, not about these models, needs several models trained
each way. Pairs of one base model are shown separately, because they differ in fewer things than two whole groups.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vrs_lmeval.leaderboard.benchmarks import choose_benchmarks, describe_task
from vrs_lmeval.leaderboard.comparison import align_vrs
from vrs_lmeval.leaderboard.model_cards import ModelCard
from vrs_lmeval.leaderboard.pairs import BOUNDS
from vrs_lmeval.leaderboard.runs import Run
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Floats, resample_means
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_interval
from vrs_lmeval.uncertainty.model_groups import (
    bootstrap_group_difference,
    find_group_difference,
    find_matched_difference,
)

OVERALL = "all benchmarks"
FIRST, SECOND = "synthetic", "authentic"

ENOUGH_MODELS = 3
"""Models that each group needs: two also give an interval, but it is rarely narrower than the range of VRS."""


@dataclass(frozen=True, slots=True)
class BasePair:
    """Two models of one base: VRS(synthetic) - VRS(authentic), clustered by image; it holds for these two only."""

    base: str
    first: str
    second: str
    difference: Interval


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """Mean VRS of the models tuned on synthetic pairs minus that of those tuned on authentic ones.

    `bootstrap` is the same difference, by resampled models and images. `matched` is the mean of the differences within
    base models that have both kinds; None if there is no such base. `pairs` holds every two models of one base.
    """

    task: str
    first: tuple[str, ...]  # labels of the models
    second: tuple[str, ...]
    difference: Interval
    bootstrap: Interval
    matched: Interval | None
    bases: tuple[str, ...]
    pairs: tuple[BasePair, ...]
    repeated: tuple[str, ...] = ()  # bases of several models of one kind

    @property
    def conclusion(self) -> str:
        """One sentence in plain language."""
        counts = f"{len(self.first)} synthetic and {len(self.second)} authentic"
        if min(len(self.first), len(self.second)) < ENOUGH_MODELS:
            return (
                f"{self.task}: not enough models to compare training data ({counts}; {ENOUGH_MODELS} each are needed)."
            )
        if self.repeated:
            counts += f", taken as independent though several are of {', '.join(self.repeated)}"
        return _conclude(f"{self.task}: ", "models tuned on synthetic pairs", self.difference, counts)

    @property
    def matched_conclusion(self) -> str | None:
        """The same within base models; None where no base has both kinds."""
        if self.matched is None:
            return None
        counts = f"{len(self.bases)} base models" if len(self.bases) > 1 else "1 base model"
        if len(self.bases) < ENOUGH_MODELS:
            return (
                f"{self.task}, models of one base against each other: not enough base models "
                f"({counts}; {ENOUGH_MODELS} are needed)."
            )
        start = f"{self.task}, models of one base against each other: "
        return _conclude(start, "those tuned on synthetic pairs", self.matched, counts)


def _conclude(start: str, who: str, difference: Interval, counts: str) -> str:
    if math.isnan(difference.low):
        return f"{start}training data cannot be compared ({difference.reason})."
    numbers = f"{difference.estimate:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], {counts}"
    if difference.high < 0:
        return f"{start}{who} rely less on the image ({numbers})."
    if difference.low > 0:
        return f"{start}{who} rely more on the image ({numbers})."
    return f"{start}no difference in reliance on the image is shown ({numbers})."


def contrast_groups(
    runs_by_task: Mapping[str, Sequence[Run]], cards: Mapping[str, ModelCard], labels: Mapping[str, str]
) -> list[GroupContrast]:
    """A contrast for each task that has models of either kind, and one over all benchmarks if there are several.

    `cards` and `labels` are by `Run.model`. Of tasks that share images one counts: see `benchmarks`.
    """
    aligned = []
    for task, runs in runs_by_task.items():
        grouped = [run for run in runs if cards[run.model].training in (FIRST, SECOND)]
        if grouped:
            columns, images, partners = align_vrs(grouped)
            models = {run.model: column for run, column in zip(grouped, columns.T, strict=True)}
            aligned.append(_Aligned(task, models, images, partners))
    chosen = choose_benchmarks([describe_task(runs) for runs in runs_by_task.values() if runs])
    benchmarks = [each for each in aligned if each.task in chosen]
    together = [benchmarks] if len(benchmarks) > 1 else []
    return [_contrast(part, cards, labels) for part in [*([task] for task in aligned), *together]]


@dataclass(frozen=True, slots=True)
class _Aligned:
    """The VRS differences of several runs on the same questions, in the order of the sample ids."""

    task: str
    values: Mapping[str, Floats]  # by model
    images: Sequence[str]
    partners: Sequence[str | None]  # the image that each question was shown under shuffled

    def select(self, models: Sequence[str]) -> Floats:
        """The values (n, M) of these models."""
        return _make_columns([self.values[model] for model in models], len(self.images))


def _contrast(tasks: Sequence[_Aligned], cards: Mapping[str, ModelCard], labels: Mapping[str, str]) -> GroupContrast:
    shared = [model for model in tasks[0].values if all(model in task.values for task in tasks)]
    questions = sum(len(task.images) for task in tasks)
    # Weights that make the mean over all questions the unweighted mean of the tasks.
    columns = np.concatenate([task.select(shared) * (questions / (len(tasks) * len(task.images))) for task in tasks])
    images = [image for task in tasks for image in task.images]
    partners = [partner for task in tasks for partner in task.partners]
    is_first = np.array([cards[model].training == FIRST for model in shared], dtype=bool)
    difference = find_group_difference(columns, images, is_first)
    bases, of_bases = _match_bases(shared, columns, cards)
    return GroupContrast(
        task=tasks[0].task if len(tasks) == 1 else OVERALL,
        first=tuple(labels[model] for model, first in zip(shared, is_first, strict=True) if first),
        second=tuple(labels[model] for model, first in zip(shared, is_first, strict=True) if not first),
        difference=difference,
        bootstrap=_bootstrap(difference, tasks, shared, is_first),
        matched=find_matched_difference(of_bases, images) if bases else None,
        bases=bases,
        pairs=_pair_within_bases(shared, columns, list(zip(images, partners, strict=True)), cards, labels),
        repeated=_find_repeated_bases([cards[model] for model in shared]),
    )


def _find_repeated_bases(cards: Sequence[ModelCard]) -> tuple[str, ...]:
    """Base models from which several models of one kind were tuned: such models are not independent draws."""
    counts = Counter((card.base, card.training) for card in cards if card.base is not None)
    return tuple(dict.fromkeys(base for (base, _), count in counts.items() if base is not None and count > 1))


def _bootstrap(
    difference: Interval, tasks: Sequence[_Aligned], models: Sequence[str], is_first: npt.NDArray[np.bool_]
) -> Interval:
    """The difference with its bootstrap interval; images are drawn within each benchmark, as many as it has."""
    if difference.reason is not None:
        means = np.empty((0, len(models)))
    else:
        drawn = [resample_means(task.select(models), task.images, key=f"groups/{task.task}") for task in tasks]
        means = np.mean(drawn, axis=0)
    key = f"groups/models/{'/'.join(task.task for task in tasks)}"
    return bootstrap_group_difference(difference, means, is_first, key=key)


def _match_bases(
    models: Sequence[str], columns: Floats, cards: Mapping[str, ModelCard]
) -> tuple[tuple[str, ...], Floats]:
    """The base models that have models of both kinds, and (n, B) the mean of one kind minus that of the other."""
    bases, differences = [], []
    for base in dict.fromkeys(cards[model].base for model in models):
        sides = [
            [i for i, model in enumerate(models) if (cards[model].base, cards[model].training) == (base, training)]
            for training in (FIRST, SECOND)
        ]
        if base is not None and all(sides):
            bases.append(base)
            differences.append(columns[:, sides[0]].mean(axis=1) - columns[:, sides[1]].mean(axis=1))
    return tuple(bases), _make_columns(differences, len(columns))


def _make_columns(columns: Sequence[Floats], rows: int) -> Floats:
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def _pair_within_bases(
    models: Sequence[str],
    columns: Floats,
    shown: Sequence[tuple[str, str | None]],
    cards: Mapping[str, ModelCard],
    labels: Mapping[str, str],
) -> tuple[BasePair, ...]:
    kinds = [cards[model].training for model in models]
    return tuple(
        BasePair(
            str(cards[models[i]].base),
            labels[models[i]],
            labels[models[j]],
            _find_difference(columns[:, i] - columns[:, j], shown),
        )
        for i, j in itertools.product(range(len(models)), repeat=2)
        if (kinds[i], kinds[j]) == (FIRST, SECOND)
        and cards[models[i]].base is not None
        and cards[models[i]].base == cards[models[j]].base
    )


def _find_difference(differences: Floats, shown: Sequence[tuple[str, str | None]]) -> Interval:
    """The mean of `differences` with the interval of a pair test (`pairs.py`): clustered by image and by partner."""
    places = [(value, image, partner) for value, (image, partner) in zip(differences.tolist(), shown, strict=True)]
    return find_interval(MEAN, places, BOUNDS)
