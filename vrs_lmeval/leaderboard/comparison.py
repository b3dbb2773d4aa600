"""Runs of several models on one task -> what each scores, and how the models differ, with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from vrs_lmeval.leaderboard.metric_intervals import find_metric_intervals, find_partners
from vrs_lmeval.leaderboard.pairs import PairTest, compare_pairs
from vrs_lmeval.leaderboard.runs import Run, ScoredSample
from vrs_lmeval.leaderboard.verdict import find_warm_changes, judge
from vrs_lmeval.reading.normalisation import name_text
from vrs_lmeval.records import REAL, SHUFFLED, Interval
from vrs_lmeval.uncertainty.clusters import Floats

SAME_DATA = (
    "skipped_rows",  # first, so that it is what a message names
    *("content_sha256", "images_sha256", "regions_sha256"),
    *("split", "columns", "closed_rule", "accept_golds_of_duplicates"),
)
"""The parts of the data set's evidence that must be equal; the place that it was read from may differ."""

SHOWN_CHARACTERS = 60
"""Characters of a condition that the message shows if two runs differ in it: a prompt would be too long."""

SHARED_QUESTION = 4
"""Samples that a question needs before its most frequent answer means something: with fewer it is often the only
answer."""


class IncomparableRunsError(ValueError):
    """Two runs differ in more than the model; the message names the difference."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model's metrics on the task, each with its 95 % interval clustered by image, by formula and by bootstrap.

    `against_first` tests VRS(model) - VRS(first model), paired by sample; None for the first, or without VRS.
    `verdict`: what may be concluded, as a predicate after the model's name, and its kind; None without VRS.
    """

    model: str
    metrics: Mapping[str, Interval]
    bootstraps: Mapping[str, Interval]
    against_first: PairTest | None
    verdict: str | None = None
    verdict_kind: str | None = None


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
    intervals = find_metric_intervals(runs, key=f"compare/{reference.task}")
    tests = _compare_with_first(runs)
    floor = find_blind_floor(reference.samples)
    return Comparison(
        task=reference.task,
        questions=len(reference.samples),
        images=len({sample.image_id for sample in reference.samples}),
        blind_floor=floor,
        rows=tuple(
            _make_row(label, run, of_run, test, floor)
            for label, run, of_run, test in zip(labels, runs, intervals, tests, strict=True)
        ),
    )


def _make_row(
    label: str, run: Run, intervals: Mapping[str, Any], test: PairTest | None, blind_floor: float
) -> ModelRow:
    metrics = {name: both.analytic for name, both in intervals.items()}
    bootstraps = {name: both.bootstrap for name, both in intervals.items()}
    if "vrs" not in metrics:
        return ModelRow(label, metrics, bootstraps, test)
    judged = judge(metrics, run.samples, blind_floor, find_warm_changes(run.setup))
    return ModelRow(label, metrics, bootstraps, test, judged.sentence, judged.kind.value)


def find_blind_floor(samples: Sequence[ScoredSample]) -> float:
    """The blind floor by question: accuracy of a model that knows the frequencies of these very answers, and no image.

    If at least SHARED_QUESTION samples ask the same question, the model gives that question's most frequent gold. For
    other questions it gives the most frequent letter if there are options, and else the most frequent gold of the
    answer type (on VQA-RAD: "no" and "axial"). The second rule alone is `acc_majority`, the floor by answer type.
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
    return {name_text(gold) for gold in sample.golds}


def _letters_of_golds(sample: ScoredSample) -> set[str]:
    return {str(index) for index, option in enumerate(sample.options) if option in sample.golds}


def _count_best_guess(golds: Sequence[set[str]]) -> int:
    return max(Counter(gold for accepted in golds for gold in accepted).values(), default=0)


def make_labels(models: Sequence[str]) -> list[str]:
    """The last part of each model's name; the whole name, then a number, where that is not unique."""
    short = [PurePath(model).name or "(no name)" for model in models]
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
            where = _describe_difference(first, second)
            raise IncomparableRunsError(f"{pair}: different {name} of {reference.task} ({where})")
    first_ids, second_ids = ({sample.sample_id for sample in run.samples} for run in (reference, other))
    if first_ids != second_ids:
        counts = f"{len(first_ids)} and {len(second_ids)}, {len(first_ids & second_ids)} of them shared"
        raise IncomparableRunsError(
            f"{pair}: not the same questions of {reference.task} ({counts}; different --limit?)"
        )
    first_shown, second_shown = ({s.sample_id: _list_images(s) for s in run.samples} for run in (reference, other))
    if differing := [i for i in first_ids if _show_other_images(first_shown[i], second_shown[i])]:
        raise IncomparableRunsError(
            f"{pair}: different images were shown for {len(differing)} questions of {reference.task}, e.g. "
            f"{min(differing)} (were their partners drawn by the same version?)"
        )


def describe_other_prompt(first: Run, second: Run) -> str | None:
    """The first difference of data, prompt or parser between runs whose variants may differ; None without one."""
    for name, one, other in zip(_CONDITIONS, _conditions(first), _conditions(second), strict=True):
        if one != other and name not in _OF_VARIANTS:
            return f"different {name} than {first.task} ({_describe_difference(one, other)})"
    return None


def _show_other_images(first: Mapping[str, str | None], second: Mapping[str, str | None]) -> bool:
    """Under a variant that both were asked: a model that takes no prompt without an image lacks some."""
    return any(first[name] != second[name] for name in first.keys() & second.keys())


def _list_images(sample: ScoredSample) -> dict[str, str | None]:
    """By variant, the id of the image that it showed."""
    return {name: answer.image_id for name, answer in sample.answers.items()}


_CONDITIONS = (
    "data set",
    "task version",
    "variants",
    "version of the variants",
    "parser version",
    "prompt style",
    "prompt",
    "generation settings",
    "system instruction",
)


_OF_VARIANTS = ("variants", "version of the variants", "task version")


def _conditions(run: Run) -> tuple[Any, ...]:
    evidence = run.evidence
    return (
        {key: _drop_unnamed(evidence.dataset.get(key)) for key in SAME_DATA},
        (run.config.get("metadata") or {}).get("version"),
        {variant["name"]: variant for variant in evidence.variants},
        evidence.variants_version,
        evidence.parser_version,
        evidence.prompt_style,
        run.config.get("doc_to_text"),
        run.config.get("generation_kwargs"),
        run.system_instruction,
    )


def _drop_unnamed(value: Any) -> Any:
    """The value without columns that the data set lacks: an older version did not know all columns, so these do not
    count as a difference."""
    if not isinstance(value, Mapping):
        return value
    return {name: column for name, column in value.items() if column is not None}


def _describe_difference(first: Any, second: Any) -> str:
    """The first place where two conditions differ, and what stands there: `shuffled.seed: 0 and 1`."""
    path = []
    while isinstance(first, Mapping) and isinstance(second, Mapping):
        key = next(k for k in [*first, *second] if k not in first or k not in second or first[k] != second[k])
        path.append(str(key))
        first, second = first.get(key), second.get(key)
    values = " and ".join(_shorten(value) for value in (first, second))
    return f"{'.'.join(path)}: {values}" if path else values


def _shorten(value: Any) -> str:
    if isinstance(value, Mapping):
        return "given"
    text = "not given" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _compare_with_first(runs: Sequence[Run]) -> list[PairTest | None]:
    """A test of each model against the first; not adjusted for their number, since each test answers its own question
    and the first model is chosen beforehand."""
    columns, images, partners = align_vrs(runs)
    if np.isnan(columns).any():
        return [None] * len(runs)
    key = f"compare/{runs[0].task}"
    tests = [compare_pairs(columns[:, [index, 0]], images, key, partners)[0] for index in range(1, len(runs))]
    return [None, *tests]


def _find_read_difference(sample: ScoredSample) -> float | None:
    shown = [sample.answers[name] for name in (REAL, SHUFFLED) if name in sample.answers]
    return sample.values.get("vrs") if all(answer.is_parsed for answer in shown) else 0.0


def align_vrs(runs: Sequence[Run]) -> tuple[Floats, list[str], list[str | None]]:
    """The values (n, M) by which M runs on the same n questions are compared, in the order of sample ids; their images.

    A value is right(real) - right(shuffled), whose mean is VRS, if both answers were read. It is 0 if one was not read,
    so that refusals rank nobody (their part of VRS is `vrs_from_unread`), and NaN without a VRS. The two lists (n,)
    name each question's own image, and the image that it was shown under shuffled.
    """
    samples = sorted(runs[0].samples, key=lambda sample: sample.sample_id)
    order = [sample.sample_id for sample in samples]
    columns = np.empty((len(order), len(runs)))
    for index, run in enumerate(runs):
        by_id = {sample.sample_id: _find_read_difference(sample) for sample in run.samples}
        columns[:, index] = [math.nan if (value := by_id[sample_id]) is None else value for sample_id in order]
    return columns, [sample.image_id for sample in samples], find_partners(samples)
