"""A split -> what each arm is trained on: same images, number of pairs and steps; the arms differ in the text, or,
as controls, in the image that stands beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studies.miniature.facts import read_fact
from studies.miniature.generator import write_pairs
from studies.miniature.pairs import Pair, Split
from vrs_lmeval.keyed_draws import make_key
from vrs_lmeval.variants.partners import derange

ARMS = ("authentic", "synthetic", "mixed", "text-only", "mispaired")

FACTS_SHARE = 1 / 3
"""Of each image's human pairs, the part that the generator's facts are read from. No arm trains on a pair of that part
as humans wrote it, so `authentic` and `synthetic` know nothing from the same pair, and `mixed` knows nothing twice."""

BLANK = "blank"
"""Stands for the id of an image where every image is the grey of the task's `blank` variant."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Pairs to train on. `shown` is the image that a model sees beside the pairs of an image."""

    name: str
    pairs: tuple[Pair, ...]
    shown: Mapping[str, str]


def make_arms(split: Split, seed: int, share: float = 1.0) -> dict[str, Arm]:
    """All arms of a seed; `share` of the pairs of each (at least one an image).

    What is held apart, and so which pairs are trained on, is drawn anew for each seed.
    """
    asked_in_test = {(pair.image_id, pair.question) for pair in split.test}
    human: list[Pair] = []
    written: list[Pair] = []
    mixed: list[Pair] = []
    for image_id, pairs in sorted(_by_image(split.train).items()):
        held_apart, kept = part_pairs(pairs, seed)
        facts = [fact for fact in map(read_fact, held_apart) if fact is not None]
        new = [
            pair
            for pair in write_pairs(facts, image_id, len(kept) + len(asked_in_test), seed)
            if (image_id, pair.question) not in asked_in_test
        ]
        count = min(len(kept), len(new))
        count = min(count, max(1, round(count * share)))
        human += kept[:count]
        written += new[:count]
        mixed += _mix(kept[:count], new[:count], first_human=len(mixed) % 2 == 0)
    images = sorted({pair.image_id for pair in human})
    same = {image: image for image in images}
    texts = {"authentic": human, "synthetic": written, "mixed": mixed, "text-only": human, "mispaired": human}
    shown = {"text-only": dict.fromkeys(images, BLANK), "mispaired": derange(images, seed)}
    return {name: Arm(name, tuple(texts[name]), shown.get(name, same)) for name in ARMS}


def part_pairs(pairs: Sequence[Pair], seed: int) -> tuple[list[Pair], list[Pair]]:
    """(held apart for facts, kept) of an image's pairs, in an order drawn by the key of each; one pair is kept."""
    drawn = sorted(pairs, key=lambda pair: make_key(f"miniature/part/{seed}/{pair.source}"))
    readable = [pair for pair in drawn if read_fact(pair) is not None]
    ordered = readable[:1] + [pair for pair in drawn if pair not in readable[:1]]
    cut = max(1, round(len(drawn) * FACTS_SHARE)) if len(drawn) > 1 else 0
    return ordered[:cut], ordered[cut:]


def _mix(human: Sequence[Pair], written: Sequence[Pair], first_human: bool) -> list[Pair]:
    """As many pairs, in turn from the one and the other."""
    return [(human if (place % 2 == 0) == first_human else written)[place] for place in range(len(human))]


def _by_image(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    groups: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.image_id].append(pair)
    return dict(groups)
