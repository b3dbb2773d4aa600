"""Prompts with images -> a model's inputs by its own processor, which processes an image once for all its prompts."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lm_eval.models.utils import resize_image
from PIL import Image

from vrs_lmeval.asking.batch_planning import common_length
from vrs_lmeval.asking.seams import HarnessModel, Processor
from vrs_lmeval.benchmark.images import flatten_images


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt, its images, and what is asked of it.

    `settings`: the settings of generation, as JSON; equal for all prompts of a batch. `room`: how many tokens the
    answer may take. `options`: the texts to score.
    """

    text: str
    images: tuple[Image.Image, ...]
    settings: str = ""
    room: int = 0
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """An encoded prompt and what is scored after it.

    `inputs`: the processor's output, followed by the first `common` tokens of the options, which all options share (for
    example the last line feed of a template). `options`: each option's tokens after those; empty if nothing is scored.
    """

    inputs: Mapping[str, Any]
    common: int = 0
    options: tuple[list[int], ...] = ()

    @property
    def token_ids(self) -> list[int]:
        """Token ids of the prompt and of the common tokens."""
        ids: list[int] = self.inputs["input_ids"][0].tolist()
        return ids


class PromptEncoder:
    """Encodes prompts as `lm` (a `HFMultimodalLM`) does, by a copy of its processor.

    One thing differs: a rendered chat that begins with the BOS token gets no second one, as in transformers' own
    `processor.apply_chat_template(tokenize=True)`; `double_bos` keeps both. Each thread needs its own encoder, because
    tokenizers keep state during a call. `images` counts the images that this encoder processed.
    """

    def __init__(self, lm: HarnessModel, double_bos: bool = False) -> None:
        self._of = lm
        self._double_bos = double_bos
        self._lm = copy.copy(lm)
        self._processor = copy.deepcopy(lm.processor)
        self._lm.tokenizer = self._processor.tokenizer
        self.images = RecallingImageProcessor(self._processor.image_processor)
        self._processor.image_processor = self.images
        self.bos_dropped = False

    def encode(self, prompts: Sequence[Prompt], **settings: Any) -> Any:
        """As `hf-multimodal` encodes a batch, padded on the left; `settings` go to its tok_batch_multimodal_encode.

        Either all prompts of a batch have images or none has; `hf-multimodal` itself cannot encode a batch without.
        """
        texts = [prompt.text for prompt in prompts]
        self._lm.chat_applied = self._of.chat_applied
        self._lm.processor = self._processor
        if self._has_bos(texts):
            self.bos_dropped = True
            self._lm.processor = partial(self._processor, add_special_tokens=False)
        if not any(prompt.images for prompt in prompts):
            self._lm.processor = _WithoutImages(self._lm.processor)
        visuals = [self._prepare(prompt.images) for prompt in prompts]
        encoded = self._lm.tok_batch_multimodal_encode(texts, visuals, **settings)
        encoded.pop("labels", None)  # PaliGemma's processor adds them, for training
        return encoded

    def encode_question(self, prompt: Prompt) -> Question:
        """The prompt, and the own tokens of its options: those that prompt and option together add to the prompt.

        Raises ValueError for an option that adds none.
        """
        inputs = self.encode([prompt])
        if not prompt.options:
            return Question(inputs)
        own = [self._own_tokens(prompt, option, inputs) for option in prompt.options]
        options = [tokens for tokens, _ in own]
        common = common_length(options) if len(options) > 1 and all(goes_on for _, goes_on in own) else 0
        if common:
            length = inputs["input_ids"].shape[1] + common
            inputs = cut(self.encode([Prompt(prompt.text + prompt.options[0], prompt.images)]), length)
        return Question(inputs, common, tuple(tokens[common:] for tokens in options))

    def encode_with_option(self, prompt: Prompt, option: str) -> tuple[Mapping[str, Any], list[int]]:
        """The model's inputs for prompt and option in one pass, and the option's own tokens, which are the last."""
        inputs = self.encode([prompt])
        tokens, goes_on = self._own_tokens(prompt, option, inputs)
        if goes_on:
            return self.encode([Prompt(prompt.text + option, prompt.images)]), tokens
        return _append(inputs, tokens, self._lm.config.model_type), tokens

    def _own_tokens(self, prompt: Prompt, option: str, inputs: Mapping[str, Any]) -> tuple[list[int], bool]:
        """The option's own tokens, and whether the processor itself writes them after the prompt's tokens.

        If a processor writes something after the prompt (PaliGemma's line feed), the option is written after that.
        """
        ids = inputs["input_ids"][0].tolist()
        whole = self.encode([Prompt(prompt.text + option, prompt.images)])["input_ids"][0].tolist()
        goes_on = whole[: len(ids)] == ids
        own = whole[len(ids) :] if goes_on else self._lm.tokenizer.encode(option, add_special_tokens=False)
        if not own:
            raise ValueError(f"option {option!r} adds no token to its prompt, so it has no log-likelihood")
        return own, goes_on

    def _has_bos(self, texts: Sequence[str]) -> bool:
        bos = self._lm.tokenizer.bos_token
        return bool(bos and self._of.chat_applied and not self._double_bos and all(t.startswith(bos) for t in texts))

    def computing_together(self, images: Sequence[Image.Image]) -> AbstractContextManager[None]:
        """A context in which the fused op, if it is in use, has computed these images in one pass."""
        compute = getattr(self.images, "computing_together", None)
        return nullcontext() if compute is None else compute(self._prepare(images))

    def _prepare(self, images: Sequence[Image.Image]) -> list[Any]:
        lm = self._lm
        return [resize_image(image, lm.image_width, lm.image_height, lm.image_max_side) for image in images]


class _WithoutImages:
    """A processor that gets no images at all: most refuse the empty lists that `hf-multimodal` passes."""

    def __init__(self, process: Callable[..., Any]) -> None:
        self._process = process

    def __call__(self, images: Any, text: Any, **settings: Any) -> Any:
        return self._process(text=text, **settings)


class RecallingImageProcessor:
    """Replaces the image processor of a processor; inside `recalling(key)` the same call is computed once.

    The processor still writes the tokens of every prompt, with all that depends on the image; the image is decoded
    and processed for the first prompt alone. `count` is how many images were processed.
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
        """A context in which all calls are for the images that `key` names; nothing is kept after it."""
        self._key = key
        try:
            yield
        finally:
            self._key = self._recalled = None

    def _compute(self, images: Any, settings: Mapping[str, Any]) -> Any:
        self.count += sum(1 for _ in flatten_images(images))
        return self._wrapped(images, **settings)


TOKEN_ALIGNED = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "moe_mm_token_type_ids")
"""The entries that a processor gives per token; all other entries belong to the images."""

CAUSAL_TYPES = {"paligemma": 1}
"""`token_type_ids` of an answer's tokens, by model type. (0 is PaliGemma's prompt, whose tokens all see each other.)"""


def cut(inputs: Mapping[str, Any], length: int) -> dict[str, Any]:
    """A prompt's inputs without the tokens after the first `length`."""
    return {name: value[:, :length] if name in TOKEN_ALIGNED else value for name, value in inputs.items()}


def _append(inputs: Mapping[str, Any], token_ids: Sequence[int], model_type: str) -> dict[str, Any]:
    """A prompt's inputs, followed by text tokens that its processor did not write."""
    added = {"input_ids": list(token_ids), "attention_mask": [1] * len(token_ids)}
    types = [CAUSAL_TYPES.get(model_type, 0)] * len(token_ids)
    return {
        name: torch.cat([value, value.new_tensor([added.get(name, types)])], 1) if name in TOKEN_ALIGNED else value
        for name, value in inputs.items()
    }


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


def count_image_tokens(processor: Processor, images: Sequence[Image.Image]) -> int:
    """How many tokens the images will take, by the processor's own estimate; 0 where it has none."""
    estimate = getattr(processor, "_get_num_multimodal_tokens", None)
    try:
        sizes = [(image.height, image.width) for image in images]
        return int(sum(estimate(image_sizes=sizes)["num_image_tokens"])) if estimate else 0
    except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError):  # the number only decides an order
        return 0
