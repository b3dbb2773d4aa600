"""Finds what a model said: takes its raw text, gives it without thoughts, up to the end of its turn, cut in length."""

from __future__ import annotations

import re

from vrs_lmeval.reading.thoughts import MARKS

LONGEST_ANSWER = 4000
"""Characters of an answer that are read: far beyond any benchmark's gold, and a 1 MB answer stays cheap."""

THOUGHT_OPENS = re.compile("|".join(re.escape(marks.opener) for marks in MARKS), re.IGNORECASE)
THOUGHT_CLOSES = re.compile("|".join(re.escape(marks.closer) for marks in MARKS), re.IGNORECASE)
_SPECIAL_TOKEN = re.compile(
    r"<\|[^|>]*\|>|</?s>|<(?:bos|eos|pad|(?:start|end)_of_turn|end_of_utterance)>", re.IGNORECASE
)
_NEXT_TURN = re.compile(r"(?:\n|[.!?]\s+)(?:question|user|human|q) ?:.*", re.DOTALL | re.IGNORECASE)


def find_said_text(text: str) -> str | None:
    """What the text says, at most LONGEST_ANSWER characters, still with markup and invented turns.

    None if the text ends inside its reasoning. The text before an unclosed thought counts as said.
    """
    text = "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    before = THOUGHT_OPENS.split(text, maxsplit=1)[0]
    after = THOUGHT_CLOSES.split(text)[-1]  # a chat template may have opened the reasoning in the prompt
    if THOUGHT_OPENS.search(after) or not after.strip():
        if not before.strip() and before != text:
            return None
        after = before
    return _end_turn(after)[:LONGEST_ANSWER]


def cut_next_turn(text: str) -> str:
    """The text up to a turn that the model invents ("Question: ..."); `text` has no markup."""
    return _NEXT_TURN.sub("", text)


def _end_turn(text: str) -> str:
    """The text up to the first special token after a word: there the turn ends, or another turn begins."""
    parts = (part.strip() for part in _SPECIAL_TOKEN.split(text))
    said = (part for part in parts if part and part.lower() not in {"assistant", "model"})
    return next(said, "")
