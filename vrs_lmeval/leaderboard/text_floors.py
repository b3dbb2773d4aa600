"""Runs without any image -> floors for the boards of the same questions: what a model without eyes gets right.

A run of `vrs_<benchmark>_text` shows no image, so it has no VRS and no rank. Its accuracy stands under the models that
see, and each of these models is compared with it question by question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vrs_lmeval.leaderboard.comparison import describe_other_prompt
from vrs_lmeval.leaderboard.metric_intervals import find_metric_intervals
from vrs_lmeval.leaderboard.runs import Run, ScoredSample
from vrs_lmeval.records import ABSENT, WITHOUT_IMAGES, Interval
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_interval


@dataclass(frozen=True, slots=True)
class TextFloor:
    """A model that was asked without an image; `metrics` are all that its run logged (`acc_absent`, `acc_guess` ...).

    `above`: by the label of a seeing model, its accuracy with the image minus this model's accuracy without, paired by
    question.
    """

    run: Run
    label: str
    metrics: Mapping[str, Interval]
    above: Mapping[str, Interval]


def shows_no_image(run: Run) -> bool:
    """Whether the run showed no image at all."""
    return all(variant.get("kind", variant["name"]) in WITHOUT_IMAGES for variant in run.evidence.variants)


def find_floors(
    task: str, runs: Sequence[Run], labels: Mapping[str, str], text_runs: Sequence[Run]
) -> tuple[list[TextFloor], list[tuple[Run, str]]]:
    """The text runs on the questions of `runs`, the most accurate first; and the others, each with its reason.

    `labels` are the labels of all models, by name. A text run on other data belongs to another board; it is in neither
    list.
    """
    floors, refused = [], []
    for text_run in text_runs:
        if text_run.evidence.dataset.get("content_sha256") != runs[0].evidence.dataset.get("content_sha256"):
            continue
        if reason := _why_not(runs[0], text_run):
            refused.append((text_run, reason))
            continue
        (found,) = find_metric_intervals([text_run], key=f"leaderboard/{task}/{text_run.task}")
        above = {labels[run.model]: _find_difference(run, text_run) for run in runs}
        metrics = {name: both.analytic for name, both in found.items()}
        floors.append(TextFloor(text_run, labels[text_run.model], metrics, above))
    floors.sort(key=lambda floor: -floor.metrics["acc_absent"].estimate if "acc_absent" in floor.metrics else 0.0)
    return floors, refused


def _why_not(seeing: Run, text_run: Run) -> str | None:
    if difference := describe_other_prompt(seeing, text_run):
        return difference
    first, second = ({sample.sample_id for sample in run.samples} for run in (seeing, text_run))
    if first != second:
        return f"not the questions of {seeing.task} ({len(first & second)} of {len(first)} shared; different --limit?)"
    return None


def _find_difference(seeing: Run, text_run: Run) -> Interval:
    """Accuracy of `seeing` with the image minus that of `text_run` without, over the questions that both were asked;
    clustered by image."""
    bare = {sample.sample_id: find_right(sample, ABSENT) for sample in text_run.samples}
    places = []
    for sample in seeing.samples:
        accuracy, without = sample.values.get("acc"), bare[sample.sample_id]
        if accuracy is not None and without is not None:
            places.append((accuracy - without, sample.image_id))
    return find_interval(MEAN, places, (-1.0, 1.0))


def find_right(sample: ScoredSample, variant: str) -> float | None:
    """Whether the answer under the variant was right (1 or 0); None if the question was not asked under it."""
    return sample.answers[variant].correct if variant in sample.answers else None
