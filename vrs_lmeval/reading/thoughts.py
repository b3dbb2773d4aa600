"""The marks between which models write thoughts before an answer; text without its thoughts."""

from __future__ import annotations

from typing import NamedTuple


class ThoughtMarks(NamedTuple):
    """The marks that open and close a thought, and models that write them."""

    opener: str
    closer: str
    models: str


MARKS = (
    ThoughtMarks("<think>", "</think>", "Qwen3, Qwen3.5, GLM-4.1V-Thinking, MedVLM-R1, DeepSeek-R1"),
    ThoughtMarks("<thinking>", "</thinking>", "prompts that ask for it so"),
    ThoughtMarks("<thought>", "</thought>", "Gemma 3 tuned to reason"),
    ThoughtMarks("[THINK]", "[/THINK]", "Magistral"),
    ThoughtMarks("◁think▷", "◁/think▷", "Kimi-VL-Thinking"),
    ThoughtMarks("<unused94>", "<unused95>", "MedGemma 27B and 1.5"),
    ThoughtMarks("<|channel>thought", "<channel|>", "Gemma 4"),
    ThoughtMarks("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "gpt-oss"),
)
"""Taken from the models' own documents and chat templates, as far as known here; no checkpoint was at hand to try
them."""


def find_open_thought(prompt: str) -> str | None:
    """The mark of the open thought in which a rendered prompt ends, so that the model goes on thinking; else None."""
    end = prompt.rstrip()
    return next((marks.opener for marks in MARKS if end.lower().endswith(marks.opener.lower())), None)


def cut_thoughts(text: str) -> str:
    """The text after the last closed thought; the whole text if no thought was closed.

    A thought may have been opened by the prompt, so a closer counts without its opener.
    """
    lower = text.lower()
    ends = [(lower.rfind(marks.closer.lower()), marks) for marks in MARKS]
    place, marks = max(ends, key=lambda pair: pair[0])
    if place < 0:
        return text
    return text[place + len(marks.closer) :].lstrip()
