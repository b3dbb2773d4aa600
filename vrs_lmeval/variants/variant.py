"""What a variant is: a column of the experiment, and its rule for one split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vrs_lmeval.records import Perturbation, Sample


class VariantError(ValueError):
    """A task's `variants:` names something that does not exist or does not fit its data."""


@dataclass(frozen=True, slots=True)
class Split:
    """What variants are drawn from: all questions of a split, and every image's (width, height) in pixels by its id."""

    samples: Sequence[Sample]
    sizes: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class VariantRule:
    """What is shown and asked under one variant.

    `choose`: sample -> the `image_id` of the sample whose image is shown; None if the question is not asked so.
    `change`: (id of the image shown, sample) -> how the image is changed. `ask`: sample -> the question as it is put,
    with its golds.
    If `shows_images` is False, the prompt has no image and no mark of an image; `choose` then only says whether the
    question is asked, and `preface` stands before the prompt. `evidence` is what the results say about the draw.
    """

    choose: Callable[[Sample], str | None] = lambda sample: sample.image_id
    change: Callable[[str, Sample], Perturbation] = lambda image_id, sample: Perturbation.identity()
    ask: Callable[[Sample], Sample] = lambda sample: sample
    shows_images: bool = True
    preface: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of the experiment: a name, the kind of change it makes, and all of that kind's parameters."""

    name: str
    kind: str
    parameters: Mapping[str, Any]


def read_colour(name: str, colour: Sequence[int]) -> tuple[int, int, int]:
    """The colour (red, green, blue) that a task gives for variant `name`. Raises VariantError unless it is three
    integers of 0..255."""
    if len(colour) != 3 or not all(isinstance(channel, int) and 0 <= channel <= 255 for channel in colour):
        raise VariantError(f"variant {name}: colour should be three integers of 0..255, it is {colour!r}")
    red, green, blue = colour
    return red, green, blue
