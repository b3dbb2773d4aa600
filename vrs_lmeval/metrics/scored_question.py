"""Scores one question: takes the harness's results by variant, gives records and metric values.

The task does this after inference; `vrs rescore` does it again from a log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vrs_lmeval.metrics.metric import Column
from vrs_lmeval.metrics.question import CLAIM, Question, Said
from vrs_lmeval.metrics.selection import measure
from vrs_lmeval.reading.image_remarks import declines, find_remark
from vrs_lmeval.reading.option_likelihoods import LogProbabilities
from vrs_lmeval.reading.option_names import rename_option
from vrs_lmeval.reading.prompt_styles import PromptStyle, Response, was_asked
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.reading.visual_claims import makes_visual_claim
from vrs_lmeval.records import REAL, SHUFFLED, Answer, Sample, Score
from vrs_lmeval.run_record import VariantRecord


@dataclass(frozen=True, slots=True)
class Shown:
    """What one variant showed: the image's id (None: no image), and the question as it was put."""

    image_id: str | None
    asked: Sample


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """What is logged of a question: a record for each variant, and a value for each column."""

    records: Mapping[str, VariantRecord]
    values: Mapping[str, Any]


def score_question(
    style: PromptStyle,
    sample: Sample,
    results: Sequence[Any],
    shown: Mapping[str, Shown],
    known: Mapping[str, float | None],
    columns: Mapping[str, Column],
) -> ScoredQuestion:
    """Score one question. `results` holds those of the variants in `shown`, in its order, as many as `style` asks for.

    A variant under which the model could not be asked (`was_asked`) has no record and counts nowhere. `known` is what
    else the task knows of the question. Raises ValueError if the number of results does not fit.
    """
    each = len(style.ask(sample, {}, ""))
    if len(results) != each * len(shown):
        raise ValueError(f"{len(results)} results for {len(shown)} variants of {each}")
    given = {name: results[place * each : (place + 1) * each] for place, name in enumerate(shown)}
    responses = {
        name: _read(style, of_variant, sample, shown[name].asked)
        for name, of_variant in given.items()
        if all(map(was_asked, of_variant))
    }
    answers = {name: response.answer for name, response in responses.items()}
    scores = {name: score_answer(response.answer, sample, response.text) for name, response in responses.items()}
    said = {
        name: _listen(response.text, shown[name].asked)
        for name, response in responses.items()
        if response.text is not None
    }
    records = {name: _record(shown[name], sample, answers[name], scores[name], said.get(name)) for name in responses}
    claims = {CLAIM: float(said[REAL].claims_to_see)} if REAL in said else {}
    likelihoods = {} if style.asks_for_text else {name: each.likelihoods for name, each in responses.items()}
    partner = shown[SHUFFLED].image_id if SHUFFLED in shown else None
    question = Question(sample, answers, scores, {**known, **claims}, likelihoods, partner, said)
    return ScoredQuestion(records, measure(columns, question))


def _read(style: PromptStyle, given: Sequence[Any], sample: Sample, asked: Sample) -> Response:
    """The answer to the question as it was put; an option gets the name that it has in the data's order."""
    response = style.read(given, asked)
    if response.answer.value is None or asked.options == sample.options:
        return response
    value = rename_option(response.answer.value, asked.options, sample.options)
    shares = response.likelihoods and _reorder(response.likelihoods, asked, sample)
    return Response(Answer(value), response.text, shares)


def _reorder(shares: LogProbabilities, asked: Sample, sample: Sample) -> LogProbabilities:
    """The options' likelihoods in the data's order, from the order in which they were offered."""
    left = dict(enumerate(asked.options))
    places = []
    for option in sample.options:
        place = next(place for place, text in left.items() if text == option)
        places.append(place)
        del left[place]
    return tuple(shares[place] for place in places)


def _listen(text: str, asked: Sample) -> Said:
    return Said(makes_visual_claim(text), find_remark(text, asked.question), declines(text))


def _record(shown: Shown, sample: Sample, answer: Answer, score: Score, said: Said | None) -> VariantRecord:
    return VariantRecord.make(
        shown.image_id,
        answer,
        score,
        question=None if shown.asked.question == sample.question else shown.asked.question,
        options=None if shown.asked.options == sample.options else shown.asked.options,
        remark=None if said is None else said.remark,
    )
