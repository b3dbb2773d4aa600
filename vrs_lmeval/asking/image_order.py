"""For engines and servers that keep what prompts had in common: the order of requests by the images they show."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.seams import Request

Answer = TypeVar("Answer")

NONE_WITHOUT_IMAGES = "no prompt was without an image"
ASKED_WITHOUT_IMAGES = "asked"
"""What the results say of prompts without images, or why the model takes none."""


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


def order_by_images(requests: Sequence[Request]) -> list[int]:
    """Numbers of requests, those that show equal images (content and change) one after the other.

    Requests without an image share none, so they stay where they come.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        visual = request.args[2]["visual"] if len(request.args) > 2 else ()
        groups.setdefault(tuple(map(identify_image, visual)) or index, []).append(index)
    return [index for indices in groups.values() for index in indices]
