"""Measures: takes one question's answers and scores under every variant, gives its value of one metric.

None where the metric does not apply to the question. What each metric is, and how values are aggregated, stands in
`registry.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vrs_lmeval.metrics.question_sets import SetMember
from vrs_lmeval.reading.option_likelihoods import LogProbabilities, find_divergence, find_gold_log_probability
from vrs_lmeval.records import BLANK, REAL, RETEST, SHUFFLED, SHUFFLED_HARD, Answer, Sample, Score

SECOND_DRAW = f"{SHUFFLED}_2"

CLAIM, CEILING, MAJORITY, QUESTION_ONLY = "claim", "vrs_ceiling", "majority", "question_only"
"""What a task may know of a question besides its answers: whether the answer to the real image makes a visual claim;
VRS of a model that is always right about the image shown; and what is right of the two baselines' answers."""


def majority_by(field: str) -> str:
    """What a task calls the majority baseline within each value of a field."""
    return f"{MAJORITY}_by_{field}"


LIKELIHOODS = "likelihoods"
"""What a task knows that asks for the likelihoods of options instead of a text."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question's answers and scores, by variant."""

    sample: Sample
    answers: Mapping[str, Answer]
    scores: Mapping[str, Score]
    known: Mapping[str, float | None]
    likelihoods: Mapping[str, LogProbabilities | None] = field(default_factory=dict)

    def correct(self, variant: str) -> float:
        """1 where the answer under `variant` is right, else 0."""
        return self.scores[variant].correct


def difference(question: Question) -> float:
    """Right under real minus right under shuffled: -1, 0 or 1."""
    return question.correct(REAL) - question.correct(SHUFFLED)


def difference_and_image(question: Question) -> tuple[float, str]:
    """That difference, with the image that its interval is clustered by."""
    return difference(question), question.sample.image_id


def change_between(first: str, second: str) -> Callable[[Question], float | None]:
    """1 where the two answers differ, 0 where they are the same, None where one is not parsed."""

    def measure(question: Question) -> float | None:
        one, other = question.answers[first], question.answers[second]
        return float(one.value != other.value) if one.is_parsed and other.is_parsed else None

    return measure


sensitivity = change_between(REAL, SHUFFLED)
retest_change = change_between(REAL, RETEST)


def above_retest(question: Question) -> float | None:
    """Change by another image minus change by a re-encode; None where one of the three is not parsed."""
    changed, floor = sensitivity(question), retest_change(question)
    return None if changed is None or floor is None else changed - floor


def claim(question: Question) -> float:
    """1 where the answer to the real image makes a visual claim, else 0."""
    return float(question.known[CLAIM] == 1)


def ungrounded(*others: str) -> Callable[[Question], float]:
    """1 where the answer makes a visual claim and is the same under the variants `others`, else 0."""
    changes = [change_between(REAL, other) for other in others]
    return lambda question: claim(question) * all(change(question) == 0 for change in changes)


def claim_and_ungrounded(question: Question) -> tuple[float, float, str]:
    """(ungrounded, claim, image): HVRR over the claim rate is the ratio of their means."""
    return ungrounded(SHUFFLED)(question), claim(question), question.sample.image_id


def claim_and_change(question: Question) -> tuple[float, float | None, str]:
    """(claim, whether the answer changed or None, image)."""
    return claim(question), sensitivity(question), question.sample.image_id


def hard_difference(question: Question) -> float | None:
    """As `difference`, with the hard partner; None for a question that has none."""
    if SHUFFLED_HARD not in question.scores:
        return None
    return question.correct(REAL) - question.correct(SHUFFLED_HARD)


def differences_of_draws(question: Question) -> list[float]:
    """`difference` for every draw of shuffled, in their order."""
    draws = [SHUFFLED, *filter(is_draw, question.scores)]
    return [question.correct(REAL) - question.correct(draw) for draw in draws]


def mean_of_draws(question: Question) -> float:
    """The mean of these."""
    differences = differences_of_draws(question)
    return sum(differences) / len(differences)


def known(name: str) -> Callable[[Question], float | None]:
    """What the task knows of the question under this name; None where it could not be had."""
    return lambda question: question.known[name]


def failures(question: Question) -> float:
    """Share of the answers that are unparsable, over all variants."""
    return sum(not answer.is_parsed for answer in question.answers.values()) / len(question.answers)


def retention(question: Question) -> tuple[float, float, str]:
    """(right under blank, right under real, image): a ratio of means."""
    return question.correct(BLANK), question.correct(REAL), question.sample.image_id


def set_member(question: Question) -> SetMember | None:
    """What a set of questions is scored by; None where the benchmark has no sets."""
    sample = question.sample
    if sample.set_id is None:
        return None
    answer = question.answers[REAL].value
    return SetMember(sample.set_id, sample.set_size, question.correct(REAL), answer, sample.image_id)


def of_type(answer_type: str, measure: Callable[[Question], float | None]) -> Callable[[Question], float | None]:
    """`measure` for questions of that answer type, None for others."""
    return lambda question: measure(question) if question.sample.answer_type == answer_type else None


def accuracy_of(variant: str) -> Callable[[Question], float]:
    """1 where the answer under `variant` is right, else 0."""
    return lambda question: question.correct(variant)


def accuracy_if_asked(variant: str) -> Callable[[Question], float | None]:
    """The same, None for a question that was not asked under `variant`."""
    return lambda question: question.correct(variant) if variant in question.scores else None


def gold_log_probability(question: Question) -> float | None:
    """Log P(gold | real) among the options; None where no option is right."""
    return find_gold_log_probability(question.likelihoods[REAL], question.sample)


def log_probability_difference(question: Question) -> float | None:
    """Log P(gold | real) - log P(gold | shuffled)."""
    real = gold_log_probability(question)
    shuffled = find_gold_log_probability(question.likelihoods[SHUFFLED], question.sample)
    return None if real is None or shuffled is None else real - shuffled


def divergence_from(variant: str) -> Callable[[Question], float | None]:
    """How far the options' probabilities are from those under real, in bits."""
    return lambda question: find_divergence(question.likelihoods[REAL], question.likelihoods[variant])


def is_draw(variant: str) -> bool:
    """A further draw of shuffled: `shuffled_2`, `shuffled_3` ..."""
    return re.fullmatch(rf"{SHUFFLED}_[0-9]+", variant) is not None
