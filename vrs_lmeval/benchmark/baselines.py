"""Baselines: takes all questions of a split, gives the answers of a model without eyes, and of one with perfect eyes.

They are answers, not scores: they are read and scored like a model's answers, so that a baseline and a model differ
only in what they say.
"""

from __future__ import annotations

import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vrs_lmeval.benchmark.question_types import find_question_type, read_golds
from vrs_lmeval.keyed_draws import make_key
from vrs_lmeval.reading.choices import find_choices
from vrs_lmeval.reading.normalisation import name_text, normalise
from vrs_lmeval.reading.option_names import find_same_option, fold_text, name_options
from vrs_lmeval.records import Sample

LETTERS = string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class StandIn:
    """The right answer about the image shown, as far as the data tells; `basis` says how far that is."""

    text: str
    basis: Literal["same question", "same type on that image", "same type"]


def find_majority_answers(
    samples: Sequence[Sample], group: Callable[[Sample], str | None] | None = None
) -> dict[str, str]:
    """Sample id -> the most frequent gold among the questions of its group; among options, the letter.

    By default a group is an answer type. Questions with options are a group apart: letters are not words.
    """
    name = group or (lambda sample: None if sample.options else sample.answer_type)
    keys = {sample.sample_id: (name(sample), bool(sample.options)) for sample in samples}
    counts: dict[tuple[str | None, bool], Counter[str]] = defaultdict(Counter)
    for sample in samples:
        counts[keys[sample.sample_id]].update(_list_answers(sample))
    return {sample_id: _pick_most_frequent(counts[key]) for sample_id, key in keys.items()}


def _list_answers(sample: Sample) -> list[str]:
    """The keys by which the golds are counted, each once."""
    if not sample.options:
        return list(dict.fromkeys(name_text(gold) for gold in sample.golds))
    golds = read_golds(sample)
    return [letter for letter, name in zip(LETTERS, name_options(sample.options), strict=False) if name in golds]


def say_gold(sample: Sample) -> str:
    """What a right model says. For options this is the letter, since an option's text ("C") may look like a letter."""
    letters = _list_answers(sample) if sample.options and sample.answer_type == "closed" else []
    return next(iter(letters), sample.golds[0])


def _say_option(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the option that `text` repeats."""
    names = name_options(options)
    same = find_same_option(text, options)
    return LETTERS[names.index(same)] if same is not None and names.index(same) < len(LETTERS) else None


def _pick_most_frequent(counts: Mapping[str, int]) -> str:
    """The most frequent key; of equally frequent ones the first in the data's order, which the data's hash fixes."""
    return max(counts, key=lambda text: counts[text], default="")


def find_question_only_answers(samples: Sequence[Sample], training: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Sample id -> the most frequent answer in `training` (question, answer) to the same question text.

    A question that is not in `training` gets the most frequent answer of all. Answers are counted by their words; for a
    question with options, by the option that they repeat.
    """
    by_question: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for question, answer in training:
        by_question[normalise(question)][fold_text(answer)] += 1
        overall[name_text(answer)] += 1
    of_all = _pick_most_frequent(overall)
    answers = {}
    for sample in samples:
        counts: Counter[str] = Counter()
        for answer, count in by_question.get(normalise(sample.question), {}).items():
            counts[_say_option(answer, sample.options) or name_text(answer)] += count
        answers[sample.sample_id] = _pick_most_frequent(counts) if counts else of_all
    return answers


def find_stand_ins(samples: Sequence[Sample], shown: Mapping[str, str]) -> dict[str, StandIn]:
    """Sample id -> the right answer to its question about the image of the sample(s) with image id `shown[sample id]`.

    Most benchmarks ask a question about one image only, so the data mostly lacks this answer. It is taken

    1. from the same question asked of the image shown, else
    2. from a question of the same type (`question_types.find_question_type`) asked of the image shown, else
    3. from a question of the same type asked of any other image,

    each drawn by a keyed hash. A question with options gives its letter; an "A or B" question gets one of its own
    alternatives. If no question of the type is left, the sample is missing from the result.
    """
    by_image: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    by_text: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    by_type: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        kind = find_question_type(sample)
        by_image[sample.image_id, kind].append(sample)
        by_text[sample.image_id, normalise(sample.question)].append(sample)
        by_type[kind].append(sample)
    stand_ins = {}
    for sample in samples:
        image, kind = shown[sample.sample_id], find_question_type(sample)
        sources: tuple[tuple[Literal["same question", "same type on that image", "same type"], list[Sample]], ...] = (
            ("same question", by_text.get((image, normalise(sample.question)), [])),
            ("same type on that image", by_image.get((image, kind), [])),
            ("same type", by_type[kind]),
        )
        for basis, donors in sources:
            others = (
                donors if basis != "same type" else [donor for donor in donors if donor.image_id != sample.image_id]
            )
            if others:
                stand_ins[sample.sample_id] = StandIn(_take_over(sample, others, basis == "same question"), basis)
                break
    return stand_ins


def _take_over(sample: Sample, donors: Sequence[Sample], is_same_question: bool) -> str:
    drawn = int.from_bytes(make_key(f"stand-in:{sample.sample_id}"), "big")
    donor = donors[drawn % len(donors)]
    if is_same_question:
        return _say_option(donor.golds[0], sample.options) or donor.golds[0]
    if sample.options:
        return next(iter(_list_answers(donor)), LETTERS[0])
    if choices := find_choices(sample):
        return choices[drawn % len(choices)]
    return donor.golds[0]
