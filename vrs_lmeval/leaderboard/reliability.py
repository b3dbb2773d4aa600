"""A run -> its reliability diagram: how often answers of each confidence were right.

It reads the pairs (confidence, right) that a run logs for each question under `ece` and `ece_<variant>`; only runs that
score options by likelihood have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vrs_lmeval.leaderboard.runs import Run
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.confidences import place_in_bins
from vrs_lmeval.uncertainty.forms import CALIBRATION_ERROR, MEAN
from vrs_lmeval.uncertainty.intervals import find_interval


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions whose answers had similar probabilities: their mean confidence, and their accuracy.

    The accuracy's interval is clustered by image: Wilson's, for the effective number of questions (`limits.py`).
    """

    confidence: float
    accuracy: Interval


def find_reliability(run: Run) -> dict[str, list[Bin]]:
    """By variant, the bins of its expected calibration error, the least sure first; empty for a run without pairs."""
    records = run.evidence.metrics or {}
    return {
        records[name].needs[0]: bins
        for name, metric in run.metrics.items()
        if metric.form is CALIBRATION_ERROR and (bins := _find_bins(run, name))
    }


def _find_bins(run: Run, name: str) -> list[Bin]:
    logged = [(sample.values.get(name), sample.image_id) for sample in run.samples]
    pairs = [(CALIBRATION_ERROR.read(value), image) for value, image in logged if value is not None]
    if not pairs:
        return []
    confidences = np.array([confidence for (confidence, _), _ in pairs])
    places = place_in_bins(confidences)
    bins = []
    for place in np.unique(places):
        chosen = np.flatnonzero(places == place)
        right = [(pairs[index][0][1], pairs[index][1]) for index in chosen]
        bins.append(Bin(float(confidences[chosen].mean()), find_interval(MEAN, right, (0.0, 1.0))))
    return bins
