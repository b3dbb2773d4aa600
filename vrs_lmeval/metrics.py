"""Metrics: takes the answers and scores of one question under every variant, gives its value of each metric, and
each metric's aggregation over all questions.

One registry holds name, formula, unit, source and aggregation; docs/metrics.md explains them, a test keeps both equal.
What this page leans on:

- A metric that does not apply to a question (open accuracy on a closed one) is None there, not absent: on several
  processes the harness gathers by the first rank's metric names and fails on a missing one (0.4.13, evaluator.py).
- Each `<name>` is followed by `<name>_stderr`. The harness knows a standard error for its own `mean` only, takes rows
  as independent, and prints as "+-" whatever stands under `<name>_stderr`; ours comes later than its "N/A" and replaces
  it. So the table's own column holds standard errors clustered by image.
- No value is NaN or 0 for want of data in a question; an aggregation over no applicable question is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vrs_lmeval.intervals import find_ratio_standard_error, find_standard_error, find_t_interval
from vrs_lmeval.records import BLANK, REAL, SHUFFLED, Answer, Interval, Sample, Score
from vrs_lmeval.sets import (
    SetMember,
    find_confusion,
    find_confusion_error,
    find_set_accuracy,
    find_set_accuracy_error,
)

STANDARD_ERROR = "_stderr"
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Question:
    """One question's answers and scores, by variant."""

    sample: Sample
    answers: Mapping[str, Answer]
    scores: Mapping[str, Score]

    def correct(self, variant: str) -> float:
        """1 where the answer under `variant` is right, else 0."""
        return self.scores[variant].correct


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `measure` gives one question's value (None: does not apply), `aggregate` the value over all questions.

    `needs` are the variants it compares. `higher_is_better` is None where neither direction is. A task leaves out a
    metric that `belongs` to none of its questions.
    """

    name: str
    formula: str
    unit: str
    source: str
    needs: frozenset[str]
    higher_is_better: bool | None
    measure: Callable[[Question], Any]
    aggregate: Callable[[Sequence[Any]], float]
    belongs: Callable[[Sample], bool] = lambda sample: True


def question_metrics(sample: Sample, answers: Mapping[str, Answer], scores: Mapping[str, Score]) -> dict[str, Any]:
    """One question's value of every metric that the variants in `answers` allow, None where it does not apply.

    The names are those of `metrics_of_variants(answers)`. Values are numbers, or tuples that end with the image id; all
    of them can be written as JSON. Raises ValueError where "real" is missing or `scores` has other variants.
    """
    if set(answers) != set(scores):
        raise ValueError(f"answers are for {sorted(answers)}, scores for {sorted(scores)}")
    question = Question(sample, answers, scores)
    return {name: metric.measure(question) for name, metric in metrics_of_variants(answers).items()}


def metrics_of_variants(variants: Iterable[str]) -> dict[str, Metric]:
    """The metrics of a task with these variants, by name, each followed by its standard error.

    Variants beyond blank and shuffled add `acc_<variant>`. Raises ValueError without "real", or where a variant's
    accuracy would take another metric's name ("closed").
    """
    return dict(_select(tuple(variants)))


@lru_cache(maxsize=64)
def _select(variants: tuple[str, ...]) -> tuple[tuple[str, Metric], ...]:
    if REAL not in variants:
        raise ValueError(f"metrics compare with the variant 'real', the variants are {', '.join(variants)}")
    extra = [_variant_accuracy(variant) for variant in variants if variant not in (REAL, BLANK, SHUFFLED)]
    if taken := [metric.name for metric in extra if metric.name in METRICS]:
        raise ValueError(f"a variant may not be named so: {', '.join(taken)} is another metric")
    chosen = [metric for metric in METRICS.values() if metric.needs <= set(variants)]
    with_errors = [*chosen, *(each for metric in extra for each in (metric, _standard_error_of(metric)))]
    return tuple((metric.name, metric) for metric in with_errors)


def find_mean(values: Sequence[float | None]) -> float:
    """Mean of the values that apply; NaN where none does."""
    applicable = [value for value in values if value is not None]
    return sum(applicable) / len(applicable) if applicable else NAN


def find_clustered_error(pairs: Sequence[tuple[float | None, str]]) -> float:
    """Standard error of the mean of the (value, image id) pairs that apply, clustered by image."""
    return find_standard_error(*_split_applicable(pairs))


def find_interval(pairs: Sequence[tuple[float | None, str]]) -> Interval:
    """The 95 % interval of the mean of (value, image id) pairs: the one the table shows."""
    return find_t_interval(*_split_applicable(pairs))


def find_ratio(triples: Sequence[tuple[float, float, str]]) -> float:
    """Ratio of means from (numerator, denominator, image id); NaN where the denominators sum to 0 or none is given."""
    below = sum(denominator for _, denominator, _ in triples)
    return sum(numerator for numerator, _, _ in triples) / below if below else NAN


def find_ratio_error(triples: Sequence[tuple[float, float, str]]) -> float:
    """Standard error of that ratio, clustered by image (delta method)."""
    above, below, images = zip(*triples, strict=True) if triples else ((), (), ())
    return find_ratio_standard_error(above, below, images)


def _split_applicable(pairs: Sequence[tuple[float | None, str]]) -> tuple[list[float], list[str]]:
    applicable = [(value, image) for value, image in pairs if value is not None]
    return [value for value, _ in applicable], [image for _, image in applicable]


def _difference(question: Question) -> float:
    return question.correct(REAL) - question.correct(SHUFFLED)


def _difference_and_image(question: Question) -> tuple[float, str]:
    return _difference(question), question.sample.image_id


def _sensitivity(question: Question) -> float | None:
    real, shuffled = question.answers[REAL], question.answers[SHUFFLED]
    if not (real.is_parsed and shuffled.is_parsed):
        return None
    return float(real.value != shuffled.value)


def _failures(question: Question) -> float:
    return sum(not answer.is_parsed for answer in question.answers.values()) / len(question.answers)


def _retention(question: Question) -> tuple[float, float, str]:
    return question.correct(BLANK), question.correct(REAL), question.sample.image_id


def _set_member(question: Question) -> SetMember | None:
    sample = question.sample
    if sample.set_id is None:
        return None
    answer = question.answers[REAL].value
    return SetMember(sample.set_id, sample.set_size, question.correct(REAL), answer, sample.image_id)


def _of_type(answer_type: str, measure: Callable[[Question], float]) -> Callable[[Question], float | None]:
    return lambda question: measure(question) if question.sample.answer_type == answer_type else None


def _accuracy_of(variant: str) -> Callable[[Question], float]:
    return lambda question: question.correct(variant)


def _standard_error_of(metric: Metric) -> Metric:
    """The companion that fills the harness's "+-" column."""
    own_error = _OWN_ERRORS.get(metric.aggregate)
    return Metric(
        name=metric.name + STANDARD_ERROR,
        formula=f"standard error of {metric.name}, clustered by image",
        unit=metric.unit,
        source="Cameron and Miller 2015" + (", delta method" if metric.aggregate is find_ratio else ""),
        needs=metric.needs,
        higher_is_better=None,
        measure=metric.measure if own_error else lambda question: (metric.measure(question), question.sample.image_id),
        aggregate=own_error or find_clustered_error,
        belongs=metric.belongs,
    )


_OWN_ERRORS: Mapping[Callable[[Sequence[Any]], float], Callable[[Sequence[Any]], float]] = {
    find_ratio: find_ratio_error,
    find_set_accuracy: find_set_accuracy_error,
    find_confusion: find_confusion_error,
}
"""Aggregations of values that carry their image, and so have their own error."""


SHARE, DIFFERENCE = "share, 0..1", "difference of shares, -1..1"
VRS_PAPER = "arXiv 2603.03437 (read)"
OURS = "this project"
LLAVA_MED = "LLaVA-Med's split by answer type"


def _mean_metric(
    name: str,
    formula: str,
    source: str,
    measure: Callable[[Question], float | None],
    *,
    needs: tuple[str, ...] = (REAL,),
    unit: str = SHARE,
    higher_is_better: bool | None = True,
) -> Metric:
    return Metric(name, formula, unit, source, frozenset(needs), higher_is_better, measure, find_mean)


def _variant_accuracy(variant: str) -> Metric:
    return _mean_metric(
        f"acc_{variant}",
        f"mean of correct({variant})",
        OURS,
        _accuracy_of(variant),
        needs=(variant,),
        higher_is_better=None,
    )


def _limit_metric(name: str, sign: str, aggregate: Callable[[Sequence[Any]], float]) -> Metric:
    formula = f"vrs {sign} t(.975; G-1) * vrs_stderr, for G images"
    source = "Cameron and Miller 2015"
    needs = frozenset({REAL, SHUFFLED})
    return Metric(name, formula, DIFFERENCE, source, needs, None, _difference_and_image, aggregate)


_BOTH = (REAL, SHUFFLED)
_MAIN = (
    _mean_metric("acc", "mean of correct(real)", "exact match, VQA normalisation", _accuracy_of(REAL)),
    _mean_metric(
        "acc_blank", "mean of correct(blank)", VRS_PAPER, _accuracy_of(BLANK), needs=(BLANK,), higher_is_better=None
    ),
    _mean_metric(
        "acc_shuffled",
        "mean of correct(shuffled), against the asked image's gold",
        VRS_PAPER,
        _accuracy_of(SHUFFLED),
        needs=(SHUFFLED,),
        higher_is_better=None,
    ),
    _mean_metric("vrs", "acc - acc_shuffled", VRS_PAPER, _difference, needs=_BOTH, unit=DIFFERENCE),
    _limit_metric("vrs_ci95_low", "-", lambda pairs: find_interval(pairs).low),
    _limit_metric("vrs_ci95_high", "+", lambda pairs: find_interval(pairs).high),
    _mean_metric(
        "image_sensitivity",
        "mean of [answer(real) != answer(shuffled)] where both are parsed",
        f"{VRS_PAPER}; symbols inferred",
        _sensitivity,
        needs=_BOTH,
    ),
    Metric(
        "blank_retention",
        "acc_blank / acc, a ratio of means",
        "ratio, from 0, may exceed 1",
        "arXiv 2603.03437 (formula inferred)",
        frozenset({REAL, BLANK}),
        False,
        _retention,
        find_ratio,
    ),
    _mean_metric(
        "parse_failure_rate",
        "mean share of unparsable answers over all variants",
        OURS,
        _failures,
        higher_is_better=False,
    ),
    _mean_metric("acc_closed", "acc over closed questions", LLAVA_MED, _of_type("closed", _accuracy_of(REAL))),
    _mean_metric("acc_open", "acc over open questions", LLAVA_MED, _of_type("open", _accuracy_of(REAL))),
    _mean_metric(
        "f1_open",
        "mean token F1 of answer(real) over open questions",
        "SQuAD (arXiv 1606.05250)",
        _of_type("open", lambda question: question.scores[REAL].token_f1),
    ),
    _mean_metric(
        "recall_open",
        "mean token recall of answer(real) over open questions",
        "LLaVA-Med (its OPEN headline)",
        _of_type("open", lambda question: question.scores[REAL].token_recall),
    ),
    _mean_metric(
        "vrs_closed", "vrs over closed questions", OURS, _of_type("closed", _difference), needs=_BOTH, unit=DIFFERENCE
    ),
    _mean_metric(
        "vrs_open", "vrs over open questions", OURS, _of_type("open", _difference), needs=_BOTH, unit=DIFFERENCE
    ),
)
_SETS = (
    Metric(
        "set_accuracy",
        "share of sets whose every question is right under real",
        SHARE,
        "ProbMed (arXiv 2405.20421, read), MediConfusion (arXiv 2409.15477, read)",
        frozenset({REAL}),
        True,
        _set_member,
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
        _set_member,
        find_confusion,
        belongs=lambda sample: sample.set_id is not None and bool(sample.options),
    ),
)
_WITHOUT_ERROR = frozenset({"vrs_ci95_low", "vrs_ci95_high"})

METRICS: Mapping[str, Metric] = {
    each.name: each
    for metric in (*_MAIN, *_SETS)
    for each in ((metric,) if metric.name in _WITHOUT_ERROR else (metric, _standard_error_of(metric)))
}
"""Every metric of the variants real, blank and shuffled, by name, each followed by its standard error.

The last two are for benchmarks that score questions together (`sets.py`)."""
