"""Encoded prompts -> kept prefixes: run together only where that was seen to give each prompt what it gives alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch

from vrs_lmeval.asking.kept_prefixes import CannotShare, KeptPrefix, join_encodings, prefill, shape_of
from vrs_lmeval.asking.prefix_check import relative_difference, tolerance
from vrs_lmeval.asking.prompt_encoding import TOKEN_ALIGNED, Prompt, PromptEncoder, hash_encoding
from vrs_lmeval.asking.seams import Model

CONTRAST = 10
"""Two prompts must differ by so many tolerances: then an exchange of their images would be noticed."""

ATTEMPTS = 3
"""After so many pairs that were too alike, prompts run one by one until the end."""


class JoinedPrefill:
    """Runs prompts through `model`: alone at first, together once that was seen to change nothing.

    The check takes two prompts of equal shape and different images; `encoder` encodes the two once more, as one batch.
    It is needed because, for example, Molmo2's processor gives indices that count through a whole batch: joined, they
    show one question another question's image.
    """

    def __init__(self, model: Model, encoder: PromptEncoder) -> None:
        self._model = model
        self._encoder = encoder
        self._may_join: bool | None = None
        self._attempts = 0

    def run(
        self, prompts: Sequence[Prompt], encodings: Sequence[Mapping[str, Any]], positions: int = 1
    ) -> tuple[list[torch.Tensor], list[KeptPrefix]]:
        """As `shared_prefill.prefill`; `encodings` may be beginnings of the prompts.

        Raises CannotShare where a batch would mix its prompts up.
        """
        if self._may_join is None:
            pairs = combinations(range(len(prompts)), 2)
            pair = next((pair for pair in pairs if _can_tell_apart(*(encodings[index] for index in pair))), None)
            if pair is not None:
                self._check([prompts[index] for index in pair], [encodings[index] for index in pair])
        return prefill(self._model, encodings, positions, jointly=self._may_join is True)

    def _check(self, prompts: Sequence[Prompt], encodings: Sequence[Mapping[str, Any]]) -> None:
        single = [self._encoder.encode([prompt]) for prompt in prompts]
        name = name_what_a_batch_changes(self._encoder.encode(prompts), single)
        if name is not None:
            raise CannotShare(f"its processor gives prompts encoded together other {name} than one by one")
        changed, contrast = compare_joined(self._model, encodings)
        limit = tolerance(self._model.dtype)
        if not changed <= limit:  # NaN too
            raise CannotShare(f"prompts run together differ by {changed:.2g} standard deviations from each alone")
        self._attempts += 1
        if contrast > CONTRAST * limit:
            self._may_join = True
        elif self._attempts >= ATTEMPTS:
            self._may_join = False


def compare_joined(model: Model, encodings: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """For two prompts of equal shape: how far running them together differs from running each alone, and how far the
    two prompts differ.

    Both are the largest `relative_difference` of logits, keys and values. If the second is as small as the first, the
    prompts are too alike to tell whether one got the other's image.
    """
    together = _results(*prefill(model, encodings, jointly=True))
    alone = _results(*prefill(model, encodings, jointly=False))
    changed = max(map(relative_difference, together[0] + together[1], alone[0] + alone[1]))
    return changed, max(map(relative_difference, *alone))


def name_what_a_batch_changes(batch: Mapping[str, Any], single: Sequence[Mapping[str, Any]]) -> str | None:
    """The first entry of a processor's output for several prompts that differs from the joined outputs for each prompt.

    None if all agree. Entries that hold one value a token are compared without the padding on the left.
    """
    joined = join_encodings(list(map(_of_images, single)))
    for name, expected in joined.items():
        if not _are_equal(batch.get(name), expected):
            return name
    for row, one in enumerate(single):
        length = one["input_ids"].shape[1]
        for name in TOKEN_ALIGNED:
            if name in one and not _are_equal(batch[name][row : row + 1, -length:], one[name]):
                return name
    return None


def _can_tell_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two prompts can run together and give the model different pixels."""
    return shape_of(one) == shape_of(other) and hash_encoding(_of_images(one)) != hash_encoding(_of_images(other))


def _of_images(encoding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in encoding.items() if name not in TOKEN_ALIGNED}


def _results(logits: Sequence[torch.Tensor], kept: Sequence[KeptPrefix]) -> tuple[list[torch.Tensor], ...]:
    """The logits, keys and values of each prompt."""
    return tuple(
        [row, *(states for layer in prefix.layers if layer is not None for states in layer)]
        for row, prefix in zip(logits, kept, strict=True)
    )


def _are_equal(ours: Any, theirs: Any) -> bool:
    if not isinstance(ours, torch.Tensor) or not isinstance(theirs, torch.Tensor):
        return bool(repr(ours) == repr(theirs))
    return ours.shape == theirs.shape and torch.allclose(ours.float(), theirs.float(), equal_nan=True)
