"""The registry of metrics: name, formula, unit, source, what it is measured by and how it is aggregated.

docs/metrics.md explains them; a test keeps both equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vrs_lmeval.metrics.measures import (
    CEILING,
    CLAIM,
    LIKELIHOODS,
    MAJORITY,
    QUESTION_ONLY,
    SECOND_DRAW,
    above_retest,
    accuracy_if_asked,
    accuracy_of,
    claim,
    claim_and_change,
    claim_and_ungrounded,
    difference,
    difference_and_image,
    differences_of_draws,
    divergence_from,
    failures,
    gold_log_probability,
    hard_difference,
    known,
    log_probability_difference,
    majority_by,
    mean_of_draws,
    of_type,
    retention,
    retest_change,
    sensitivity,
    set_member,
    ungrounded,
)
from vrs_lmeval.metrics.metric import DIFFERENCE, SHARE, Metric, mean_metric, standard_error_of
from vrs_lmeval.metrics.question_sets import (
    find_confusion,
    find_set_accuracy,
)
from vrs_lmeval.records import BLANK, REAL, RETEST, SHUFFLED, SHUFFLED_HARD
from vrs_lmeval.uncertainty.aggregation import (
    find_independent_rate,
    find_interval,
    find_ratio,
    find_spread,
)

VRS_PAPER = "arXiv 2603.03437 (read)"
OURS = "this project"
LLAVA_MED = "LLaVA-Med's split by answer type"


def variant_accuracy(variant: str) -> Metric:
    """`acc_<variant>`, for variants that the registry does not know by name."""
    return mean_metric(
        f"acc_{variant}",
        f"mean of correct({variant})",
        OURS,
        accuracy_if_asked(variant),
        needs=(variant,),
        higher_is_better=None,
    )


def majority_of(field: str) -> Metric:
    """`acc_majority` of a breakdown by `field`; its answer is the most frequent gold of each value by itself."""
    return mean_metric(
        "acc_majority",
        f"acc of the most frequent gold of the same {field}",
        OURS,
        known(majority_by(field)),
        knows=(majority_by(field),),
        higher_is_better=None,
    )


def _limit_metric(name: str, sign: str, aggregate: Callable[[Sequence[Any]], float]) -> Metric:
    formula = f"vrs {sign} t(.975; G-1) * vrs_stderr, for G images"
    source = "Cameron and Miller 2015"
    needs = frozenset({REAL, SHUFFLED})
    return Metric(name, formula, DIFFERENCE, source, needs, None, difference_and_image, aggregate)


_BOTH = (REAL, SHUFFLED)
_MAIN = (
    mean_metric("acc", "mean of correct(real)", "exact match, VQA normalisation", accuracy_of(REAL)),
    mean_metric(
        "acc_blank", "mean of correct(blank)", VRS_PAPER, accuracy_of(BLANK), needs=(BLANK,), higher_is_better=None
    ),
    mean_metric(
        "acc_shuffled",
        "mean of correct(shuffled), against the asked image's gold",
        VRS_PAPER,
        accuracy_of(SHUFFLED),
        needs=(SHUFFLED,),
        higher_is_better=None,
    ),
    mean_metric("vrs", "acc - acc_shuffled", VRS_PAPER, difference, needs=_BOTH, unit=DIFFERENCE),
    _limit_metric("vrs_ci95_low", "-", lambda pairs: find_interval(pairs).low),
    _limit_metric("vrs_ci95_high", "+", lambda pairs: find_interval(pairs).high),
    mean_metric(
        "image_sensitivity",
        "mean of [answer(real) != answer(shuffled)] where both are parsed",
        f"{VRS_PAPER}; symbols inferred",
        sensitivity,
        needs=_BOTH,
    ),
    Metric(
        "blank_retention",
        "acc_blank / acc, a ratio of means",
        "ratio, from 0, may exceed 1",
        "arXiv 2603.03437 (formula inferred)",
        frozenset({REAL, BLANK}),
        False,
        retention,
        find_ratio,
    ),
    mean_metric(
        "parse_failure_rate",
        "mean share of unparsable answers over all variants",
        OURS,
        failures,
        higher_is_better=False,
    ),
    mean_metric("acc_closed", "acc over closed questions", LLAVA_MED, of_type("closed", accuracy_of(REAL))),
    mean_metric("acc_open", "acc over open questions", LLAVA_MED, of_type("open", accuracy_of(REAL))),
    mean_metric(
        "f1_open",
        "mean token F1 of answer(real) over open questions",
        "SQuAD (arXiv 1606.05250)",
        of_type("open", lambda question: question.scores[REAL].token_f1),
    ),
    mean_metric(
        "recall_open",
        "mean token recall of answer(real) over open questions",
        "LLaVA-Med (its OPEN headline)",
        of_type("open", lambda question: question.scores[REAL].token_recall),
    ),
    mean_metric(
        "vrs_closed", "vrs over closed questions", OURS, of_type("closed", difference), needs=_BOTH, unit=DIFFERENCE
    ),
    mean_metric("vrs_open", "vrs over open questions", OURS, of_type("open", difference), needs=_BOTH, unit=DIFFERENCE),
)
_SETS = (
    Metric(
        "set_accuracy",
        "share of sets whose every question is right under real",
        SHARE,
        "ProbMed (arXiv 2405.20421, read), MediConfusion (arXiv 2409.15477, read)",
        frozenset({REAL}),
        True,
        set_member,
        find_set_accuracy,
        belongs=lambda sample: sample.set_id is not None,
    ),
    Metric(
        "confusion",
        "share of sets, all parsed, with one answer(real) to all of their images",
        SHARE,
        "MediConfusion (arXiv 2409.15477, read)",
        frozenset({REAL}),
        False,
        set_member,
        find_confusion,
        belongs=lambda sample: sample.set_id is not None and bool(sample.options),
    ),
)
_CLAIMS = (
    mean_metric(
        "claim_rate",
        "mean of [answer(real) makes a visual claim]",
        f"{VRS_PAPER}; detector ours",
        claim,
        knows=(CLAIM,),
        higher_is_better=None,
    ),
    mean_metric(
        "hvrr",
        "mean of [answer(real) makes a visual claim and answer(real) = answer(shuffled)]",
        "arXiv 2603.03437 (words read, joint rate inferred)",
        ungrounded(SHUFFLED),
        needs=_BOTH,
        knows=(CLAIM,),
        higher_is_better=False,
    ),
    mean_metric(
        "hvrr_with_blank",
        "hvrr where also answer(real) = answer(blank)",
        "this project: the stricter reading of invariant",
        ungrounded(SHUFFLED, BLANK),
        needs=(*_BOTH, BLANK),
        knows=(CLAIM,),
        higher_is_better=False,
    ),
    Metric(
        "hvrr_if_independent",
        "claim_rate * (1 - image_sensitivity)",
        SHARE,
        OURS,
        frozenset(_BOTH),
        None,
        claim_and_change,
        find_independent_rate,
        knows=frozenset({CLAIM}),
    ),
    Metric(
        "invariant_given_claim",
        "hvrr / claim_rate, a ratio of means",
        SHARE,
        "arXiv 2603.03437 (formula inferred)",
        frozenset(_BOTH),
        False,
        claim_and_ungrounded,
        find_ratio,
        knows=frozenset({CLAIM}),
    ),
)
NATS = "nats, no limits"
_LIKELIHOODS = (
    mean_metric(
        "logprob_gold",
        "mean of log P(gold | real) among the options",
        OURS,
        gold_log_probability,
        unit="nats, up to 0",
        knows=(LIKELIHOODS,),
    ),
    mean_metric(
        "vrs_logprob",
        "mean of log P(gold | real) - log P(gold | shuffled) among the options",
        "this project: VRS of probabilities",
        log_probability_difference,
        needs=_BOTH,
        unit=NATS,
        knows=(LIKELIHOODS,),
    ),
    *(
        mean_metric(
            f"divergence_from_{variant}",
            f"mean Jensen-Shannon divergence of the options' probabilities under real and {variant}",
            "Lin 1991",
            divergence_from(variant),
            needs=(REAL, variant),
            unit="bits, 0..1",
            knows=(LIKELIHOODS,),
        )
        for variant in (BLANK, SHUFFLED)
    ),
)
_FURTHER_VARIANTS = (
    mean_metric(
        "vrs_hard",
        "acc - acc_shuffled_hard, over the questions that have such a partner",
        "after Selective Modality Shifting (arXiv 2508.00171)",
        hard_difference,
        needs=(REAL, SHUFFLED_HARD),
        unit=DIFFERENCE,
    ),
    mean_metric(
        "vrs_mean_of_draws",
        "mean of vrs over all draws of shuffled",
        "as Gat et al. 2021 (arXiv 2110.14375), un-normalised",
        mean_of_draws,
        needs=(*_BOTH, SECOND_DRAW),
        unit=DIFFERENCE,
    ),
    Metric(
        "vrs_sd_of_draws",
        "sample standard deviation of vrs between the draws of shuffled",
        "difference of shares, from 0",
        OURS,
        frozenset({*_BOTH, SECOND_DRAW}),
        None,
        differences_of_draws,
        find_spread,
    ),
    mean_metric(
        "retest_sensitivity",
        "mean of [answer(real) != answer(retest)] where both are parsed",
        "test-retest floor, this project",
        retest_change,
        needs=(REAL, RETEST),
        higher_is_better=False,
    ),
    mean_metric(
        "image_sensitivity_above_retest",
        "image_sensitivity - retest_sensitivity, where real, shuffled and retest are parsed",
        OURS,
        above_retest,
        needs=(*_BOTH, RETEST),
        unit=DIFFERENCE,
    ),
)
_BASELINES = (
    mean_metric(
        "vrs_ceiling",
        "vrs of a model that is always right about the image it is shown",
        OURS,
        known(CEILING),
        needs=_BOTH,
        unit=DIFFERENCE,
        knows=(CEILING,),
        higher_is_better=None,
    ),
    *(
        mean_metric(
            f"vrs_ceiling_{kind}",
            f"vrs_ceiling over {kind} questions",
            OURS,
            of_type(kind, known(CEILING)),
            needs=_BOTH,
            unit=DIFFERENCE,
            knows=(CEILING,),
            higher_is_better=None,
        )
        for kind in ("closed", "open")
    ),
    *(
        metric
        for name, what in (
            (MAJORITY, "the most frequent gold of the answer type"),
            (QUESTION_ONLY, "the training split's most frequent answer to the same question"),
        )
        for metric in (
            mean_metric(f"acc_{name}", f"acc of {what}", OURS, known(name), knows=(name,), higher_is_better=None),
            *(
                mean_metric(
                    f"acc_{name}_{kind}",
                    f"acc_{name} over {kind} questions",
                    OURS,
                    of_type(kind, known(name)),
                    knows=(name,),
                    higher_is_better=None,
                )
                for kind in ("closed", "open")
            ),
        )
    ),
)
_WITHOUT_ERROR = frozenset({"vrs_ci95_low", "vrs_ci95_high", "vrs_sd_of_draws"})

METRICS: Mapping[str, Metric] = {
    each.name: each
    for metric in (*_MAIN, *_SETS, *_CLAIMS, *_LIKELIHOODS, *_FURTHER_VARIANTS, *_BASELINES)
    for each in ((metric,) if metric.name in _WITHOUT_ERROR else (metric, standard_error_of(metric)))
}
"""Every metric of the variants real, blank and shuffled, by name, each followed by its standard error.

Those of `_SETS` are for benchmarks that score questions together (`sets.py`)."""
