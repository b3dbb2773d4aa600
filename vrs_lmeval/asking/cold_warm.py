"""How often an engine's answer changes when the same prompt is asked again from its prefix cache.

vLLM computes a prompt that it has partly kept by other kernels than a new one, so that the last bits differ and with
them, sometimes, the text. The first question on an image is asked cold and the later ones warm, so such a change looks
like sensitivity to the image. The share that is measured here is what cannot be told from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

ASKED_AGAIN = 100
"""Images by default: a share of 2 % is then known to within some 3 points, for at most 100 requests more."""


class ColdWarm:
    """Chooses whose first question is asked again, and counts what came back."""

    def __init__(self, images: int = ASKED_AGAIN) -> None:
        self._most = images
        self._cold: dict[Hashable, tuple[str, int]] = {}
        self._counts = {"asked_again": 0, "warm": 0, "changed": 0}

    def choose(self, first: Mapping[Hashable, int]) -> set[int]:
        """`first`: the first request on each image content. At most `images` of them, drawn by content."""
        drawn = sorted(first, key=lambda image: hashlib.sha256(f"cold_warm {image!r}".encode()).hexdigest())
        return {first[image] for image in drawn[: self._most]}

    def note_cold(self, name: Hashable, text: str, kept_tokens: int | None) -> None:
        """The first answer, and how many of its prompt's tokens the engine had kept."""
        self._cold[name] = text, kept_tokens or 0

    def note_warm(self, name: Hashable, text: str, kept_tokens: int | None) -> None:
        """The same request's second answer; it counts as warm if the engine had kept more of it than at first."""
        cold, kept = self._cold.pop(name)
        self._counts["asked_again"] += 1
        if (kept_tokens or 0) > kept:
            self._counts["warm"] += 1
            self._counts["changed"] += text != cold

    def add_counts(self, counts: Mapping[str, Any]) -> None:
        """Those of an earlier run, whose answers this one goes on from."""
        for name in self._counts:
            self._counts[name] += int(counts.get(name, 0))

    def describe(self) -> dict[str, Any]:
        """For the results: requests asked again, those that were warm, texts that changed, and their share of these."""
        warm = self._counts["warm"]
        return {**self._counts, "share": self._counts["changed"] / warm if warm else None}
