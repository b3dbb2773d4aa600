"""What a model's vision tower makes of an image, kept for later prompts that show it and share no prefix.

The model asks itself for the features of a batch of pixels. Here the images that it saw before are recalled, by the
hash of their pixel values, and the tower computes the others alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling


class VisionFeatures:
    """Stands for the `get_image_features` of `model` inside `remembering()`; the last used, at most `budget` bytes.

    For models whose pixels are (images, channels, height, width) and whose features are one entry an image, as those of
    PaliGemma, Gemma 3, LLaVA and InternVL; others compute as ever. `count` is how many images were recalled.
    """

    def __init__(self, model: Any, budget: int) -> None:
        self._owner = getattr(model, "model", None)  # where transformers' ...ForConditionalGeneration keeps its towers
        self._compute = getattr(self._owner, "get_image_features", None)
        self._budget = budget
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._bytes = 0
        self._is_batch = True
        self.count = 0

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Inside, features are kept and recalled; afterwards the model is as it was, and nothing is kept."""
        if self._compute is None:
            yield
            return
        self._owner.get_image_features = self._recall_or_compute  # type: ignore[union-attr] # it has the method
        try:
            yield
        finally:
            del self._owner.get_image_features  # type: ignore[union-attr] # the class's own shows again
            self.forget()

    def forget(self) -> None:
        """Drop all, to make room."""
        self._kept.clear()
        self._bytes = 0

    def _recall_or_compute(self, pixel_values: torch.Tensor, **settings: Any) -> Any:
        compute: Any = self._compute
        if pixel_values.ndim != 4 or settings.get("image_sizes") is not None:
            return compute(pixel_values, **settings)
        keys = [_hash(image, settings) for image in pixel_values]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: index for index, key in enumerate(keys) if key not in found}
        if missing:
            entries = compute(pixel_values[list(missing.values())], **settings).pooler_output
            if len(entries) != len(missing):
                return compute(pixel_values, **settings)
            self._is_batch = isinstance(entries, torch.Tensor)  # LLaVA gives a list
            found |= zip(missing, entries, strict=True)
        self.count += len(keys) - len(missing)
        for key in dict.fromkeys(keys):
            self._keep(key, found[key])
        entries = [found[key] for key in keys]
        return BaseModelOutputWithPooling(pooler_output=torch.stack(entries) if self._is_batch else entries)

    def _keep(self, key: str, entry: torch.Tensor) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = entry.clone()  # a view would hold its whole batch in memory
        self._bytes += entry.nbytes
        while self._bytes > self._budget:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes


def _hash(image: torch.Tensor, settings: Any) -> str:
    digest = hashlib.sha256(f"{image.dtype} {tuple(image.shape)} {sorted(settings.items())!r}".encode())
    digest.update(image.contiguous().view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()
