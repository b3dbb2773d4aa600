"""What is left without any image: the accuracy of absent and guess, and its share of the accuracy with the image."""

from __future__ import annotations

import math

from vrs_lmeval.metrics.metric import DIFFERENCE, MIRAGE, OURS, Metric, Unit
from vrs_lmeval.metrics.question import CLAIM, Question, change_between, right_under
from vrs_lmeval.metrics.visual_claims import measure_claim
from vrs_lmeval.records import ABSENT, GUESS, REAL
from vrs_lmeval.uncertainty.forms import RATIO

_REAL_AND_ABSENT = frozenset({REAL, ABSENT})


def measure_loss(question: Question) -> float | None:
    """Right under real minus right without an image: -1, 0 or 1; None if it was not asked without an image."""
    return question.correct(REAL) - question.correct(ABSENT) if ABSENT in question.scores else None


def measure_share_left(question: Question) -> tuple[float, float] | None:
    """(right without an image, right under real): a ratio of means."""
    return (question.correct(ABSENT), question.correct(REAL)) if ABSENT in question.scores else None


def measure_same_claim(question: Question) -> float | None:
    """1 where the answer to the real image makes a visual claim and is the same without an image, else 0."""
    if ABSENT not in question.answers:
        return None
    return measure_claim(question) * float(change_between(REAL, ABSENT)(question) == 0)


METRICS = (
    *(
        Metric(
            name=f"acc_{variant}",
            formula=f"mean of correct({variant})",
            source=MIRAGE,
            measure=right_under(variant),
            needs=frozenset({variant}),
            higher_is_better=None,
        )
        for variant in (ABSENT, GUESS)
    ),
    Metric(
        name="vrs_absent",
        formula="acc - acc_absent",
        source="as MMStar's multi-modal gain (arXiv 2403.20330)",
        measure=measure_loss,
        needs=_REAL_AND_ABSENT,
        unit=DIFFERENCE,
    ),
    Metric(
        name="mirage_score",
        formula="acc_absent / acc, a ratio of means",
        source=MIRAGE,
        measure=measure_share_left,
        needs=_REAL_AND_ABSENT,
        unit=Unit("ratio, from 0, may exceed 1", 0.0, math.inf),
        form=RATIO,
        higher_is_better=False,
    ),
    Metric(
        name="hvrr_absent",
        formula="mean of [answer(real) makes a visual claim and answer(real) = answer(absent)]",
        source=f"{OURS}: hvrr with no image in place of another",
        measure=measure_same_claim,
        needs=_REAL_AND_ABSENT,
        knows=frozenset({CLAIM}),
        higher_is_better=False,
    ),
)
