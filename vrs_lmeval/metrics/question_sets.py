"""Scores sets of questions that a benchmark scores together: shares of sets, all right or all answered alike.

ProbMed scores all probes of one kind on one image together, the true ones and their hallucinated twins; MediConfusion
scores the two images of one question together. A set is complete if it has as many questions as its size says; with
`--limit`, incomplete sets are left out. Sets that share an image are not independent, so errors are clustered by groups
of images that sets link.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from vrs_lmeval.metrics.metric import Metric
from vrs_lmeval.metrics.question import Question
from vrs_lmeval.records import REAL
from vrs_lmeval.uncertainty.forms import Form, differentiate_quotient, divide, expect_list, expect_number


class SetMember(NamedTuple):
    """One question of a set: whether it was answered right, what was answered (None: unparsable), and its image."""

    set_id: str
    set_size: int
    correct: float
    answer: str | None
    image_id: str


def measure_member(question: Question) -> SetMember | None:
    """The part of this question in the score of its set; None if the question belongs to no set."""
    sample = question.sample
    if sample.set_id is None:
        return None
    answer = question.answers[REAL].value
    return SetMember(sample.set_id, sample.set_size, question.correct(REAL), answer, sample.image_id)


def read_member(value: Any) -> SetMember:
    """A member from its logged value. Raises ValueError if the value is no member."""
    set_id, size, correct, answer, image = expect_list(value, 5)
    if not (isinstance(set_id, str) and isinstance(image, str) and (answer is None or isinstance(answer, str))):
        raise ValueError(f"{value!r} is no member of a set")
    return SetMember(set_id, int(expect_number(size)), expect_number(correct), answer, image)


def measure_sets(
    measure: Callable[[Sequence[SetMember]], float | None], members: Sequence[SetMember]
) -> tuple[list[float], list[str]]:
    """The value of each complete set that has one, and its cluster: the name of the images that sets link."""
    sets: dict[str, list[SetMember]] = {}
    for member in members:
        sets.setdefault(member.set_id, []).append(member)
    whole = [each for each in sets.values() if len(each) == each[0].set_size]
    clusters = _link([[member.image_id for member in each] for each in whole])
    measured = [(measure(each), cluster) for each, cluster in zip(whole, clusters, strict=True)]
    kept = [(value, cluster) for value, cluster in measured if value is not None]
    return [value for value, _ in kept], [cluster for _, cluster in kept]


def _are_right(members: Sequence[SetMember]) -> float | None:
    return float(all(member.correct == 1 for member in members))


def _are_same(members: Sequence[SetMember]) -> float | None:
    answers = [member.answer for member in members]
    return None if None in answers else float(len(set(answers)) == 1)


def _link(groups: Sequence[Sequence[str]]) -> list[str]:
    """A name for each group of images; equal for groups that share an image, directly or through other groups."""
    parents: dict[str, str] = {}

    def find_root(image: str) -> str:
        while (parent := parents.setdefault(image, image)) != image:
            image = parent
        return image

    for group in groups:
        for image in group[1:]:
            parents[find_root(image)] = find_root(group[0])
    return [find_root(group[0]) for group in groups]


WHOLE_SETS_RIGHT = Form(
    "share of whole sets, all right",
    read_member,
    divide,
    differentiate_quotient,
    regroup=partial(measure_sets, _are_right),
)
WHOLE_SETS_ALIKE = Form(
    "share of whole sets, all answered alike",
    read_member,
    divide,
    differentiate_quotient,
    regroup=partial(measure_sets, _are_same),
)

METRICS = (
    Metric(
        name="set_accuracy",
        formula="share of sets whose every question is right under real",
        source="ProbMed (arXiv 2405.20421, read), MediConfusion (arXiv 2409.15477, read)",
        measure=measure_member,
        form=WHOLE_SETS_RIGHT,
        belongs=lambda sample: sample.set_id is not None,
    ),
    Metric(
        name="confusion",
        formula="share of sets, all parsed, with one answer(real) to all of their images",
        source="MediConfusion (arXiv 2409.15477, read)",
        measure=measure_member,
        form=WHOLE_SETS_ALIKE,
        higher_is_better=False,
        belongs=lambda sample: sample.set_id is not None and bool(sample.options),
    ),
)
