"""For model classes that keep the caches of recent prompts: asks together what shows the same images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

from accelerate.utils.memory import should_reduce_batch_size

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.records import NOT_ASKED

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

NONE_WITHOUT_IMAGES = "no prompt was without an image"
ASKED_WITHOUT_IMAGES = "asked"
"""What the results say of prompts without images, or why the model takes none."""

ASKED_TOGETHER = 256
"""About how many requests: some dozens of images, whose prefixes a cache holds; enough to fill an engine's batches."""


class InImageOrder:
    """Before a model class of the harness: hands its `generate_until` all requests on some images, then the next.

    Of requests without an image the shortest is tried alone: a model that refuses it gets none of them, and the answers
    are NOT_ASKED. Requests of text tasks, which the harness hands over with the others, are a call of their own.
    """

    without_images = NONE_WITHOUT_IMAGES

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        if (apart := ask_kinds_apart(requests, lambda part: self.generate_until(part, disable_tqdm))) is not None:
            return apart
        answers = self._try_without_images(requests)
        left = [index for index in range(len(requests)) if index not in answers]
        for chosen in chunk_by_images([requests[index] for index in left]):
            indices = [left[place] for place in chosen]
            answers |= zip(indices, self._ask([requests[index] for index in indices], disable_tqdm), strict=True)
        return [answers[index] for index in range(len(requests))]

    def get_model_info(self) -> dict[str, Any]:
        """What the results say: also whether prompts without an image were asked."""
        describe = getattr(super(), "get_model_info", dict)
        return {**describe(), "vrs_without_images": self.without_images}

    def _try_without_images(self, requests: Sequence[Request]) -> dict[int, str]:
        """The first answer without an image; NOT_ASKED for all of them where the model refuses."""
        bare = [index for index, request in enumerate(requests) if request.args[2:] and not request.args[2]["visual"]]
        if not bare:
            return {}
        shortest = min(bare, key=lambda index: len(requests[index].args[0]))
        try:
            (text,) = self._ask([requests[shortest]], disable_tqdm=True)
        except Exception as error:  # whatever a processor or an engine raises for a prompt that it does not take
            if should_reduce_batch_size(error):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.without_images = f"this model takes no prompt without an image ({reason})"
            logger.warning(
                "%s, so %d of %d requests (variants absent, guess) are not asked; the others are",
                self.without_images,
                len(bare),
                len(requests),
            )
            return dict.fromkeys(bare, NOT_ASKED)
        self.without_images = ASKED_WITHOUT_IMAGES
        return {shortest: text}

    def _ask(self, requests: list[Request], disable_tqdm: bool) -> list[str]:
        texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)  # type: ignore[misc] # the class behind
        return texts


def ask_kinds_apart(requests: Sequence[Request], ask: Callable[[list[Request]], list[Answer]]) -> list[Answer] | None:
    """The answers, where some requests may show images and others are of text tasks; None where all are of one kind.

    A run of several tasks hands all of them over at once, and a class of the harness goes by the first.
    """
    kinds: dict[bool, list[int]] = {}
    for index, request in enumerate(requests):
        kinds.setdefault(len(request.args) > 2, []).append(index)
    if len(kinds) < 2:
        return None
    answers: dict[int, Answer] = {}
    for indices in kinds.values():
        answers |= zip(indices, ask([requests[index] for index in indices]), strict=True)
    return [answers[index] for index in range(len(requests))]


def chunk_by_images(requests: Sequence[Request], size: int = ASKED_TOGETHER) -> Iterator[list[int]]:
    """Numbers of requests, those that show equal images (content and change) never apart; chunks of `size` or more.

    Requests without an image share none, so they fill chunks as they come.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        visual = request.args[2]["visual"] if len(request.args) > 2 else ()
        groups.setdefault(tuple(map(identify_image, visual)) or index, []).append(index)
    chunk: list[int] = []
    for indices in groups.values():
        chunk += indices
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
