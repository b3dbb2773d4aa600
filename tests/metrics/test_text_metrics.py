"""Metrics without an image, of what is said, and of other words: by hand, and against naive twins."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.columns import aggregate, list_columns
from support.naive_text_metrics import naive_text_metrics

from vrs_lmeval.metrics import image_remarks, rewordings, without_image
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.question import CLAIM, Question, Said
from vrs_lmeval.metrics.selection import find_breakdown, measure
from vrs_lmeval.records import Answer, Sample, Score

VARIANTS = (
    "real", "blank", "shuffled", "absent", "guess", "question_shuffled", "question_shuffled_absent", "paraphrase",
    "rotated", "rotated_2",
)  # fmt: skip
MAY_LACK = VARIANTS[3:]


def measure_rows(rows):
    """Rows {variant: (value or None, remark, declines, claims)} -> every metric of a task with all variants."""
    columns = list_columns(VARIANTS, {CLAIM})
    documents = []
    for number, row in enumerate(rows):
        answers = {name: Answer(value, None if value else "refusal") for name, (value, *_) in row.items()}
        rights = {name: float(value == "gold") for name, (value, *_) in row.items()}
        scores = {name: Score(right, right, right, right) for name, right in rights.items()}
        said = {name: Said(claims, remark, declines) for name, (_, remark, declines, claims) in row.items()}
        sample = Sample(f"s{number}", f"i{number % 3}", "q", ("gold",), "closed")
        known = {CLAIM: float(said["real"].claims_to_see)}
        documents.append(measure(columns, Question(sample, answers, scores, known, {}, "i9", said)))
    return aggregate(columns, documents)


def plain(value):
    return value, None, False, False


def row(real="gold", shuffled="gold", **others):
    return {name: plain(value) for name, value in {"real": real, "blank": "x", "shuffled": shuffled, **others}.items()}


def test_four_questions_without_an_image_worked_by_hand():
    rows = [
        row(absent="gold", guess="gold"),  # right all the same
        row() | {"absent": (None, "missing", True, False), "guess": plain("x")},  # says that there is none
        row(real="x") | {"absent": ("x", "mismatch", False, False), "guess": (None, None, True, False)},
        row() | {"absent": ("gold", None, False, True), "guess": plain("gold")},  # claims to see it
    ]
    values = measure_rows(rows)
    assert (values["acc"], values["acc_absent"], values["acc_guess"]) == (3 / 4, 2 / 4, 2 / 4)
    assert (values["vrs_absent"], values["mirage_score"]) == pytest.approx((1 / 4, 2 / 3))
    assert (values["mirage_rate"], values["claim_rate_absent"]) == (3 / 4, 1 / 4)
    assert [values[f"{share}_rate_absent"] for share in ("flag", "refusal", "silent")] == [2 / 4, 1 / 4, 2 / 4]
    assert [values[f"{share}_rate_guess"] for share in ("flag", "refusal", "silent")] == [0, 1 / 4, 3 / 4]


def test_quadrants_of_five_questions_worked_by_hand():
    rows = [
        row(shuffled="x", paraphrase="gold"),  # looks, and reads other words the same
        row(shuffled="gold", paraphrase="gold"),  # the dangerous one
        row(shuffled="gold", paraphrase="gold"),
        row(shuffled="x", paraphrase="y"),
        row(shuffled="x", paraphrase=None),  # not known
    ]
    values = measure_rows(rows)
    assert values["consistency"] == 3 / 4
    assert (values["consistent_sighted"], values["consistent_blind"]) == (1 / 4, 2 / 4)
    assert (values["inconsistent_sighted"], values["inconsistent_blind"]) == (1 / 4, 0)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("acc_question_form_yes_no", "acc"),
        ("vrs_modality_mri", "vrs"),
        ("acc_absent_question_form_how", "acc_absent"),
        ("acc_majority_question_type_organ", "acc_majority"),
    ],
)
def test_a_breakdown_is_found_by_its_name_whatever_values_the_questions_have(name, whole):
    found = find_breakdown(name)
    assert (found.name, found.form, found.needs) == (name, METRICS[whole].form, METRICS[whole].needs)


@pytest.mark.parametrize("name", ["acc", "acc_absent", "acc_organ_heart", "hvrr_modality_mri"])
def test_other_names_are_no_breakdown(name):
    assert find_breakdown(name) is None


said_of_one = st.tuples(
    st.sampled_from(["gold", "x", "y", None]),
    st.sampled_from([None, None, "missing", "blank", "mismatch"]),
    st.booleans(),
    st.booleans(),
)


@st.composite
def questions(draw):
    lacking = draw(st.sets(st.sampled_from(MAY_LACK)))
    return {name: draw(said_of_one) for name in VARIANTS if name not in lacking}


@given(st.lists(questions(), min_size=1, max_size=10))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_every_metric_equals_its_naive_twin(rows):
    values = measure_rows(rows)
    expected = naive_text_metrics(rows)
    assert set(expected) == {m.name for family in (without_image, image_remarks, rewordings) for m in family.METRICS}
    assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True, abs=1e-12)
    for suffix in ("", "_rotated"):
        shares = [values[f"{name}{suffix}"] for name in rewordings.QUADRANTS]
        assert all(map(math.isnan, shares)) or sum(shares) == pytest.approx(1)
    for variant in ("real", "blank", "shuffled", "absent", "guess"):
        flag, refusal, silent = (values[f"{share}_rate_{variant}"] for share in ("flag", "refusal", "silent"))
        assert math.isnan(silent) or silent + max(flag, refusal) <= 1 + 1e-9, "who flags or declines is not silent"
