"""Training batches: pictures with several questions each, packed behind one copy of the picture's tokens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from tools.controls.model import PATCH, SIDE, write_prompt
from tools.sample.questions import QUESTIONS

IMAGE_TOKENS = (SIDE // PATCH) ** 2
BLANK = 128  # the grey of the `blank` variant
# Share of pictures that become blank grey, with their questions. Without them the model would never meet a blank
# picture and would answer it with nonsense; then the accuracy that needs no picture could not be measured.
BLANK_RATE = 0.06
# How often each question is trained. A plane check needs the word and the picture together, so it is learned last and
# is shown more often. The kind of a picture decides which questions apply.
QUESTION_RATES = {
    "plane": 1.0,
    "plane_open": 0.7,
    "plane_axial": 0.9,
    "plane_coronal": 0.9,
    "plane_sagittal": 0.9,
    "skull": 0.8,
    "species": 1.2,
    "mark_side": 1.3,
    "mark_height": 1.3,
    "mark_quadrant": 1.5,
    "mark_count": 1.2,
    "hemisphere_same": 1.5,
    "hemisphere_mirrored": 1.5,
    "front_edge": 2.0,
    "modality": 0.5,
    "organ": 0.5,
}
# What the auxiliary heads read from the picture while the vision tower warms up. Questions ask `front_edge` only of
# turned pictures, but every axial or sagittal picture teaches it.
AUXILIARY = ("plane", "skull", "species", "mark_quadrant", "mark_count", "front_edge", "modality", "organ")


@dataclass(frozen=True)
class Batch:
    """`pixels` are uint8; token tensors are (pictures, image tokens + packed questions)."""

    pixels: torch.Tensor
    token_ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor  # (pictures, 1, length, length), True where attention is allowed
    labels: torch.Tensor  # -100 but at answer tokens, already shifted: labels[i] is what follows token i
    auxiliary: dict[str, torch.Tensor]


class BatchMaker:
    """Draws batches from the rendered pictures."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, pixels: np.ndarray, labels: list[dict]) -> None:
        self.pixels = pixels
        self.answers = [row["answers"] for row in labels]
        self.kinds = [row["kind"] for row in labels]
        self.image_token = tokenizer.convert_tokens_to_ids("<image>")
        self.pad = tokenizer.pad_token_id
        self.prompts = {key: tokenizer.encode(write_prompt(question.text))[1:] for key, question in QUESTIONS.items()}
        seen: Counter[tuple[str, str]] = Counter(
            item for i in range(len(self.answers)) for item in self.list_questions(i)
        )
        words = {answer for _, answer in seen}
        self.targets = {word: [*tokenizer.encode(word), tokenizer.eos_token_id] for word in words}
        self.classes = {key: sorted(answer for k, answer in seen if k == key) for key in AUXILIARY}
        # Answers to a question are trained equally often: a model must not gain from a prior.
        most = Counter(key for key, _ in seen.elements())
        kinds = Counter(key for key, _ in seen)
        self.weights = {
            (key, answer): QUESTION_RATES[key] * min(4.0, most[key] / kinds[key] / count)
            for (key, answer), count in seen.items()
        }

    def list_questions(self, picture: int) -> list[tuple[str, str]]:
        """(key, answer) of the questions that may be asked of a picture."""
        return [
            (key, answer)
            for key, answer in self.answers[picture].items()
            if key in QUESTION_RATES and (key != "front_edge" or self.kinds[picture] == "turned")
        ]

    def draw(self, rng: np.random.Generator, pictures: np.ndarray, questions: int) -> Batch:
        """Pack `questions` random questions behind each of `pictures` (indices)."""
        rows = [self._pack(self._choose(rng, int(i), questions)) for i in pictures]
        length = max(len(row[0]) for row in rows)
        token_ids = torch.full((len(rows), length), self.pad)
        positions = torch.zeros((len(rows), length), dtype=torch.long)
        labels = torch.full((len(rows), length), -100)
        segments = torch.full((len(rows), length), -1)
        for n, (ids, places, targets, parts) in enumerate(rows):
            for tensor, values in ((token_ids, ids), (positions, places), (labels, targets), (segments, parts)):
                tensor[n, : len(values)] = torch.tensor(values)
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        same = segments[:, :, None] == segments[:, None, :]
        picture = (segments == 0)[:, None, :]
        mask = (causal & (same | picture))[:, None]
        blank = torch.from_numpy(rng.random(len(rows)) < BLANK_RATE)
        auxiliary = {
            key: torch.tensor([self._class_of(key, int(i)) for i in pictures]).masked_fill(blank, -100)
            for key in AUXILIARY
        }
        pixels = torch.from_numpy(self.pixels[pictures])
        pixels[blank] = BLANK
        return Batch(pixels, token_ids, positions, mask, labels, auxiliary)

    def _choose(self, rng: np.random.Generator, picture: int, questions: int) -> list[tuple[str, str]]:
        able = self.list_questions(picture)
        weights = np.array([self.weights[item] for item in able])
        count = min(questions, len(able))
        return [able[i] for i in rng.choice(len(able), count, replace=False, p=weights / weights.sum())]

    def _pack(self, items: list[tuple[str, str]]) -> tuple[list[int], list[int], list[int], list[int]]:
        """Token ids, positions, shifted labels and segment numbers: 0 is the picture, 1.. the questions."""
        ids = [self.image_token] * IMAGE_TOKENS
        places, targets, parts = list(range(IMAGE_TOKENS)), [-100] * IMAGE_TOKENS, [0] * IMAGE_TOKENS
        for number, (key, answer) in enumerate(items, start=1):
            prompt, target = self.prompts[key], self.targets[answer]
            segment = [*prompt, *target[:-1]]
            ids += segment
            places += range(IMAGE_TOKENS, IMAGE_TOKENS + len(segment))
            targets += [-100] * (len(prompt) - 1) + target
            parts += [number] * len(segment)
        return ids, places, targets, parts

    def _class_of(self, key: str, picture: int) -> int:
        answer = self.answers[picture].get(key)
        return self.classes[key].index(answer) if answer is not None else -100
