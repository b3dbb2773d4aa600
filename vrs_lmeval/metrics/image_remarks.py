"""What a model says when it should not know: it flags the image, declines, or answers all the same."""

from __future__ import annotations

from collections.abc import Callable

from vrs_lmeval.metrics.metric import MIRAGE, OURS, Metric
from vrs_lmeval.metrics.question import CLAIM, Question, Said
from vrs_lmeval.reading.image_remarks import MISSING
from vrs_lmeval.records import ABSENT, BLANK, GUESS, REAL, SHUFFLED

MEDVIGIL = "after MedVIGIL's silent failures (arXiv 2605.07919)"


def share_of(variant: str, is_so: Callable[[Said, bool], bool]) -> Callable[[Question], float | None]:
    """1 if `is_so` holds for the text under `variant` and for whether an answer was read there, else 0; None without a
    text."""

    def measure(question: Question) -> float | None:
        said = question.said.get(variant)
        return None if said is None else float(is_so(said, question.answers[variant].is_parsed))

    return measure


def _make(name: str, variant: str, formula: str, source: str, is_so: Callable[[Said, bool], bool]) -> Metric:
    """A share of answers. More is neither better nor worse: a flag is right without an image, wrong on the real one."""
    return Metric(
        name=name,
        formula=f"share of answers under {variant} that {formula}",
        source=source,
        measure=share_of(variant, is_so),
        needs=frozenset({variant}),
        knows=frozenset({CLAIM}),
        higher_is_better=None,
    )


def _make_shares(variant: str) -> tuple[Metric, ...]:
    return (
        _make(
            f"flag_rate_{variant}",
            variant,
            "say the image is missing, shows nothing, or does not fit",
            f"{OURS}; lexicon ours",
            lambda said, is_read: said.remark is not None,
        ),
        _make(
            f"refusal_rate_{variant}",
            variant,
            "decline to answer",
            f"{OURS}; lexicon ours",
            lambda said, is_read: said.declines,
        ),
        _make(
            f"silent_rate_{variant}",
            variant,
            "are read as an answer, and neither flag nor decline",
            MEDVIGIL,
            lambda said, is_read: is_read and said.remark is None and not said.declines,
        ),
    )


METRICS = (
    *(metric for variant in (REAL, BLANK, SHUFFLED, ABSENT, GUESS) for metric in _make_shares(variant)),
    _make("mirage_rate", ABSENT, "do not say that there is none", MIRAGE, lambda said, is_read: said.remark != MISSING),
    _make("claim_rate_absent", ABSENT, "claim to see something", OURS, lambda said, is_read: said.claims_to_see),
)
