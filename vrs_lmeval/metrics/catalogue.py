"""Every metric by name, and every form by the name that a run logs; docs/metrics.md explains them.

`tools/write_metrics_table.py` writes the table of that page; a test keeps both equal.
"""

from __future__ import annotations

from collections.abc import Mapping

from vrs_lmeval.metrics import (
    baselines,
    calibration,
    further_variants,
    image_remarks,
    open_answers,
    option_likelihoods,
    question_sets,
    regions,
    reliance,
    rewordings,
    visual_claims,
    without_image,
)
from vrs_lmeval.metrics.metric import Metric
from vrs_lmeval.uncertainty.forms import FORMS as FORMS_OF_QUESTIONS
from vrs_lmeval.uncertainty.forms import Form

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for family in (
        reliance,
        open_answers,
        question_sets,
        visual_claims,
        without_image,
        image_remarks,
        rewordings,
        regions,
        option_likelihoods,
        calibration,
        further_variants,
        baselines,
    )
    for metric in family.METRICS
}
"""Every metric of known variants, by name; further variants and breakdowns add their own (`selection.py`)."""

FORMS: Mapping[str, Form] = {
    **FORMS_OF_QUESTIONS,
    **{form.name: form for form in (question_sets.WHOLE_SETS_RIGHT, question_sets.WHOLE_SETS_ALIKE)},
}
