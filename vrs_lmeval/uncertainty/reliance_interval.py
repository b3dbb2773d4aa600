"""Correct answers under both images, from any source -> the Visual Reliance Score with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_interval

BOUNDS = (-1.0, 1.0)


def reliance(
    correct_real: Sequence[float],
    correct_shuffled: Sequence[float],
    image_ids: Sequence[str],
    shown_ids: Sequence[str] | None = None,
) -> Interval:
    """VRS = accuracy(real) - accuracy(shuffled), paired by question, with a 95 % interval clustered by image.

    All are in the order of the questions: whether the answer with the question's own image was right (0 or 1, or a
    score between), whether it was with another image, which image is the question's own, and which other one was shown.
    With `shown_ids` the interval is that of `vrs` in a run's results, which also counts that an image serves two
    groups of questions; without, it takes only questions on one image as alike. Raises ValueError where lengths differ,
    for no questions, or for scores outside 0..1.
    """
    real, shuffled = (np.asarray(each, dtype=np.float64) for each in (correct_real, correct_shuffled))
    lengths = {len(each) for each in (real, shuffled, image_ids, image_ids if shown_ids is None else shown_ids)}
    if len(lengths) > 1:
        raise ValueError(f"every question needs its scores and its images; there are {sorted(lengths)} of them")
    if not len(real):
        raise ValueError("there are no questions")
    for name, scores in (("correct_real", real), ("correct_shuffled", shuffled)):
        if not ((scores >= 0) & (scores <= 1)).all():  # NaN among them
            raise ValueError(f"{name}: scores lie between 0 and 1")
    shown = [None] * len(real) if shown_ids is None else shown_ids
    return find_interval(MEAN, list(zip((real - shuffled).tolist(), image_ids, shown, strict=True)), BOUNDS)
