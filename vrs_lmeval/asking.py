"""Prompts with images -> answers of a Hugging Face model: each image prefix computed once, where the model allows it.

What `model.py` asks of a model, whatever the kind of request: which prompts go together, which path they take, and
how large their batches may be. Generation and scoring differ only in the two functions they hand in.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER
from lm_eval.models.utils import resize_image
from PIL import Image

from vrs_lmeval.prefixes import Ask, Group, common_length, identify_image, plan_batches, text_before_question
from vrs_lmeval.prompt_encoding import RecallingImageProcessor, blank_standins, count_image_tokens, hash_encoding
from vrs_lmeval.shared_prefill import (
    TOKEN_ALIGNED,
    CannotShare,
    KeptPrefix,
    bytes_per_token,
    continue_prefixes,
    prefill,
    relative_difference,
    token_window,
    tolerance,
)

logger = logging.getLogger(__name__)

NOT_SHARED_YET = "plain: no prompts that fit begin with the same image"
"""What the results say of prefixes until some were shared, or could not be."""

SHARED = "shared"

CHECKED_TOKENS = 3
"""How many tokens the self-check generates: the first shows the mask and positions of the question, the later ones
those of the answer."""

Item = TypeVar("Item")
Answers = dict[int, Any]


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


@dataclass(slots=True, eq=False)
class ImagePrefix:
    """What some prompts begin with, `length` tokens: `inputs` until computed, then `kept`.

    By prompt number: how it goes on, the tokens of its options, and how many tokens may follow it.
    """

    length: int
    inputs: dict[str, Any] | None
    continuations: dict[int, list[int]]
    options: dict[int, list[list[int]]]
    rooms: dict[int, int]
    kept: KeptPrefix | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Continued:
    """A prompt as the rest of a kept prefix."""

    prompt: Prompt
    prefix: KeptPrefix
    continuation: list[int]
    options: list[list[int]]


class Asker:
    """Asks the model of `lm` (a `HFMultimodalLM`) all prompts, sharing prefixes within `budget` bytes.

    `path` says what happened to prefixes, `counts` how often; both go into the results.
    """

    def __init__(self, lm: Any, budget: int, share: bool = True) -> None:
        self._lm = lm
        self._budget = budget
        self._window: int | None = None
        self._is_checked = False
        self._blanks: dict[Hashable, str] = {}
        self.path = NOT_SHARED_YET if share else "plain: share_prefixes=False"
        self.difference: float | None = None
        self.counts = Counter(prefixes_computed=0, asked_by_prefix=0, asked_plainly=0, cache_hits=0)
        self.images = RecallingImageProcessor(lm.processor.image_processor)
        lm.processor.image_processor = self.images

    def work(self) -> dict[str, int]:
        """How much was done, and how often a kept prefix spared it."""
        reused = self.counts["asked_by_prefix"] - self.counts["prefixes_computed"]
        return {**self.counts, "prefixes_reused": max(reused, 0), "images_processed": self.images.count}

    def ask(
        self,
        prompts: Mapping[int, Prompt],
        ask_continued: Callable[[Sequence[Continued]], list[Any]],
        ask_plainly: Callable[[Sequence[Prompt]], list[Any]],
    ) -> Iterator[Answers]:
        """Answers by prompt number, a batch at a time; a prompt that cannot share a prefix is asked plainly."""
        left = dict(prompts)
        for answers in self._ask_continued(prompts, ask_continued):
            for index in answers:
                del left[index]
            yield answers
        ordered = sorted(left, key=lambda index: (left[index].settings, -self._count_tokens(left[index])))
        while ordered:
            batch = [i for i in ordered[: self._lm.batch_size] if left[i].settings == left[ordered[0]].settings]
            del ordered[: len(batch)]
            for indices, texts in self._in_halves(batch, lambda part: ask_plainly([left[i] for i in part])):
                self.counts["asked_plainly"] += len(indices)
                yield dict(zip(indices, texts, strict=True))

    def encode(self, prompts: Sequence[Prompt], **settings: Any) -> Any:
        """As `hf-multimodal` encodes a batch, padded on the left; `settings` go to its tok_batch_multimodal_encode."""
        visuals = [self._prepared(prompt.images) for prompt in prompts]
        return self._lm.tok_batch_multimodal_encode([prompt.text for prompt in prompts], visuals, **settings)

    def keeps_prefixes(self, length: int) -> bool:
        """Whether a prompt of that many tokens can be kept and gone on from."""
        try:
            window = token_window(self._lm.model)
        except CannotShare:
            return False
        return window is None or length < window

    def _prepared(self, images: Sequence[Image.Image]) -> list[Any]:
        lm = self._lm
        return [resize_image(image, lm.image_width, lm.image_height, lm.image_max_side) for image in images]

    def _ask_continued(
        self, prompts: Mapping[int, Prompt], ask: Callable[[Sequence[Continued]], list[Any]]
    ) -> Iterator[Answers]:
        grouped = self._group(prompts)
        if not self._may_share(grouped):
            return

        def ask_together(asks: Sequence[tuple[ImagePrefix, int]]) -> list[Any]:
            return ask(self._continue(asks, prompts))

        groups = self._encode_groups(grouped, prompts)
        for batch in plan_batches(groups, lambda: self._lm.batch_size, self._budget):
            asks = [(group.prefix, ask.index) for group, ask in batch.asks]
            if self._fits_window(asks):
                if not self._is_checked and not self._check(asks, prompts):
                    return
                for part, answers in self._in_halves(asks, ask_together):
                    self.counts["asked_by_prefix"] += len(part)
                    yield dict(zip([index for _, index in part], answers, strict=True))
            for group in batch.finished:
                group.prefix.kept = group.prefix.inputs = None

    def _may_share(self, grouped: Sequence[Sequence[int]]) -> bool:
        if self.path not in (SHARED, NOT_SHARED_YET) or not any(len(indices) > 1 for indices in grouped):
            return False
        try:
            self._window = token_window(self._lm.model)
        except CannotShare as reason:
            self._leave_plain(str(reason))
            return False
        return True

    def _leave_plain(self, reason: str) -> None:
        self.path = f"plain: {reason}"
        name = type(self._lm.model).__name__
        logger.warning("vrs-hf computes every prompt of %s as a whole: %s", name, reason)

    def _group(self, prompts: Mapping[int, Prompt]) -> list[list[int]]:
        """Prompts by what they begin with, the longest first: where memory does not suffice, it shows at once."""
        grouped: dict[Hashable, list[int]] = {}
        for index, prompt in prompts.items():
            before = text_before_question(prompt.text, self._placeholder(prompt.text))
            grouped.setdefault((before, self._identify(before, prompt.images)), []).append(index)
        return sorted(grouped.values(), key=lambda indices: -max(self._count_tokens(prompts[i]) for i in indices))

    def _placeholder(self, text: str) -> str:
        if not self._lm.chat_applied:
            return str(DEFAULT_IMAGE_PLACEHOLDER)
        own = getattr(self._lm.processor, "image_token", None)
        return str(own if own and own in text else self._lm.image_token)

    def _identify(self, before: str, images: Sequence[Image.Image]) -> Hashable:
        """Equal for images that give the model equal inputs: blank ones of any size, if it sees none of the size."""
        standins = blank_standins(images)
        if standins is None or not before:
            return tuple(map(identify_image, images))
        key = (before, tuple((image.size, image.perturbation) for image in images))  # type: ignore[attr-defined]
        if key not in self._blanks:
            self._blanks[key] = hash_encoding(self.encode([Prompt(before, tuple(standins))]))
        return self._blanks[key]

    def _count_tokens(self, prompt: Prompt) -> int:
        return len(self._lm.tok_encode(prompt.text)) + count_image_tokens(self._lm.processor, prompt.images)

    def _encode_groups(
        self, grouped: Sequence[Sequence[int]], prompts: Mapping[int, Prompt]
    ) -> Iterator[Group[ImagePrefix]]:
        """Prompts that cannot share (their images are not all in the common beginning, too long) are left out."""
        cost = bytes_per_token(self._lm.model)
        for number, indices in enumerate(grouped):
            token_ids: dict[int, list[int]] = {}
            options: dict[int, list[list[int]]] = {}
            rooms: dict[int, int] = {}
            first: Mapping[str, Any] = {}
            with self.images.recalling(number):
                for index in indices:
                    encoding = self.encode([prompts[index]])
                    ids = encoding["input_ids"][0].tolist()
                    options[index] = self.encode_options(prompts[index], ids)
                    rooms[index] = max(prompts[index].room, *map(len, options[index]), 0)
                    if len(ids) + rooms[index] <= self._lm.max_length:
                        first = first or encoding
                        token_ids[index] = ids
            shared = common_length(list(token_ids.values())) if token_ids else 0
            if not all(self._holds_images(ids, shared) for ids in token_ids.values()) or not shared:
                continue
            inputs = {name: value[:, :shared] if name in TOKEN_ALIGNED else value for name, value in first.items()}
            continuations = {index: ids[shared:] for index, ids in token_ids.items()}
            prefix = ImagePrefix(shared, inputs, continuations, options, rooms)
            yield Group(prefix, shared * cost, [Ask(index, prompts[index].settings) for index in token_ids])

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

    def _holds_images(self, token_ids: Sequence[int], length: int) -> bool:
        config = self._lm.config
        image = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", None)
        return image in token_ids[:length] and image not in token_ids[length:]

    def _fits_window(self, asks: Sequence[tuple[ImagePrefix, int]]) -> bool:
        """Whether in this batch, padding included, no token slides out of a sliding window."""
        if self._window is None:
            return True
        before = max(prefix.length for prefix, _ in asks)
        after = max(len(prefix.continuations[index]) + prefix.rooms[index] for prefix, index in asks)
        return before + after < self._window

    def _continue(self, asks: Sequence[tuple[ImagePrefix, int]], prompts: Mapping[int, Prompt]) -> list[Continued]:
        missing = [prefix for prefix in dict.fromkeys(prefix for prefix, _ in asks) if prefix.kept is None]
        if missing:
            _, kept = prefill(self._lm.model, [prefix.inputs for prefix in missing if prefix.inputs is not None])
            for prefix, computed in zip(missing, kept, strict=True):
                prefix.kept, prefix.inputs = computed, None
        self.counts["prefixes_computed"] += len(missing)
        return [
            Continued(prompts[index], prefix.kept, prefix.continuations[index], prefix.options[index])
            for prefix, index in asks
            if prefix.kept is not None
        ]

    def _check(self, asks: Sequence[tuple[ImagePrefix, int]], prompts: Mapping[int, Prompt]) -> bool:
        """Whether the shortest and the longest question of a batch get the logits of the plain path, to rounding.

        Image tokens that see the question (PaliGemma's), or positions that cannot be continued, show here.
        """
        self._is_checked = True
        ordered = sorted(asks, key=lambda ask: len(ask[0].continuations[ask[1]]))
        chosen = list(dict.fromkeys([ordered[0], ordered[-1]]))
        try:
            continued = self._continue(chosen, prompts)
            ours = self._first_logits(
                continue_prefixes(
                    self._lm.model,
                    [one.prefix for one in continued],
                    [one.continuation for one in continued],
                    self._lm.tokenizer.pad_token_id,
                )
            )
            theirs = [self._first_logits(self.encode([one.prompt])) for one in continued]
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the model does not support, the plain path may
            self._leave_plain(f"continuing a prefix fails with {type(error).__name__}: {error}")
            return False
        pairs = [(ours[:, row], theirs[row][:, 0]) for row in range(len(continued))]
        self.difference = max(_largest_difference(one, other) for one, other in pairs)
        if self.difference > tolerance(self._lm.model.dtype):
            self._leave_plain(f"after a shared prefix its logits differ by {self.difference:.2g} standard deviations")
            return False
        self.path = SHARED
        return True

    def _first_logits(self, inputs: Mapping[str, Any]) -> torch.Tensor:
        """(tokens, rows, vocabulary) of a short greedy answer."""
        output = self._lm.model.generate(
            **inputs,
            max_new_tokens=CHECKED_TOKENS,
            do_sample=False,
            num_beams=1,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=self._lm.tokenizer.pad_token_id,
        )
        return torch.stack(output.logits)

    def _in_halves(
        self, items: list[Item], ask: Callable[[list[Item]], list[Any]]
    ) -> Iterator[tuple[list[Item], list[Any]]]:
        """`ask(items)`, or its halves where the accelerator's memory does not suffice; later batches are as small."""
        try:
            answers = ask(items)
        except torch.cuda.OutOfMemoryError as error:
            if len(items) == 1:
                raise RuntimeError(
                    "vrs-hf: the accelerator's memory does not suffice for one prompt alone; take a smaller dtype, "
                    "image or prefix_cache_bytes"
                ) from error
        else:
            yield items, answers
            return
        torch.cuda.empty_cache()
        half = (len(items) + 1) // 2
        if half < self._lm.batch_size:
            logger.warning("vrs-hf: out of memory with %d prompts at once; going on with %d", len(items), half)
            self._lm.batch_size_per_gpu = half
        yield from self._in_halves(items[:half], ask)
        yield from self._in_halves(items[half:], ask)


def _largest_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Over the tokens that both ways generated alike, and the first that they did not."""
    largest = 0.0
    for one, other in zip(ours, theirs, strict=False):
        largest = max(largest, relative_difference(one, other))
        if one.argmax() != other.argmax():
            break
    return largest
