"""Facts of an image -> question-answer pairs in other words: what a language model does that has read a caption.

It never sees an image, and never the human question. The templates below are all that it can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from studies.miniature.facts import MODALITIES, PLANES, Fact
from studies.miniature.pairs import Pair
from vrs_lmeval.keyed_draws import make_key

ORGANS = ("brain", "chest", "abdomen")
"""What "does it show the ...?" asks for where the organ is another one."""

NO = {"yes": "no", "no": "yes"}

Words = tuple[str, str]  # question, answer


def write_pairs(facts: Sequence[Fact], image_id: str, count: int, seed: int) -> list[Pair]:
    """At most `count` different pairs on an image; the facts take turns, each beginning with the template drawn for it.

    The order depends on `seed` and the facts' sources alone.
    """
    ordered = sorted(facts, key=lambda fact: make_key(f"miniature/fact/{seed}/{fact.source}"))
    written: dict[str, Pair] = {}
    for turn in zip_longest(*(_draw_order(fact, seed) for fact in ordered)):
        for fact, words in zip(ordered, turn, strict=True):
            if words is not None:
                written.setdefault(words[0], Pair(image_id, words[0], words[1], fact.source))
    return list(written.values())[:count]


def _draw_order(fact: Fact, seed: int) -> list[Words]:
    return sorted(write_all(fact), key=lambda words: make_key(f"miniature/words/{seed}/{fact.source}/{words[0]}"))


def write_all(fact: Fact) -> list[Words]:
    """Every question that the templates ask of a fact, with its answer."""
    subject, value = fact.subject, fact.value
    if fact.kind == "modality":
        asked = [("which imaging modality produced this image?", value), ("what kind of scan is shown?", value)]
        return asked + list(_ask_each("was this image made by {}?", value, MODALITIES))
    if fact.kind == "plane":
        asked = [("in which plane was the image acquired?", value), ("what view does the image give?", value)]
        return asked + list(_ask_each("does the image give the {} view?", value, PLANES))
    if fact.kind == "organ":
        asked = [("which organ or region does the image depict?", value), ("what anatomy is depicted?", value)]
        return asked + list(_ask_each("does the image depict the {}?", value, (value, *ORGANS)))
    if fact.kind == "place":
        return [
            (f"in which location does the {subject} lie?", value),
            (f"where does the image show the {subject}?", value),
            (f"does the {subject} lie in the {value}?", "yes"),
        ]
    if fact.kind == "count":
        return [(f"what number of {subject} does the image show?", value), (f"count the {subject}.", value)]
    if fact.kind == "state":
        noun, _, look = subject.partition("|")
        return [
            (f"does the image depict {look} {noun}?", value),
            (f"would a radiologist call the {noun} {look}?", value),
            (f"is it wrong to call the {noun} {look}?", NO[value]),
        ]
    asked = [
        (f"does the image reveal {subject}?", value),
        (f"would a radiologist report {subject}?", value),
        (f"is the image free of {subject}?", NO[value]),
    ]
    return asked + ([("which finding does the image reveal?", subject)] if value == "yes" else [])


def _ask_each(question: str, value: str, others: Iterable[str]) -> Iterator[Words]:
    """The question with the value, whose answer is yes, and with each other word, whose answer is no."""
    yield question.format(value), "yes"
    yield from ((question.format(other), "no") for other in others if other != value)
