"""Calibration: what is measured of a question, and which variants have which metrics."""

import math

import pytest
from support.columns import aggregate, ask, list_columns

from vrs_lmeval.metrics.calibration import measure_confidence
from vrs_lmeval.metrics.catalogue import FORMS
from vrs_lmeval.metrics.metric import is_metric
from vrs_lmeval.metrics.question import LIKELIHOODS, Question
from vrs_lmeval.metrics.selection import metrics_of_variants
from vrs_lmeval.reading.option_likelihoods import read_most_probable, share_out
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.records import Sample

CALIBRATION = ("ece", "overconfidence", "brier")


def make_sample(index=0, options=("CT", "MRI"), golds=("CT",)):
    return Sample(f"s{index}", f"i{index}", "which?", golds, "closed", options=options)


def answer(sample, probabilities):
    """{variant: a probability an option, or None} -> what a task knows of its answers."""
    shared = {
        name: None if numbers is None else share_out([math.log(number) for number in numbers])
        for name, numbers in probabilities.items()
    }
    answers = {name: read_most_probable(each, sample) for name, each in shared.items()}
    scores = {name: score_answer(each, sample) for name, each in answers.items()}
    return answers, scores, shared


def measure(variant, probabilities, **given):
    sample = make_sample(**given)
    answers, scores, shared = answer(sample, probabilities)
    return measure_confidence(variant)(Question(sample, answers, scores, {}, shared))


def test_the_confidence_is_the_share_of_the_answer_among_the_options():
    assert measure("real", {"real": (0.06, 0.02)}) == pytest.approx((0.75, 1.0))
    assert measure("blank", {"real": (0.06, 0.02), "blank": (0.1, 0.3)}) == pytest.approx((0.75, 0.0))


def test_options_of_equal_text_are_one_answer_with_the_probability_of_both():
    three = ("CT", "CT", "MRI")
    assert measure("real", {"real": (0.4, 0.2, 0.3)}, options=three) == pytest.approx((6 / 9, 1.0))


def test_a_variant_without_likelihoods_or_not_asked_has_no_confidence():
    assert measure("real", {"real": None}) is None
    assert measure("absent", {"real": (0.5, 0.4)}) is None


def test_questions_with_and_without_the_absent_variant_worked_by_hand():
    variants = ("real", "absent")
    rows = [
        {"real": (0.9, 0.1), "absent": (0.6, 0.4)},
        {"real": (0.3, 0.7)},
        {"real": (0.8, 0.2), "absent": (0.3, 0.7)},
    ]
    documents = []
    for index, row in enumerate(rows):
        sample = make_sample(index)
        answers, scores, shared = answer(sample, row)
        documents.append(ask(sample, answers, scores, variants=variants, likelihoods=shared))
    values = aggregate(list_columns(variants, (LIKELIHOODS,)), documents)
    assert values["overconfidence"] == pytest.approx((0.9 + 0.7 + 0.8 - 2) / 3)
    assert values["ece"] == pytest.approx(0.4 / 3)  # of three questions there is one bin
    assert values["brier"] == pytest.approx((0.01 + 0.49 + 0.04) / 3)
    assert values["overconfidence_absent"] == pytest.approx((0.6 + 0.7 - 1) / 2)
    assert values["brier_absent"] == pytest.approx((0.16 + 0.49) / 2)
    assert [document["ece_absent"] is None for document in documents] == [False, True, False]


def names(variants, known=(LIKELIHOODS,)):
    found = metrics_of_variants(variants, known)
    assert all(metric.form.name in FORMS for metric in found.values())
    return {name for name in found if is_metric(name) and name.startswith(CALIBRATION)}


def test_only_tasks_with_likelihoods_have_them_and_only_of_their_variants():
    assert names(["real"]) == set(CALIBRATION)
    assert names(["real", "blank", "shuffled"], known=()) == set()
    assert names(["real", "shuffled"]) == {*CALIBRATION, *(f"{name}_shuffled" for name in CALIBRATION)}
    assert names(["real", "absent"]) == {*CALIBRATION, *(f"{name}_absent" for name in CALIBRATION)}


def test_a_graded_variant_has_two_and_a_further_draw_none():
    assert names(["real", "jpeg_3"]) == {*CALIBRATION, "ece_jpeg_3", "overconfidence_jpeg_3"}
    assert names(["real", "jpeg_3"], known=()) == set()
    extra = {*CALIBRATION, *(f"{name}_shuffled" for name in CALIBRATION)}
    assert names(["real", "shuffled", "shuffled_2"]) == extra
