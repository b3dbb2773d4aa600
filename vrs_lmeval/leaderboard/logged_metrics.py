"""A run's description of its metrics -> how each is read and summed. An unknown metric is an error, not a mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vrs_lmeval.metrics.catalogue import FORMS, METRICS
from vrs_lmeval.metrics.metric import Metric, is_metric
from vrs_lmeval.metrics.reliance import make_variant_accuracy
from vrs_lmeval.metrics.selection import BREAKDOWNS
from vrs_lmeval.records import SHUFFLED
from vrs_lmeval.run_record import RunEvidence
from vrs_lmeval.uncertainty.forms import MEAN, Form

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class LoggedMetric:
    """A metric of a run: its form, the range of its values, and whether it compares with another image's answers."""

    form: Form
    low: float
    high: float
    has_partners: bool

    def check(self, value: Any) -> None:
        """Raises ValueError for a value that the metric cannot have; None means that it does not apply."""
        if value is None:
            return
        summands = self.form.read(value)
        if self.form is MEAN and not self.low - _ROUNDING <= summands[0] <= self.high + _ROUNDING:
            raise ValueError(f"{value!r} is not in {self.low:g}..{self.high:g}")


def find_logged_metrics(columns: Iterable[str], evidence: RunEvidence) -> dict[str, LoggedMetric]:
    """The metrics among the columns that a run logged, by name. Raises ValueError for one that is not known."""
    return {name: _find(name, evidence) for name in columns if is_metric(name)}


def _find(name: str, evidence: RunEvidence) -> LoggedMetric:
    if evidence.metrics is None:
        return _describe(_find_by_name(name, evidence.variant_names))
    if name not in evidence.metrics:
        raise ValueError(f"{name}: the run's evidence does not say what it is")
    record = evidence.metrics[name]
    if record.form not in FORMS:
        raise ValueError(
            f"{name}: no form {record.form!r} is known here, upgrade vrs_lmeval; known: {', '.join(FORMS)}"
        )
    low, high = (-math.inf if record.low is None else record.low), (math.inf if record.high is None else record.high)
    return LoggedMetric(FORMS[record.form], low, high, SHUFFLED in record.needs)


def derive_values(values: Mapping[str, Any], is_read: bool) -> dict[str, Any]:
    """The values of one question that follow from what a run of version 0.1 logged; `is_read`: both answers were read.

    With them, boards of old and new runs show the same columns.
    """
    difference, ceiling, derived = values.get("vrs"), values.get("vrs_ceiling"), {}
    if difference is not None and "vrs_from_changed" not in values:
        derived["vrs_from_changed"] = difference if is_read else 0.0
        derived["vrs_from_unread"] = 0.0 if is_read else difference
    if difference is not None and ceiling is not None and "vrs_of_ceiling" not in values:
        derived["vrs_of_ceiling"] = [difference, ceiling]
    return derived


def find_derived_metrics(names: Iterable[str]) -> dict[str, LoggedMetric]:
    """The metrics of `derive_values`, by name."""
    return {name: _describe(METRICS[name]) for name in names}


def _describe(metric: Metric) -> LoggedMetric:
    return LoggedMetric(metric.form, metric.unit.low, metric.unit.high, SHUFFLED in metric.needs)


def _find_by_name(name: str, variants: Iterable[str]) -> Metric:
    """The metric of a name: a run of version 0.1 logged names alone. Raises ValueError for an unknown name."""
    if name in METRICS:
        return METRICS[name]
    if name.removeprefix("acc_") in variants:
        return make_variant_accuracy(name.removeprefix("acc_"))
    for whole in ("acc_majority", "acc", "vrs"):
        if name.startswith(tuple(f"{whole}_{field}_" for field in BREAKDOWNS)):
            return METRICS[whole]
    raise ValueError(f"{name}: no metric of that name is known")
