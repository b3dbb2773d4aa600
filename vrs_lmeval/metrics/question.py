"""One question's answers and scores under every variant, as measures take them; and what else a task may know."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vrs_lmeval.reading.option_likelihoods import LogProbabilities
from vrs_lmeval.records import ROTATED, SHUFFLED, Answer, Sample, Score

SECOND_DRAW = f"{SHUFFLED}_2"

CLAIM, CEILING, MAJORITY, QUESTION_ONLY = "claim", "vrs_ceiling", "majority", "question_only"
"""What a task may know of a question besides its answers: whether the answer to the real image makes a visual claim;
the VRS of a model that is always right about the image shown; whether the answers of the two baselines are right."""

LIKELIHOODS = "likelihoods"
"""What a task knows if it asks for the likelihoods of options instead of a text."""


def majority_by(field: str) -> str:
    """The name of the majority baseline within each value of a field."""
    return f"{MAJORITY}_by_{field}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a text says besides its answer: whether it claims to see something, its remark on the image itself
    (`image_remarks`; None without a remark), and whether it declines to answer."""

    claims_to_see: bool
    remark: str | None
    declines: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One question's answers and scores, by variant; some variants of the task may be missing.

    `partner` is the id of the image that it was shown under shuffled. `said` is what the texts say besides, if the
    model wrote texts. Raises ValueError if answers and scores do not have the same variants.
    """

    sample: Sample
    answers: Mapping[str, Answer]
    scores: Mapping[str, Score]
    known: Mapping[str, float | None]
    likelihoods: Mapping[str, LogProbabilities | None] = field(default_factory=dict)
    partner: str | None = None
    said: Mapping[str, Said] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.answers) != set(self.scores):
            raise ValueError(f"answers are for {sorted(self.answers)}, scores for {sorted(self.scores)}")

    def correct(self, variant: str) -> float:
        """1 where the answer under `variant` is right, else 0."""
        return self.scores[variant].correct


def right_under(variant: str) -> Callable[[Question], float | None]:
    """1 where the answer under `variant` is right, else 0; None for a question that was not asked so."""
    return lambda question: question.correct(variant) if variant in question.scores else None


def is_open(sample: Sample) -> bool:
    """Whether the question is answered in free words."""
    return sample.answer_type == "open" and not sample.options


def of_open(measure: Callable[[Question], float | None]) -> Callable[[Question], float | None]:
    """`measure` for questions that are answered in free words, None for others."""
    return lambda question: measure(question) if is_open(question.sample) else None


def of_type(answer_type: str, measure: Callable[[Question], float | None]) -> Callable[[Question], float | None]:
    """`measure` for questions of that answer type, None for others."""
    return lambda question: measure(question) if question.sample.answer_type == answer_type else None


def known(name: str) -> Callable[[Question], float | None]:
    """What the task knows of the question under this name; None if it is not known."""
    return lambda question: question.known[name]


def change_between(first: str, second: str) -> Callable[[Question], float | None]:
    """1 where the two answers differ, 0 where they are the same, None where one is not parsed, or was not asked for."""

    def measure(question: Question) -> float | None:
        one, other = (question.answers.get(variant) for variant in (first, second))
        if one is None or other is None:
            return None
        return float(one.value != other.value) if one.is_parsed and other.is_parsed else None

    return measure


def is_rotation(variant: str) -> bool:
    """The options in another order: `rotated`, `rotated_2` ..."""
    return re.fullmatch(rf"{ROTATED}(_[0-9]+)?", variant) is not None


def is_draw(variant: str) -> bool:
    """A further draw of shuffled: `shuffled_2`, `shuffled_3` ..."""
    return re.fullmatch(rf"{SHUFFLED}_[0-9]+", variant) is not None
