"""Prompts with images -> answers of a Hugging Face model: each image prefix computed once, where the model allows it.

Decides which path prompts take and how large their batches may be, the same for every kind of request of `model.py`.
Generation and scoring differ only in the functions that they hand in.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size

from vrs_lmeval.asking.batch_planning import plan_batches
from vrs_lmeval.asking.image_order import ASKED_WITHOUT_IMAGES, NONE_WITHOUT_IMAGES
from vrs_lmeval.asking.joined_prefill import JoinedPrefill
from vrs_lmeval.asking.kept_prefixes import CannotShare, KeptPrefix, count_kept_bytes, token_window
from vrs_lmeval.asking.prefetch import run_ahead
from vrs_lmeval.asking.prompt_encoding import Prompt, PromptEncoder, Question
from vrs_lmeval.asking.prompt_groups import ImagePrefix, PromptGroups
from vrs_lmeval.asking.seams import HarnessModel, LazyImage
from vrs_lmeval.asking.vision_features import VisionFeatures

logger = logging.getLogger(__name__)

NOT_SHARED_YET = "plain: no prompts that fit begin with the same image"
"""What the results say about prefixes until a first prefix was shared, or was found to be unsafe to share."""

SHARED = "shared"


AHEAD_BYTES = 64 * 2**20
"""Bytes of encoded input that may wait for the model: a few batches, so that one slow image does not stop it."""

LONGEST_REASON = 200
"""Characters of another library's error that are shown: some errors list a whole configuration."""

Item = TypeVar("Item")
Answers = dict[int, Any]
Asks = Sequence[tuple[ImagePrefix, int]]


@dataclass(frozen=True, slots=True)
class Continued:
    """A prompt that continues a kept prefix; `images` identifies the images that the prefix shows."""

    prompt: Prompt
    images: Hashable
    prefix: KeptPrefix
    continuation: list[int]
    question: Question


@dataclass(frozen=True, slots=True)
class Way:
    """How one kind of request is asked.

    `ask_continued` asks prompts that go on from kept prefixes, a batch at once; it raises CannotShare if their answers
    are not those of whole prompts. `encode_plainly` encodes whole prompts, in a thread that runs ahead; `ask_plainly`
    then asks them.
    """

    ask_continued: Callable[[Sequence[Continued]], list[Any]]
    encode_plainly: Callable[[PromptEncoder, Sequence[Prompt]], Any]
    ask_plainly: Callable[[Sequence[Prompt], Any], list[Any]]


class DoesNotFit(RuntimeError):  # noqa: N818 - reads as what it says
    """One prompt alone takes more memory than there is."""


class Asker:
    """Asks the model of `lm` (a `HFMultimodalLM`) all prompts, sharing prefixes within `budget` bytes.

    `path` says what happened to prefixes, `counts` how often, `without_images` what happened to prompts that have none;
    all go into the results.
    """

    def __init__(self, lm: HarnessModel, budget: int, share: bool = True, double_bos: bool = False) -> None:
        self._lm = lm
        self._budget = budget
        self._window: int | None = None
        self.path = NOT_SHARED_YET if share else "plain: share_prefixes=False"
        self.without_images = NONE_WITHOUT_IMAGES
        self.counts = Counter(prefixes_computed=0, asked_by_prefix=0, asked_plainly=0, cache_hits=0, images_decoded=0)
        self.encoder, self._encoder_ahead = (PromptEncoder(lm, double_bos) for _ in range(2))
        self._groups = PromptGroups(lm, self.encoder, self._encoder_ahead)
        self.joined = JoinedPrefill(lm.model, self.encoder)
        self._features = VisionFeatures(lm.model, budget)

    @property
    def bos_dropped(self) -> bool:
        """Whether a second BOS token was left out of some prompt."""
        return self.encoder.bos_dropped or self._encoder_ahead.bos_dropped

    def work(self) -> dict[str, int]:
        """Counts of the work that was done, and of the work that kept prefixes and kept image features saved."""
        return {
            **self.counts,
            "prefixes_reused": max(self.counts["asked_by_prefix"] - self.counts["prefixes_computed"], 0),
            "image_features_reused": self._features.count,
            "images_processed": self.encoder.images.count + self._encoder_ahead.images.count,
        }

    def ask(self, prompts: Mapping[int, Prompt], way: Way) -> Iterator[Answers]:
        """Answers by prompt number, a batch at a time; a prompt that cannot share a prefix is asked plainly."""
        shown = [image.store for prompt in prompts.values() for image in prompt.images if isinstance(image, LazyImage)]
        stores = {id(store): store for store in shown}.values()
        before = sum(store.decodes for store in stores)
        left = dict(prompts)
        try:
            for answers in self._ask_continued(prompts, way):
                for index in answers:
                    del left[index]
                yield answers
            with self._features.remembering():
                yield from self._ask_plainly(left, way)
        finally:
            self.counts["images_decoded"] += sum(store.decodes for store in stores) - before

    def leave_out_unaskable(self, prompts: Mapping[int, Prompt], way: Way) -> dict[int, Prompt]:
        """`prompts`, without those that show no image if the model cannot take them: one of them is tried first.

        For example, BLIP-2 needs pixels, and PaliGemma's processor needs an image. The error is logged once, and kept
        in `without_images`.
        """
        bare = {index: prompt for index, prompt in prompts.items() if not prompt.images}
        if bare and self.without_images == NONE_WITHOUT_IMAGES:
            first = min(bare.values(), key=lambda prompt: len(prompt.text))
            self.without_images = self._try_without_images(first, way)
        if self.without_images in (NONE_WITHOUT_IMAGES, ASKED_WITHOUT_IMAGES):
            return dict(prompts)
        logger.warning(
            "vrs-hf: %s, so %d of %d requests (variants absent, guess) are not asked; the others are",
            self.without_images,
            len(bare),
            len(prompts),
        )
        return {index: prompt for index, prompt in prompts.items() if prompt.images}

    def _try_without_images(self, prompt: Prompt, way: Way) -> str:
        try:
            way.ask_plainly([prompt], way.encode_plainly(self.encoder, [prompt]))
        except Exception as error:  # whatever the processor or the model raises where it needs an image
            if _is_out_of_memory(error):
                raise
            text = " ".join(str(error).split())[:LONGEST_REASON]
            return f"{type(self._lm.model).__name__} takes no prompt without an image ({type(error).__name__}: {text})"
        return ASKED_WITHOUT_IMAGES

    def in_model(self, compute: Callable[[], Item]) -> Item:
        """`compute()`. Raises CannotShare for every error in it except lack of memory, which is raised as it is."""
        try:
            return compute()
        except (CannotShare, DoesNotFit):
            raise
        except Exception as error:  # the plain path may support what this path does not
            if _is_out_of_memory(error):
                raise
            raise CannotShare(f"continuing a prefix fails with {type(error).__name__}: {error}") from error

    def _ask_plainly(self, prompts: Mapping[int, Prompt], way: Way) -> Iterator[Answers]:
        ordered = sorted(
            prompts, key=lambda index: (_kind_of(prompts[index]), -self._groups.count_tokens(prompts[index]))
        )

        def encode_batches() -> Iterator[tuple[list[int], Any]]:
            while ordered:
                kind = _kind_of(prompts[ordered[0]])
                batch = [i for i in ordered[: self._lm.batch_size] if _kind_of(prompts[i]) == kind]
                del ordered[: len(batch)]
                yield batch, way.encode_plainly(self._encoder_ahead, [prompts[i] for i in batch])

        with closing(run_ahead(encode_batches(), lambda pair: _count_bytes(pair[1]), AHEAD_BYTES)) as batches:
            for batch, encoded in batches:

                def ask(part: Sequence[int], batch: list[int] = batch, encoded: Any = encoded) -> list[Any]:
                    of_part = [prompts[index] for index in part]
                    is_whole = len(part) == len(batch)
                    return way.ask_plainly(of_part, encoded if is_whole else way.encode_plainly(self.encoder, of_part))

                for part in _cut(batch, self._lm.batch_size):  # which may have been halved since they were encoded
                    for indices, answers in self._in_halves(part, ask):
                        self.counts["asked_plainly"] += len(indices)
                        yield dict(zip(indices, answers, strict=True))

    def _ask_continued(self, prompts: Mapping[int, Prompt], way: Way) -> Iterator[Answers]:
        """Answers of the prompts that share a prefix; if the model cannot share, it stops with the reason in `path`."""
        grouped = self._groups.group(prompts)
        if self.path not in (SHARED, NOT_SHARED_YET) or not any(len(indices) > 1 for indices in grouped):
            return
        try:
            self._window = token_window(self._lm.model)
            yield from self._ask_groups(grouped, prompts, way)
        except CannotShare as reason:
            self.path = f"plain: {reason}"
            name = type(self._lm.model).__name__
            logger.warning("vrs-hf computes every prompt of %s as a whole: %s", name, reason)

    def _ask_groups(
        self, grouped: Sequence[Sequence[int]], prompts: Mapping[int, Prompt], way: Way
    ) -> Iterator[Answers]:
        def ask_together(asks: Asks) -> list[Any]:
            return self.in_model(lambda: way.ask_continued(self._continue(asks, prompts)))

        encoded = self._groups.encode(grouped, prompts)
        with closing(run_ahead(encoded, lambda group: _count_bytes(group.prefix.inputs), AHEAD_BYTES)) as groups:
            for first in groups:
                budget = int(self._budget // self._measure_token(first.prefix, prompts))
                for batch in plan_batches(chain([first], groups), lambda: self._lm.batch_size, budget):
                    asks = [(group.prefix, ask.index) for group, ask in batch.asks]
                    if self._fits_window(asks):
                        for part, answers in self._in_halves(asks, ask_together):
                            self.path = SHARED
                            self.counts["asked_by_prefix"] += len(part)
                            yield dict(zip([index for _, index in part], answers, strict=True))
                    for group in batch.finished:
                        group.prefix.kept = group.prefix.inputs = None

    def _measure_token(self, prefix: ImagePrefix, prompts: Mapping[int, Prompt]) -> float:
        """Bytes that one kept token takes, measured on a prefix that was kept."""
        for _ in self._in_halves([prefix], lambda prefixes: self.in_model(lambda: self._keep(prefixes, prompts))):
            pass
        assert prefix.kept is not None
        return max(count_kept_bytes(prefix.kept) / prefix.length, 1)

    def _fits_window(self, asks: Asks) -> bool:
        """Whether every token of this batch, padding included, stays inside the model's sliding window."""
        if self._window is None:
            return True
        before = max(prefix.length for prefix, _ in asks)
        after = max(len(prefix.continuations[index]) + prefix.rooms[index] for prefix, index in asks)
        return before + after < self._window

    def _continue(self, asks: Asks, prompts: Mapping[int, Prompt]) -> list[Continued]:
        missing = [prefix for prefix in dict.fromkeys(prefix for prefix, _ in asks) if prefix.kept is None]
        self._keep(missing, prompts)
        return [
            Continued(prompts[index], prefix.images, prefix.kept, prefix.continuations[index], prefix.questions[index])
            for prefix, index in asks
            if prefix.kept is not None
        ]

    def _keep(self, prefixes: Sequence[ImagePrefix], prompts: Mapping[int, Prompt]) -> list[KeptPrefix]:
        """Compute prefixes that were not kept."""
        if not prefixes:
            return []
        examples = [prompts[next(iter(prefix.questions))] for prefix in prefixes]
        _, kept = self.joined.run(examples, [prefix.inputs for prefix in prefixes if prefix.inputs is not None])
        for prefix, computed in zip(prefixes, kept, strict=True):
            prefix.kept, prefix.inputs = computed, None
        self.counts["prefixes_computed"] += len(prefixes)
        return kept

    def _in_halves(
        self, items: Sequence[Item], ask: Callable[[Sequence[Item]], list[Any]]
    ) -> Iterator[tuple[Sequence[Item], list[Any]]]:
        """`ask(items)`; if memory runs out, the items are asked in halves, and later batches are as small."""
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


def _kind_of(prompt: Prompt) -> tuple[str, bool]:
    """What all prompts of a batch must share: the settings of generation, and whether they have images."""
    return prompt.settings, bool(prompt.images)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or should_reduce_batch_size(error)  # a CPU's too


def _cut(items: list[Item], size: int) -> list[list[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _count_bytes(encoded: Any) -> int:
    """Bytes of all tensors in `encoded`, nested or not."""
    if isinstance(encoded, torch.Tensor):
        return encoded.nbytes
    if isinstance(encoded, Question):
        return _count_bytes(encoded.inputs)
    values = encoded.values() if isinstance(encoded, Mapping) else encoded if isinstance(encoded, list | tuple) else ()
    return sum(map(_count_bytes, values))
