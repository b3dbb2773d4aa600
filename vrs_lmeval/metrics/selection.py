"""The metrics of a task: takes its variants, what it knows and its questions, gives its metrics and their columns.

The code here depends on three facts:

- A metric that does not apply to a question (open accuracy on a closed one) is None there, not absent: on several
  processes the harness gathers by the first rank's metric names and fails on a missing one (0.4.13, evaluator.py).
- Each `<name>` is followed by `<name>_stderr`. The harness knows a standard error for its own `mean` only, takes rows
  as independent, and prints as "+-" whatever stands under `<name>_stderr`; ours comes later than its "N/A" and replaces
  it. So the table's own column holds standard errors clustered by image.
- A question without data has the value None, never NaN or 0; an aggregation over no applicable question is NaN.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vrs_lmeval.benchmark.question_types import BREAKDOWNS as BREAKDOWNS  # also for those above, as `by` names metrics
from vrs_lmeval.benchmark.question_types import QUESTION_FORM, find_question_form
from vrs_lmeval.metrics import calibration
from vrs_lmeval.metrics.baselines import make_majority
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.metric import Column, Metric
from vrs_lmeval.metrics.question import LIKELIHOODS, Question, is_draw, majority_by
from vrs_lmeval.metrics.reliance import make_variant_accuracy
from vrs_lmeval.records import BLANK, QUESTION_SHUFFLED, REAL, SHUFFLED, WITHOUT_IMAGES, Sample

logger = logging.getLogger(__name__)

LARGEST_BREAKDOWN = 16
"""Metrics are printed by a field with at most so many values: more would overfill the table; the log has them all."""


def metrics_of_variants(variants: Iterable[str], known: Iterable[str] = ()) -> dict[str, Metric]:
    """The metrics of a task with these variants and this knowledge, by name.

    A variant whose accuracy is not yet a metric adds `acc_<variant>`; with likelihoods it also adds `ece_<variant>` and
    `overconfidence_<variant>`. Further draws of shuffled add nothing. Raises ValueError if a variant's accuracy would
    take another metric's name ("closed").
    """
    return dict(_select(tuple(variants), frozenset(known)))


@lru_cache(maxsize=64)
def _select(variants: tuple[str, ...], known: frozenset[str]) -> Mapping[str, Metric]:
    named = {REAL, BLANK, SHUFFLED, QUESTION_SHUFFLED, *WITHOUT_IMAGES, *filter(is_draw, variants)}
    further = [variant for variant in variants if variant not in named]
    extra = [make_variant_accuracy(variant) for variant in further]
    if LIKELIHOODS in known:
        others = [name for name in variants if name not in calibration.VARIANTS and not is_draw(name)]
        extra += [metric for variant in others for metric in calibration.make_for_variant(variant)]
    if taken := [metric.name for metric in extra if metric.name in METRICS]:
        raise ValueError(f"a variant may not be named so: {', '.join(taken)} is another metric")
    chosen = [metric for metric in METRICS.values() if metric.needs <= set(variants) and metric.knows <= known]
    return {metric.name: metric for metric in [*chosen, *extra]}


def choose_metrics(
    variants: Sequence[str], known: Collection[str], by: Iterable[str], samples: Sequence[Sample]
) -> dict[str, Metric]:
    """All metrics of a task with these variants, knowledge, breakdowns (`by`) and questions, by name."""
    chosen = metrics_of_variants(variants, known) | metrics_by(by, samples, variants, known)
    return {name: metric for name, metric in chosen.items() if any(map(metric.belongs, samples))}


def columns_of(metrics: Mapping[str, Metric]) -> dict[str, Column]:
    """The harness's columns of these metrics, each metric followed by its error and limits."""
    return {name: column for metric in metrics.values() for name, column in metric.columns().items()}


def measure(columns: Mapping[str, Column], question: Question) -> dict[str, Any]:
    """One question's value of every column, None if it does not apply; every value can be written as JSON."""
    return {name: column.measure(question) for name, column in columns.items()}


def metrics_by(
    fields: Iterable[str], samples: Sequence[Sample], variants: Iterable[str], known: Iterable[str] = ()
) -> dict[str, Metric]:
    """`acc` and `vrs` over the questions of each value of each field of BREAKDOWNS; `acc_absent` without images.

    If the task knows `majority_by(field)`, `acc_majority` is added, with the most frequent gold of each value. A name
    is `acc_<field>_<value in lower case>`. A field with one value for all questions is left out. A field with no value
    or more than LARGEST_BREAKDOWN values is left out with a warning; the log of samples has every value. Raises
    ValueError for a field that is not in BREAKDOWNS.
    """
    metrics: dict[str, Metric] = {}
    names = set(known)
    for field in fields:
        if field not in BREAKDOWNS:
            raise ValueError(f"by: no {field!r}; there are {', '.join(BREAKDOWNS)}")
        parts = {name_part(sample, field) for sample in samples}
        values = sorted(value for value in parts if value)
        if len(values) == len(parts) == 1:
            continue  # the whole is its only part
        if not 0 < len(values) <= LARGEST_BREAKDOWN:
            logger.warning(
                "by: the data has %d values of %s; 1 to %d are printed, the log of samples has them all",
                len(values),
                field,
                LARGEST_BREAKDOWN,
            )
            continue
        broken_down = ("acc", "vrs") if REAL in variants else ("acc_absent",)
        wholes = [METRICS[name] for name in broken_down if METRICS[name].needs <= set(variants)]
        wholes += [make_majority(field)] if majority_by(field) in names else []
        parts_of = [_restrict(whole, field, value) for value in values for whole in wholes]
        metrics |= {part.name: part for part in parts_of}
    return metrics


def find_breakdown(name: str) -> Metric | None:
    """The metric that a breakdown calls so ("acc_modality_mri"), whatever values the questions at hand have."""
    for field in BREAKDOWNS:
        wholes = {whole: METRICS[whole] for whole in ("acc", "vrs", "acc_absent")} | {
            "acc_majority": make_majority(field)
        }
        for whole, metric in wholes.items():
            if name.startswith(f"{whole}_{field}_"):
                return _restrict(metric, field, name.removeprefix(f"{whole}_{field}_"))
    return None


def name_part(sample: Sample, field: str) -> str | None:
    """The name of the sample's value of the field, as names of metrics hold it; None if it has no value."""
    value: str | None = find_question_form(sample) if field == QUESTION_FORM else getattr(sample, field)
    return (re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") or "other") if value else None


def _restrict(whole: Metric, field: str, value: str) -> Metric:
    def measure(question: Question) -> Any:
        return whole.measure(question) if name_part(question.sample, field) == value else None

    return replace(
        whole,
        name=f"{whole.name}_{field}_{value}",
        formula=f"{whole.name}, {field} {value}",
        measure=measure,
        has_limits=False,
    )
