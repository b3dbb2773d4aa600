"""What a metric is: an entry with its measure, form and unit, and the columns of the harness's table that it fills.

Each family of metrics is a file of this room, where each entry stands beside its measure. The form
(`uncertainty/forms.py`) gives value, standard error, interval and bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vrs_lmeval.metrics.question import Question
from vrs_lmeval.records import REAL, SHUFFLED, Sample
from vrs_lmeval.run_record import MetricRecord
from vrs_lmeval.uncertainty.forms import MEAN, Form
from vrs_lmeval.uncertainty.intervals import Place, find_error, find_interval, find_value

STANDARD_ERROR, LOWER_LIMIT, UPPER_LIMIT = "_stderr", "_ci95_low", "_ci95_high"
"""Endings of the columns that belong to a metric."""

VRS_PAPER = "arXiv 2603.03437 (read)"
OURS = "this project"
MIRAGE = "Mirage (arXiv 2603.21687)"


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts, and its range."""

    name: str
    low: float
    high: float


SHARE = Unit("share, 0..1", 0.0, 1.0)
DIFFERENCE = Unit("difference of shares, -1..1", -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the harness's table: `measure` gives one question's value, `aggregate` the number of all values."""

    measure: Callable[[Question], Any]
    aggregate: Callable[[Sequence[Any]], float]
    higher_is_better: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`measure` gives one question's value, of the kind that `form` reads; None if the metric does not apply.

    `needs`: the variants that it compares. `knows`: what else it needs to know about a question. `higher_is_better` is
    None if neither direction is better. A task leaves out a metric that `belongs` to none of its questions.
    """

    name: str
    formula: str
    source: str
    measure: Callable[[Question], Any]
    needs: frozenset[str] = frozenset({REAL})
    unit: Unit = SHARE
    form: Form = MEAN
    higher_is_better: bool | None = True
    belongs: Callable[[Sample], bool] = lambda sample: True
    knows: frozenset[str] = frozenset()
    has_limits: bool = False

    def columns(self) -> dict[str, Column]:
        """Columns by name: the metric, its standard error (the harness's "+-"), with `has_limits` its 95 % interval."""

        def measure_with_image(question: Question) -> Place:
            place = self.measure(question), question.sample.image_id
            return (*place, question.partner) if SHUFFLED in self.needs else place

        columns = {
            self.name: Column(self.measure, partial(find_value, self.form), self.higher_is_better),
            self.name + STANDARD_ERROR: Column(measure_with_image, partial(find_error, self.form)),
        }
        if self.has_limits:
            columns[self.name + LOWER_LIMIT] = Column(measure_with_image, lambda places: self._find_limits(places)[0])
            columns[self.name + UPPER_LIMIT] = Column(measure_with_image, lambda places: self._find_limits(places)[1])
        return columns

    def describe(self) -> MetricRecord:
        """The record that a run writes about the metric, for those who read its log."""
        low, high = (limit if math.isfinite(limit) else None for limit in (self.unit.low, self.unit.high))
        return MetricRecord(self.form.name, self.unit.name, low, high, tuple(sorted(self.needs)))

    def _find_limits(self, places: Sequence[Place]) -> tuple[float, float]:
        interval = find_interval(self.form, places, (self.unit.low, self.unit.high))
        return interval.low, interval.high


def is_metric(column: str) -> bool:
    """Whether a column is a metric, not the error or a limit of one."""
    return not column.endswith((STANDARD_ERROR, LOWER_LIMIT, UPPER_LIMIT))
