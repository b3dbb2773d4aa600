"""Partners: takes the questions of a whole split, gives each the image of another question, drawn by a key."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vrs_lmeval.benchmark.question_types import find_question_type, list_answer_keys
from vrs_lmeval.keyed_draws import make_key
from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.records import Sample
from vrs_lmeval.variants.variant import VariantError

Circle = list[tuple[bytes, Sample]]


def derange(image_ids: Iterable[str], seed: int) -> dict[str, str]:
    """Each distinct image id -> another id: the next one in a circle whose order depends on `seed`.

    The order comes from a keyed hash of each id, not from a generator's state, so it depends on the set of images and
    the seed alone: not on row order, limits, ranks or batches. A random circle is a derangement drawn uniformly among
    the cyclic ones (Sattolo 1986). Raises VariantError for fewer than two images.
    """
    circle = sorted(set(image_ids), key=lambda image_id: make_key(f"{seed}:{image_id}"))
    if len(circle) < 2:
        raise VariantError("variant shuffled: needs at least two different images in the data set")
    return dict(zip(circle, circle[1:] + circle[:1], strict=True))


@dataclass(frozen=True, slots=True)
class HardPartner:
    """The sample whose image replaces a question's own, and what the two questions have in common."""

    image_id: str
    alike_in: Literal["question", "type"]


def draw_hard_partners(samples: Sequence[Sample], seed: int) -> dict[str, HardPartner]:
    """Sample id -> the image of a question of the same type with another gold; missing if there is no such question.

    A partner with the same question text comes before one with only the same type: then the partner's gold answers
    this very question. Among equal partners a keyed hash decides, so the draw depends only on the whole split and the
    seed. An image is never taken if any row with the same question text accepts this sample's gold for it.
    """
    by_question = _group(samples, lambda sample: normalise(sample.question), seed)
    by_type = _group(samples, find_question_type, seed)
    golds = {sample.sample_id: list_answer_keys(sample) for sample in samples}
    partners: dict[str, HardPartner] = {}
    for sample in samples:
        own = golds[sample.sample_id]
        asked = by_question[normalise(sample.question)]
        same_answer = {other.image_id for _, other in asked if golds[other.sample_id] & own}
        tiers: tuple[tuple[Literal["question", "type"], Circle], ...] = (
            ("question", asked),
            ("type", by_type[find_question_type(sample)]),
        )
        for alike_in, circle in tiers:
            drawn = next(
                (
                    other
                    for other in _walk(circle, make_key(f"hard:{seed}:{sample.sample_id}"))
                    if not golds[other.sample_id] & own
                    and other.image_id not in same_answer
                    and not set(other.images) & set(sample.images)
                ),
                None,
            )
            if drawn is not None:
                partners[sample.sample_id] = HardPartner(drawn.image_id, alike_in)
                break
    return partners


def _group(samples: Sequence[Sample], name: Callable[[Sample], str], seed: int) -> Mapping[str, Circle]:
    """Samples grouped by `name`; each group is a circle whose order depends on `seed`."""
    circles: dict[str, Circle] = defaultdict(list)
    for sample in samples:
        circles[name(sample)].append((make_key(f"circle:{seed}:{sample.sample_id}"), sample))
    return {group: sorted(circle, key=lambda entry: entry[0]) for group, circle in circles.items()}


def _walk(circle: Circle, start: bytes) -> Iterator[Sample]:
    """Once around the circle, from the first place after `start`."""
    first = bisect.bisect(circle, start, key=lambda entry: entry[0])
    for index in range(len(circle)):
        yield circle[(first + index) % len(circle)][1]
