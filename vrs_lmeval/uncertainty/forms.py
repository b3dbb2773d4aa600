"""Forms of metrics: takes one value a question, gives the metric's summands; a form is a function of their sums.

A mean, a ratio of means, a product of rates and a spread of means do not change if all their sums are scaled alike. So
one formula serves them all (`estimates.py`): the value is `combine` of the total sums; with its gradient g there, a
cluster's residual is g . (its sums). A new form is an entry here: no code decides by the name of a metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vrs_lmeval.uncertainty.clusters import Clusters, Floats
from vrs_lmeval.uncertainty.confidences import (
    Lift,
    add_gaps,
    allow_for_unseen,
    arrange_in_bins,
    average,
    differentiate_average,
    differentiate_gaps,
    find_lift,
    split_brier,
    split_overconfidence,
)


@dataclass(frozen=True, slots=True)
class Form:
    """`read` turns one question's value into its `width` summands (None: as many as are given), or raises ValueError.

    `combine` maps sums (..., k) to values (...); `differentiate` maps sums (k,) to the gradient (k,). The summand at
    index `weight` is the weight of a question. If the unit is not the question, `regroup` maps what was read of all
    questions to one number for each unit and the units' clusters; the metric is the mean of these numbers. If a
    question's summands depend on other questions, `arrange` maps what was read of all questions (n, w) to summands
    (n, k).

    `find_lift` says by how much chance lifts the value, from the total sums and the clusters' deviations from their
    shares; it is given if limits need it. `why_no_bootstrap` is the reason if resampling would mislead.
    """

    name: str
    read: Callable[[Any], Any]
    combine: Callable[[Floats], Floats]
    differentiate: Callable[[Floats], Floats]
    width: int | None = 2
    weight: int = 1
    regroup: Callable[[Sequence[Any]], tuple[list[float], list[str]]] | None = None
    arrange: Callable[[Floats], Floats] | None = None
    find_lift: Callable[[Floats, Floats], Lift] | None = None
    why_no_bootstrap: str | None = None


@dataclass(frozen=True, slots=True)
class Units:
    """`summands` (n, k), a row for each unit; `applies` (n,), False for rows of zeros; `clusters` (n,).

    `partners` (n,) names the cluster that each unit was also measured with (the other image shown); None without one.
    """

    summands: Floats
    applies: npt.NDArray[np.bool_]
    clusters: Clusters
    partners: Sequence[str | None] | None = None


def gather(form: Form, values: Sequence[Any], images: Clusters, partners: Sequence[str | None] | None = None) -> Units:
    """One value a question (None if the metric does not apply) and its image -> the units that the form sums."""
    given = [form.read(value) for value in values if value is not None]
    if form.regroup is not None:
        numbers, clusters = form.regroup(given)
        return Units(np.column_stack([numbers, np.ones(len(numbers))]), np.ones(len(numbers), dtype=bool), clusters)
    applies = np.array([value is not None for value in values], dtype=bool)
    rows = np.array(given) if given else np.zeros((0, form.width or 2))
    if given and form.arrange is not None:
        rows = form.arrange(rows)
    summands = np.zeros((len(values), rows.shape[1]))
    summands[applies] = rows
    return Units(summands, applies, images, partners)


def expect_number(value: Any) -> float:
    """The value as a float. Raises ValueError if it is not a finite number."""
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("an integer beyond all floats is no number") from error
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


def expect_list(value: Any, *lengths: int) -> Sequence[Any]:
    """The value. Raises ValueError if it is not a list, or if it has none of these lengths."""
    if not isinstance(value, list | tuple) or (lengths and len(value) not in lengths):
        raise ValueError(f"{value!r} should be a list" + (f" of {lengths[0]}" if lengths else ""))
    return value


def divide(sums: Floats) -> Floats:
    """The first sum divided by the second: (..., k) -> (...)."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def differentiate_quotient(sums: Floats) -> Floats:
    """The gradient of `divide` at sums (k,) in the first two."""
    return np.array([1 / sums[1], -sums[0] / sums[1] ** 2])


def _read_ratio(value: Any) -> list[float]:
    above, below = expect_list(value, 2, 3)[:2]  # version 0.1 logged the image beside them
    return [expect_number(above), expect_number(below)]


def _read_claim_and_change(value: Any) -> list[float]:
    claim, change = expect_list(value, 2, 3)[:2]
    return [expect_number(claim), 1.0, *((0.0, 0.0) if change is None else (expect_number(change), 1.0))]


def _multiply_rates(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1] * (1 - sums[..., 2] / sums[..., 3]))


def _differentiate_rates(sums: Floats) -> Floats:
    return np.array(
        [
            (1 - sums[2] / sums[3]) / sums[1],
            -sums[0] / sums[1] ** 2 * (1 - sums[2] / sums[3]),
            -sums[0] / sums[1] / sums[3],
            sums[0] / sums[1] * sums[2] / sums[3] ** 2,
        ]
    )


def _spread(sums: Floats) -> Floats:
    return np.asarray((sums[..., :-1] / sums[..., -1:]).std(axis=-1, ddof=1))


def _differentiate_spread(sums: Floats) -> Floats:
    means = sums[:-1] / sums[-1]
    deviations = means - means.mean()
    slopes = deviations / ((len(means) - 1) * _spread(sums)) / sums[-1]
    return np.append(slopes, -(slopes * means).sum())


def _read_confidence(value: Any) -> list[float]:
    confidence, right = map(expect_number, expect_list(value, 2))
    if not (0 <= confidence <= 1 and 0 <= right <= 1):
        raise ValueError(f"{value!r} should be a confidence and a score, both in 0..1")
    return [confidence, right]


MEAN = Form("mean", lambda value: [expect_number(value), 1.0], divide, differentiate_quotient)
RATIO = Form("ratio of means", _read_ratio, divide, differentiate_quotient)
RATIO_TO_DIFFERENCE = Form(
    "ratio of mean differences",
    lambda value: [*_read_ratio(value), 1.0],
    lambda sums: np.where(sums[..., 1] > 0, divide(sums), np.nan),
    lambda sums: np.append(differentiate_quotient(sums), 0.0),
    width=3,
    weight=2,
)
"""As RATIO, but a question's denominator may be below 0, so all questions weigh the same. NaN unless the mean of the
denominators is above 0."""

RATE_TIMES_COMPLEMENT = Form(
    "rate times complement", _read_claim_and_change, _multiply_rates, _differentiate_rates, width=4, weight=3
)
"""sums[0] / sums[1] * (1 - sums[2] / sums[3]), from (first, second or None); the seconds say what a question weighs."""

SPREAD = Form(
    "spread of means",
    lambda value: [*map(expect_number, expect_list(value)), 1.0],
    _spread,
    _differentiate_spread,
    width=None,
    weight=-1,
)
"""Sample standard deviation of the means sums[:-1] / sums[-1], from one number a draw."""

CALIBRATION_ERROR = Form(
    "expected calibration error",
    _read_confidence,
    add_gaps,
    differentiate_gaps,
    width=3,
    weight=-1,
    arrange=arrange_in_bins,
    find_lift=find_lift,
    why_no_bootstrap="resampling adds chance to a value that chance lifts already: its percentiles do not cover",
)
"""From one (confidence, right) a question, in equal-mass bins (`confidences.py`)."""

OVERCONFIDENCE = Form(
    "mean gap of confidence",
    lambda value: split_overconfidence(*_read_confidence(value)),
    average,
    differentiate_average,
    width=4,
    weight=-1,
    find_lift=allow_for_unseen,
)
BRIER = Form(
    "mean squared gap of confidence",
    lambda value: split_brier(*_read_confidence(value)),
    average,
    differentiate_average,
    width=4,
    weight=-1,
    find_lift=allow_for_unseen,
)
"""Both read one (confidence, right) a question, as CALIBRATION_ERROR does."""

FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        *(MEAN, RATIO, RATIO_TO_DIFFERENCE, RATE_TIMES_COMPLEMENT, SPREAD),
        *(CALIBRATION_ERROR, OVERCONFIDENCE, BRIER),
    )
}
"""Forms by the name that a run logs; `metrics.question_sets` adds the forms whose unit is a set."""
