"""Sets: takes the answers to questions that a benchmark scores together, gives shares of whole sets and their errors.

ProbMed scores all probes of one kind on one image together, the true ones and their hallucinated twins; MediConfusion
the two images of one question. A set is told whole by its size: with a limit, sets that were not asked in full are
left out. Sets that share an image are not independent: errors are clustered by the images that sets link together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vrs_lmeval.uncertainty.intervals import find_standard_error


class SetMember(NamedTuple):
    """One question of a set: whether it was answered right, what was answered (None: unparsable), and its image."""

    set_id: str
    set_size: int
    correct: float
    answer: str | None
    image_id: str


def find_set_accuracy(members: Sequence[SetMember | None]) -> float:
    """Share of the whole sets whose every question is right; NaN without one."""
    return _find_mean(measure_right_sets(members)[0])


def find_set_accuracy_error(members: Sequence[SetMember | None]) -> float:
    """Its standard error, clustered by linked images."""
    return find_standard_error(*measure_right_sets(members))


def find_confusion(members: Sequence[SetMember | None]) -> float:
    """Share of the whole sets, all parsed, whose questions all got the same answer; NaN without one."""
    return _find_mean(measure_same_sets(members)[0])


def find_confusion_error(members: Sequence[SetMember | None]) -> float:
    """Its standard error, clustered by linked images."""
    return find_standard_error(*measure_same_sets(members))


def measure_right_sets(members: Sequence[SetMember | None]) -> tuple[list[float], list[str]]:
    """1 or 0 of each whole set, whether its every question is right, and its cluster."""
    return _measure(members, _are_right)


def measure_same_sets(members: Sequence[SetMember | None]) -> tuple[list[float], list[str]]:
    """1 or 0 of each whole set, all parsed, whether its questions all got the same answer, and its cluster."""
    return _measure(members, _are_same)


def _are_right(members: Sequence[SetMember]) -> float | None:
    return float(all(member.correct == 1 for member in members))


def _are_same(members: Sequence[SetMember]) -> float | None:
    answers = [member.answer for member in members]
    return None if None in answers else float(len(set(answers)) == 1)


def _measure(
    members: Sequence[SetMember | None], measure: Callable[[Sequence[SetMember]], float | None]
) -> tuple[list[float], list[str]]:
    """The value of each whole set that has one, and its cluster."""
    sets: dict[str, list[SetMember]] = {}
    for member in members:
        if member is not None:  # a question of no set
            sets.setdefault(member.set_id, []).append(member)
    whole = [each for each in sets.values() if len(each) == each[0].set_size]
    clusters = _link([[member.image_id for member in each] for each in whole])
    measured = [(measure(each), cluster) for each, cluster in zip(whole, clusters, strict=True)]
    kept = [(value, cluster) for value, cluster in measured if value is not None]
    return [value for value, _ in kept], [cluster for _, cluster in kept]


def _link(groups: Sequence[Sequence[str]]) -> list[str]:
    """A name for each group of images, equal where groups share an image, directly or by others between them."""
    parents: dict[str, str] = {}

    def find_root(image: str) -> str:
        while (parent := parents.setdefault(image, image)) != image:
            image = parent
        return image

    for group in groups:
        for image in group[1:]:
            parents[find_root(image)] = find_root(group[0])
    return [find_root(group[0]) for group in groups]


def _find_mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
