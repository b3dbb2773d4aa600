"""Numbers to compare a model with: the VRS of perfect sight, and the accuracy of two ways to answer blindly."""

from __future__ import annotations

import math
from collections.abc import Callable

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric, Unit
from vrs_lmeval.metrics.question import CEILING, MAJORITY, QUESTION_ONLY, Question, known, majority_by, of_type
from vrs_lmeval.metrics.reliance import BOTH, measure_difference
from vrs_lmeval.uncertainty.forms import RATIO_TO_DIFFERENCE


def measure_of_ceiling(question: Question) -> tuple[float, float] | None:
    """(VRS of this question, VRS of perfect sight), for a ratio of means; None if the ceiling is not known."""
    ceiling = question.known[CEILING]
    return None if ceiling is None else (measure_difference(question), ceiling)


def _make_ceiling(name: str, formula: str, measure: Callable[[Question], float | None]) -> Metric:
    return Metric(
        name=name,
        formula=formula,
        source=OURS,
        measure=measure,
        needs=BOTH,
        unit=DIFFERENCE,
        knows=frozenset({CEILING}),
        higher_is_better=None,
    )


def _make_baseline(name: str, formula: str, what: str, measure: Callable[[Question], float | None]) -> Metric:
    return Metric(
        name=name,
        formula=formula,
        source=OURS,
        measure=measure,
        needs=frozenset(),
        knows=frozenset({what}),
        higher_is_better=None,
    )


def make_majority(field: str) -> Metric:
    """`acc_majority` of a breakdown by `field`: it answers with the most frequent gold of each value of the field."""
    what = majority_by(field)
    return _make_baseline("acc_majority", f"acc of the most frequent gold of the same {field}", what, known(what))


_BASELINES = {
    MAJORITY: "the most frequent gold of the answer type",
    QUESTION_ONLY: "the training split's most frequent answer to the same question",
}

METRICS = (
    Metric(
        name="vrs_of_ceiling",
        formula="vrs / vrs_ceiling, a ratio of means",
        source=OURS,
        measure=measure_of_ceiling,
        needs=BOTH,
        unit=Unit("ratio, 1 is perfect sight, no limits", -math.inf, math.inf),
        form=RATIO_TO_DIFFERENCE,
        knows=frozenset({CEILING}),
    ),
    _make_ceiling("vrs_ceiling", "vrs of a model that is always right about the image it is shown", known(CEILING)),
    *(
        _make_ceiling(f"vrs_ceiling_{kind}", f"vrs_ceiling over {kind} questions", of_type(kind, known(CEILING)))
        for kind in ("closed", "open")
    ),
    *(
        metric
        for name, what in _BASELINES.items()
        for metric in (
            _make_baseline(f"acc_{name}", f"acc of {what}", name, known(name)),
            *(
                _make_baseline(
                    f"acc_{name}_{kind}", f"acc_{name} over {kind} questions", name, of_type(kind, known(name))
                )
                for kind in ("closed", "open")
            ),
        )
    ),
)
