"""Prompts with images -> a model's inputs by its own processor, which processes an image once for all its prompts."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.models.utils import resize_image
from PIL import Image

from vrs_lmeval.images import flatten_images


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt, its images, and what is asked of it.

    `settings`: those of generation, as JSON; prompts of one batch have the same. `room`: tokens that the answer may
    take. `options`: the texts to score.
    """

    text: str
    images: tuple[Image.Image, ...]
    settings: str = ""
    room: int = 0
    options: tuple[str, ...] = ()


class PromptEncoder:
    """Encodes prompts as `lm` (a `HFMultimodalLM`) does, by a copy of its processor.

    Each thread needs its own: tokenizers keep state during a call. `images` counts what this one processed.
    """

    def __init__(self, lm: Any) -> None:
        self._of = lm
        self._lm = copy.copy(lm)
        self._lm.processor = copy.deepcopy(lm.processor)
        self._lm.tokenizer = self._lm.processor.tokenizer
        self.images = RecallingImageProcessor(self._lm.processor.image_processor)
        self._lm.processor.image_processor = self.images

    def encode(self, prompts: Sequence[Prompt], **settings: Any) -> Any:
        """As `hf-multimodal` encodes a batch, padded on the left; `settings` go to its tok_batch_multimodal_encode."""
        self._lm.chat_applied = self._of.chat_applied
        visuals = [self._prepare(prompt.images) for prompt in prompts]
        return self._lm.tok_batch_multimodal_encode([prompt.text for prompt in prompts], visuals, **settings)

    def encode_options(self, prompt: Prompt, token_ids: Sequence[int]) -> list[list[int]]:
        """Each option's own tokens: those that the prompt with it has beyond the prompt's, as lm_eval cuts.

        Where a processor writes something after the prompt (PaliGemma's line feed), the option is written after that.
        """
        encoded = []
        for option in prompt.options:
            whole = self.encode([Prompt(prompt.text + option, prompt.images)])["input_ids"][0].tolist()
            goes_on = whole[: len(token_ids)] == list(token_ids)
            own = whole[len(token_ids) :] if goes_on else self._lm.tokenizer.encode(option, add_special_tokens=False)
            if not own:
                raise ValueError(f"option {option!r} adds no token to its prompt, so it has no log-likelihood")
            encoded.append(own)
        return encoded

    def computing_together(self, images: Sequence[Image.Image]) -> AbstractContextManager[None]:
        """Inside, the fused op, where it is in use, has computed these images in one pass."""
        compute = getattr(self.images, "computing_together", None)
        return nullcontext() if compute is None else compute(self._prepare(images))

    def _prepare(self, images: Sequence[Image.Image]) -> list[Any]:
        lm = self._lm
        return [resize_image(image, lm.image_width, lm.image_height, lm.image_max_side) for image in images]


class RecallingImageProcessor:
    """Stands where a processor's image processor stood; inside `recalling(key)` the same call is computed once.

    So the processor writes every prompt's tokens itself, with all that depends on the image, while the image is
    decoded and processed for the first of them alone. `count` is how many images were processed.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._key: Hashable = None
        self._recalled: tuple[Hashable, Any] | None = None
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # of a copy in the making
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def __call__(self, images: Any, **settings: Any) -> Any:
        """The wrapped processor's own output."""
        if self._key is None:
            return self._compute(images, settings)
        call = (self._key, repr(sorted(settings.items())))
        if self._recalled is None or self._recalled[0] != call:
            self._recalled = call, self._compute(images, settings)
        return copy.copy(self._recalled[1])  # processors pop what they do not pass on

    @contextmanager
    def recalling(self, key: Hashable) -> Iterator[None]:
        """Inside, all calls are for the images that `key` names; nothing is kept beyond it."""
        self._key = key
        try:
            yield
        finally:
            self._key = self._recalled = None

    def _compute(self, images: Any, settings: Mapping[str, Any]) -> Any:
        self.count += sum(1 for _ in flatten_images(images))
        return self._wrapped(images, **settings)


def hash_encoding(encoding: Mapping[str, Any]) -> str:
    """64 hex digits of everything a processor gave: equal inputs of the model, equal hash."""
    digest = hashlib.sha256()
    for name in sorted(encoding):
        value = encoding[name]
        digest.update(name.encode())
        if isinstance(value, torch.Tensor):
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.contiguous().view(torch.uint8).cpu().numpy().tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def blank_standins(images: Sequence[Image.Image]) -> list[Image.Image] | None:
    """For images that are all blank variants: the same uniform images, without decoding any source; else None."""
    standins = []
    for image in images:
        change = getattr(image, "perturbation", None)
        if change is None or change.kind != "blank":
            return None
        red, green, blue = (round(channel) for channel in change.parameters)
        standins.append(Image.new("RGB", image.size, (red, green, blue)))
    return standins


def count_image_tokens(processor: Any, images: Sequence[Image.Image]) -> int:
    """How many tokens the images will take, by the processor's own estimate; 0 where it has none."""
    estimate = getattr(processor, "_get_num_multimodal_tokens", None)
    try:
        sizes = [(image.height, image.width) for image in images]
        return int(sum(estimate(image_sizes=sizes)["num_image_tokens"])) if estimate else 0
    except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError):  # it serves ordering alone
        return 0
