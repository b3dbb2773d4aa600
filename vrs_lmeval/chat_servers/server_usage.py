"""What a run asked of a server and what that cost: replies counted -> a line while it runs, numbers for the results."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vrs_lmeval.chat_servers.chat_endpoint import Reply

logger = logging.getLogger(__name__)

CUT = "length"
"""The `finish_reason` of an answer that reached the limit of tokens."""


@dataclass
class ServerUsage:
    """`price_in`, `price_out`: money for a million tokens, in whatever currency the reader thinks."""

    price_in: float | None = None
    price_out: float | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def add_reply(self, reply: Reply) -> None:
        """One request was answered by the server."""
        self.counts["requests"] += 1
        if reply.tokens is None:
            self.counts["without_usage"] += 1
            return
        self.counts["tokens_in"] += reply.tokens[0]
        self.counts["tokens_out"] += reply.tokens[1]

    def add_retry(self) -> None:
        """A request failed in a way that may pass, and will be sent again."""
        self.counts["retries"] += 1

    def add_answer(self, text: str, finish_reason: str | None) -> None:
        """One answer, of the server or kept: empty and cut ones are counted, and told the first time."""
        if not text.strip():
            self._tell_first(
                "empty_answers", "the server sent an empty answer (%s), which is unparsable", finish_reason
            )
        if finish_reason == CUT:
            self._tell_first("cut_answers", "the server cut an answer at its limit of tokens (%s)", finish_reason)

    def _tell_first(self, name: str, words: str, reason: str | None) -> None:
        if not self.counts[name]:
            advice = "a model that thinks needs a larger max_gen_toks"
            logger.warning(words + "; %s. Others are counted, not told", f"finish_reason {reason}", advice)
        self.counts[name] += 1

    @property
    def cost(self) -> float | None:
        """Money so far; None where no price was given or the server does not count tokens."""
        if (self.price_in is None and self.price_out is None) or self.counts["without_usage"]:
            return None
        spent = self.counts["tokens_in"] * (self.price_in or 0) + self.counts["tokens_out"] * (self.price_out or 0)
        return spent / 1e6

    def line(self) -> str:
        """As in "12,000 tokens in, 300 out, cost 0.42"."""
        if self.counts["without_usage"]:
            return "tokens not told"
        tokens = f"{self.counts['tokens_in']:,} tokens in, {self.counts['tokens_out']:,} out"
        return tokens if self.cost is None else f"{tokens}, cost {self.cost:.2f}"

    def describe(self) -> dict[str, Any]:
        """For the results."""
        names = ("requests", "cache_hits", "tokens_in", "tokens_out", "retries", "empty_answers", "cut_answers")
        more = ("without_usage", "image_encodings", "canary_requests")
        return {name: self.counts[name] for name in names + more} | {
            "cost": self.cost,
            "price_in": self.price_in,
            "price_out": self.price_out,
        }
