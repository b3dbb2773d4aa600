"""Does the answer say that it looked? Claims to see something, and whether they hold for another image too."""

from __future__ import annotations

from collections.abc import Callable

from vrs_lmeval.metrics.metric import OURS, VRS_PAPER, Metric
from vrs_lmeval.metrics.question import CLAIM, Question, change_between
from vrs_lmeval.metrics.reliance import BOTH, measure_sensitivity
from vrs_lmeval.records import BLANK, REAL, SHUFFLED
from vrs_lmeval.uncertainty.forms import RATE_TIMES_COMPLEMENT, RATIO


def measure_claim(question: Question) -> float:
    """1 where the answer to the real image makes a visual claim, else 0."""
    return float(question.known[CLAIM] == 1)


def find_ungrounded(*others: str) -> Callable[[Question], float]:
    """1 if the answer to the real image makes a visual claim and is the same under the variants `others`, else 0."""
    changes = [change_between(REAL, other) for other in others]
    return lambda question: measure_claim(question) * all(change(question) == 0 for change in changes)


_KNOWS = frozenset({CLAIM})

METRICS = (
    Metric(
        name="claim_rate",
        formula="mean of [answer(real) makes a visual claim]",
        source=f"{VRS_PAPER}; detector ours",
        measure=measure_claim,
        knows=_KNOWS,
        higher_is_better=None,
    ),
    Metric(
        name="hvrr",
        formula="mean of [answer(real) makes a visual claim and answer(real) = answer(shuffled)]",
        source="arXiv 2603.03437 (words read, joint rate inferred)",
        measure=find_ungrounded(SHUFFLED),
        needs=BOTH,
        knows=_KNOWS,
        higher_is_better=False,
    ),
    Metric(
        name="hvrr_with_blank",
        formula="hvrr where also answer(real) = answer(blank)",
        source="this project: the stricter reading of invariant",
        measure=find_ungrounded(SHUFFLED, BLANK),
        needs=BOTH | {BLANK},
        knows=_KNOWS,
        higher_is_better=False,
    ),
    Metric(
        name="hvrr_if_independent",
        formula="claim_rate * (1 - image_sensitivity)",
        source=OURS,
        measure=lambda question: (measure_claim(question), measure_sensitivity(question)),
        needs=BOTH,
        form=RATE_TIMES_COMPLEMENT,
        knows=_KNOWS,
        higher_is_better=None,
    ),
    Metric(
        name="invariant_given_claim",
        formula="hvrr / claim_rate, a ratio of means",
        source="arXiv 2603.03437 (formula inferred)",
        measure=lambda question: (find_ungrounded(SHUFFLED)(question), measure_claim(question)),
        needs=BOTH,
        form=RATIO,
        knows=_KNOWS,
        higher_is_better=False,
    ),
)
