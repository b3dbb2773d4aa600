"""Variants of the prompt: the question without its image, another image's question, the same question in other words.

If there is an image, it is the question's own, so all these variants share its prefix.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vrs_lmeval.benchmark.question_types import find_closed_form
from vrs_lmeval.keyed_draws import make_key
from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.records import PARAPHRASE, QUESTION_SHUFFLED, ROTATED, Sample
from vrs_lmeval.variants.variant import Split, VariantError, VariantRule

GUESS_PREFACE = "There is no image for this question. Guess the answer."
"""The sentence of guess mode, written after the description in Mirage (arXiv 2603.21687), which does not quote its
prompt."""

_MARKS = re.compile(r"^(?:[^\S\n]*<image>)+[^\S\n]*\n|[^\S\n]*<image>", re.MULTILINE)
"""Marks of images in a prompt (the harness's placeholder): a whole line of marks, or one mark inside a line."""


def leave_out_images(prompt: str, preface: str = "") -> str:
    """The prompt without the marks of its images, after `preface` if there is one."""
    return "\n".join(filter(None, (preface, _MARKS.sub("", prompt).lstrip())))


def show_absent(split: Split) -> VariantRule:
    """The same question without an image or mark, and without a word about the missing image: Mirage's setting
    (arXiv 2603.21687)."""
    return VariantRule(shows_images=False)


def show_guess(split: Split, preface: str = GUESS_PREFACE) -> VariantRule:
    """The same question without an image; the model is told so and asked to guess. It measures what the text alone
    gives to a model that knows it has no image."""
    if not isinstance(preface, str) or not preface.strip():
        raise VariantError(f"variant guess: preface should be a sentence, it is {preface!r}")
    return VariantRule(shows_images=False, preface=preface.strip())


def ask_other_question(split: Split, seed: int = 0) -> VariantRule:
    """The question's own image with the yes/no question of another image, scored against its own gold.

    Only yes/no questions are asked so, because both golds fit any of them. The other question is the next one with
    other words and another image, in a circle of all yes/no questions. A keyed hash decides the order of the circle, so
    it depends only on the whole split and the seed.
    """
    circle = sorted(
        (sample for sample in split.samples if find_closed_form(sample) == "yes/no"),
        key=lambda sample: make_key(f"question:{seed}:{sample.sample_id}"),
    )
    words = [normalise(sample.question) for sample in circle]
    changes = _find_changes(words)
    partners = {sample.sample_id: _find_next(circle, words, changes, place) for place, sample in enumerate(circle)}
    others = {sample_id: other.question for sample_id, other in partners.items() if other is not None}
    if not others:
        raise VariantError(f"variant {QUESTION_SHUFFLED}: no yes/no question has one of another image beside it")
    return VariantRule(
        choose=lambda sample: sample.image_id if sample.sample_id in others else None,
        ask=lambda sample: replace(sample, question=others[sample.sample_id]),
        evidence={
            "asked": len(others),
            "without_partner": len(circle) - len(others),
            "no_yes_no_question": len(split.samples) - len(circle),
        },
    )


def ask_other_question_without_image(split: Split, seed: int = 0) -> VariantRule:
    """The same other question without an image: it shows how a model without eyes uses a question's words."""
    return replace(ask_other_question(split, seed), shows_images=False)


def _find_changes(words: Sequence[str]) -> list[int]:
    """Around a circle: how many places on the next other words stand; 0 where all are the same."""
    steps = [0] * len(words)
    for place in range(2 * len(words) - 2, -1, -1):  # twice around: the run at the end may go on at the beginning
        here, after = place % len(words), (place + 1) % len(words)
        if words[here] != words[after]:
            steps[here] = 1
        elif steps[after]:
            steps[here] = steps[after] + 1
    return steps


def _find_next(circle: Sequence[Sample], words: Sequence[str], changes: Sequence[int], place: int) -> Sample | None:
    """The next question of other words and another image; runs of the same words are passed over in one step."""
    own, count = circle[place], len(circle)
    step = changes[place]
    while 0 < step < count:
        there = (place + step) % count
        if words[there] == words[place]:
            step += changes[there]
        elif set(circle[there].images) & set(own.images):
            step += 1
        else:
            return circle[there]
    return None


def ask_paraphrase(split: Split) -> VariantRule:
    """The same image and gold, in the words of another question that the data links to it as a paraphrase.

    Of several, the next one in the order of a keyed hash. Questions without one are not asked so, and are counted; so
    are those whose paraphrases have other golds, or are of another answer type, so that another answer would be right.
    """
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in split.samples:
        if sample.paraphrase_group is not None:
            groups[sample.paraphrase_group, sample.image_id].append(sample)
    others: dict[str, str] = {}
    with_other_answer = 0
    for group in groups.values():
        circle = sorted(group, key=lambda sample: make_key(f"paraphrase:{sample.sample_id}"))
        for place, sample in enumerate(circle):
            reworded = [
                other
                for other in (*circle[place + 1 :], *circle[:place])
                if normalise(other.question) != normalise(sample.question)
            ]
            alike = [other for other in reworded if _have_same_answer(sample, other)]
            with_other_answer += bool(reworded) and not alike
            if alike:
                others[sample.sample_id] = alike[0].question
    if not others:
        raise VariantError(
            f"variant {PARAPHRASE}: no question is linked to another of its image with the same gold; name the column "
            "that links them, `columns: {paraphrase_group: ...}`"
        )
    counts = {
        "asked": len(others),
        "with_other_answer": with_other_answer,
        "without_paraphrase": len(split.samples) - len(others) - with_other_answer,
    }
    return VariantRule(
        choose=lambda sample: sample.image_id if sample.sample_id in others else None,
        ask=lambda sample: replace(sample, question=others[sample.sample_id]),
        evidence=counts,
    )


def _have_same_answer(one: Sample, other: Sample) -> bool:
    """The same golds, read by the same rules: "CT or MRI?" is closed, "which modality?" is open."""
    golds = ({normalise(gold) for gold in sample.golds} for sample in (one, other))
    return len(set(map(frozenset, golds))) == 1 and (one.answer_type, one.options) == (other.answer_type, other.options)


def rotate_options(split: Split, by: int = 1) -> VariantRule:
    """The same question, its options moved up by `by` places, the first ones last (arXiv 2509.18234).

    Questions with `by` options or fewer are not asked so: they would repeat the order of another rotation.
    """
    if isinstance(by, bool) or not isinstance(by, int) or by < 1:
        raise VariantError(f"variant {ROTATED}: by should be a whole number from 1, it is {by!r}")
    return VariantRule(
        choose=lambda sample: sample.image_id if by < len(sample.options) else None,
        ask=lambda sample: replace(sample, options=(*sample.options[by:], *sample.options[:by])),
    )
