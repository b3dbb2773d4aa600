"""Metrics of further variants: a partner with another answer, more draws of partners, a re-encode that nobody sees."""

from __future__ import annotations

import math

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric, Unit
from vrs_lmeval.metrics.question import SECOND_DRAW, Question, change_between, is_draw
from vrs_lmeval.metrics.reliance import BOTH, measure_sensitivity
from vrs_lmeval.records import REAL, RETEST, SHUFFLED, SHUFFLED_HARD
from vrs_lmeval.uncertainty.forms import SPREAD


def measure_hard_difference(question: Question) -> float | None:
    """Right under real minus right under the hard partner: -1, 0 or 1; None for a question without such a partner."""
    if SHUFFLED_HARD not in question.scores:
        return None
    return question.correct(REAL) - question.correct(SHUFFLED_HARD)


def measure_draws(question: Question) -> list[float]:
    """Right under real minus right under shuffled, for every draw of shuffled, in their order."""
    draws = [SHUFFLED, *filter(is_draw, question.scores)]
    return [question.correct(REAL) - question.correct(draw) for draw in draws]


def measure_mean_of_draws(question: Question) -> float:
    """The mean of `measure_draws`."""
    differences = measure_draws(question)
    return sum(differences) / len(differences)


measure_retest = change_between(REAL, RETEST)


def measure_above_retest(question: Question) -> float | None:
    """Change by another image minus change by a re-encode: -1, 0 or 1; None if one of the answers is not parsed."""
    changed, floor = measure_sensitivity(question), measure_retest(question)
    return None if changed is None or floor is None else changed - floor


METRICS = (
    Metric(
        name="vrs_hard",
        formula="acc - acc_shuffled_hard, over the questions that have such a partner",
        source="after Selective Modality Shifting (arXiv 2508.00171)",
        measure=measure_hard_difference,
        needs=frozenset({REAL, SHUFFLED_HARD}),
        unit=DIFFERENCE,
    ),
    Metric(
        name="vrs_mean_of_draws",
        formula="mean of vrs over all draws of shuffled",
        source="as Gat et al. 2021 (arXiv 2110.14375), un-normalised",
        measure=measure_mean_of_draws,
        needs=BOTH | {SECOND_DRAW},
        unit=DIFFERENCE,
    ),
    Metric(
        name="vrs_sd_of_draws",
        formula="sample standard deviation of vrs between the draws of shuffled",
        source=OURS,
        measure=measure_draws,
        needs=BOTH | {SECOND_DRAW},
        unit=Unit("difference of shares, from 0", 0.0, math.inf),
        form=SPREAD,
        higher_is_better=None,
    ),
    Metric(
        name="retest_sensitivity",
        formula="mean of [answer(real) != answer(retest)] where both are parsed",
        source="test-retest floor, this project",
        measure=measure_retest,
        needs=frozenset({REAL, RETEST}),
        higher_is_better=False,
    ),
    Metric(
        name="image_sensitivity_above_retest",
        formula="image_sensitivity - retest_sensitivity, where real, shuffled and retest are parsed",
        source=OURS,
        measure=measure_above_retest,
        needs=BOTH | {RETEST},
        unit=DIFFERENCE,
    ),
)
