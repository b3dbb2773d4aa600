"""Pairs -> training rows: all pairs of an image behind one copy of its image tokens, each blind to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from studies.miniature.arms import Arm
from studies.miniature.model import GRID, LETTER, SHORT
from studies.miniature.pairs import Pair

CELLS = GRID**2
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair as tokens: the prompt after the image, and the answer with its end."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """`images` are the ids whose features stand in front; the other tensors are (images, tokens behind the image).

    `positions` and `mask` count the image tokens too: (images, cells + tokens), (images, 1, the same, the same).
    """

    images: tuple[str, ...]
    token_ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor  # what follows each token; IGNORED but where an answer is to be said


def word_short(pair: Pair) -> tuple[str, str]:
    """(what is asked behind the image, the answer) as in the vrs_* tasks: the question, then how to answer it."""
    return f"{pair.question}\n{SHORT}", pair.answer


def word_letters(pair: Pair) -> tuple[str, str] | None:
    """The same as the `_mc` tasks ask a question that yes or no answers; None for any other."""
    if pair.answer not in ("yes", "no"):
        return None
    return f"{pair.question}\nA. yes\nB. no\n{LETTER}", "A" if pair.answer == "yes" else "B"


def write_short(tokenizer: PreTrainedTokenizerFast, pair: Pair) -> Asked:
    """`word_short` as tokens."""
    return _write(tokenizer, *word_short(pair))


def write_letters(tokenizer: PreTrainedTokenizerFast, pair: Pair) -> Asked | None:
    """`word_letters` as tokens."""
    words = word_letters(pair)
    return None if words is None else _write(tokenizer, *words)


def _write(tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str) -> Asked:
    asked, said = (tokenizer.encode(text, add_special_tokens=False) for text in (prompt, answer))
    return Asked(tuple(asked), (*said, tokenizer.eos_token_id))


class BatchMaker:
    """Draws the batches of an arm; everything random comes from the generator it is given."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, arm: Arm, letters: float = 0.0) -> None:
        self.pad = tokenizer.pad_token_id
        self.shown = arm.shown
        self.letters = letters
        self.asked: dict[str, list[tuple[Asked, Asked | None]]] = {}
        for pair in arm.pairs:
            both = write_short(tokenizer, pair), write_letters(tokenizer, pair)
            self.asked.setdefault(pair.image_id, []).append(both)

    def draw_epoch(self, rng: np.random.Generator, size: int) -> list[Batch]:
        """Every pair once, `size` images a batch in a random order; a yes/no pair is asked by letters now and then."""
        order = [sorted(self.asked)[place] for place in rng.permutation(len(self.asked))]
        return [self._make(rng, order[start : start + size]) for start in range(0, len(order), size)]

    def _make(self, rng: np.random.Generator, images: Sequence[str]) -> Batch:
        rows = [
            [by_letters if by_letters and rng.random() < self.letters else short for short, by_letters in self.asked[i]]
            for i in images
        ]
        return pack(rows, [self.shown[image] for image in images], self.pad)


def pack(rows: Sequence[Sequence[Asked]], images: Sequence[str], pad: int) -> Batch:
    """A row an image; each question sees the image and itself, at the positions that it would have alone."""
    length = max(sum(len(asked.prompt) + len(asked.answer) - 1 for asked in row) for row in rows)
    token_ids = torch.full((len(rows), length), pad)
    labels = torch.full((len(rows), length), IGNORED)
    positions = torch.zeros((len(rows), CELLS + length), dtype=torch.long)
    positions[:, :CELLS] = torch.arange(CELLS)
    segments = torch.full((len(rows), CELLS + length), -1)
    segments[:, :CELLS] = 0
    for n, row in enumerate(rows):
        start = 0
        for number, asked in enumerate(row, start=1):
            tokens = (*asked.prompt, *asked.answer[:-1])
            end = start + len(tokens)
            token_ids[n, start:end] = torch.tensor(tokens)
            labels[n, end - len(asked.answer) : end] = torch.tensor(asked.answer)
            positions[n, CELLS + start : CELLS + end] = CELLS + torch.arange(len(tokens))
            segments[n, CELLS + start : CELLS + end] = number
            start = end
    total = CELLS + length
    causal = torch.ones(total, total, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    mask = (causal & (same | (segments == 0)[:, None, :]))[:, None]
    return Batch(tuple(images), token_ids, positions, mask, labels)
