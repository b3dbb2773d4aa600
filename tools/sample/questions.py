"""The questions of the sample: one wording per question, so that the same question is asked of many pictures."""

from __future__ import annotations

from dataclasses import dataclass

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Question:
    """One wording. `options` is empty for open questions; `answer_type` follows from it."""

    type: str
    text: str
    options: tuple[str, ...] = ()

    @property
    def answer_type(self) -> str:
        """Closed questions name their answers."""
        return "closed" if self.options else "open"


QUESTIONS = {
    "plane": Question("plane", "Is this slice axial, coronal or sagittal?", ("axial", "coronal", "sagittal")),
    "plane_open": Question("plane", "In which anatomical plane was this slice taken?"),
    "plane_axial": Question("plane_check", "Is this an axial slice?", YES_NO),
    "plane_coronal": Question("plane_check", "Is this a coronal slice?", YES_NO),
    "plane_sagittal": Question("plane_check", "Is this a sagittal slice?", YES_NO),
    "skull": Question("skull", "Is the skull visible in this picture?", YES_NO),
    "species": Question("species", "Does this picture show a human brain or a macaque brain?", ("human", "macaque")),
    "mark_side": Question(
        "mark_side", "Is the red mark in the left or the right half of the picture?", ("left", "right")
    ),
    "mark_height": Question(
        "mark_height", "Is the red mark in the upper or the lower half of the picture?", ("upper", "lower")
    ),
    "mark_quadrant": Question("mark_quadrant", "Which quadrant of the picture holds the red mark?"),
    "mark_count": Question("mark_count", "How many red marks are drawn on this picture?"),
    "hemisphere_same": Question(
        "hemisphere",
        "The left of this picture is the patient's left. Is the red mark in the left or the right hemisphere?",
        ("left", "right"),
    ),
    "hemisphere_mirrored": Question(
        "hemisphere",
        "The left of this picture is the patient's right. Is the red mark in the left or the right hemisphere?",
        ("left", "right"),
    ),
    "front_edge": Question(
        "front_edge",
        "At which edge of this picture is the front of the head: top, bottom, left or right?",
        ("top", "bottom", "left", "right"),
    ),
    "modality": Question(
        "modality",
        "Is this picture an MRI, a CT, a photograph or a micrograph?",
        ("mri", "ct", "photograph", "micrograph"),
    ),
    "organ": Question("organ", "Which organ or part of the body does this picture show?"),
    "tissue": Question(
        "tissue",
        "Is the tissue inside the red ring grey matter or white matter?",
        ("grey matter", "white matter"),
    ),
}
