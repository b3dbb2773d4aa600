"""A TaskBoard -> what the page's sample browser holds: some questions, and every model's answer to each variant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from vrs_lmeval.leaderboard.board import TaskBoard
from vrs_lmeval.leaderboard.runs import ScoredSample
from vrs_lmeval.page.thumbnails import Pictures

SHOWN_SAMPLES = 200
"""Questions per task in the sample browser: chosen by the hash of their id, so that no answer decides."""

SHOWN_CHARACTERS = 1000
"""Characters of one text in the sample browser: an answer, a question or a gold answer."""

LARGEST_CHARACTERS = 8_000_000
"""Characters of a task's browser: with many models it holds fewer questions, so that a phone still opens the page."""


def choose_samples(board: TaskBoard, count: int = SHOWN_SAMPLES) -> list[ScoredSample]:
    """The questions that the browser shows, in its order."""
    samples = board.standings[0].run.samples
    return sorted(samples, key=lambda sample: hashlib.sha256(sample.sample_id.encode()).digest())[:count]


def fill_browser(board: TaskBoard, count: int, pictures: Pictures | None) -> dict[str, Any]:
    """As many chosen questions as fit, each with its answers by model and variant, and perhaps its pictures."""
    by_model = [(standing.label, {s.sample_id: s for s in standing.run.samples}) for standing in board.standings]
    pictures = pictures or Pictures()
    samples: list[dict[str, Any]] = []
    used = 0
    for sample in choose_samples(board, count):
        described = _describe(sample, by_model)
        used += len(json.dumps(described))
        if samples and used > LARGEST_CHARACTERS:
            break
        samples.append(described | {"pictures": list(pictures.shown.get(sample.sample_id, {}).items())})
    return {"samples": samples, "files": pictures.files}


def _describe(sample: ScoredSample, by_model: Sequence[tuple[str, Mapping[str, ScoredSample]]]) -> dict[str, Any]:
    return {
        "question": _shorten(sample.question),
        "golds": list(map(_shorten, sample.golds)),
        "answers": [
            {
                "model": label,
                "variants": [
                    {
                        "name": name,
                        "text": _shorten(answer.text),
                        "correct": answer.correct,
                        "parsed": answer.is_parsed,
                    }
                    | ({"asked": _shorten(answer.asked)} if answer.asked else {})
                    for name, answer in samples[sample.sample_id].answers.items()
                ],
            }
            for label, samples in by_model
        ],
    }


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ... ({len(text)} characters)"
