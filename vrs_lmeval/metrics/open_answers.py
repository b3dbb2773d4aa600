"""Open answers by gentler scores than exact match: does the answer name the gold, and how many of its words?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric
from vrs_lmeval.metrics.question import Question, is_open, of_open
from vrs_lmeval.metrics.reliance import BOTH
from vrs_lmeval.records import BLANK, REAL, SHUFFLED, Score

Scale = Literal["named", "recall"]

_WHAT = {
    "named": ("share of open questions whose answer({}) says a gold in one run of words and does not deny it", OURS),
    "recall": ("mean token recall of answer({}) over open questions", "LLaVA-Med (its OPEN headline)"),
}


def _read(score: Score, scale: Scale) -> float:
    return score.named if scale == "named" else score.token_recall


def _measure(scale: Scale, variant: str) -> Callable[[Question], float | None]:
    return of_open(lambda question: _read(question.scores[variant], scale))


def _measure_difference(scale: Scale) -> Callable[[Question], float | None]:
    return of_open(
        lambda question: _read(question.scores[REAL], scale) - _read(question.scores[SHUFFLED], scale),
    )


def _make_metrics(scale: Scale) -> tuple[Metric, ...]:
    what, source = _WHAT[scale]
    return (
        *(
            Metric(
                name=f"{scale}_open" if variant == REAL else f"{scale}_open_{variant}",
                formula=what.format(variant),
                source=source,
                measure=_measure(scale, variant),
                needs=frozenset({REAL, variant}),
                higher_is_better=True if variant == REAL else None,
                belongs=is_open,
            )
            for variant in (REAL, BLANK, SHUFFLED)
        ),
        Metric(
            name=f"vrs_{scale}",
            formula=f"{scale}_open - {scale}_open_shuffled",
            source=OURS,
            measure=_measure_difference(scale),
            needs=BOTH,
            unit=DIFFERENCE,
            belongs=is_open,
        ),
    )


METRICS = (*_make_metrics("named"), *_make_metrics("recall"))
