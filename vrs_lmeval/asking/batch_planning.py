"""Which requests share an image prefix, and in what order and batches they are asked: planning, without tensors."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PIL import Image

from vrs_lmeval.asking.seams import LazyImage

Prefix = TypeVar("Prefix")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: its number, and the settings that all requests of a batch must agree in."""

    index: int
    settings: Hashable = None


@dataclass(frozen=True, slots=True, eq=False)
class Group(Generic[Prefix]):
    """The requests that one prefix serves; `cost` is what it costs to keep the prefix, in the unit of the budget."""

    prefix: Prefix
    cost: int
    asks: Sequence[Ask]


@dataclass(frozen=True, slots=True)
class Batch(Generic[Prefix]):
    """Requests asked together, each with its group; afterwards nobody needs the prefixes of `finished` any more."""

    asks: Sequence[tuple[Group[Prefix], Ask]]
    finished: Sequence[Group[Prefix]]


def identify_image(image: Image.Image) -> tuple[Hashable, ...]:
    """A key that two images share only if their pixels are equal: content, never a place in memory.

    A `VariantImage` is known by its source and its perturbation, so it is not decoded for the key.
    """
    if isinstance(image, LazyImage):
        return image.source_id, image.perturbation
    digest = hashlib.sha256(f"{image.mode} {image.size} {image.info.get('transparency')!r} ".encode())
    digest.update(image.tobytes())
    digest.update(bytes(image.getpalette() or ()))
    return digest.hexdigest(), None


def text_before_question(prompt: str, placeholder: str) -> str:
    """The prompt up to and including its last image; empty where it shows none."""
    before, found, _ = prompt.rpartition(placeholder)
    return before + found


def common_length(sequences: Sequence[Sequence[Any]]) -> int:
    """How many leading items all sequences share; never a whole sequence, since its last token must still be asked."""
    shortest = min(len(sequence) for sequence in sequences) - 1
    for position in range(shortest):
        if len({sequence[position] for sequence in sequences}) > 1:
            return position
    return max(shortest, 0)


def plan_batches(
    groups: Iterable[Group[Prefix]], batch_size: Callable[[], int], budget: int
) -> Iterator[Batch[Prefix]]:
    """Batches of at most `batch_size()` requests with equal settings; every request once, groups in their order.

    `groups` is read only as far as needed. A group stays open until its last request was given out; the costs of the
    open groups stay within `budget`, which a single group may exceed. `batch_size` is asked before each batch.
    """
    waiting: dict[Hashable, list[tuple[Group[Prefix], Ask]]] = {}
    unasked: Counter[Group[Prefix]] = Counter()

    def take(asks: list[tuple[Group[Prefix], Ask]]) -> Batch[Prefix]:
        chosen = asks[: batch_size()]
        del asks[: len(chosen)]
        for group, _ in chosen:
            unasked[group] -= 1
        finished = [group for group in dict.fromkeys(group for group, _ in chosen) if not unasked[group]]
        for group in finished:
            del unasked[group]
        return Batch(chosen, finished)

    for group in groups:
        if unasked and sum(open_group.cost for open_group in unasked) + group.cost > budget:
            for asks in waiting.values():
                while asks:
                    yield take(asks)
        for ask in group.asks:
            unasked[group] += 1
            waiting.setdefault(ask.settings, []).append((group, ask))
        for asks in waiting.values():
            while len(asks) >= batch_size():
                yield take(asks)
    for asks in waiting.values():
        while asks:
            yield take(asks)
