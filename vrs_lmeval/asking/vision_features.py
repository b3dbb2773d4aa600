"""Keeps the features that a model's vision tower computes, for later prompts that show the image and share no prefix.

The model asks itself for the features of a batch of pixels. Images that it saw before are recalled by the hash of their
pixel values; the tower computes only the other images.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import ModelOutput

from vrs_lmeval.asking.prefix_check import relative_difference, tolerance

PIXELS = "pixel_values"

PER_LAYER = ("hidden_states", "attentions")
"""Fields of a tower's output that hold one tensor per layer; a list in another field holds one tensor per image."""

PLAIN = (str, int, float, bool, type(None))

Row = dict[str, Any]
"""One image's part of a tower's output, by field: a tensor with one entry, a list of one tensor, or a tensor per
layer."""


class VisionFeatures:
    """Replaces `get_image_features` of `model` inside `remembering()`; keeps the last used, at most `budget` bytes.

    It has the signature of that method and gives its output, with every field. It recalls features only if they can
    depend on nothing but an image's own pixels. Three things must hold: pixels (images, channels, height, width) are
    the only tensor of the call; every field of the output has one entry per image; and the first batch of several
    images gave one of them what it gives alone. All other calls go to the model unchanged. `count` is how many images
    were recalled.
    """

    def __init__(self, model: Any, budget: int) -> None:
        self._owner = getattr(model, "model", None)  # where transformers' ...ForConditionalGeneration keeps its towers
        self._compute: Any = getattr(self._owner, "get_image_features", None)
        self._budget = budget
        self._kept: OrderedDict[str, Row] = OrderedDict()
        self._bytes = 0
        self._is_usable = True
        self._is_checked = False
        self._output_kind: Any = None
        self.count = 0

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """A context in which features are kept and recalled; afterwards the model is as it was, and nothing is kept."""
        if self._compute is None:
            yield
            return

        @functools.wraps(self._compute)  # generate() passes on what the signature names
        def stand_in(*args: Any, **settings: Any) -> Any:
            call = _name_arguments(self._compute, args, settings)
            recalled = self._recall(call) if self._is_usable and _depends_on_pixels_alone(call) else None
            return self._compute(*args, **settings) if recalled is None else recalled

        self._owner.get_image_features = stand_in  # type: ignore[union-attr] # it has the method
        try:
            yield
        finally:
            del self._owner.get_image_features  # type: ignore[union-attr] # the class's own shows again
            self.forget()

    def forget(self) -> None:
        """Drop all kept features, to make room."""
        self._kept.clear()
        self._bytes = 0

    def _recall(self, call: Mapping[str, Any]) -> Any:
        """The output of `call`, from kept rows if there are some; None if its rows cannot be told apart."""
        keys = [_hash(image, call) for image in call[PIXELS]]
        places = {key: index for index, key in enumerate(keys)}
        may_mix = self._is_checked or len(places) == 1
        missing = [key for key in places if key not in self._kept or not may_mix]
        found = {key: self._kept[key] for key in places if key not in missing}
        if missing:
            rows = self._compute_rows(call, [places[key] for key in missing])
            if rows is None or not self._agrees_with_one_alone(call, places[missing[-1]], rows):
                self._is_usable = False
                return None
            found |= zip(missing, rows, strict=True)
        self.count += len(keys) - len(missing)
        for key in places:
            self._keep(key, found[key])
        return self._output_kind(**_join([found[key] for key in keys]))

    def _compute_rows(self, call: Mapping[str, Any], images: Sequence[int]) -> list[Row] | None:
        """The model's own output for some images of the call, one row each."""
        output = self._compute(**{**call, PIXELS: call[PIXELS][list(images)]})
        self._output_kind = type(output)
        return _split(output, len(images)) if isinstance(output, ModelOutput) else None

    def _agrees_with_one_alone(self, call: Mapping[str, Any], last: int, rows: Sequence[Row]) -> bool:
        """Whether the last of several images has the same features without the others; computed once."""
        if self._is_checked or len(rows) < 2:
            return True
        self._is_checked = True
        alone = self._compute_rows(call, [last])
        return alone is not None and _are_close(rows[-1], alone[0])

    def _keep(self, key: str, row: Row) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = {name: _clone(value) for name, value in row.items()}  # a view would hold its whole batch
        self._bytes += sum(one.nbytes for one in _tensors(row))
        while self._bytes > self._budget:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= sum(one.nbytes for one in _tensors(dropped))


def _name_arguments(method: Any, args: Sequence[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments by name, including those in `**kwargs`. Raises TypeError as the method itself would."""
    signature = inspect.signature(method)
    named: dict[str, Any] = {}
    for name, value in signature.bind(*args, **settings).arguments.items():
        is_rest = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        named.update(value if is_rest else {name: value})
    return named


def _depends_on_pixels_alone(call: Mapping[str, Any]) -> bool:
    """Whether the call holds one batch of images, and otherwise nothing but plain settings."""
    pixels = call.get(PIXELS)
    if not isinstance(pixels, torch.Tensor) or pixels.ndim != 4:
        return False
    return all(_is_plain(value) for name, value in call.items() if name != PIXELS)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, PLAIN)


def _split(output: ModelOutput, count: int) -> list[Row] | None:
    """One row per image; None if some field does not have one entry per image."""
    fields = {name: value for name, value in output.items() if value is not None}
    for name, value in fields.items():
        is_a_list = isinstance(value, list | tuple)
        tensors = value if is_a_list else [value]
        if not all(one is None or isinstance(one, torch.Tensor) for one in tensors):
            return None
        entries = [tensors] if is_a_list and name not in PER_LAYER else tensors
        if any(one is not None and len(one) != count for one in entries):
            return None
    return [{name: _take(name, value, index) for name, value in fields.items()} for index in range(count)]


def _take(name: str, value: Any, index: int) -> Any:
    if isinstance(value, torch.Tensor):
        return value[index : index + 1]
    if name in PER_LAYER:  # None for layers that the model does not use
        return type(value)(None if layer is None else layer[index : index + 1] for layer in value)
    return type(value)([value[index]])


def _join(rows: Sequence[Row]) -> Row:
    """The inverse of `_split`."""
    joined: Row = {}
    for name, value in rows[0].items():
        parts = [row[name] for row in rows]
        if isinstance(value, torch.Tensor):
            joined[name] = torch.cat(parts)
        elif name in PER_LAYER:
            layers = zip(*parts, strict=True)
            joined[name] = type(value)(None if layer[0] is None else torch.cat(layer) for layer in layers)
        else:
            joined[name] = type(value)(part[0] for part in parts)
    return joined


def _tensors(row: Row) -> Iterator[torch.Tensor]:
    for value in row.values():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                yield one


def _clone(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_clone, value))
    return None if value is None else value.clone()


def _are_close(ours: Row, theirs: Row) -> bool:
    pairs = zip(_tensors(ours), _tensors(theirs), strict=True)
    return all(a.shape == b.shape and relative_difference(a, b) <= tolerance(a.dtype) for a, b in pairs)


def _hash(image: torch.Tensor, call: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in call.items() if name != PIXELS}
    digest = hashlib.sha256(f"{image.dtype} {tuple(image.shape)} {sorted(settings.items())!r}".encode())
    digest.update(image.contiguous().view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()
