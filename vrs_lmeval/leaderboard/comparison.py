"""Runs of several models on one task -> what each scores, and how the models differ, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from vrs_lmeval.aggregation import find_interval
from vrs_lmeval.leaderboard.results import Run, ScoredSample
from vrs_lmeval.normalisation import normalise
from vrs_lmeval.records import Interval

COMPARED_METRICS = ("acc", "acc_blank", "acc_shuffled", "vrs", "image_sensitivity", "parse_failure_rate")

SAME_DATA = ("content_sha256", "images_sha256", "split", "columns", "closed_rule", "accept_golds_of_duplicates")
"""What of the data set's evidence must be equal; where it was read from may differ."""

SHARED_QUESTION = 4
"""From so many samples on, a question's most frequent answer says something; with fewer it is often the only one."""


class IncomparableRunsError(ValueError):
    """Two runs differ in more than the model; the message says in what."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model's metrics on the task, each with its 95 % interval clustered by image.

    `difference` is VRS(model) - VRS(first model), paired by sample; None for the first.
    """

    model: str
    metrics: Mapping[str, Interval]
    difference: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All models on one task; the first is the reference of the differences."""

    task: str
    questions: int
    images: int
    blind_floor: float
    rows: tuple[ModelRow, ...]


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Runs of one task -> their comparison; the first run is the reference. Raises IncomparableRunsError."""
    reference, *others = runs
    for other in others:
        check_comparable(reference, other)
    labels = make_labels([run.model for run in runs])
    return Comparison(
        task=reference.task,
        questions=len(reference.samples),
        images=len({sample.image_id for sample in reference.samples}),
        blind_floor=find_blind_floor(reference.samples),
        rows=tuple(
            ModelRow(label, find_intervals(run), None if run is reference else _difference_of_vrs(reference, run))
            for label, run in zip(labels, runs, strict=True)
        ),
    )


def find_blind_floor(samples: Sequence[ScoredSample]) -> float:
    """Accuracy of a model that knows the benchmark's most frequent answers and sees no image.

    It gives each question's most frequent gold where at least SHARED_QUESTION samples ask the same question. Else it
    gives the most frequent letter where there are options, and the most frequent gold of the answer type where there
    are none (on VQA-RAD: "no" and "axial").
    """
    asked = Counter(sample.question for sample in samples)
    groups: dict[str, list[set[str]]] = {}
    for sample in samples:
        if asked[sample.question] >= SHARED_QUESTION:
            group, golds = f"question {sample.question}", _texts_of_golds(sample)
        elif sample.options:
            group, golds = "options", _letters_of_golds(sample)
        else:
            group, golds = sample.answer_type, _texts_of_golds(sample)
        groups.setdefault(group, []).append(golds)
    return sum(_count_best_guess(golds) for golds in groups.values()) / len(samples)


def _texts_of_golds(sample: ScoredSample) -> set[str]:
    return {normalise(gold) for gold in sample.golds}


def _letters_of_golds(sample: ScoredSample) -> set[str]:
    return {str(index) for index, option in enumerate(sample.options) if option in sample.golds}


def _count_best_guess(golds: Sequence[set[str]]) -> int:
    return max(Counter(gold for accepted in golds for gold in accepted).values(), default=0)


def make_labels(models: Sequence[str]) -> list[str]:
    """The last part of each model's name; the whole name, then a number, where that is not unique."""
    short = [PurePath(model).name for model in models]
    names = [model if short.count(name) > 1 else name for model, name in zip(models, short, strict=True)]
    return [
        f"{name} #{names[: index + 1].count(name)}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def check_comparable(reference: Run, other: Run) -> None:
    """Raises IncomparableRunsError, naming what differs besides the model."""
    pair = f"{reference.model} and {other.model}"
    if reference.task != other.task:
        raise IncomparableRunsError(f"{pair}: different tasks, {reference.task} and {other.task}")
    for name, first, second in zip(_CONDITIONS, _conditions(reference), _conditions(other), strict=True):
        if first != second:
            raise IncomparableRunsError(f"{pair}: different {name} of {reference.task}")
    if {sample.sample_id for sample in reference.samples} != {sample.sample_id for sample in other.samples}:
        raise IncomparableRunsError(f"{pair}: not the same questions of {reference.task} (different --limit?)")


_CONDITIONS = (
    *("data set", "variants", "version of the variants", "parser version", "prompt", "generation settings"),
    "system instruction",
)


def _conditions(run: Run) -> tuple[Any, ...]:
    evidence = run.config["vrs"]
    return (
        {key: evidence["dataset"].get(key) for key in SAME_DATA},
        evidence["variants"],
        evidence.get("variants_version"),
        evidence["parser_version"],
        run.config.get("doc_to_text"),
        run.config.get("generation_kwargs"),
        run.system_instruction,
    )


def find_intervals(run: Run) -> dict[str, Interval]:
    """Each compared metric that the run has, with its interval."""
    names = [name for name in COMPARED_METRICS if name in run.samples[0].values]
    return {name: find_interval([(s.values[name], s.image_id) for s in run.samples]) for name in names}


def _difference_of_vrs(reference: Run, other: Run) -> Interval:
    first = {sample.sample_id: sample.values.get("vrs") for sample in reference.samples}
    return find_interval([(_subtract(s.values.get("vrs"), first[s.sample_id]), s.image_id) for s in other.samples])


def _subtract(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference
