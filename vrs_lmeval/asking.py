"""Prompts with images -> answers of a Hugging Face model: each image prefix computed once, where the model allows it.

What `model.py` asks of a model, whatever the kind of request: which prompts go together, which path they take, and
how large their batches may be. Generation and scoring differ only in the two functions they hand in.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size
from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER
from PIL import Image

from vrs_lmeval.prefetch import run_ahead
from vrs_lmeval.prefixes import Ask, Group, common_length, identify_image, plan_batches, text_before_question
from vrs_lmeval.prompt_encoding import Prompt, PromptEncoder, blank_standins, count_image_tokens, hash_encoding
from vrs_lmeval.self_check import find_differences, tolerance
from vrs_lmeval.shared_prefill import (
    TOKEN_ALIGNED,
    CannotShare,
    KeptPrefix,
    bytes_per_token,
    prefill,
    token_window,
)
from vrs_lmeval.vision_features import VisionFeatures

logger = logging.getLogger(__name__)

NOT_SHARED_YET = "plain: no prompts that fit begin with the same image"
"""What the results say of prefixes until some were shared, or could not be."""

SHARED = "shared"

AHEAD_BYTES = 64 * 2**20
"""How much encoded input may wait for the model: some batches, so that it need not wait for a slow image."""

Item = TypeVar("Item")
Answers = dict[int, Any]


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


@dataclass(frozen=True, slots=True)
class Way:
    """How one kind of request is asked. Of prompts that go on from kept prefixes, all at once; of whole prompts,
    first encoded (by a thread, ahead of its use), then asked."""

    ask_continued: Callable[[Sequence[Continued]], list[Any]]
    encode_plainly: Callable[[PromptEncoder, Sequence[Prompt]], Any]
    ask_plainly: Callable[[Sequence[Prompt], Any], list[Any]]


class DoesNotFit(RuntimeError):  # noqa: N818 - reads as what it says
    """One prompt alone takes more memory than there is."""


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
        self.counts = Counter(prefixes_computed=0, asked_by_prefix=0, asked_plainly=0, cache_hits=0, images_decoded=0)
        self._encoder, self._encoder_ahead = PromptEncoder(lm), PromptEncoder(lm)
        self._features = VisionFeatures(lm.model, budget)

    def work(self) -> dict[str, int]:
        """How much was done, and how often a kept prefix, or kept features of an image, spared it."""
        return {
            **self.counts,
            "prefixes_reused": max(self.counts["asked_by_prefix"] - self.counts["prefixes_computed"], 0),
            "image_features_reused": self._features.count,
            "images_processed": self._encoder.images.count + self._encoder_ahead.images.count,
        }

    def ask(self, prompts: Mapping[int, Prompt], way: Way) -> Iterator[Answers]:
        """Answers by prompt number, a batch at a time; a prompt that cannot share a prefix is asked plainly."""
        shown = [image.store for prompt in prompts.values() for image in prompt.images if hasattr(image, "store")]
        stores = {id(store): store for store in shown}.values()
        before = sum(store.decodes for store in stores)
        left = dict(prompts)
        try:
            for answers in self._ask_continued(prompts, way.ask_continued):
                for index in answers:
                    del left[index]
                yield answers
            with self._features.remembering():
                yield from self._ask_plainly(left, way)
        finally:
            self.counts["images_decoded"] += sum(store.decodes for store in stores) - before

    def encode(self, prompts: Sequence[Prompt], **settings: Any) -> Any:
        """As `hf-multimodal` encodes a batch, padded on the left; `settings` go to its tok_batch_multimodal_encode."""
        return self._encoder.encode(prompts, **settings)

    def _ask_plainly(self, prompts: Mapping[int, Prompt], way: Way) -> Iterator[Answers]:
        ordered = sorted(prompts, key=lambda index: (prompts[index].settings, -self._count_tokens(prompts[index])))

        def encode_batches() -> Iterator[tuple[list[int], Any]]:
            while ordered:
                settings = prompts[ordered[0]].settings
                batch = [i for i in ordered[: self._lm.batch_size] if prompts[i].settings == settings]
                del ordered[: len(batch)]
                yield batch, way.encode_plainly(self._encoder_ahead, [prompts[i] for i in batch])

        with closing(run_ahead(encode_batches(), lambda pair: _count_bytes(pair[1]), AHEAD_BYTES)) as batches:
            for batch, encoded in batches:

                def ask(part: list[int], batch: list[int] = batch, encoded: Any = encoded) -> list[Any]:
                    of_part = [prompts[index] for index in part]
                    is_whole = len(part) == len(batch)
                    return way.ask_plainly(of_part, encoded if is_whole else way.encode_plainly(self._encoder, of_part))

                for part in _cut(batch, self._lm.batch_size):  # which may have been halved since they were encoded
                    for indices, answers in self._in_halves(part, ask):
                        self.counts["asked_plainly"] += len(indices)
                        yield dict(zip(indices, answers, strict=True))

    def keeps_prefixes(self, length: int) -> bool:
        """Whether a prompt of that many tokens can be kept and gone on from."""
        try:
            window = token_window(self._lm.model)
        except CannotShare:
            return False
        return window is None or length < window

    def _ask_continued(
        self, prompts: Mapping[int, Prompt], ask: Callable[[Sequence[Continued]], list[Any]]
    ) -> Iterator[Answers]:
        grouped = self._group(prompts)
        if not self._may_share(grouped):
            return

        def ask_together(asks: Sequence[tuple[ImagePrefix, int]]) -> list[Any]:
            return ask(self._continue(asks, prompts))

        encoded = self._encode_groups(grouped, prompts)
        with closing(run_ahead(encoded, lambda group: _count_bytes(group.prefix.inputs), AHEAD_BYTES)) as groups:
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
        """Prompts by what they begin with, the longest first: where memory does not suffice, it shows at once.

        The variants of an image follow each other, so that it is decoded once.
        """
        grouped: dict[Hashable, list[int]] = {}
        lengths: Counter[Hashable] = Counter()
        for index, prompt in prompts.items():
            before = text_before_question(prompt.text, self._placeholder(prompt.text))
            grouped.setdefault((before, self._identify(before, prompt.images)), []).append(index)
            source = _name_sources(prompt)
            lengths[source] = max(lengths[source], self._count_tokens(prompt))
        place = {source: number for number, source in enumerate(sorted(lengths, key=lambda name: -lengths[name]))}
        return sorted(grouped.values(), key=lambda indices: place[_name_sources(prompts[indices[0]])])

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
        encoder = self._encoder_ahead
        for _, run in groupby(grouped, key=lambda indices: _name_sources(prompts[indices[0]])):
            of_source = list(run)
            with encoder.computing_together([image for indices in of_source for image in prompts[indices[0]].images]):
                for indices in of_source:
                    with encoder.images.recalling(object()):
                        group = self._encode_group(indices, prompts)
                    if group is not None:
                        yield group

    def _encode_group(self, indices: Sequence[int], prompts: Mapping[int, Prompt]) -> Group[ImagePrefix] | None:
        token_ids: dict[int, list[int]] = {}
        options: dict[int, list[list[int]]] = {}
        rooms: dict[int, int] = {}
        first: Mapping[str, Any] = {}
        for index in indices:
            encoding = self._encoder_ahead.encode([prompts[index]])
            ids = encoding["input_ids"][0].tolist()
            options[index] = self._encoder_ahead.encode_options(prompts[index], ids)
            rooms[index] = max(prompts[index].room, *map(len, options[index]), 0)
            if len(ids) + rooms[index] <= self._lm.max_length:
                first = first or encoding
                token_ids[index] = ids
        shared = common_length(list(token_ids.values())) if token_ids else 0
        if not all(self._holds_images(ids, shared) for ids in token_ids.values()) or not shared:
            return None
        inputs = {name: value[:, :shared] if name in TOKEN_ALIGNED else value for name, value in first.items()}
        continuations = {index: ids[shared:] for index, ids in token_ids.items()}
        prefix = ImagePrefix(shared, inputs, continuations, options, rooms)
        cost = shared * bytes_per_token(self._lm.model)
        return Group(prefix, cost, [Ask(index, prompts[index].settings) for index in token_ids])

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
            halves = self._in_halves(chosen, lambda part: self._find_differences(part, prompts))
            self.difference = max(difference for _, differences in halves for difference in differences)
        except DoesNotFit:
            raise
        except Exception as error:  # whatever the model does not support, the plain path may
            self._leave_plain(f"continuing a prefix fails with {type(error).__name__}: {error}")
            return False
        if not self.difference <= tolerance(self._lm.model.dtype):  # NaN too
            self._leave_plain(f"after a shared prefix its logits differ by {self.difference:.2g} standard deviations")
            return False
        self.path = SHARED
        return True

    def _find_differences(self, asks: Sequence[tuple[ImagePrefix, int]], prompts: Mapping[int, Prompt]) -> list[float]:
        continued = self._continue(asks, prompts)
        return find_differences(
            self._lm.model,
            [one.prefix for one in continued],
            [one.continuation for one in continued],
            (self.encode([one.prompt]) for one in continued),
            self._lm.tokenizer.pad_token_id,
        )

    def _in_halves(
        self, items: list[Item], ask: Callable[[list[Item]], list[Any]]
    ) -> Iterator[tuple[list[Item], list[Any]]]:
        """`ask(items)`, or its halves where the memory does not suffice; later batches are as small."""
        try:
            answers = ask(items)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            if len(items) == 1:
                raise DoesNotFit(
                    "vrs-hf: the memory does not suffice for one prompt alone; take a smaller dtype, image or "
                    "prefix_cache_bytes"
                ) from error
        else:
            yield items, answers
            return
        self._features.forget()
        torch.cuda.empty_cache()
        half = (len(items) + 1) // 2
        if half < self._lm.batch_size:
            logger.warning("vrs-hf: out of memory with %d prompts at once; going on with %d", len(items), half)
            self._lm.batch_size_per_gpu = half
        yield from self._in_halves(items[:half], ask)
        yield from self._in_halves(items[half:], ask)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or should_reduce_batch_size(error)  # a CPU's too


def _cut(items: list[Item], size: int) -> list[list[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _count_bytes(encoded: Any) -> int:
    """Of all tensors in it, nested or not."""
    if isinstance(encoded, torch.Tensor):
        return encoded.nbytes
    values = encoded.values() if isinstance(encoded, Mapping) else encoded if isinstance(encoded, list | tuple) else ()
    return sum(map(_count_bytes, values))


def _name_sources(prompt: Prompt) -> Hashable:
    """Equal for prompts that show the same images of a data set, changed or not."""
    return tuple(getattr(image, "source_id", None) or identify_image(image) for image in prompt.images)
