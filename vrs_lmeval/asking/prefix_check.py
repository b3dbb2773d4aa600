"""Checks that a model which goes on from kept prefixes gives the logits of its plain path, within rounding."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch

from vrs_lmeval.asking.kept_prefixes import CannotShare, KeptPrefix, continue_prefixes
from vrs_lmeval.asking.seams import Model

CHECKED_TOKENS = 3
"""Tokens that are generated: the first tests the mask and positions of the question, the later ones those of the
answer."""


LARGEST_LOGIT = 1e30
"""A larger magnitude is a mask, no logit: models write the smallest number of a type, or -infinity, for tokens that
they rule out."""


SEVERAL_IMAGES = "several images"
"""The trait of a batch whose prompts show different images: each prompt must get its own image."""


class Agreement:
    """Which kinds of batches were found to give the logits of the plain path, in a model of `dtype`.

    A kind is a set of traits; a result for more traits holds for fewer. `largest` is the largest difference seen, as
    `relative_difference`.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._tolerance = tolerance(dtype)
        self._kinds: list[frozenset[str]] = []
        self.largest: float | None = None

    def covers(self, traits: Collection[str]) -> bool:
        """Whether a batch with these traits needs no check any more."""
        return any(kind.issuperset(traits) for kind in self._kinds)

    def settle(self, traits: Collection[str], differences: Sequence[float]) -> None:
        """Add what was found for a batch with these traits; raises CannotShare where it exceeds rounding."""
        self.largest = max([*differences, self.largest or 0.0])
        if not all(difference <= self._tolerance for difference in differences):  # NaN too
            raise CannotShare(f"after a shared prefix its logits differ by {max(differences):.2g} standard deviations")
        self._kinds.append(frozenset(traits))


def name_traits(images: Iterable[Hashable]) -> set[str]:
    """The traits of a batch whose prompts show these images."""
    return {SEVERAL_IMAGES} if len(set(images)) > 1 else set()


def choose_checked(sizes: Sequence[Any], images: Sequence[Hashable]) -> list[int]:
    """Which prompts of a batch are compared: the smallest, the largest, and one with other images than the smallest."""
    ordered = sorted(range(len(sizes)), key=lambda index: sizes[index])
    other = [index for index in ordered if images[index] != images[ordered[0]]][:1]
    return list(dict.fromkeys([ordered[0], *other, ordered[-1]]))


def find_differences(
    model: Model,
    prefixes: Sequence[KeptPrefix],
    continuations: Sequence[Sequence[int]],
    whole: Iterable[Mapping[str, Any]],
    pad_token_id: int,
) -> list[float]:
    """For each prompt the largest `relative_difference` of logits, up to the first token in which the answers differ.

    The prompts go on from their prefixes together; `whole` holds the same prompts, encoded one by one.
    """
    inputs = continue_prefixes(model, prefixes, continuations, pad_token_id, CHECKED_TOKENS)
    ours = _first_logits(model, inputs, pad_token_id)
    theirs = [_first_logits(model, inputs, pad_token_id)[:, 0] for inputs in whole]
    return [_largest_difference(ours[:, row], other) for row, other in enumerate(theirs)]


def relative_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Root mean square of the difference of two tensors, in standard deviations of `theirs`; NaN if it has no value.

    Entries of -infinity or near it (tokens that a model never writes) must stand at the same places in both; they are
    left out of the number.
    """
    ours, theirs = ours.float(), theirs.float()
    real = theirs.abs() < LARGEST_LOGIT
    if not torch.equal(real, ours.abs() < LARGEST_LOGIT):
        return float("nan")
    ours, theirs = ours[real], theirs[real]
    spread = theirs.std(correction=0).clamp_min(torch.finfo(torch.float32).tiny)
    return float((ours - theirs).square().mean().sqrt() / spread)


def tolerance(dtype: torch.dtype) -> float:
    """How far rounding alone may move logits, as `relative_difference`: the square root of the type's precision.

    Errors of rounding over some dozens of layers stay an order of magnitude below; a wrong mask or position does not.
    """
    return float(torch.finfo(dtype).eps ** 0.5)


def _first_logits(model: Model, inputs: Mapping[str, Any], pad_token_id: int) -> torch.Tensor:
    """Logits (tokens, rows, vocabulary) of a short greedy answer."""
    output = model.generate(
        **inputs,
        max_new_tokens=CHECKED_TOKENS,
        do_sample=False,
        num_beams=1,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=pad_token_id,
    )
    return torch.stack(output.logits)


def _largest_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    largest = 0.0
    for one, other in zip(ours, theirs, strict=False):
        largest = max(largest, relative_difference(one, other))
        if one.argmax() != other.argmax():
            break
    return largest
