"""Runs a prompt's beginning through the model once, and keeps its key-value cache for several continuations.

A batch that continues kept prefixes is laid out as [padding | prefix | padding | continuation]: the first padding makes
prefixes of different lengths equal, the second their continuations. Positions count real tokens alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationMixin
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from vrs_lmeval.asking.prompt_encoding import TOKEN_ALIGNED
from vrs_lmeval.asking.seams import Model

CACHE = (
    "cache"
    if "cache" in inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
    else "past_key_values"
)
"""The name of transformers' argument for kept keys and values: "cache" from 5.24 on."""


class CannotShare(Exception):  # noqa: N818 - reads as what it says: this model cannot share prefixes
    """This model's prefixes cannot be kept and continued; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptPrefix:
    """The first tokens of a prompt, as the model keeps them in memory.

    `layers`: keys and values, (1, heads, tokens, size) each; None for a layer that keeps none. `rope_deltas`: (1, 1)
    for each module that counts positions after images in its own way (Qwen's).
    """

    token_ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor] | None, ...]
    rope_deltas: tuple[torch.Tensor | None, ...]


def token_window(model: Model) -> int | None:
    """The longest sequence in which every token still sees every earlier one; None without a bound.

    Raises `CannotShare` for models whose memory is not keys and values by token (linear attention, chunks ...).
    """
    windows = []
    for layer in DynamicCache(config=model.config).layers:
        if type(layer) is DynamicSlidingWindowLayer:
            windows.append(layer.sliding_window)
        elif type(layer) is not DynamicLayer:
            raise CannotShare(f"it remembers in a {type(layer).__name__}, not in keys and values by token")
    return min(windows, default=None)


def count_kept_bytes(prefix: KeptPrefix) -> int:
    """Bytes of memory that the prefix takes."""
    return sum(states.nbytes for layer in prefix.layers if layer is not None for states in layer)


def prefill(
    model: Model, encodings: Sequence[Mapping[str, Any]], positions: int = 1, jointly: bool = True
) -> tuple[list[torch.Tensor], list[KeptPrefix]]:
    """Processor outputs, one a prompt -> the logits of each prompt's last `positions` tokens, and the kept prefixes.

    Logits are (positions, vocabulary). If `jointly`, prompts with the same number of tokens and image features of the
    same shape run together; that is right only if the processor gives a batch what it gives each prompt.
    """
    batches: dict[Any, list[int]] = {}
    for index, encoding in enumerate(encodings):
        batches.setdefault(shape_of(encoding) if jointly else index, []).append(index)
    logits: dict[int, torch.Tensor] = {}
    kept: dict[int, KeptPrefix] = {}
    for indices in batches.values():
        inputs = join_encodings([encodings[index] for index in indices])
        cache = DynamicCache(config=model.config)
        last = forward(model, positions, **{CACHE: cache}, **inputs)
        prefixes = _keep(model, cache, inputs["attention_mask"], [row.tolist() for row in inputs["input_ids"]])
        logits.update(zip(indices, last, strict=True))
        kept.update(zip(indices, prefixes, strict=True))
    order = range(len(encodings))
    return [logits[index] for index in order], [kept[index] for index in order]


def continue_prefixes(
    model: Model,
    prefixes: Sequence[KeptPrefix],
    continuations: Sequence[Sequence[int]],
    pad_token_id: int,
    room: int = 0,
) -> dict[str, Any]:
    """What `model.generate` takes to go on from each prefix with its continuation; the prefixes stay as they are.

    `room`: how many tokens are about to be generated; if more are, it takes longer but stays correct.
    """
    width = max(len(prefix.token_ids) for prefix in prefixes)
    length = max(len(continuation) for continuation in continuations)
    rows, masks = [], []
    for prefix, continuation in zip(prefixes, continuations, strict=True):
        before, between = width - len(prefix.token_ids), length - len(continuation)
        rows.append([pad_token_id] * before + [*prefix.token_ids] + [pad_token_id] * between + [*continuation])
        masks.append([0] * before + [1] * len(prefix.token_ids) + [0] * between + [1] * len(continuation))
    for position, module in enumerate(_modules_with_deltas(model)):
        deltas = [prefix.rope_deltas[position] for prefix in prefixes]
        module.rope_deltas = None if deltas[0] is None else torch.cat(deltas)  # type: ignore[arg-type]
    device = next(layer[0].device for layer in prefixes[0].layers if layer)  # the model's own is none where offloaded
    return {
        "input_ids": torch.tensor(rows, device=device),
        "attention_mask": torch.tensor(masks, device=device),
        CACHE: _stack(model, prefixes, width, length + room),
    }


def extend(
    model: Model,
    prefixes: Sequence[KeptPrefix],
    continuations: Sequence[Sequence[int]],
    pad_token_id: int,
    positions: int = 1,
    keep: bool = True,
) -> tuple[torch.Tensor, list[KeptPrefix]]:
    """Run the continuations once: logits of their last `positions` tokens and, with `keep`, the longer prefixes.

    Logits are (n, positions, vocabulary), aligned at the end: [row, -1] follows the row's last token.
    """
    inputs = continue_prefixes(model, prefixes, continuations, pad_token_id)
    length = max(len(continuation) for continuation in continuations)
    cache, mask, token_ids = inputs[CACHE], inputs["attention_mask"], inputs["input_ids"]
    prepared = model.prepare_inputs_for_generation(  # knows how the model counts positions
        token_ids,
        next_sequence_length=length,
        attention_mask=mask,
        position_ids=model._prepare_position_ids_for_generation(token_ids, {"attention_mask": mask, CACHE: cache}),
        use_cache=True,
        **{CACHE: cache},
    )
    logits = forward(model, positions, **prepared)
    return logits, _keep(model, cache, mask, [row.tolist() for row in token_ids]) if keep else []


def forward(model: Model, positions: int = 1, **inputs: Any) -> torch.Tensor:
    """Logits of the last `positions` tokens, (n, positions, vocabulary)."""
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        inputs["logits_to_keep"] = (
            positions  # all positions of an image prompt times the vocabulary would take gigabytes
        )
    with torch.inference_mode():
        logits: torch.Tensor = model(**{**inputs, "use_cache": True}).logits
    return logits[:, -positions:]


def shape_of(encoding: Mapping[str, Any]) -> tuple[Any, ...]:
    """A key of shapes: prompts with equal keys can be joined along their first dimension."""
    shapes = [encoding["input_ids"].shape[1]]
    for name in sorted(encoding):
        if name not in TOKEN_ALIGNED:
            value = encoding[name]
            shapes.append((name, tuple(value.shape[1:]) if isinstance(value, torch.Tensor) else repr(value)))
    return tuple(shapes)


def join_encodings(encodings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One batch of prompts with equal shapes: each entry is joined along its first dimension."""
    return {name: _join([encoding[name] for encoding in encodings]) for name in encodings[0]}


def _join(values: Sequence[Any]) -> Any:
    if isinstance(values[0], torch.Tensor):
        return torch.cat(list(values))
    return [item for value in values for item in value] if isinstance(values[0], list) else values[0]


def _keep(model: Model, cache: Any, mask: torch.Tensor, rows: Sequence[Sequence[int]]) -> list[KeptPrefix]:
    """Each row of the cache as a prefix of its own, without its padding."""
    deltas = [getattr(module, "rope_deltas", None) for module in _modules_with_deltas(model)]
    kept = []
    for number, row in enumerate(rows):
        real = mask[number].bool()
        places = real.nonzero().squeeze(1)
        layers = tuple(
            None
            if layer.keys is None
            else (layer.keys[number : number + 1, :, places], layer.values[number : number + 1, :, places])
            for layer in cache.layers
        )
        token_ids = tuple(token for token, is_real in zip(row, real.tolist(), strict=True) if is_real)
        kept.append(KeptPrefix(token_ids, layers, tuple(_row_of(delta, number) for delta in deltas)))
    return kept


def _row_of(delta: torch.Tensor | None, number: int) -> torch.Tensor | None:
    return None if delta is None else delta[number : number + 1]


def _stack(model: Model, prefixes: Sequence[KeptPrefix], width: int, room: int) -> DynamicCache:
    """One cache of all prefixes, padded with zeros on the left, which the mask hides, and room for more tokens."""
    cache = DynamicCache(config=model.config)
    for index, layer in enumerate(prefixes[0].layers):
        if layer is None:
            continue
        has_room = type(cache.layers[index]) is DynamicLayer
        keys, values = (
            _pad_and_join([prefix.layers[index][part] for prefix in prefixes], width, room if has_room else 0)  # type: ignore[index]
            for part in (0, 1)
        )
        if has_room:
            cache.layers[index] = RoomyLayer(keys, values, width)
        else:
            cache.update(keys, values, index)
    return cache


class RoomyLayer(DynamicLayer):  # type: ignore[misc] # transformers is untyped here
    """Writes new tokens behind the old ones; `DynamicLayer` copies all keys and values for every token instead."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._memory = keys, values
        self.keys, self.values = keys[:, :, :length], values[:, :, :length]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As in the base class, which takes over if the room is full or the states were replaced (reordered)."""
        keys, values = self._memory
        start = self.keys.shape[2]
        end = start + key_states.shape[2]
        if end > keys.shape[2] or self.keys.data_ptr() != keys.data_ptr():
            grown: tuple[torch.Tensor, torch.Tensor] = super().update(key_states, value_states, *args, **kwargs)
            return grown
        keys[:, :, start:end], values[:, :, start:end] = key_states, value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values


def _pad_and_join(states: Sequence[torch.Tensor], width: int, room: int) -> torch.Tensor:
    _, heads, _, size = states[0].shape
    joined = states[0].new_zeros(len(states), heads, width + room, size)
    for row, state in zip(joined, states, strict=True):
        row[:, width - state.shape[2] : width] = state[0]
    return joined


def _modules_with_deltas(model: Model) -> Iterator[Any]:
    return (module for module in model.modules() if hasattr(module, "rope_deltas"))
