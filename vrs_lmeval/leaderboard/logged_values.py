"""What the harness logs of one question's metric -> the summands that `sum_statistics.py` takes; else ValueError."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.question_sets import SetMember, find_confusion, find_set_accuracy
from vrs_lmeval.uncertainty.aggregation import find_independent_rate, find_mean, find_ratio, find_spread
from vrs_lmeval.uncertainty.sum_statistics import RATE_TIMES_COMPLEMENT, RATIO, SPREAD, Form

LIMITS = frozenset({"vrs_ci95_low", "vrs_ci95_high"})
"""Logged beside the metrics, but they are the limits of one: (value, image id) of each question."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's function of sums, how many summands a question has, and the summands of one logged value."""

    form: Form
    width: int | None  # None: as many as are logged
    read: Callable[[Any], list[float]]


def find_reading(name: str) -> Reading | None:
    """How the metric of that name is read; None for one whose unit is a set of questions.

    A name that the registry does not know (`acc_jpeg_3`, `vrs_modality_mri`) is a mean.
    """
    return _READINGS.get(METRICS[name].aggregate if name in METRICS else find_mean)


def read_set_member(value: Any) -> SetMember:
    """Of a metric whose unit is a set of questions. Raises ValueError."""
    set_id, size, correct, answer, image = _expect_list(value, 5)
    if not (isinstance(set_id, str) and isinstance(image, str) and (answer is None or isinstance(answer, str))):
        raise ValueError(f"{value!r} is no member of a set")
    return SetMember(set_id, int(_expect_number(size)), _expect_number(correct), answer, image)


def check_value(name: str, value: Any) -> None:
    """Raises ValueError for a value that the metric of that name cannot have; None is one that does not apply."""
    if value is None or name in LIMITS:
        return
    reading = find_reading(name)
    try:
        (reading.read if reading else read_set_member)(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _read_mean(value: Any) -> list[float]:
    return [_expect_number(value), 1.0]


def _read_ratio(value: Any) -> list[float]:
    above, below, _ = _expect_list(value, 3)
    return [_expect_number(above), _expect_number(below)]


def _read_claim_and_change(value: Any) -> list[float]:
    claim, change, _ = _expect_list(value, 3)
    return [_expect_number(claim), 1.0, *((0.0, 0.0) if change is None else (_expect_number(change), 1.0))]


def _read_draws(value: Any) -> list[float]:
    return [*map(_expect_number, _expect_list(value)), 1.0]


def _expect_number(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _expect_list(value: Any, length: int | None = None) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or (length is not None and len(value) != length):
        raise ValueError(f"{value!r} should be a list" + ("" if length is None else f" of {length}"))
    return value


_READINGS: Mapping[Callable[..., float], Reading | None] = {
    find_mean: Reading(RATIO, 2, _read_mean),
    find_ratio: Reading(RATIO, 2, _read_ratio),
    find_independent_rate: Reading(RATE_TIMES_COMPLEMENT, 4, _read_claim_and_change),
    find_spread: Reading(SPREAD, None, _read_draws),
    find_set_accuracy: None,
    find_confusion: None,
}
