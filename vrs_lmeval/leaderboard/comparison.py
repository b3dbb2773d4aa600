"""Runs of several models on one task -> what each scores, and how the models differ, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vrs_lmeval.intervals import find_t_interval
from vrs_lmeval.leaderboard.results import Question, Run
from vrs_lmeval.records import Interval

COMPARED_METRICS = ("acc", "acc_blank", "acc_shuffled", "vrs", "image_sensitivity", "parse_failure_rate")

MUST_AGREE = ("dataset", "variants", "parser_version")
"""What of a run's evidence must be equal before two runs may stand in one table."""


class IncomparableRunsError(ValueError):
    """Two runs differ in more than the model; the message says in what."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model's metrics on the task, each with its 95 % interval clustered by image."""

    model: str
    metrics: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All models on one task. `differences` are VRS(model) - VRS(reference), paired by question."""

    task: str
    questions: int
    images: int
    blind_floor: float
    rows: tuple[ModelRow, ...]
    reference: str
    differences: Mapping[str, Interval]


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Runs of one task -> their comparison; the first run is the reference. Raises IncomparableRunsError."""
    reference, *others = runs
    for other in others:
        _check_comparable(reference, other)
    return Comparison(
        task=reference.task,
        questions=len(reference.questions),
        images=len({question.image_id for question in reference.questions}),
        blind_floor=find_blind_floor(reference.questions),
        rows=tuple(ModelRow(run.model, _find_intervals(run)) for run in runs),
        reference=reference.model,
        differences={other.model: _difference_of_vrs(reference, other) for other in others},
    )


def find_blind_floor(questions: Sequence[Question]) -> float:
    """Accuracy of the best model that sees no image: each question string's most frequent answer, given to all of them.

    An optimistic floor: it knows the gold answers of the very questions it is asked.
    """
    golds_of: dict[str, Counter[str]] = {}
    for question in questions:
        golds_of.setdefault(question.question, Counter()).update(question.golds[:1])
    return sum(max(golds.values()) for golds in golds_of.values()) / len(questions)


def _check_comparable(reference: Run, other: Run) -> None:
    pair = f"{reference.model} and {other.model}"
    if reference.task != other.task:
        raise IncomparableRunsError(f"{pair}: different tasks, {reference.task} and {other.task}")
    for key in MUST_AGREE:
        if reference.config["vrs"].get(key) != other.config["vrs"].get(key):
            raise IncomparableRunsError(f"{pair}: different {key} of {reference.task}")
    for key in ("doc_to_text", "generation_kwargs"):
        if reference.config.get(key) != other.config.get(key):
            raise IncomparableRunsError(f"{pair}: different {key} of {reference.task}")
    if {q.sample_id for q in reference.questions} != {q.sample_id for q in other.questions}:
        raise IncomparableRunsError(f"{pair}: not the same questions of {reference.task} (different --limit?)")


def _find_intervals(run: Run) -> dict[str, Interval]:
    names = [name for name in COMPARED_METRICS if name in run.questions[0].values]
    return {name: _interval_of([(q.values[name], q.image_id) for q in run.questions]) for name in names}


def _difference_of_vrs(reference: Run, other: Run) -> Interval:
    first = {question.sample_id: question for question in reference.questions}
    return _interval_of(
        [(_subtract(q.values.get("vrs"), first[q.sample_id].values.get("vrs")), q.image_id) for q in other.questions]
    )


def _subtract(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def _interval_of(pairs: Sequence[tuple[float | None, str]]) -> Interval:
    applicable = [(value, image_id) for value, image_id in pairs if value is not None]
    return find_t_interval([value for value, _ in applicable], [image_id for _, image_id in applicable])
