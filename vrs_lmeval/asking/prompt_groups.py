"""Prompts -> groups that begin with the same text and images, each with its encoded beginning, images in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER
from PIL import Image

from vrs_lmeval.asking.batch_planning import Ask, Group, common_length, identify_image, text_before_question
from vrs_lmeval.asking.kept_prefixes import KeptPrefix
from vrs_lmeval.asking.prompt_encoding import (
    Prompt,
    PromptEncoder,
    Question,
    blank_standins,
    count_image_tokens,
    cut,
    hash_encoding,
)
from vrs_lmeval.asking.seams import HarnessModel


@dataclass(slots=True, eq=False)
class ImagePrefix:
    """What some prompts begin with, `length` tokens on `images`: `inputs` until computed, then `kept`.

    The other fields are by prompt number: the rest of the question (`continuations`, which end with the options' common
    tokens), how many common tokens there are, the rest of each option, and how many tokens may follow.
    """

    length: int
    images: Hashable
    inputs: Mapping[str, Any] | None
    continuations: dict[int, list[int]]
    questions: dict[int, Question]
    rooms: dict[int, int]
    kept: KeptPrefix | None = field(default=None)


class PromptGroups:
    """Groups the prompts of `lm` (a `HFMultimodalLM`) for `encoder`, which belongs to the thread that encodes them."""

    def __init__(self, lm: HarnessModel, encoder: PromptEncoder, encoder_ahead: PromptEncoder) -> None:
        self._lm = lm
        self._encoder, self._encoder_ahead = encoder, encoder_ahead
        self._blanks: dict[Hashable, str] = {}

    def group(self, prompts: Mapping[int, Prompt]) -> list[list[int]]:
        """Prompts grouped by what they begin with, the longest first: a lack of memory then shows at once.

        The variants of an image follow each other, so that the image is decoded once. Prompts without images are in no
        group.
        """
        grouped: dict[Hashable, list[int]] = {}
        lengths: Counter[Hashable] = Counter()
        for index, prompt in prompts.items():
            if not prompt.images:
                continue
            before = text_before_question(prompt.text, self._placeholder(prompt.text))
            grouped.setdefault((before, self._identify(before, prompt.images)), []).append(index)
            source = _name_sources(prompt)
            lengths[source] = max(lengths[source], self.count_tokens(prompt))
        place = {source: number for number, source in enumerate(sorted(lengths, key=lambda name: -lengths[name]))}
        return sorted(grouped.values(), key=lambda indices: place[_name_sources(prompts[indices[0]])])

    def encode(self, grouped: Sequence[Sequence[int]], prompts: Mapping[int, Prompt]) -> Iterator[Group[ImagePrefix]]:
        """Each group's beginning; a group's cost is its number of tokens.

        Prompts that cannot share are left out: an image lies behind the common beginning, or the prompt is too long.
        """
        encoder = self._encoder_ahead
        for _, run in groupby(grouped, key=lambda indices: _name_sources(prompts[indices[0]])):
            of_source = list(run)
            with encoder.computing_together([image for indices in of_source for image in prompts[indices[0]].images]):
                for indices in of_source:
                    with encoder.images.recalling(object()):
                        group = self._encode_group(indices, prompts)
                    if group is not None:
                        yield group

    def count_tokens(self, prompt: Prompt) -> int:
        """About how many tokens the prompt has; the number only decides an order."""
        return len(self._lm.tok_encode(prompt.text)) + count_image_tokens(self._lm.processor, prompt.images)

    def _encode_group(self, indices: Sequence[int], prompts: Mapping[int, Prompt]) -> Group[ImagePrefix] | None:
        questions: dict[int, Question] = {}
        rooms: dict[int, int] = {}
        for index in indices:
            question = self._encoder_ahead.encode_question(prompts[index])
            room = max(prompts[index].room, *map(len, question.options), 0)
            if len(question.token_ids) + room <= self._lm.max_length:
                questions[index], rooms[index] = question, room
        if not questions:
            return None
        token_ids = {index: question.token_ids for index, question in questions.items()}
        alone = [ids[: len(ids) - questions[index].common] for index, ids in token_ids.items()]
        shared = common_length(alone)
        if not shared or not all(self._holds_images(ids, shared) for ids in token_ids.values()):
            return None
        first = next(iter(questions))
        continuations = {index: ids[shared:] for index, ids in token_ids.items()}
        images = self._identify("", prompts[first].images)
        prefix = ImagePrefix(shared, images, cut(questions[first].inputs, shared), continuations, questions, rooms)
        by_length = sorted(token_ids, key=lambda index: -len(token_ids[index]))  # so that batches need little padding
        return Group(prefix, shared, [Ask(index, prompts[index].settings) for index in by_length])

    def _placeholder(self, text: str) -> str:
        if not self._lm.chat_applied:
            return str(DEFAULT_IMAGE_PLACEHOLDER)
        own = getattr(self._lm.processor, "image_token", None)
        return str(own if own and own in text else self._lm.image_token)

    def _identify(self, before: str, images: Sequence[Image.Image]) -> Hashable:
        """A key, equal for images that give the model equal inputs: also for blank images of other sizes, if the model
        does not see the size."""
        standins = blank_standins(images)
        if standins is None or not before:
            return tuple(map(identify_image, images))
        key = (before, tuple((image.size, image.perturbation) for image in images))  # type: ignore[attr-defined]
        if key not in self._blanks:
            self._blanks[key] = hash_encoding(self._encoder.encode([Prompt(before, tuple(standins))]))
        return self._blanks[key]

    def _holds_images(self, token_ids: Sequence[int], length: int) -> bool:
        config = self._lm.config
        image = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", None)
        return image in token_ids[:length] and image not in token_ids[length:]


def _name_sources(prompt: Prompt) -> Hashable:
    """A key, equal for prompts that show the same images of a data set, changed or not."""
    return tuple(getattr(image, "source_id", None) or identify_image(image) for image in prompt.images)
