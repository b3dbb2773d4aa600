"""One question from what came back of it: takes the harness's results by variant, gives records and metric values.

The task does this after inference, and `vrs rescore` again from a log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vrs_lmeval.metrics.metric import Column
from vrs_lmeval.metrics.question import CLAIM, Question
from vrs_lmeval.metrics.selection import measure
from vrs_lmeval.reading.prompt_styles import PromptStyle
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.reading.visual_claims import makes_visual_claim
from vrs_lmeval.records import REAL, SHUFFLED, Sample
from vrs_lmeval.run_record import VariantRecord


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """What is logged of a question: a record a variant, and a value a column."""

    records: Mapping[str, VariantRecord]
    values: Mapping[str, Any]


def score_question(
    style: PromptStyle,
    sample: Sample,
    results: Sequence[Any],
    shown: Mapping[str, str],
    known: Mapping[str, float | None],
    columns: Mapping[str, Column],
) -> ScoredQuestion:
    """`results` are of the variants in `shown` (the image of each), in its order, as many of each as `style` asks for.

    `known` is what the task knows of the question besides. Raises ValueError where their number does not fit.
    """
    each = len(style.ask(sample, {}, ""))
    if len(results) != each * len(shown):
        raise ValueError(f"{len(results)} results for {len(shown)} variants of {each}")
    responses = {
        name: style.read(results[place * each : (place + 1) * each], sample) for place, name in enumerate(shown)
    }
    answers = {name: response.answer for name, response in responses.items()}
    scores = {name: score_answer(response.answer, sample, response.text) for name, response in responses.items()}
    records = {name: VariantRecord.make(image, answers[name], scores[name]) for name, image in shown.items()}
    text = responses[REAL].text
    claims = {} if text is None else {CLAIM: float(makes_visual_claim(text))}
    likelihoods = {} if style.asks_for_text else {name: each.likelihoods for name, each in responses.items()}
    question = Question(sample, answers, scores, {**known, **claims}, likelihoods, shown.get(SHUFFLED))
    return ScoredQuestion(records, measure(columns, question))
