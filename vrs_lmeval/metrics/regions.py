"""The asked region's part: whether covering it changes the answer, more often than covering an equal box elsewhere."""

from __future__ import annotations

from vrs_lmeval.metrics.metric import DIFFERENCE, OURS, Metric
from vrs_lmeval.metrics.question import Question, change_between
from vrs_lmeval.records import REAL, REGION_CONTROL, REGION_COVERED

LOTFINIA = "after Lotfinia et al. (arXiv 2606.17710); formula ours"


def measure_effect(question: Question) -> float | None:
    """Change under region_covered minus change under region_control: -1, 0 or 1; None where one is not known."""
    covered, control = (change_between(REAL, variant)(question) for variant in (REGION_COVERED, REGION_CONTROL))
    return None if covered is None or control is None else covered - control


METRICS = (
    *(
        Metric(
            name=name,
            formula=f"mean of [answer(real) != answer({variant})] where both are parsed",
            source=LOTFINIA,
            measure=change_between(REAL, variant),
            needs=frozenset({REAL, variant}),
            higher_is_better=higher_is_better,
        )
        for name, variant, higher_is_better in (
            ("flip_region", REGION_COVERED, None),  # any grey box may do it: the effect is what tells
            ("flip_control", REGION_CONTROL, False),
        )
    ),
    Metric(
        name="region_effect",
        formula="flip_region - flip_control, where real, region_covered and region_control are parsed",
        source=OURS,
        measure=measure_effect,
        needs=frozenset({REAL, REGION_COVERED, REGION_CONTROL}),
        unit=DIFFERENCE,
    ),
)
