"""Aggregations: takes one value of a metric per question (None where it does not apply), gives the metric's number or
its standard error, clustered by image. A value that an error needs its image for is a tuple that ends with it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.intervals import find_ratio_standard_error, find_standard_error, find_t_interval

NAN = float("nan")


def find_mean(values: Sequence[float | None]) -> float:
    """Mean of the values that apply; NaN where none does."""
    applicable = [value for value in values if value is not None]
    return sum(applicable) / len(applicable) if applicable else NAN


def find_clustered_error(pairs: Sequence[tuple[float | None, str]]) -> float:
    """Standard error of the mean of the (value, image id) pairs that apply, clustered by image."""
    return find_standard_error(*_split_applicable(pairs))


def find_interval(pairs: Sequence[tuple[float | None, str]]) -> Interval:
    """The 95 % interval of the mean of (value, image id) pairs: the one the table shows."""
    return find_t_interval(*_split_applicable(pairs))


def find_ratio(triples: Sequence[tuple[float, float, str]]) -> float:
    """Ratio of means from (numerator, denominator, image id); NaN where the denominators sum to 0 or none is given."""
    below = sum(denominator for _, denominator, _ in triples)
    return sum(numerator for numerator, _, _ in triples) / below if below else NAN


def find_ratio_error(triples: Sequence[tuple[float, float, str]]) -> float:
    """Standard error of that ratio, clustered by image (delta method)."""
    above, below, images = zip(*triples, strict=True) if triples else ((), (), ())
    return find_ratio_standard_error(above, below, images)


def _split_applicable(pairs: Sequence[tuple[float | None, str]]) -> tuple[list[float], list[str]]:
    applicable = [(value, image) for value, image in pairs if value is not None]
    return [value for value, _ in applicable], [image for _, image in applicable]


def find_independent_rate(triples: Sequence[tuple[float, float | None, str]]) -> float:
    """mean(first) * (1 - mean(second)) from (first, second or None, image id); NaN where either mean is."""
    return find_mean([first for first, _, _ in triples]) * (1 - find_mean([second for _, second, _ in triples]))


def find_independent_rate_error(triples: Sequence[tuple[float, float | None, str]]) -> float:
    """Standard error of that product, clustered by image (delta method): the mean's error of its linear terms."""
    first = find_mean([value for value, _, _ in triples])
    second = find_mean([value for _, value, _ in triples])
    applicable = sum(value is not None for _, value, _ in triples)
    if not applicable:
        return NAN
    share = applicable / len(triples)
    linear = [
        (1 - second) * claim - (0.0 if change is None else first * (change - second) / share)
        for claim, change, _ in triples
    ]
    return find_standard_error(linear, [image for _, _, image in triples])


def find_spread(draws: Sequence[Sequence[float]]) -> float:
    """Sample standard deviation between the columns' means; a row is one question, a column one draw."""
    means = [sum(column) / len(column) for column in zip(*draws, strict=True)]
    return statistics.stdev(means) if len(means) > 1 else NAN
