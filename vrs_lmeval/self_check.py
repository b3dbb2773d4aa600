"""Whether a model that goes on from kept prefixes gives the logits of its plain path: a short answer both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from vrs_lmeval.shared_prefill import KeptPrefix, continue_prefixes

CHECKED_TOKENS = 3
"""How many tokens are generated: the first shows the mask and positions of the question, the later ones those of the
answer."""


def find_differences(
    model: Any,
    prefixes: Sequence[KeptPrefix],
    continuations: Sequence[Sequence[int]],
    whole: Iterable[Mapping[str, Any]],
    pad_token_id: int,
) -> list[float]:
    """For each prompt the largest `relative_difference` over the tokens of both answers, and the first that differs.

    All prompts together go on from their prefixes; `whole` are the same prompts encoded one by one.
    """
    ours = _first_logits(model, continue_prefixes(model, prefixes, continuations, pad_token_id), pad_token_id)
    theirs = [_first_logits(model, inputs, pad_token_id)[:, 0] for inputs in whole]
    return [_largest_difference(ours[:, row], other) for row, other in enumerate(theirs)]


def _first_logits(model: Any, inputs: Mapping[str, Any], pad_token_id: int) -> torch.Tensor:
    """(tokens, rows, vocabulary) of a short greedy answer."""
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


def relative_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Root mean square of the difference of two rows of logits, in standard deviations of `theirs`."""
    ours, theirs = ours.float(), theirs.float()
    return float((ours - theirs).square().mean().sqrt() / theirs.std().clamp_min(torch.finfo(torch.float32).tiny))


def tolerance(dtype: torch.dtype) -> float:
    """How far logits may differ by rounding alone, as `relative_difference`: the square root of the type's precision.

    Errors of rounding over some dozens of layers stay an order of magnitude below; a wrong mask or position does not.
    """
    return float(torch.finfo(dtype).eps ** 0.5)
