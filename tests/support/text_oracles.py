"""Models whose every answer is known, also without an image and to other words: asked through the harness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.oracles import QUESTIONS, OracleModel, gold, recognise

NO_IMAGE = "There is no image attached, so I cannot answer."


class TextOracle(OracleModel):
    """Answers by a function of (question in the prompt, image shown or None, whether it is told to guess)."""

    def __init__(self, answer: Callable[[str, str | None, bool], str]) -> None:
        super().__init__(lambda *unused: "")
        self._answer_all = answer
        self.prompts: list[str] = []

    def _answer_one(self, request: Any) -> str:
        prompt, _, *beside = request.args
        images = beside[0]["visual"] if beside else []
        assert prompt.count("<image>") == len(images), "as many marks as images"
        (question,) = (line for line in prompt.split("\n") if line in QUESTIONS or line in REWORDED)
        self.prompts.append(prompt)
        shown = recognise(images[0]) if images else None
        return self._answer_all(question, shown, "Guess the answer" in prompt)


class TextModel(TextOracle):
    """The same for a model class that takes no images."""

    MULTIMODAL = False


REWORDED = {"is cardiomegaly present?": "is the heart enlarged?", "does it show a person?": "is this a human?"}
"""Questions in other words, by what they ask."""


def look(question: str, shown: str | None, guesses: bool) -> str:
    """Right about the image; says so where there is none, unless it is told to guess."""
    if shown in (None, "blank"):
        return "yes" if guesses else NO_IMAGE if shown is None else "The image is blank."
    return gold(REWORDED.get(question, question), shown)


def read_text_alone(question: str, shown: str | None, guesses: bool) -> str:
    """What image "a" makes right, whatever is shown."""
    return gold(REWORDED.get(question, question), "a")


def ignore_the_question(question: str, shown: str | None, guesses: bool) -> str:
    """Always yes."""
    return "yes"
