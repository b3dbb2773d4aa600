"""Metrics of covered regions: by hand, and against naive twins."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.columns import aggregate, list_columns
from support.naive_region_metrics import naive_region_metrics

from vrs_lmeval.metrics import regions
from vrs_lmeval.metrics.question import Question
from vrs_lmeval.metrics.selection import measure, metrics_of_variants
from vrs_lmeval.records import Answer, Sample, Score

VARIANTS = ("real", "region_covered", "region_control")


def measure_rows(rows, images=3):
    """Rows {variant: value or None} -> every metric of a task with these variants; rows share `images` images."""
    columns = list_columns(VARIANTS)
    documents = []
    for number, row in enumerate(rows):
        answers = {name: Answer(value, None if value else "refusal") for name, value in row.items()}
        scores = {name: Score(*[float(value == "gold")] * 4) for name, value in row.items()}
        sample = Sample(f"s{number}", f"i{number % images}", "q", ("gold",), "closed")
        documents.append(measure(columns, Question(sample, answers, scores, {})))
    return aggregate(columns, documents)


def row(real, covered="-", control="-"):
    said = {"real": real, "region_covered": covered, "region_control": control}
    return {name: value for name, value in said.items() if value != "-"}


def test_six_questions_worked_by_hand():
    rows = [
        row("gold", "x", "gold"),  # looks: +1
        row("gold", "x", "x"),  # any box changes it: 0
        row("x", "x", "gold"),  # the other box changes it: -1
        row("gold", "x"),  # no place for another box
        row("gold", "x", None),  # declines under the other box
        row("gold"),  # asks about no region
    ]
    values = measure_rows(rows, images=2)
    assert values["flip_region"] == 4 / 5
    assert values["flip_control"] == 2 / 3
    assert values["region_effect"] == 0 / 3
    assert (values["acc_region_covered"], values["acc_region_control"]) == (0, 2 / 4)
    # The effects +1 and -1 are on image 0, 0 on image 1: both images sum to 0 and do not differ.
    assert math.isnan(values["region_effect_stderr"])
    # flip_control: 0 and 1 on image 0, 1 on image 1, mean 2/3. Summed residuals over n are -1/9 and 1/9, shares of the
    # questions 2/3 and 1/3: (1/81) * 3 + (1/81) * 3/2.
    assert values["flip_control_stderr"] == pytest.approx((4.5 / 81) ** 0.5)


def test_a_task_without_regions_has_none_of_them_and_its_accuracies_come_by_the_variants():
    assert not {metric.name for metric in regions.METRICS} & set(metrics_of_variants(["real", "shuffled"]))
    names = set(metrics_of_variants(VARIANTS))
    assert {"flip_region", "flip_control", "region_effect", "acc_region_covered", "acc_region_control"} <= names
    assert "region_effect" not in metrics_of_variants(["real", "region_covered"])


said = st.sampled_from(["gold", "x", "y", None])


@st.composite
def questions(draw):
    lacking = draw(st.sampled_from([(), ("region_control",), VARIANTS[1:]]))
    return {name: draw(said) for name in VARIANTS if name not in lacking}


@given(st.lists(questions(), min_size=1, max_size=10))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_every_metric_equals_its_naive_twin(rows):
    values = measure_rows(rows)
    expected = naive_region_metrics(rows)
    assert {metric.name for metric in regions.METRICS} <= set(expected)
    assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True, abs=1e-12)
    flips = values["flip_region"], values["flip_control"]
    if all("region_control" in row and None not in row.values() for row in rows):
        assert values["region_effect"] == pytest.approx(flips[0] - flips[1]), "of the same questions"
