"""Samples: stable ids, rows of several shapes, the local mirror of the hub, and errors that say what to do."""

import json
import os
from dataclasses import replace

import datasets
import huggingface_hub
import pytest
from support.stores import encode, gradient

from vrs_lmeval.benchmark.row_checks import IMAGE_MARKS, is_unanswerable, read_gold_text
from vrs_lmeval.benchmark.samples import decide_answer_type, load_benchmark
from vrs_lmeval.benchmark.sources import Columns, DatasetSource, MalformedDataError, MissingDataError

REAL_DATA = os.environ.get("VRS_DATA_DIR")


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    # Both read HF_HUB_OFFLINE when they are imported; online, a missing data set is asked for again and again.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return tmp_path


def write_rows(data_dir, rows):
    folder = data_dir / "someone" / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in (("a", 10), ("b", 12)):
        (folder / f"{name}.png").write_bytes(encode(gradient(size, 8), "PNG"))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DatasetSource("someone/benchmark", "test", data_files="rows.jsonl")


def row(image="a.png", question="is it?", answer="yes", **more):
    return {"image": image, "question": question, "answer": answer, **more}


def test_rows_become_samples(data_dir):
    benchmark = load_benchmark(write_rows(data_dir, [row(), row("b.png", " which organ? ", " liver ")]))
    first, second = benchmark.samples
    assert (first.question, first.golds, first.answer_type) == ("is it?", ("yes",), "closed")
    assert (second.question, second.golds, second.answer_type) == ("which organ?", ("liver",), "open")
    assert first.image_id != second.image_id
    assert (benchmark.evidence["questions"], benchmark.evidence["images"]) == (2, 2)


def test_ids_do_not_depend_on_row_order_and_are_unique(data_dir):
    rows = [row(), row(answer="no"), row("b.png"), row()]
    forward = load_benchmark(write_rows(data_dir, rows)).samples
    backward = load_benchmark(write_rows(data_dir, rows[::-1])).samples
    ids = [sample.sample_id for sample in forward]
    assert len(set(ids)) == 4
    assert set(ids) == {sample.sample_id for sample in backward}
    assert ids[3] == f"{ids[0]}-2"


def test_optional_columns_are_read(data_dir):
    source = write_rows(data_dir, [row(kind="plane", choices=["axial", "coronal"], form="OPEN ", scan="MR")])
    columns = Columns(options="choices", answer_type="form", question_type="kind", modality="scan")
    (sample,) = load_benchmark(DatasetSource(source.path, "test", data_files="rows.jsonl", columns=columns)).samples
    assert sample.options == ("axial", "coronal")
    assert (sample.answer_type, sample.question_type, sample.modality) == ("open", "plane", "MR")


def load(source, **changes):
    return load_benchmark(replace(source, **changes))


def test_options_make_a_question_closed_and_keep_their_places(data_dir):
    source = write_rows(data_dir, [row(answer="C", choices=["A:CT ", None, "C:  left  lung"])])
    benchmark = load(source, columns=Columns(options="choices"))
    (sample,) = benchmark.samples
    assert (sample.options, sample.golds, sample.answer_type) == (("CT", "N/A", "left lung"), ("left lung",), "closed")
    assert benchmark.evidence["golds_outside_options"] == 0


def test_a_gold_outside_the_options_is_kept_and_counted(data_dir, caplog):
    rows = [row(answer="PET", choices=["A:CT", "B:MRI"]), row("b.png", answer="CT", choices=["CT", "MRI"])]
    benchmark = load(write_rows(data_dir, rows), columns=Columns(options="choices"))
    assert [sample.golds for sample in benchmark.samples] == [("PET",), ("CT",)]
    assert benchmark.evidence["golds_outside_options"] == 1
    assert benchmark.evidence["unanswerable_golds"] == 1
    assert "1 questions have a gold that is none of their options: always wrong (row 0)" in caplog.text


def test_a_gold_in_other_words_of_an_option_is_not_outside(data_dir):
    rows = [row(answer="The MRI.", choices=["CT", "MRI"]), row("b.png", answer="X-ray", choices=["xray", "CT"])]
    assert load(write_rows(data_dir, rows), columns=Columns(options="choices")).evidence["golds_outside_options"] == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), r"it holds nan \(float\)"),
        ({"text": ["liver"]}, r"it holds \{'text': \['liver'\]\} \(dict\)"),
        ([{"text": "liver"}], r"it holds \{'text': 'liver'\} \(dict\)"),
        (True, r"it holds True \(bool\)"),
    ],
)
def test_a_gold_that_is_no_text_is_named(data_dir, value, said):
    with pytest.raises(MalformedDataError, match=f"test, row 0: column 'answer' should hold an answer as text, {said}"):
        load(write_rows(data_dir, [row(answer=value)]))


def test_bytes_are_no_gold():
    with pytest.raises(MalformedDataError, match=r"row 3: .* it holds b'liver' \(bytes\); name the column"):
        read_gold_text(b"liver", "answer", "x, split test, row 3")


def test_numbers_are_golds(data_dir):
    assert load(write_rows(data_dir, [row(answer=3)])).samples[0].golds == ("3",)
    assert read_gold_text(0.5, "answer", "row 0") == "0.5"


def test_golds_that_no_answer_can_equal_are_counted_and_their_rows_named(data_dir, caplog):
    hopeless = [row(question=f"what is {number}?", answer="%") for number in range(7)]
    fine = [row(question="which?", answer=gold) for gold in ("A", "+", "the", "unknown", "not sure", "left lung")]
    maybe = [row(answer="maybe", form="closed")]  # neither yes nor no
    source = write_rows(data_dir, [{**one, "form": one.get("form", "open")} for one in [*fine, *hopeless, *maybe]])
    benchmark = load(source, columns=Columns(answer_type="form"))
    assert benchmark.evidence["unanswerable_golds"] == 8
    assert [is_unanswerable(sample) for sample in benchmark.samples] == [False] * 6 + [True] * 8
    assert "8 questions have a gold that is wrong even said word by word" in caplog.text
    assert "always wrong (rows 6, 7, 8, 9, 10 and 3 more)" in caplog.text


def test_golds_that_can_be_right_are_not_mentioned(data_dir, caplog):
    assert load(write_rows(data_dir, [row(), row("b.png", answer="no")])).evidence["unanswerable_golds"] == 0
    assert caplog.messages == []


def test_options_that_are_no_list_are_named(data_dir):
    source = write_rows(data_dir, [row(choices="['CT', 'MRI']")])
    with pytest.raises(MalformedDataError, match="row 0: column 'choices' should hold a list of options"):
        load(source, columns=Columns(options="choices"))


def test_duplicates_accept_each_others_golds_and_their_number_is_printed(data_dir, caplog):
    rows = [row(answer="fat"), row(answer="oedema"), row(answer="fat"), row("b.png", answer="bone"), row(answer="yes")]
    source = write_rows(data_dir, rows)
    alone, together = load(source), load(source, accept_golds_of_duplicates=True)
    assert [sample.golds for sample in together.samples] == [
        ("fat", "oedema", "yes"),
        ("oedema", "fat", "yes"),
        ("fat", "oedema", "yes"),
        ("bone",),
        ("yes", "fat", "oedema"),
    ]
    assert together.evidence["questions_with_golds_of_duplicates"] == 4
    assert alone.evidence["repeated_questions"] == together.evidence["repeated_questions"] == 3
    assert caplog.messages == [
        "someone/benchmark: 3 of 5 questions repeat an image and question; "
        "4 accept the golds of their repetitions as well"
    ]
    for own, merged in zip(alone.samples, together.samples, strict=True):
        assert (own.sample_id, own.answer_type) == (merged.sample_id, merged.answer_type)


def test_other_options_make_another_question(data_dir):
    rows = [row(answer="CT", choices=["CT", "MRI"]), row(answer="PET", choices=["PET", "CT"])]
    source = write_rows(data_dir, rows)
    benchmark = load(source, columns=Columns(options="choices"), accept_golds_of_duplicates=True)
    assert [sample.golds for sample in benchmark.samples] == [("CT",), ("PET",)]


@pytest.mark.parametrize(
    ("question", "golds", "rule", "expected"),
    [
        ("is it?", ("Yes",), "yes_no", "closed"),
        ("ct or mri?", ("ct",), "yes_no", "open"),
        ("ct or mri?", ("ct",), "yes_no_or_choice", "closed"),
        ("which organ?", ("liver",), "yes_no_or_choice", "open"),
    ],
)
def test_closed_and_open(question, golds, rule, expected):
    assert decide_answer_type(question, golds, rule) == expected


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (row(question=" "), "row 1: column 'question' should hold text, it holds ' '"),
        (row(answer=None), "row 1: column 'answer' should hold an answer, it holds None"),
    ],
)
def test_a_wrong_row_is_named(data_dir, broken, message):
    with pytest.raises(MalformedDataError, match=message):
        load_benchmark(write_rows(data_dir, [row(), broken]))


@pytest.mark.parametrize("mark", IMAGE_MARKS)
def test_a_question_that_asks_for_a_further_image_is_named(data_dir, mark):
    with pytest.raises(
        MalformedDataError, match="someone/benchmark, split test, row 1: the question or an option"
    ) as told:
        load_benchmark(write_rows(data_dir, [row(), row(question=f"what is in {mark}?")]))
    assert repr(mark) in str(told.value)
    assert "take it out of the data, or give the task a row_shape that does" in str(told.value)


def test_an_option_that_asks_for_a_further_image_is_named(data_dir):
    source = write_rows(data_dir, [row(answer="CT", choices=["CT", "<image>"])])
    with pytest.raises(MalformedDataError, match="row 0: the question or an option holds '<image>'"):
        load(source, columns=Columns(options="choices"))


@pytest.mark.parametrize(
    "question", ["is a < b?", "which of <image 1> and <image 2>?", "what is an [img]?", "q" * 100_000]
)
def test_what_is_no_mark_of_an_image_and_not_too_long_is_asked(data_dir, question):
    assert load(write_rows(data_dir, [row(question=question)])).samples[0].question == question


def test_a_question_beyond_any_model_is_named(data_dir):
    with pytest.raises(
        MalformedDataError, match=r"row 0: the question has 100,001 characters, more than 100,000: 'qqq"
    ):
        load_benchmark(write_rows(data_dir, [row(question="q" * 100_001)]))


def test_a_missing_column_is_named_with_those_that_exist(data_dir):
    source = write_rows(data_dir, [{"picture": "a.png", "question": "q", "answer": "a"}])
    with pytest.raises(MalformedDataError, match="no column 'image'; it has picture, question, answer"):
        load_benchmark(source)


def test_missing_data_says_both_ways_to_get_it(data_dir):
    with pytest.raises(MissingDataError) as caught:
        load_benchmark(DatasetSource("someone/absent", "test"))
    message = str(caught.value)
    assert f"VRS_DATA_DIR={data_dir} holds no folder someone/absent" in message
    assert "hf download someone/absent --repo-type dataset --local-dir DIR/someone/absent" in message
    assert "run where the hub can be reached" in message


def test_missing_data_is_to_be_copied_without_other_splits():
    with pytest.raises(MissingDataError, match='--repo-type dataset --include "data/test-\\*" --local-dir'):
        load_benchmark(DatasetSource("someone/absent", "test", data_files="data/test-*"))


def test_a_broken_local_copy_is_named(data_dir):
    source = write_rows(data_dir, [row()])
    with pytest.raises(MissingDataError, match="cannot read the copy in"):
        load_benchmark(DatasetSource(source.path, "test", data_files="absent.jsonl"))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA, reason="VRS_DATA_DIR is not set: it should hold flaviagiammarino/vqa-rad")
def test_real_vqa_rad_has_its_official_numbers(monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", REAL_DATA)
    source = DatasetSource("flaviagiammarino/vqa-rad", "test", data_files="data/test-*", closed_rule="yes_no_or_choice")
    benchmark = load_benchmark(source)
    types = [sample.answer_type for sample in benchmark.samples]
    assert (len(types), len(benchmark.images)) == (451, 203)
    assert (types.count("closed"), types.count("open")) == (272, 179)
    assert benchmark.evidence["unanswerable_golds"] == 0
    assert benchmark.samples[0].question == "is there evidence of an aortic aneurysm?"
