"""A TaskBoard -> what the page's sample browser holds: some questions, and every model's answer to each variant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from vrs_lmeval.leaderboard.board import TaskBoard
from vrs_lmeval.leaderboard.runs import GivenAnswer, ScoredSample
from vrs_lmeval.page.thumbnails import Pictures

SHOWN_SAMPLES = 200
"""Questions per task in the sample browser: chosen by the hash of their id, so that no answer decides."""

SHOWN_CHARACTERS = 1000
"""Characters of one text in the sample browser: an answer, a question, a prompt or a gold answer."""

LARGEST_CHARACTERS = 8_000_000
"""Characters of a task's browser if the user asks for so many questions: a phone still opens the page."""

LIGHT_CHARACTERS = 600_000
"""Characters of the browsers of all tasks, with pictures, if the user does not say: the page stays one to forward."""

UNREAD, WRONG, RIGHT = range(3)
"""How an answer was judged; `sample_browser.js` has the same numbers."""

NOT_ASKED = -1


class Texts:
    """Texts, each kept once, by their place: models often answer alike."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def keep(self, text: str) -> int:
        """The place of the text, cut to SHOWN_CHARACTERS."""
        if len(text) > SHOWN_CHARACTERS:
            text = f"{text[:SHOWN_CHARACTERS]} ... ({len(text)} characters)"
        return self.places.setdefault(text, len(self.places))


def choose_samples(board: TaskBoard, count: int = SHOWN_SAMPLES) -> list[ScoredSample]:
    """The questions that the browser shows, in its order."""
    samples = board.standings[0].run.samples
    return sorted(samples, key=lambda sample: hashlib.sha256(sample.sample_id.encode()).digest())[:count]


def fill_browser(
    board: TaskBoard,
    count: int,
    pictures: Pictures | None,
    numbers: Mapping[str, int],
    largest: int = LARGEST_CHARACTERS,
) -> dict[str, Any]:
    """As many chosen questions as fit into `largest` characters, at least one of `count`, with all answers.

    `numbers`: by label, the number of each model on the page. In `samples` a text is its place in `texts`. `answers`
    has a list a model with a number a variant: place of the text * 3 + judgement, NOT_ASKED without an answer.
    `prompts` has an entry for each prompt of a question: its text, then the places of the answers that it got, counted
    through all models; without these it got all.
    """
    by_model = [{sample.sample_id: sample for sample in standing.run.samples} for standing in board.standings]
    variants = board.variant_names
    pictures = pictures or Pictures()
    texts = Texts()
    samples: list[dict[str, Any]] = []
    files: dict[str, str] = {}
    used = 0
    for sample in choose_samples(board, count):
        known = len(texts.places)
        described = _describe(sample, [samples[sample.sample_id] for samples in by_model], variants, texts)
        fresh = list(texts.places)[known:]
        used += len(json.dumps(described)) + len(json.dumps(fresh))
        if samples and used > largest:
            for text in fresh:
                del texts.places[text]
            break
        shown = pictures.shown.get(sample.sample_id, {})
        files |= {key: pictures.files[key] for keys in shown.values() for key in keys}
        samples.append(described | ({"pictures": shown} if shown else {}))
    return {
        "models": [numbers[standing.label] for standing in board.standings],
        "variants": variants,
        "texts": list(texts.places),
        "samples": samples,
        "files": files,
    }


def _describe(
    sample: ScoredSample, by_model: Sequence[ScoredSample], variants: Sequence[str], texts: Texts
) -> dict[str, Any]:
    answers = [[of_model.answers.get(variant) for variant in variants] for of_model in by_model]
    asked = {
        variant: texts.keep(answer.asked)
        for of_model in reversed(answers)
        for variant, answer in zip(variants, of_model, strict=True)
        if answer is not None and answer.asked
    }
    return {
        "id": sample.sample_id,
        "question": texts.keep(sample.question),
        "golds": list(map(texts.keep, sample.golds)),
        "answers": [[_judge(answer, texts) for answer in of_model] for of_model in answers],
        "prompts": _list_prompts([answer for of_model in answers for answer in of_model], texts),
    } | ({"asked": asked} if asked else {})


def _judge(answer: GivenAnswer | None, texts: Texts) -> int:
    if answer is None:
        return NOT_ASKED
    judged = UNREAD if not answer.is_parsed else RIGHT if answer.correct >= 1 else WRONG
    return texts.keep(answer.text) * 3 + judged


def _list_prompts(answers: Sequence[GivenAnswer | None], texts: Texts) -> list[list[int]]:
    places: dict[int, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer is not None and answer.prompt is not None:
            places.setdefault(texts.keep(answer.prompt), []).append(place)
    asked = sum(answer is not None for answer in answers)
    if len(places) == 1 and len(next(iter(places.values()))) == asked:
        return [[text] for text in places]
    return [[text, *of_text] for text, of_text in places.items()]
