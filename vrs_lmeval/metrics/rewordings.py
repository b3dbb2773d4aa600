"""Metrics of the text: another image's question, the same question in other words, and both against the image.

Consistency alone can hide image-blindness (arXiv 2603.20985): a model that never looks is perfectly consistent. So each
question is classed by two things: whether other words change its answer, and whether another image does.
"""

from __future__ import annotations

from collections.abc import Callable

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric
from vrs_lmeval.metrics.question import Question, change_between, is_rotation, right_under
from vrs_lmeval.metrics.reliance import measure_sensitivity
from vrs_lmeval.records import (
    ABSENT,
    PARAPHRASE,
    QUESTION_SHUFFLED,
    QUESTION_SHUFFLED_ABSENT,
    REAL,
    ROTATED,
    SHUFFLED,
)

SHIFTING = "after Selective Modality Shifting (arXiv 2508.00171)"

QUADRANTS = {
    "consistent_sighted": (True, True),
    "consistent_blind": (True, False),
    "inconsistent_sighted": (False, True),
    "inconsistent_blind": (False, False),
}
"""Whether the answer is the same in other words, and whether it changes with another image."""

_SOURCE = {PARAPHRASE: "arXiv 2603.20985, its quadrants", ROTATED: "arXiv 2509.18234; quadrants as 2603.20985"}
_WORDS = {PARAPHRASE: "in other words", ROTATED: "with its options in other orders"}


def measure_text_reliance(own: str, other: str) -> Callable[[Question], float | None]:
    """Right under `own` minus right under `other`, with another question's words: -1, 0 or 1; None if not asked so."""

    def measure(question: Question) -> float | None:
        if own not in question.scores or other not in question.scores:
            return None
        return question.correct(own) - question.correct(other)

    return measure


def measure_text_sensitivity(question: Question) -> float | None:
    """1 if another question's words change the answer, else 0; None if an answer is missing or not parsed."""
    return change_between(REAL, QUESTION_SHUFFLED)(question)


def _list_rewordings(question: Question, kind: str) -> list[str]:
    """The variants of this kind that the question was asked under: all rotations, or its paraphrase."""
    return [variant for variant in question.answers if variant == kind or (kind == ROTATED and is_rotation(variant))]


def measure_consistency(kind: str) -> Callable[[Question], float | None]:
    """1 if all rewordings of this kind have real's answer, else 0; None if one is not parsed, or none was asked."""

    def measure(question: Question) -> float | None:
        changes = [change_between(REAL, variant)(question) for variant in _list_rewordings(question, kind)]
        return None if not changes or None in changes else float(not any(changes))

    return measure


def measure_quadrant(kind: str, is_consistent: bool, is_sighted: bool) -> Callable[[Question], float | None]:
    """1 if the question is in that quadrant, else 0; None if consistency or the image's effect is not known."""
    find_consistency = measure_consistency(kind)

    def measure(question: Question) -> float | None:
        consistency, change = find_consistency(question), measure_sensitivity(question)
        if consistency is None or change is None:
            return None
        return float((consistency == 1, change == 1) == (is_consistent, is_sighted))

    return measure


def measure_circular(question: Question) -> float | None:
    """1 if the answer is right under real and under all rotations, else 0."""
    rotations = _list_rewordings(question, ROTATED)
    return float(all(question.correct(variant) == 1 for variant in (REAL, *rotations))) if rotations else None


def _make_consistency(kind: str) -> tuple[Metric, ...]:
    name = {PARAPHRASE: "consistency", ROTATED: "consistency_rotated"}[kind]
    suffix = name.removeprefix("consistency")
    return (
        Metric(
            name=name,
            formula=f"mean of [the answer is the same {_WORDS[kind]}] where all are parsed",
            source=_SOURCE[kind],
            measure=measure_consistency(kind),
            needs=frozenset({REAL, kind}),
        ),
        *(
            Metric(
                name=f"{quadrant}{suffix}",
                formula=f"share of questions: {'same' if same else 'other'} answer {_WORDS[kind]}, "
                f"{'other' if sighted else 'same'} answer with another image, where all are parsed",
                source=_SOURCE[kind],
                measure=measure_quadrant(kind, same, sighted),
                needs=frozenset({REAL, SHUFFLED, kind}),
                higher_is_better={(True, True): True, (True, False): False}.get((same, sighted)),
            )
            for quadrant, (same, sighted) in QUADRANTS.items()
        ),
    )


METRICS = (
    *(
        Metric(
            name=f"acc_{other}",
            formula=f"mean of correct({other}): another image's yes/no question, its own gold",
            source=SHIFTING,
            measure=right_under(other),
            needs=frozenset({other}),
            higher_is_better=None,
        )
        for other in (QUESTION_SHUFFLED, QUESTION_SHUFFLED_ABSENT)
    ),
    *(
        Metric(
            name=name,
            formula=f"acc under {own} - acc_{other}, over the yes/no questions asked so",
            source=SHIFTING,
            measure=measure_text_reliance(own, other),
            needs=frozenset({own, other}),
            unit=DIFFERENCE,
            higher_is_better=None,
        )
        for name, own, other in (
            ("text_reliance", REAL, QUESTION_SHUFFLED),
            ("text_reliance_absent", ABSENT, QUESTION_SHUFFLED_ABSENT),
        )
    ),
    Metric(
        name="text_sensitivity",
        formula="mean of [answer(real) != answer(question_shuffled)] where both are parsed",
        source=OURS,
        measure=measure_text_sensitivity,
        needs=frozenset({REAL, QUESTION_SHUFFLED}),
        higher_is_better=None,
    ),
    *_make_consistency(PARAPHRASE),
    *_make_consistency(ROTATED),
    Metric(
        name="acc_circular",
        formula="mean of [right under real and under all rotations of the options]",
        source="CircularEval (MMBench, arXiv 2307.06281)",
        measure=measure_circular,
        needs=frozenset({REAL, ROTATED}),
    ),
)
