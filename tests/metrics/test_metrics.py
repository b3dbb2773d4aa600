"""Metrics: by hand, for models whose numbers are known, against naive twins, and in the harness's own table."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.columns import ALL_COLUMNS, aggregate, ask, list_columns
from support.naive_metrics import naive_clustered_error, naive_further_metrics, naive_limits, naive_metrics

from tools.write_metrics_table import write_table
from vrs_lmeval.metrics import image_remarks, regions, rewordings, without_image
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.metric import STANDARD_ERROR, is_metric
from vrs_lmeval.metrics.question import LIKELIHOODS, Question
from vrs_lmeval.metrics.selection import columns_of, metrics_by, metrics_of_variants
from vrs_lmeval.records import Answer, Sample, Score

ALL = ("real", "blank", "shuffled")


def answered(value, correct=None, f1=0.0, recall=0.0):
    """An answer and its score; `value` None is unparsable, "gold" is right."""
    correct = float(value == "gold") if correct is None else correct
    answer = Answer(None, "refusal") if value is None else Answer(value)
    return answer, Score(correct, max(f1, correct), max(recall, correct), correct)


def measure(rows):
    """Rows (image id, answer type, {variant: (Answer, Score)}) -> every metric over all questions."""
    documents = []
    for index, (image, answer_type, variants) in enumerate(rows):
        sample = Sample(f"s{index}", image, "q", ("gold",), answer_type)
        answers = {name: answer for name, (answer, _) in variants.items()}
        scores = {name: score for name, (_, score) in variants.items()}
        documents.append(ask(sample, answers, scores))
    columns = list_columns(rows[0][2])
    assert all(list(document) == list(columns) for document in documents)
    return aggregate(columns, documents)


def triple(real, blank, shuffled):
    return dict(zip(ALL, map(answered, (real, blank, shuffled)), strict=True))


# Five questions on three images, worked by hand in the tests below.
FIVE = [
    ("a", "closed", triple("gold", "gold", "other")),  # looks: right, then wrong
    ("a", "closed", triple("gold", "other", "gold")),  # right under both
    ("a", "open", triple("other", "other", "gold")),  # right only by luck
    ("b", "closed", triple("gold", None, None)),  # refuses without its image
    ("c", "open", triple("gold", "other", "other")),
]


def test_every_metric_of_five_questions_worked_by_hand():
    values = measure(FIVE)
    assert values["acc"] == pytest.approx(4 / 5)
    assert values["acc_blank"] == pytest.approx(1 / 5)
    assert values["acc_shuffled"] == pytest.approx(2 / 5)
    assert values["vrs"] == pytest.approx(2 / 5)  # differences 1, 0, -1, 1, 1
    # The fourth, which refuses with another image, has the part 1/5; the others 1, 0, -1 and 1.
    assert (values["vrs_from_changed"], values["vrs_from_unread"]) == pytest.approx((1 / 5, 1 / 5))
    assert values["image_sensitivity"] == pytest.approx(3 / 4)  # changed, same, changed, left out, changed
    assert values["blank_retention"] == pytest.approx(1 / 4)
    assert values["parse_failure_rate"] == pytest.approx(2 / 15)
    assert values["acc_closed"] == pytest.approx(3 / 3)
    assert values["acc_open"] == pytest.approx(1 / 2)
    assert values["f1_open"] == pytest.approx(1 / 2)
    assert values["recall_open"] == pytest.approx(1 / 2)
    assert values["vrs_closed"] == pytest.approx(2 / 3)
    assert values["vrs_open"] == pytest.approx(0 / 2)


def test_the_error_and_interval_of_vrs_are_clustered_by_image():
    values = measure(FIVE)
    # Residual sums by image: a (1 + 0 - 1) - 3 * .4 = -1.2, b 1 - .4 = .6, c .6; their shares are .6, .2 and .2:
    # s^2 = (1.44 / .4 + .36 / .8 + .36 / .8) / 25. Degrees of freedom: sum h^2 = .44, q = .9, .05, .05, so
    # 1 / (.44 + 1 - .815) = 1.6. Share (1 + .4) / 2 = .7 with the error s / 2.
    error = math.sqrt(4.5 / 25)
    assert values["vrs_stderr"] == pytest.approx(error)
    t = 5.517245  # of 1.6 degrees of freedom
    weight = t**2 * (error / 2) ** 2 / 0.21
    centre = (0.7 + weight / 2) / (1 + weight)
    half = math.sqrt(0.21 * weight + weight**2 / 4) / (1 + weight)
    limits = (values["vrs_ci95_low"], values["vrs_ci95_high"])
    assert limits == pytest.approx((2 * (centre - half) - 1, 2 * (centre + half) - 1), abs=1e-3)


def test_open_overlap_is_averaged_over_open_questions_alone():
    rows = [
        ("a", "open", {"real": answered("left lung", f1=0.5, recall=0.25)}),
        ("b", "open", {"real": answered("gold")}),
        ("c", "closed", {"real": answered("gold", f1=0.0)}),
    ]
    values = measure(rows)
    assert (values["f1_open"], values["recall_open"]) == pytest.approx((0.75, 0.625))


def test_gentler_scores_of_open_answers_and_their_vrs_worked_by_hand():
    def open_answer(named, recall):
        return Answer("some words"), Score(0.0, 0.0, recall, named)

    rows = [
        ("a", "open", {"real": open_answer(1.0, 1.0), "shuffled": open_answer(0.0, 0.5)}),
        ("b", "open", {"real": open_answer(0.0, 0.5), "shuffled": open_answer(0.0, 0.0)}),
        ("c", "closed", {"real": answered("gold"), "shuffled": answered("other")}),  # takes no part
    ]
    values = measure(rows)
    assert (values["named_open"], values["named_open_shuffled"], values["vrs_named"]) == (0.5, 0.0, 0.5)
    assert (values["recall_open"], values["recall_open_shuffled"], values["vrs_recall"]) == (0.75, 0.25, 0.5)
    assert (values["acc_open"], values["vrs_open"]) == (0.0, 0.0)


def ten(real, blank, shuffled, answer_type="closed"):
    return [(f"i{index}", answer_type, triple(real, blank, shuffled)) for index in range(10)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (  # always says what the image shown says: here every partner shows something else
            ten("gold", "other", "other"),
            {"acc": 1, "acc_shuffled": 0, "vrs": 1, "image_sensitivity": 1, "blank_retention": 0},
        ),
        (  # always the gold answer, whatever it is shown: no reliance at all
            ten("gold", "gold", "gold"),
            {"acc": 1, "acc_shuffled": 1, "vrs": 0, "image_sensitivity": 0, "blank_retention": 1},
        ),
        (  # a constant wrong answer: nothing to retain
            ten("other", "other", "other"),
            {"acc": 0, "vrs": 0, "image_sensitivity": 0, "blank_retention": math.nan, "parse_failure_rate": 0},
        ),
        (  # always refuses: wrong and counted, and never "sensitive"
            ten(None, None, None),
            {"acc": 0, "vrs": 0, "image_sensitivity": math.nan, "parse_failure_rate": 1},
        ),
        (  # refuses whenever it does not see the image: reliance, but no change of answer was seen
            ten("gold", None, None),
            {"acc": 1, "vrs": 1, "image_sensitivity": math.nan, "parse_failure_rate": 2 / 3},
        ),
        (  # changes its answer, always wrong: sensitive without reliance
            ten("other", "other", "another"),
            {"acc": 0, "vrs": 0, "image_sensitivity": 1},
        ),
    ],
)  # fmt: skip
def test_models_whose_numbers_are_known(rows, expected):
    values = measure(rows)
    assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True)


def test_where_no_question_differs_there_is_an_exact_bound_and_no_error():
    values = measure(ten("gold", "gold", "gold"))
    missed = 1 - 0.05 ** (1 / 10)
    assert (values["vrs_ci95_low"], values["vrs_ci95_high"]) == pytest.approx((-missed, missed))
    assert math.isnan(values["vrs_stderr"])  # the harness would print 0.0000


def test_a_metric_without_applicable_questions_is_nan_and_never_zero():
    values = measure(ten("gold", "gold", "other"))
    for name in ("acc_open", "f1_open", "recall_open", "vrs_open"):
        assert math.isnan(values[name])
        assert math.isnan(values[name + STANDARD_ERROR])
    assert all(math.isnan(column.aggregate([])) for column in ALL_COLUMNS.values())


SETS = {"set_accuracy", "confusion"}  # a task leaves them out where its questions form no sets
REAL_ONLY = {"acc", "parse_failure_rate", "acc_closed", "acc_open", "f1_open", "recall_open", "named_open"} | SETS


@pytest.mark.parametrize(
    ("variants", "names"),
    [
        (["real"], REAL_ONLY),
        (["real", "blank"], REAL_ONLY | {"acc_blank", "blank_retention", "named_open_blank", "recall_open_blank"}),
        (["real", "noise_3"], REAL_ONLY | {"acc_noise_3"}),
        (
            ["shuffled", "real"],
            REAL_ONLY
            | {"acc_shuffled", "vrs", "image_sensitivity", "vrs_closed", "vrs_open"}
            | {"vrs_from_changed", "vrs_from_unread", "vrs_named", "vrs_recall"}
            | {"named_open_shuffled", "recall_open_shuffled"},
        ),
    ],
)
def test_only_variants_that_were_run_yield_metrics(variants, names):
    assert set(metrics_of_variants(variants)) == names
    values = measure([("a", "closed", {variant: answered("gold") for variant in variants})])
    assert {name for name in values if is_metric(name)} == names
    limits = {"vrs_ci95_low", "vrs_ci95_high"} if "vrs" in names else set()
    assert set(values) == names | {name + STANDARD_ERROR for name in names} | limits


def test_a_graded_variant_has_its_accuracy_with_an_error():
    rows = [("a", "open", {"real": answered("gold"), "noise_3": answered("other")}),
            ("b", "open", {"real": answered("gold"), "noise_3": answered("gold")})]  # fmt: skip
    values = measure(rows)
    assert (values["acc_noise_3"], values["acc_noise_3_stderr"]) == pytest.approx((0.5, 0.5))


def test_a_variant_that_would_take_another_metrics_name_is_an_error():
    with pytest.raises(ValueError, match="acc_closed"):
        metrics_of_variants(["real", "closed"])


def test_answers_and_scores_must_be_of_the_same_variants():
    sample = Sample("s", "i", "q", ("gold",), "open")
    answer, score = answered("gold")
    with pytest.raises(ValueError, match="blank"):
        Question(sample, {"real": answer, "blank": answer}, {"real": score}, {})


def test_a_question_without_open_metrics_says_none_and_can_be_written_as_json():
    sample = Sample("s", "i", "q", ("gold",), "closed")
    variants = triple("gold", "other", None)
    values = ask(
        sample, {name: pair[0] for name, pair in variants.items()}, {name: pair[1] for name, pair in variants.items()}
    )
    assert values["acc_open"] is None
    assert values["image_sensitivity"] is None
    assert values["vrs"] == 1.0
    assert json.loads(json.dumps(values, allow_nan=False))["vrs_stderr"] == [1.0, "i", None]


outcomes = st.sampled_from(["gold", "other", "another", None])
questions = st.tuples(st.sampled_from("abcd"), st.sampled_from(["closed", "open"]), outcomes, outcomes, outcomes)


@given(st.lists(questions, min_size=1, max_size=20))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_every_metric_equals_its_naive_twin(drawn):
    rows = [(image, kind, triple(*values)) for image, kind, *values in drawn]
    plain = [
        (kind, {name: (answer.value, score.correct, score.token_f1, score.token_recall)
                for name, (answer, score) in variants.items()})
        for _, kind, variants in rows
    ]  # fmt: skip
    values = measure(rows)
    assert {name: values[name] for name in naive_metrics(plain)} == pytest.approx(naive_metrics(plain), nan_ok=True)
    differences = [variants["real"][1] - variants["shuffled"][1] for _, variants in plain]
    images = [image for image, _, _ in rows]
    assert values["vrs_stderr"] == pytest.approx(naive_clustered_error(differences, images), nan_ok=True, abs=1e-12)
    limits = (values["vrs_ci95_low"], values["vrs_ci95_high"])
    assert limits == pytest.approx(naive_limits(differences, images, -1, 1), nan_ok=True, abs=1e-9)


@given(st.lists(questions, min_size=1, max_size=20))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_vrs_is_the_difference_of_the_accuracies_and_shares_stay_shares(drawn):
    values = measure([(image, kind, triple(*values)) for image, kind, *values in drawn])
    assert values["vrs"] == pytest.approx(values["acc"] - values["acc_shuffled"])
    assert values["vrs"] == pytest.approx(values["vrs_from_changed"] + values["vrs_from_unread"])
    for name, metric in METRICS.items():
        if name in values and not math.isnan(values[name]):
            assert metric.unit.low <= values[name] <= metric.unit.high


FURTHER = ("real", "blank", "shuffled", "shuffled_2", "shuffled_3", "shuffled_hard", "retest")
KNOWN = ("claim", "vrs_ceiling", "majority", "question_only")


def measure_known(rows):
    """Rows (image id, answer type, {variant: value or None}, known) -> every metric; variants may be missing."""
    documents = []
    for index, (image, kind, values, known) in enumerate(rows):
        sample = Sample(f"s{index}", image, "q", ("gold",), kind)
        pairs = {variant: answered(value) for variant, value in values.items()}
        answers, scores = ({name: pair[part] for name, pair in pairs.items()} for part in (0, 1))
        documents.append(ask(sample, answers, scores, dict(zip(KNOWN, known, strict=True)), FURTHER))
    columns = list_columns(FURTHER, KNOWN)
    assert all(list(document) == list(columns) for document in documents)
    json.dumps(documents, allow_nan=False)
    return aggregate(columns, documents)


def seven(real, blank, shuffled, second, third, hard, retest):
    values = dict(zip(FURTHER, (real, blank, shuffled, second, third, hard, retest), strict=True))
    if hard == "not asked":
        del values["shuffled_hard"]
    return values


# Four questions on three images, worked by hand below. Known: claim, ceiling, majority right, question-only right.
FOUR = [
    ("a", "closed", seven("gold", "gold", "gold", "other", "gold", "other", "gold"), (1, 0, 1, 1)),
    ("a", "open", seven("gold", "other", "gold", "gold", "gold", "gold", "other"), (1, 1, 0, 1)),
    ("b", "closed", seven("gold", "other", "other", "other", "gold", "not asked", "other"), (1, 1, 1, 0)),
    ("c", "open", seven("other", None, None, "gold", "other", "other", "other"), (0, 1, 0, 0)),
]


def test_claims_worked_by_hand():
    values = measure_known(FOUR)
    assert values["claim_rate"] == pytest.approx(3 / 4)
    assert values["hvrr"] == pytest.approx(2 / 4)  # the first two claim and do not change
    assert values["hvrr_with_blank"] == pytest.approx(1 / 4)  # the second changes on the blank image
    assert values["image_sensitivity"] == pytest.approx(1 / 3)  # same, same, changed, left out
    assert values["hvrr_if_independent"] == pytest.approx(3 / 4 * (1 - 1 / 3))
    assert values["invariant_given_claim"] == pytest.approx(2 / 3)
    # The ratio's linear terms by image: a (2 - 2 * 2/3) / .75 / 4, b (0 - 2/3) / .75 / 4, c 0; of the claims a has 2/3
    # and b 1/3.
    error = math.sqrt((2 / 3) ** 2 / (1 / 3) + (2 / 3) ** 2 / (2 / 3)) / 3
    assert values["invariant_given_claim_stderr"] == pytest.approx(error)


def test_hard_partners_draws_and_retest_worked_by_hand():
    values = measure_known(FOUR)
    assert values["acc_shuffled_hard"] == pytest.approx(1 / 3)  # of three that were asked
    assert values["vrs_hard"] == pytest.approx((1 + 0 + 0) / 3)
    # VRS of the draws: (0 0 1 0)/4, (1 0 1 -1)/4, (0 0 0 0)/4; their sd is that of 1, 1, 0 quarters.
    assert values["vrs"] == pytest.approx(1 / 4)
    assert values["vrs_mean_of_draws"] == pytest.approx(1 / 6)
    assert values["vrs_sd_of_draws"] == pytest.approx(math.sqrt((1 / 9 + 1 / 9 + 4 / 9) / 2) / 4)
    assert values["retest_sensitivity"] == pytest.approx(2 / 4)  # same, changed, changed, same
    # Shuffled: same, same, changed, left out; minus the retest: 0 - 0, 0 - 1, 1 - 1.
    assert values["image_sensitivity_above_retest"] == pytest.approx(-1 / 3)
    assert values["acc_retest"] == pytest.approx(1 / 4)
    assert "acc_shuffled_2" not in values


def test_ceiling_and_baselines_worked_by_hand():
    values = measure_known(FOUR)
    assert values["vrs_ceiling"] == pytest.approx(3 / 4)
    assert values["vrs_of_ceiling"] == pytest.approx((1 / 4) / (3 / 4))
    assert (values["vrs_ceiling_closed"], values["vrs_ceiling_open"]) == (0.5, 1)
    assert (values["acc_majority"], values["acc_majority_closed"], values["acc_majority_open"]) == (0.5, 1, 0)
    assert values["acc_question_only"] == 0.5
    assert (values["acc_question_only_closed"], values["acc_question_only_open"]) == (0.5, 0.5)


def test_a_benchmark_can_be_broken_down_by_question_type_and_modality():
    samples = [
        Sample("1", "a", "q", ("gold",), "open", question_type="Organ System", modality="CT"),
        Sample("2", "b", "q", ("gold",), "open", question_type="organ system", modality="MRI"),
        Sample("3", "b", "q", ("gold",), "open"),
    ]
    answers = [triple("gold", "gold", "gold"), triple("gold", "gold", "other"), triple("other", "gold", "gold")]
    metrics = metrics_by(["question_type", "modality"], samples, ALL)
    assert set(metrics) == {
        "acc_question_type_organ_system", "vrs_question_type_organ_system",
        "acc_modality_ct", "vrs_modality_ct", "acc_modality_mri", "vrs_modality_mri",
    }  # fmt: skip
    questions = [
        Question(sample, {n: p[0] for n, p in pairs.items()}, {n: p[1] for n, p in pairs.items()}, {})
        for sample, pairs in zip(samples, answers, strict=True)
    ]
    columns = columns_of(metrics)
    values = {name: column.aggregate([column.measure(q) for q in questions]) for name, column in columns.items()}
    assert values["acc_question_type_organ_system"] == 1
    assert values["vrs_question_type_organ_system"] == 0.5
    assert values["vrs_question_type_organ_system_stderr"] == pytest.approx(0.5)
    assert (values["vrs_modality_ct"], values["vrs_modality_mri"]) == (0, 1)


def test_a_breakdown_by_the_form_of_the_question():
    samples = [Sample("1", "a", "Is it?", ("no",), "closed"), Sample("2", "a", "Where is it?", ("left",), "open")]
    names = list(metrics_by(["question_form"], samples, ALL))
    assert names == [f"{metric}_question_form_{form}" for form in ("where", "yes_no") for metric in ("acc", "vrs")]


def test_a_breakdown_has_the_majority_of_each_value_where_the_task_knows_it():
    kinds = [("1", "CT"), ("2", "CT"), ("3", "MRI"), ("4", None)]
    samples = [Sample(name, name, "q", ("gold",), "open", modality=modality) for name, modality in kinds]
    metrics = metrics_by(["modality"], samples, ALL, ["majority_by_modality"])
    assert [name for name in metrics if name.startswith("acc_majority")] == [
        "acc_majority_modality_ct",
        "acc_majority_modality_mri",
    ]
    known = [1.0, 0.0, 1.0, 0.0]
    questions = [
        Question(sample, {}, {}, {"majority_by_modality": right}) for sample, right in zip(samples, known, strict=True)
    ]
    columns = columns_of(metrics)
    values = {
        name: columns[name].aggregate([columns[name].measure(question) for question in questions])
        for name in ("acc_majority_modality_ct", "acc_majority_modality_mri")
    }
    assert values == {"acc_majority_modality_ct": 0.5, "acc_majority_modality_mri": 1}


def test_a_breakdown_by_an_unknown_field_is_an_error():
    with pytest.raises(ValueError, match="no 'organ'; there are question_type, modality, question_form"):
        metrics_by(["organ"], [Sample("1", "a", "q", ("gold",), "open")], ALL)


def test_a_breakdown_into_the_whole_is_left_out(caplog):
    samples = [Sample(str(index), "a", "q", ("gold",), "open", modality="CT") for index in range(3)]
    assert metrics_by(["modality", "question_form"], samples, ALL) == {}
    assert not caplog.records


@pytest.mark.parametrize("count", [0, 17])
def test_a_breakdown_that_cannot_be_printed_is_left_out_with_a_warning(count, caplog):
    samples = [Sample(str(index), "a", "q", ("gold",), "open", modality=f"m{index}") for index in range(count)]
    assert metrics_by(["modality"], [*samples, Sample("x", "a", "q", ("gold",), "open")], ALL) == {}
    assert f"the data has {count} values of modality" in caplog.text


known_rows = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["closed", "open"]),
    st.builds(seven, *[outcomes] * 5, st.sampled_from(["gold", "other", None, "not asked"]), outcomes),
    st.tuples(*[st.sampled_from([0.0, 1.0])] * 4),
)


@given(st.lists(known_rows, min_size=1, max_size=12))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_every_further_metric_equals_its_naive_twin(rows):
    values = measure_known(rows)
    expected = naive_further_metrics([(image, kind, variants, known) for image, kind, variants, known in rows])
    assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True, abs=1e-12)
    elsewhere = {
        metric.name for family in (without_image, image_remarks, rewordings, regions) for metric in family.METRICS
    }
    registered = {
        name
        for name, metric in METRICS.items()
        if (metric.knows or metric.needs - set(ALL)) and LIKELIHOODS not in metric.knows  # test_likelihoods.py
    } - elsewhere  # test_text_metrics.py, test_region_metrics.py
    assert set(expected) == registered | {"hvrr_if_independent_stderr"}


def test_the_published_pathvqa_example_has_an_interval_that_holds_zero():
    # arXiv 2603.03437, PathVQA: 56 % against 65 % at n = 100; 31 discordant pairs are 11 against 20.
    rows = [(f"i{index}", "closed", triple(*values)) for index, values in enumerate(
        [("gold", "gold", "other")] * 11 + [("other", "gold", "gold")] * 20
        + [("gold", "gold", "gold")] * 45 + [("other", "gold", "other")] * 24)]  # fmt: skip
    values = measure(rows)
    assert (values["acc"], values["acc_shuffled"], values["vrs"]) == pytest.approx((0.56, 0.65, -0.09))
    assert values["vrs_ci95_low"] < 0 < values["vrs_ci95_high"]


@pytest.fixture
def harness():
    return pytest.importorskip("lm_eval.evaluator_utils", reason="the table is the harness's")


@pytest.mark.parametrize("iterations", [0, 100])
def test_the_harness_shows_our_clustered_errors(harness, caplog, iterations):
    columns = list_columns(ALL)
    raw = {(name, "none"): [] for name in columns}
    for index, (image, kind, variants) in enumerate(FIVE):
        sample = Sample(f"s{index}", image, "q", ("gold",), kind)
        values = ask(
            sample, {key: pair[0] for key, pair in variants.items()}, {key: pair[1] for key, pair in variants.items()}
        )
        for name, value in values.items():
            raw[name, "none"].append(value)
    task = SimpleNamespace(
        task_name="t", aggregation=lambda: {name: column.aggregate for name, column in columns.items()}
    )
    results, count = harness._compute_task_aggregations(task, raw, iterations)
    expected = measure(FIVE)
    assert count == 5
    for name, value in expected.items():
        if name.endswith(STANDARD_ERROR):
            assert results[f"{name},none"] == pytest.approx(value, nan_ok=True), name
    assert not caplog.records, "the harness warns where metrics hold different numbers of documents"

    from lm_eval.utils import make_table

    shown = make_table({"results": {"t": results}, "versions": {"t": 1}, "higher_is_better": {"t": {}}})
    rows = {cells[5].strip(): cells[7:10] for line in shown.splitlines() if len(cells := line.split("|")) > 9}
    assert [cell.strip() for cell in rows["vrs"]] == ["0.4000", "±", f"{expected['vrs_stderr']:.4f}"]
    assert rows["vrs_ci95_low"][0].strip() == f"{expected['vrs_ci95_low']:.4f}"
    assert not any(name.endswith(STANDARD_ERROR) for name in rows)


def test_the_documented_table_is_what_the_tool_writes():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert write_table(page.read_text(encoding="utf-8")) == page.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page.read_text(encoding="utf-8") for name in METRICS)
