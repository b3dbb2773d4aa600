"""Calibration: whether an answer is as often right as its probability says, under each variant.

It needs options that are scored by likelihood. The confidence is the probability of the answer among the options; an
answer without likelihoods has no confidence and is left out. A question's value is (confidence, right); the page draws
reliability diagrams from these pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric
from vrs_lmeval.metrics.question import LIKELIHOODS, Question
from vrs_lmeval.reading.option_names import name_options
from vrs_lmeval.records import ABSENT, BLANK, REAL, SHUFFLED
from vrs_lmeval.uncertainty.forms import BRIER, CALIBRATION_ERROR, OVERCONFIDENCE

VARIANTS = (REAL, BLANK, SHUFFLED, ABSENT)
"""Variants with all three metrics in the table; other variants have two (`make_for_variant`)."""

_SOURCES = "Guo et al. 2017 (arXiv 1706.04599); equal-mass bins as Nguyen and O'Connor 2015"

Measure = Callable[[Question], tuple[float, float] | None]


def measure_confidence(variant: str) -> Measure:
    """(Probability of the answer among the options, whether it is right); None without likelihoods or the variant.

    Options with equal texts are one answer: their probabilities are added.
    """

    def measure(question: Question) -> tuple[float, float] | None:
        shared = question.likelihoods.get(variant)
        if shared is None:
            return None
        names, answer = name_options(question.sample.options), question.answers[variant].value
        confidence = math.fsum(math.exp(value) for value, name in zip(shared, names, strict=True) if name == answer)
        return min(confidence, 1.0), question.correct(variant)

    return measure


def _make(variant: str) -> tuple[Metric, Metric, Metric]:
    end, measure = ("" if variant == REAL else f"_{variant}"), measure_confidence(variant)
    needs, knows = frozenset({variant}), frozenset({LIKELIHOODS})
    return (
        Metric(
            name=f"ece{end}",
            formula=f"sum over bins of their share of questions * abs(mean P(answer | {variant}) - accuracy)",
            source=_SOURCES,
            measure=measure,
            needs=needs,
            form=CALIBRATION_ERROR,
            higher_is_better=False,
            knows=knows,
        ),
        Metric(
            name=f"overconfidence{end}",
            formula=f"mean of P(answer | {variant}) - correct({variant})",
            source=OURS,
            measure=measure,
            needs=needs,
            unit=DIFFERENCE,
            form=OVERCONFIDENCE,
            higher_is_better=None,
            knows=knows,
        ),
        Metric(
            name=f"brier{end}",
            formula=f"mean of (P(answer | {variant}) - correct({variant}))^2",
            source="Brier 1950, of the answer alone",
            measure=measure,
            needs=needs,
            form=BRIER,
            higher_is_better=False if variant == REAL else None,
            knows=knows,
        ),
    )


METRICS = tuple(metric for variant in VARIANTS for metric in _make(variant))


def make_for_variant(variant: str) -> tuple[Metric, Metric]:
    """`ece_<variant>` and `overconfidence_<variant>`, for a variant that is not in VARIANTS.

    The Brier score is left out, so that ten graded variants do not overfill the table; it follows from the pairs in
    the log.
    """
    return _make(variant)[:2]
