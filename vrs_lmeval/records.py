"""The records that pass between the stages: each is immutable, small and free of behaviour that belongs to a stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AnswerType = Literal["closed", "open"]

REAL, BLANK, SHUFFLED = "real", "blank", "shuffled"
"""The three image variants of the VRS paper, which the metrics compare by name."""

SHUFFLED_HARD, RETEST = "shuffled_hard", "retest"
"""Further variants that metrics compare by name: a partner with another gold, and a re-encode that nobody sees."""

ABSENT, GUESS = "absent", "guess"
"""Variants without an image: the same question; and the same question with a notice that there is no image."""

QUESTION_SHUFFLED, PARAPHRASE, ROTATED = "question_shuffled", "paraphrase", "rotated"
"""Variants that show the question's own image with other words: another image's question; the same question in other
words; the same question with its options in another order."""

QUESTION_SHUFFLED_ABSENT = "question_shuffled_absent"
"""Another image's question, and no image."""

REGION_COVERED, REGION_CONTROL = "region_covered", "region_control"
"""Variants of a part of the image: the box that the question asks about is covered, or an equal box elsewhere."""

WITHOUT_IMAGES = frozenset({ABSENT, GUESS, QUESTION_SHUFFLED_ABSENT})

NOT_ASKED = "(not asked: this model takes no prompt without an image)"
"""What our model classes return instead of an answer if they cannot ask the question."""

GREY: tuple[int, int, int] = (128, 128, 128)
"""Mid grey: black can be special-cased by a model as "missing image" (MedVIGIL, arXiv 2605.07919)."""


@dataclass(frozen=True, slots=True)
class Region:
    """A named box in an image: columns `left` to `left + width - 1`, rows `top` to `top + height - 1`, in pixels.

    It is taken from the data set as it is, so it may reach beyond the image.
    """

    name: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about its image or images, as the benchmark asks it.

    `sample_id` and `image_id` are stable: they depend on text and pixels alone, never on row order,
    file encoding or memory addresses, so that two runs can be paired by them. A question with several images lists
    them in `image_ids`, in the prompt's order, and its `image_id` stands for all of them together. `set_id` names the
    questions that a benchmark scores together, `set_size` how many they are. `paraphrase_group` names the questions on
    one image that ask the same in other words. `regions` are the boxes that the data set has for its image, if the
    task asks for them; ids do not depend on them.
    """

    sample_id: str
    image_id: str
    question: str
    golds: tuple[str, ...]
    answer_type: AnswerType
    options: tuple[str, ...] = ()
    question_type: str | None = None
    modality: str | None = None
    image_ids: tuple[str, ...] = ()
    set_id: str | None = None
    set_size: int = 1
    paraphrase_group: str | None = None
    regions: tuple[Region, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The ids of its images, in the prompt's order; most questions have one."""
        return self.image_ids or (self.image_id,)


@dataclass(frozen=True, slots=True)
class Perturbation:
    """A change of one image's pixels: `kind` names its definition, `parameters` are that definition's numbers.

    `key` (128 bits) seeds the random kinds; deterministic kinds leave it 0. The definitions stand in
    `csrc/perturb/family_*.h` and, written to be read, in `pixels/reference/`.
    """

    kind: str = "identity"
    parameters: tuple[float, ...] = ()
    key: int = 0

    def __str__(self) -> str:
        numbers = ", ".join(f"{number:g}" for number in self.parameters)
        return f"{self.kind}({numbers})" if numbers else self.kind

    @staticmethod
    def identity() -> Perturbation:
        """The image as it is."""
        return Perturbation()

    @staticmethod
    def blank(colour: tuple[int, int, int] = GREY) -> Perturbation:
        """A uniform image of the source's size; `colour` is RGB, 0..255 each."""
        return Perturbation("blank", tuple(float(channel) for channel in colour))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model's text answers: a normalised `value`, or None with the `reason` why no answer can be read."""

    value: str | None
    reason: str | None = None

    @property
    def is_parsed(self) -> bool:
        """True where the text held an answer."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Score:
    """How an answer compares with the gold answers: every field is a share in 0..1.

    `named` is 1 if the text says a gold in one run of words and does not deny it; for closed questions it equals
    `correct`.
    """

    correct: float
    token_f1: float
    token_recall: float
    named: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval; NaN limits come with a `reason`."""

    estimate: float
    low: float
    high: float
    method: str
    n: int
    clusters: int
    level: float = 0.95
    reason: str | None = field(default=None)
