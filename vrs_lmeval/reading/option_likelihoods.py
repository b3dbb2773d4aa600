"""Option likelihoods: takes the log-likelihoods of a question's lettered options, gives the answer, the probability of
the right option, and how far the probabilities under two images differ.

All probabilities are among the options. Logarithms are natural; only the divergence is in bits.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import replace

from vrs_lmeval.reading.chinese import is_chinese
from vrs_lmeval.reading.chinese_options import YES_NO as CHINESE_YES_NO
from vrs_lmeval.reading.choices import read_gold
from vrs_lmeval.reading.option_names import name_options
from vrs_lmeval.records import Answer, Sample

LETTERS = string.ascii_uppercase
NO_LIKELIHOOD = "no likelihood"

LogProbabilities = tuple[float, ...]
"""A natural logarithm for each option, in their order; the exponentials sum to 1."""


def offer_options(sample: Sample) -> Sample | None:
    """The sample with its options, or with "yes" and "no" (in its language) if these are its answers; else None."""
    if sample.options:
        return sample
    if {read_gold(gold, sample) for gold in sample.golds} <= {"yes", "no"}:
        return replace(sample, options=CHINESE_YES_NO if is_chinese(sample) else ("yes", "no"))
    return None


def share_out(log_likelihoods: Sequence[float]) -> LogProbabilities | None:
    """Natural logarithms of the options' probabilities, given that one of them is said; None unless all are finite."""
    if not all(map(math.isfinite, log_likelihoods)):
        return None
    largest = max(log_likelihoods)
    total = largest + math.log(sum(math.exp(value - largest) for value in log_likelihoods))
    return tuple(value - total for value in log_likelihoods)


def read_most_probable(shared: LogProbabilities | None, sample: Sample) -> Answer:
    """The most probable option as an answer; the first one if several are equally probable."""
    if shared is None:
        return Answer(None, NO_LIKELIHOOD)
    return Answer(name_options(sample.options)[shared.index(max(shared))])


def find_gold_log_probability(shared: LogProbabilities | None, sample: Sample) -> float | None:
    """Natural logarithm of the probability of all right options together; None without options or likelihoods."""
    if shared is None:
        return None
    golds = {read_gold(gold, sample) for gold in sample.golds}
    right = [value for value, name in zip(shared, name_options(sample.options), strict=True) if name in golds]
    if not right:
        return None
    largest = max(right)  # taken out first: far below 0 the exponential is 0
    return largest + math.log(math.fsum(math.exp(value - largest) for value in right))


def find_divergence(first: LogProbabilities | None, second: LogProbabilities | None) -> float | None:
    """Jensen-Shannon divergence in bits, 0 (the same distribution) to 1 (no option in common).

    Lin 1991, IEEE Trans. Inf. Theory 37(1):145-151. None where a likelihood is missing.
    """
    if first is None or second is None:
        return None
    divergence = 0.0
    for one, other in zip(first, second, strict=True):
        p, q = math.exp(one), math.exp(other)
        middle = (p + q) / 2
        divergence += sum(share / 2 * math.log2(share / middle) for share in (p, q) if share > 0)
    return min(max(divergence, 0.0), 1.0)
