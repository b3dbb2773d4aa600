"""A run -> how much its answers depend on the image and on the question's words, over the same yes/no questions."""

from __future__ import annotations

from dataclasses import dataclass

from vrs_lmeval.leaderboard.metric_intervals import find_partners
from vrs_lmeval.leaderboard.runs import Run
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_interval

BOUNDS = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class ModalityReliance:
    """The accuracy that is lost with another image (VRS), and with another image's question (`text_reliance`)."""

    image: Interval
    text: Interval


def find_modality_reliance(run: Run) -> ModalityReliance | None:
    """The reliance over the questions that were also asked with another question's words; None if there is none."""
    pairs = zip(run.samples, find_partners(run.samples), strict=True)
    asked = [(sample, partner) for sample, partner in pairs if sample.values.get("text_reliance") is not None]
    if not asked:
        return None
    return ModalityReliance(
        find_interval(MEAN, [(sample.values["vrs"], sample.image_id, partner) for sample, partner in asked], BOUNDS),
        find_interval(MEAN, [(sample.values["text_reliance"], sample.image_id) for sample, _ in asked], BOUNDS),
    )
