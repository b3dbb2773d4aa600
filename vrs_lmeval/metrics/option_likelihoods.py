"""Reliance without a text: compares the probabilities of the options under two images."""

from __future__ import annotations

import math
from collections.abc import Callable

from vrs_lmeval.metrics.metric import OURS, Metric, Unit
from vrs_lmeval.metrics.question import LIKELIHOODS, Question
from vrs_lmeval.metrics.reliance import BOTH
from vrs_lmeval.reading.option_likelihoods import find_divergence, find_gold_log_probability
from vrs_lmeval.records import BLANK, REAL, SHUFFLED


def measure_gold_log_probability(question: Question) -> float | None:
    """Log P(gold | real) among the options, in nats; None if no option is right."""
    return find_gold_log_probability(question.likelihoods[REAL], question.sample)


def measure_log_probability_difference(question: Question) -> float | None:
    """Log P(gold | real) - log P(gold | shuffled), in nats; None if one is missing."""
    real = measure_gold_log_probability(question)
    shuffled = find_gold_log_probability(question.likelihoods[SHUFFLED], question.sample)
    return None if real is None or shuffled is None else real - shuffled


def find_divergence_from(variant: str) -> Callable[[Question], float | None]:
    """Jensen-Shannon divergence of the options' probabilities under `variant` from those under real, in bits."""
    return lambda question: find_divergence(question.likelihoods[REAL], question.likelihoods[variant])


_KNOWS = frozenset({LIKELIHOODS})

METRICS = (
    Metric(
        name="logprob_gold",
        formula="mean of log P(gold | real) among the options",
        source=OURS,
        measure=measure_gold_log_probability,
        unit=Unit("nats, up to 0", -math.inf, 0.0),
        knows=_KNOWS,
    ),
    Metric(
        name="vrs_logprob",
        formula="mean of log P(gold | real) - log P(gold | shuffled) among the options",
        source="this project: VRS of probabilities",
        measure=measure_log_probability_difference,
        needs=BOTH,
        unit=Unit("nats, no limits", -math.inf, math.inf),
        knows=_KNOWS,
    ),
    *(
        Metric(
            name=f"divergence_from_{variant}",
            formula=f"mean Jensen-Shannon divergence of the options' probabilities under real and {variant}",
            source="Lin 1991",
            measure=find_divergence_from(variant),
            needs=frozenset({REAL, variant}),
            unit=Unit("bits, 0..1", 0.0, 1.0),
            knows=_KNOWS,
        )
        for variant in (BLANK, SHUFFLED)
    ),
)
