"""For model classes that keep the caches of recent prompts: asks together what shows the same images."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.records import NOT_ASKED

logger = logging.getLogger(__name__)

ASKED_TOGETHER = 256
"""About how many requests: some dozens of images, whose prefixes a cache holds; enough to fill an engine's batches."""


class InImageOrder:
    """Before a model class of the harness: hands its `generate_until` all requests on some images, then the next.

    Of requests without an image the first is tried alone: a model that refuses it gets none of them, and the answers
    are NOT_ASKED.
    """

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        answers = self._try_without_images(requests)
        left = [index for index in range(len(requests)) if index not in answers]
        for chosen in chunk_by_images([requests[index] for index in left]):
            indices = [left[place] for place in chosen]
            answers |= zip(indices, self._ask([requests[index] for index in indices], disable_tqdm), strict=True)
        return [answers[index] for index in range(len(requests))]

    def _try_without_images(self, requests: Sequence[Request]) -> dict[int, str]:
        """The first answer without an image; NOT_ASKED for all of them where the model refuses."""
        bare = [index for index, request in enumerate(requests) if request.args[2:] and not request.args[2]["visual"]]
        if not bare:
            return {}
        try:
            return dict(zip(bare[:1], self._ask([requests[bare[0]]], disable_tqdm=True), strict=True))
        except ValueError as error:  # what processors and engines raise for a prompt that they do not take
            logger.warning(
                "this model takes no prompt without an image (%s), so %d of %d requests (variants absent, guess) are "
                "not asked; the others are",
                " ".join(str(error).split())[:200],
                len(bare),
                len(requests),
            )
            return dict.fromkeys(bare, NOT_ASKED)

    def _ask(self, requests: list[Request], disable_tqdm: bool) -> list[str]:
        texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)  # type: ignore[misc] # the class behind
        return texts


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
