"""What a metric is: its definition as a record, and the standard error that goes with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vrs_lmeval.metrics.measures import Question
from vrs_lmeval.metrics.question_sets import (
    find_confusion,
    find_confusion_error,
    find_set_accuracy,
    find_set_accuracy_error,
)
from vrs_lmeval.records import REAL, Sample
from vrs_lmeval.uncertainty.aggregation import (
    find_clustered_error,
    find_independent_rate,
    find_independent_rate_error,
    find_mean,
    find_ratio,
    find_ratio_error,
)

STANDARD_ERROR = "_stderr"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `measure` gives one question's value (None: does not apply), `aggregate` the value over all questions.

    `needs` are the variants it compares, `knows` what else it needs to know of a question. `higher_is_better` is None
    where neither direction is. A task leaves out a metric that `belongs` to none of its questions.
    """

    name: str
    formula: str
    unit: str
    source: str
    needs: frozenset[str]
    higher_is_better: bool | None
    measure: Callable[[Question], Any]
    aggregate: Callable[[Sequence[Any]], float]
    belongs: Callable[[Sample], bool] = lambda sample: True
    knows: frozenset[str] = frozenset()


def standard_error_of(metric: Metric) -> Metric:
    """The companion that fills the harness's "+-" column."""
    own_error = _OWN_ERRORS.get(metric.aggregate)
    return Metric(
        name=metric.name + STANDARD_ERROR,
        formula=f"standard error of {metric.name}, clustered by image",
        unit=metric.unit,
        source="Cameron and Miller 2015"
        + (", delta method" if metric.aggregate in (find_ratio, find_independent_rate) else ""),
        needs=metric.needs,
        higher_is_better=None,
        measure=metric.measure if own_error else lambda question: (metric.measure(question), question.sample.image_id),
        aggregate=own_error or find_clustered_error,
        belongs=metric.belongs,
        knows=metric.knows,
    )


_OWN_ERRORS: Mapping[Callable[[Sequence[Any]], float], Callable[[Sequence[Any]], float]] = {
    find_ratio: find_ratio_error,
    find_independent_rate: find_independent_rate_error,
    find_set_accuracy: find_set_accuracy_error,
    find_confusion: find_confusion_error,
}
"""Aggregations of values that carry their image, and so have their own error."""


SHARE, DIFFERENCE = "share, 0..1", "difference of shares, -1..1"


def mean_metric(
    name: str,
    formula: str,
    source: str,
    measure: Callable[[Question], float | None],
    *,
    needs: tuple[str, ...] = (REAL,),
    unit: str = SHARE,
    higher_is_better: bool | None = True,
    knows: tuple[str, ...] = (),
) -> Metric:
    """A metric whose value is the mean over the questions that it applies to."""
    return Metric(
        name, formula, unit, source, frozenset(needs), higher_is_better, measure, find_mean, knows=frozenset(knows)
    )
