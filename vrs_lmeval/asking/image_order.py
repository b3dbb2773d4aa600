"""For model classes that keep the caches of recent prompts: asks together what shows the same images."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.seams import Request

ASKED_TOGETHER = 256
"""About how many requests: some dozens of images, whose prefixes a cache holds; enough to fill an engine's batches."""


class InImageOrder:
    """Before a model class of the harness: hands its `generate_until` all requests on some images, then the next."""

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        answers: dict[int, str] = {}
        for indices in chunk_by_images(requests):
            asked = [requests[index] for index in indices]
            texts = super().generate_until(asked, disable_tqdm=disable_tqdm)  # type: ignore[misc] # the class behind
            answers |= zip(indices, texts, strict=True)
        return [answers[index] for index in range(len(requests))]


def chunk_by_images(requests: Sequence[Request], size: int = ASKED_TOGETHER) -> Iterator[list[int]]:
    """Numbers of requests, those that show equal images (content and change) never apart; chunks of `size` or more."""
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        visual = request.args[2]["visual"] if len(request.args) > 2 else ()
        groups.setdefault(tuple(map(identify_image, visual)), []).append(index)
    chunk: list[int] = []
    for indices in groups.values():
        chunk += indices
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
