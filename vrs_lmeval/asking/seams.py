"""Types of foreign objects, as far as we use them: the harness's model and requests, transformers' model, images.

Their own types are missing (lm_eval ships none) or do not cover our use (transformers has a class for each model).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch


class Request(Protocol):
    """A request of the harness: its prompt, its settings or continuation, and its images, {"visual": [...]}."""

    @property
    def args(self) -> tuple[Any, ...]:
        """(prompt, settings or continuation, {"visual": images})."""

    @property
    def task_name(self) -> str | None:
        """The task that asks."""

    @property
    def doc_id(self) -> int | None:
        """The number of the question in the task; None if the request does not come from the harness."""


class Store(Protocol):
    """Where lazy images come from: it counts how many it decoded."""

    decodes: int


@runtime_checkable
class LazyImage(Protocol):
    """An image that is decoded when its pixels are read; it is known by its source and its change, without pixels."""

    source_id: str
    perturbation: Hashable
    store: Store


class ImageProcessor(Protocol):
    """Pixels of PIL images, as a model wants them."""

    def __call__(self, images: Any, **settings: Any) -> Mapping[str, Any]:
        """A batch by the names of the model's inputs."""


class Processor(Protocol):
    """A processor of transformers: a tokenizer and an image processor behind one call."""

    tokenizer: Any
    image_processor: ImageProcessor

    def __call__(self, images: Any = None, text: Any = None, **settings: Any) -> Mapping[str, Any]:
        """A batch by the names of the model's inputs."""

    def apply_chat_template(self, chat: Any, **settings: Any) -> Any:
        """A chat as text, by the model's template."""


class Model(Protocol):
    """A model of transformers that generates."""

    config: Any
    dtype: torch.dtype

    def __call__(self, **inputs: Any) -> Any:
        """Its outputs, `logits` among them."""

    def forward(self, *args: Any, **inputs: Any) -> Any:
        """As in a torch module."""

    def prepare_inputs_for_generation(self, *args: Any, **inputs: Any) -> Any:
        """What `generate` gives the model at each step."""

    def _prepare_position_ids_for_generation(self, *args: Any, **inputs: Any) -> Any:
        """Positions of tokens, for models that do not count them from the mask (Qwen-VL); others lack the method."""

    def generate(self, **inputs: Any) -> Any:
        """Token ids (rows, tokens)."""

    def modules(self) -> Iterator[torch.nn.Module]:
        """As in a torch module."""

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """As in a torch module."""


class HarnessModel(Protocol):
    """lm_eval's `HFMultimodalLM`, as far as we drive it."""

    model: Any  # a `Model`, wrapped by accelerate or peft perhaps
    processor: Any  # a `Processor`
    tokenizer: Any
    config: Any
    chat_applied: bool
    batch_size_per_gpu: int
    image_token: str
    image_width: int | None
    image_height: int | None
    image_max_side: int | None
    max_length: int
    truncation: bool
    eot_token_id: int
    think_end_token: Any

    @property
    def batch_size(self) -> Any:
        """A number, or "auto"."""

    def tok_encode(self, string: str, **settings: Any) -> list[int]:
        """Token ids of a text."""

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> Any:
        """The text of token ids, or of rows of them."""

    def tok_batch_multimodal_encode(self, strings: Sequence[str], images: Any, **settings: Any) -> Any:
        """A batch of prompts with their images."""

    def _model_multimodal_generate(self, inputs: Any, stop: Any, **settings: Any) -> Any:
        """Token ids (rows, tokens) of prompts and what follows them."""
