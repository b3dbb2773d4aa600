"""Models tuned on synthetic against models tuned on authentic pairs: the difference of their VRS, and its grounds.

Models are the random unit here: an interval that speaks of training data, not of these models, needs several models
trained each way. Pairs of one base model are shown apart: they differ in less than two whole groups do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vrs_lmeval.intervals import find_t_interval
from vrs_lmeval.leaderboard.model_cards import ModelCard
from vrs_lmeval.leaderboard.results import Run
from vrs_lmeval.records import Interval
from vrs_lmeval.significance import find_group_difference

OVERALL = "all tasks"
FIRST, SECOND = "synthetic", "authentic"

ENOUGH_MODELS = 3
"""A group of two gives an interval, but one that is rarely narrower than the range of VRS."""


@dataclass(frozen=True, slots=True)
class BasePair:
    """Two models of one base: VRS(synthetic) - VRS(authentic), clustered by image; says nothing of other models."""

    base: str
    first: str
    second: str
    difference: Interval


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """Mean VRS of the models tuned on synthetic pairs minus that of those tuned on authentic ones."""

    task: str
    first: tuple[str, ...]  # labels of the models
    second: tuple[str, ...]
    difference: Interval
    pairs: tuple[BasePair, ...]

    @property
    def conclusion(self) -> str:
        """One sentence in plain language."""
        counts = f"{len(self.first)} synthetic and {len(self.second)} authentic"
        if min(len(self.first), len(self.second)) < ENOUGH_MODELS:
            return (
                f"{self.task}: not enough models to compare training data ({counts}; {ENOUGH_MODELS} each are needed)."
            )
        if math.isnan(self.difference.low):
            return f"{self.task}: training data cannot be compared ({self.difference.reason})."
        numbers = f"{self.difference.estimate:+.3f} [{self.difference.low:+.3f}, {self.difference.high:+.3f}], {counts}"
        if self.difference.high < 0:
            return f"{self.task}: models tuned on synthetic pairs rely less on the image ({numbers})."
        if self.difference.low > 0:
            return f"{self.task}: models tuned on synthetic pairs rely more on the image ({numbers})."
        return f"{self.task}: no difference in reliance on the image is shown ({numbers})."


def contrast_groups(
    runs_by_task: Mapping[str, Sequence[Run]], cards: Mapping[str, ModelCard], labels: Mapping[str, str]
) -> list[GroupContrast]:
    """A contrast per task that has models of either kind, and one over all tasks; cards and labels by `Run.model`."""
    contrasts = []
    columns_by_task = {}
    for task, runs in runs_by_task.items():
        grouped = [run for run in runs if cards[run.model].training in (FIRST, SECOND)]
        if grouped:
            columns_by_task[task] = _align(grouped)
    tasks = list(columns_by_task)
    for chosen in [*([task] for task in tasks), *([tasks] if len(tasks) > 1 else [])]:
        contrasts.append(_contrast([columns_by_task[task] for task in chosen], chosen, cards, labels))
    return contrasts


@dataclass(frozen=True, slots=True)
class _Aligned:
    """The VRS differences of several runs on the same questions, in the order of the sample ids."""

    values: Mapping[str, Sequence[float]]  # by model
    images: Sequence[str]


def _align(runs: Sequence[Run]) -> _Aligned:
    order = sorted(sample.sample_id for sample in runs[0].samples)
    values = {}
    for run in runs:
        by_id = {sample.sample_id: sample.values.get("vrs") for sample in run.samples}
        values[run.model] = [math.nan if (value := by_id[sample_id]) is None else value for sample_id in order]
    image_of = {sample.sample_id: sample.image_id for sample in runs[0].samples}
    return _Aligned(values, [image_of[sample_id] for sample_id in order])


def _contrast(
    tasks: Sequence[_Aligned], names: Sequence[str], cards: Mapping[str, ModelCard], labels: Mapping[str, str]
) -> GroupContrast:
    shared = [model for model in tasks[0].values if all(model in task.values for task in tasks)]
    questions = sum(len(task.images) for task in tasks)
    # Weights that make the mean over all questions the unweighted mean of the tasks.
    columns = np.concatenate(
        [
            np.array([task.values[model] for model in shared]).reshape(len(shared), -1).T
            * (questions / (len(tasks) * len(task.images)))
            for task in tasks
        ]
    )
    images = [f"{name}/{image}" for name, task in zip(names, tasks, strict=True) for image in task.images]
    is_first = np.array([cards[model].training == FIRST for model in shared], dtype=bool)
    return GroupContrast(
        task=names[0] if len(names) == 1 else OVERALL,
        first=tuple(labels[model] for model, first in zip(shared, is_first, strict=True) if first),
        second=tuple(labels[model] for model, first in zip(shared, is_first, strict=True) if not first),
        difference=find_group_difference(columns, images, is_first),
        pairs=tuple(
            BasePair(
                str(cards[shared[i]].base),
                labels[shared[i]],
                labels[shared[j]],
                find_t_interval(columns[:, i] - columns[:, j], images),
            )
            for i, j in itertools.product(np.flatnonzero(is_first), np.flatnonzero(~is_first))
            if cards[shared[i]].base is not None and cards[shared[i]].base == cards[shared[j]].base
        ),
    )
