"""Accuracy, and whether it depends on the image: VRS and related metrics of real, blank and shuffled."""

from __future__ import annotations

import math
from collections.abc import Callable

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, SHARE, VRS_PAPER, Metric, Unit
from vrs_lmeval.metrics.question import Question, change_between, of_type, right_under
from vrs_lmeval.records import BLANK, REAL, SHUFFLED
from vrs_lmeval.uncertainty.forms import RATIO

LLAVA_MED = "LLaVA-Med's split by answer type"

BOTH = frozenset({REAL, SHUFFLED})


def measure_difference(question: Question) -> float:
    """Right under real minus right under shuffled: -1, 0 or 1."""
    return question.correct(REAL) - question.correct(SHUFFLED)


def measure_part(is_read: bool) -> Callable[[Question], float]:
    """The difference if both answers were read (`is_read`), or if one of them was not (not `is_read`); else 0."""

    def measure(question: Question) -> float:
        both = question.answers[REAL].is_parsed and question.answers[SHUFFLED].is_parsed
        return measure_difference(question) if both == is_read else 0.0

    return measure


def measure_retention(question: Question) -> tuple[float, float]:
    """(right under blank, right under real): a ratio of means."""
    return question.correct(BLANK), question.correct(REAL)


def measure_failures(question: Question) -> float | None:
    """The share of unparsable answers over all variants under which the question was asked."""
    answers = question.answers.values()
    return sum(not answer.is_parsed for answer in answers) / len(answers) if answers else None


measure_sensitivity = change_between(REAL, SHUFFLED)

METRICS = (
    Metric(
        name="acc",
        formula="mean of correct(real)",
        source="exact match, VQA normalisation",
        measure=lambda question: question.correct(REAL),
    ),
    Metric(
        name="acc_blank",
        formula="mean of correct(blank)",
        source=VRS_PAPER,
        measure=lambda question: question.correct(BLANK),
        needs=frozenset({BLANK}),
        higher_is_better=None,
    ),
    Metric(
        name="acc_shuffled",
        formula="mean of correct(shuffled), against the asked image's gold",
        source=VRS_PAPER,
        measure=lambda question: question.correct(SHUFFLED),
        needs=frozenset({SHUFFLED}),
        higher_is_better=None,
    ),
    Metric(
        name="vrs",
        formula="acc - acc_shuffled",
        source=VRS_PAPER,
        measure=measure_difference,
        needs=BOTH,
        unit=DIFFERENCE,
        has_limits=True,
    ),
    Metric(
        name="vrs_from_changed",
        formula="the part of vrs from questions whose answers were read under real and under shuffled",
        source=OURS,
        measure=measure_part(is_read=True),
        needs=BOTH,
        unit=DIFFERENCE,
    ),
    Metric(
        name="vrs_from_unread",
        formula="vrs - vrs_from_changed: where one of both answers is a refusal or unparsable",
        source=OURS,
        measure=measure_part(is_read=False),
        needs=BOTH,
        unit=DIFFERENCE,
        higher_is_better=None,
    ),
    Metric(
        name="image_sensitivity",
        formula="mean of [answer(real) != answer(shuffled)] where both are parsed",
        source=f"{VRS_PAPER}; symbols inferred",
        measure=measure_sensitivity,
        needs=BOTH,
    ),
    Metric(
        name="blank_retention",
        formula="acc_blank / acc, a ratio of means",
        source="arXiv 2603.03437 (formula inferred)",
        measure=measure_retention,
        needs=frozenset({REAL, BLANK}),
        unit=Unit("ratio, from 0, may exceed 1", 0.0, math.inf),
        form=RATIO,
        higher_is_better=False,
    ),
    Metric(
        name="parse_failure_rate",
        formula="mean share of unparsable answers over all variants",
        source=OURS,
        measure=measure_failures,
        needs=frozenset(),
        higher_is_better=False,
    ),
    *(
        Metric(
            name=f"acc_{kind}",
            formula=f"acc over {kind} questions",
            source=LLAVA_MED,
            measure=of_type(kind, lambda question: question.correct(REAL)),
        )
        for kind in ("closed", "open")
    ),
    Metric(
        name="f1_open",
        formula="mean token F1 of answer(real) over open questions",
        source="SQuAD (arXiv 1606.05250)",
        measure=of_type("open", lambda question: question.scores[REAL].token_f1),
    ),
    *(
        Metric(
            name=f"vrs_{kind}",
            formula=f"vrs over {kind} questions",
            source=OURS,
            measure=of_type(kind, measure_difference),
            needs=BOTH,
            unit=DIFFERENCE,
        )
        for kind in ("closed", "open")
    ),
)


def make_variant_accuracy(variant: str) -> Metric:
    """`acc_<variant>`, for a variant that no metric knows by name; questions not asked under it are left out."""
    return Metric(
        name=f"acc_{variant}",
        formula=f"mean of correct({variant})",
        source=OURS,
        measure=right_under(variant),
        needs=frozenset({variant}),
        unit=SHARE,
        higher_is_better=None,
    )
