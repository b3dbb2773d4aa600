"""What a run writes is what the leaderboard reads, and what version 0.1 wrote is still read."""

import json

import pytest
from support.results import draw_rows, make_board, write_run

from vrs_lmeval.leaderboard.logged_metrics import find_logged_metrics
from vrs_lmeval.metrics.catalogue import FORMS, METRICS
from vrs_lmeval.records import Answer, Sample, Score
from vrs_lmeval.run_record import RECORD_VERSION, RunEvidence, VariantRecord, read_document, write_document
from vrs_lmeval.uncertainty.forms import MEAN, RATIO

SAMPLE = Sample(
    "s",
    "i",
    "Which?",
    ("left",),
    "closed",
    ("left", "right"),
    "organ",
    "CT",
    image_ids=("a", "b"),
    set_id="1",
    set_size=2,
    paraphrase_group="7",
)
FIRST = {
    "dataset": {"content_sha256": "0"},
    "variants": [{"name": "real"}, {"name": "jpeg_3"}],
    "parser_version": "1",
}


def pass_through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_a_document_is_read_as_it_was_written():
    record = VariantRecord.make("a", Answer(None, "refusal"), Score(0.0, 0.5, 1.0, 1.0))
    document = pass_through_json(write_document(SAMPLE) | {"variants": {"real": record.write()}})
    assert read_document(document) == (SAMPLE, {"real": record})


def test_what_a_variant_asked_and_what_was_said_of_the_image_are_read_as_written():
    answer, score = Answer("left"), Score(1.0, 1.0, 1.0, 1.0)
    record = VariantRecord.make(
        None, answer, score, question="Which side?", options=("right", "left"), remark="missing"
    )
    document = pass_through_json(write_document(SAMPLE) | {"variants": {"absent": record.write()}})
    sample, records = read_document(document)
    assert records == {"absent": record}
    asked = records["absent"].asked(sample)
    assert (asked.question, asked.options, asked.golds) == ("Which side?", ("right", "left"), SAMPLE.golds)
    plain = VariantRecord.make("a", answer, score)
    assert plain.asked(sample) == sample
    assert not {"question", "options", "remark"} & set(plain.write()), "most records have none of them"


@pytest.mark.parametrize("changed", [{"options": "ab"}, {"options": [1]}, {"question": 3}, {"remark": ["missing"]}])
def test_a_variants_record_of_another_form_is_an_error(changed):
    record = VariantRecord.make("a", Answer("left"), Score(1.0, 1.0, 1.0, 1.0)).write()
    with pytest.raises(ValueError, match=next(iter(changed))):
        read_document(write_document(SAMPLE) | {"variants": {"real": record | changed}})


def test_evidence_is_read_as_it_was_written():
    metrics = {name: metric.describe() for name, metric in METRICS.items()}
    evidence = RunEvidence(dataset={"split": "test"}, variants=({"name": "real"},), parser_version="2", metrics=metrics)
    assert RunEvidence.read(pass_through_json(evidence.write())) == evidence
    found = find_logged_metrics([*METRICS, "acc_stderr", "vrs_ci95_low"], evidence)
    assert {name: each.form for name, each in found.items()} == {name: each.form for name, each in METRICS.items()}
    assert {name: (each.low, each.high) for name, each in found.items()} == {
        name: (each.unit.low, each.unit.high) for name, each in METRICS.items()
    }


def test_every_form_is_known_by_its_name():
    assert {metric.form.name for metric in METRICS.values()} == set(FORMS)


def test_metrics_of_version_0_1_are_known_by_their_names():
    evidence = RunEvidence.read(FIRST)
    assert evidence.record_version == 1
    names = ["vrs", "blank_retention", "acc_jpeg_3", "vrs_modality_mri", "acc_majority_question_form_where"]
    assert [each.form for each in find_logged_metrics(names, evidence).values()] == [MEAN, RATIO, MEAN, MEAN, MEAN]


@pytest.mark.parametrize("name", ["acc_jpeg_4", "vrs_organ_heart", "my_metric"])
def test_a_metric_that_nobody_knows_is_an_error(name):
    with pytest.raises(ValueError, match=f"{name}: no metric of that name"):
        find_logged_metrics([name], RunEvidence.read(FIRST))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({}, "does not say what it is"),
        ({"acc": {"form": "harmonic mean", "unit": "share"}}, "no form 'harmonic mean' is known here"),
    ],
)
def test_a_metric_that_the_evidence_does_not_explain_is_an_error(metrics, message):
    evidence = RunEvidence.read(FIRST | {"record_version": RECORD_VERSION, "metrics": metrics})
    with pytest.raises(ValueError, match=message):
        find_logged_metrics(["acc"], evidence)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_version": 99}, "upgrade vrs_lmeval"),
        ({"variants": [{}]}, "variants"),
        ({"dataset": []}, "dataset"),
        ({"record_version": 2, "metrics": {"acc": {}}}, "no metric"),
        ({"record_version": 2}, "metrics is None"),
    ],
)
def test_evidence_that_no_version_wrote_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        RunEvidence.read(FIRST | change)


def test_a_run_with_an_unknown_metric_is_left_out_by_name(tmp_path):
    write_run(tmp_path, "fine", draw_rows(0.8, 0.4))
    (samples,) = write_run(tmp_path, "odd", draw_rows(0.8, 0.4)).glob("samples_*")
    line = json.loads(samples.read_text().splitlines()[0])
    line |= {"my_metric": 1.0, "metrics": [*line["metrics"], "my_metric"]}
    samples.write_text(json.dumps(line) + "\n")
    (left,) = make_board(tmp_path).left_out
    assert "my_metric" in left.reason
