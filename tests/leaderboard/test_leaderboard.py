"""From result folders to a comparison: read, refuse what must not be compared, compute, show."""

import json
import os
from dataclasses import replace

import pytest
from rich.console import Console
from support.naive_metrics import naive_limits
from support.results import write_run
from typer.testing import CliRunner

from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import DatasetSource
from vrs_lmeval.cli import app
from vrs_lmeval.leaderboard.comparison import IncomparableRunsError, compare_runs, find_blind_floor
from vrs_lmeval.leaderboard.report import (
    format_p_value,
    make_caption,
    make_json,
    make_markdown,
    make_paragraph,
    make_table,
)
from vrs_lmeval.leaderboard.runs import ScoredSample, UnreadableResultsError, read_runs

DATA_DIR = os.environ.get("VRS_DATA_DIR")

# (question, image, gold, correct on real, correct on shuffled) per question.
LOOKS = [("q1", "a", "yes", 1, 0), ("q1", "b", "no", 1, 0), ("q1", "c", "no", 1, 0), ("q2", "a", "liver", 1, 1)]
GUESSES = [("q1", "a", "yes", 1, 1), ("q1", "b", "no", 0, 1), ("q1", "c", "no", 1, 0), ("q2", "a", "liver", 1, 1)]


def compare(tmp_path):
    runs = [*read_runs(write_run(tmp_path, "looks", LOOKS)), *read_runs(write_run(tmp_path, "guesses", GUESSES))]
    return compare_runs(runs)


def test_runs_are_read_with_their_questions(tmp_path):
    (run,) = read_runs(write_run(tmp_path, "looks", LOOKS))
    assert (run.model, run.task, len(run.samples)) == ("some/looks", "vrs_test", 4)
    first = run.samples[0]
    assert (first.sample_id, first.image_id, first.golds) == ("q1-a", "a", ("yes",))
    assert first.values == {"acc": 1, "acc_shuffled": 0, "vrs": 1, "acc_open": None} | {
        "vrs_from_changed": 1,  # derived, as of every run of version 0.1
        "vrs_from_unread": 0,
    }


def test_likelihoods_are_read_as_those_of_each_variants_options(tmp_path):
    folder = write_run(tmp_path, "looks", LOOKS)
    (samples,) = folder.glob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        line["filtered_resps"] = [["-0.5", "True"], ["-2.25", "False"], ["-1.0", "False"], ["-3.0", "False"]]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run,) = read_runs(folder)
    answers = run.samples[0].answers
    assert (answers["real"].text, answers["shuffled"].text) == ("A: -0.50, B: -2.25", "A: -1.00, B: -3.00")


def test_the_newest_run_of_a_folder_counts(tmp_path):
    write_run(tmp_path, "model", GUESSES, time="2026-01-02T00-00-00.000000")
    folder = write_run(tmp_path, "model", LOOKS, time="2026-01-01T00-00-00.000000")
    (run,) = read_runs(folder)
    assert run.samples[1].values["acc"] == 0


def test_comparison_worked_by_hand(tmp_path):
    comparison = compare(tmp_path)
    looks, guesses = comparison.rows
    assert (comparison.questions, comparison.images, looks.model, guesses.model) == (4, 3, "looks", "guesses")
    assert looks.against_first is None
    assert (looks.metrics["acc"].estimate, looks.metrics["vrs"].estimate) == (1.0, 0.75)
    assert (guesses.metrics["acc"].estimate, guesses.metrics["vrs"].estimate) == (0.75, 0.0)
    # Differences by question -1, -2, 0, 0 on images a, b, c, a: mean -3/4. Residuals summed by image: a .5, b -1.25,
    # c .75; shares 1/2, 1/4, 1/4: standard error sqrt(.25 * 2 + (1.5625 + .5625) * 4/3) / 4.
    difference = guesses.against_first.difference
    assert difference.estimate == -0.75
    assert (difference.low, difference.high) == pytest.approx(naive_limits([-1, -2, 0, 0], "abca", -2, 2))


def scored(question, image, gold, answer_type="open", options=()):
    return ScoredSample(f"{question}-{image}", image, question, (gold,), answer_type, options, {})


def test_blind_floor_worked_by_hand():
    samples = [
        *[scored("plane?", gold, gold) for gold in ("Axial", "axial", "axial.", "coronal")],
        *[scored(f"asked once {gold}?", gold[-1], gold[:-1], "closed") for gold in ("no1", "no2", "yes3")],
        scored("asked once too?", "a", "liver"),
        scored("first option?", "a", "lung", "closed", ("lung", "liver")),
        scored("first option again?", "b", "heart", "closed", ("heart", "lung")),
        scored("second option?", "c", "lung", "closed", ("heart", "lung")),
    ]
    # "axial" for the shared question: 3 of 4; "no" for the closed ones: 2 of 3; "liver" for the other open one: 1 of 1;
    # the first letter for those with options: 2 of 3.
    assert find_blind_floor(samples) == (3 + 2 + 1 + 2) / 11


@pytest.mark.slow
@pytest.mark.skipif(not DATA_DIR, reason="VRS_DATA_DIR is not set: it should hold flaviagiammarino/vqa-rad")
def test_blind_floor_of_vqa_rad_is_that_of_its_readme():
    source = DatasetSource("flaviagiammarino/vqa-rad", "test", closed_rule="yes_no_or_choice")
    samples = [
        ScoredSample(s.sample_id, s.image_id, "", s.golds, s.answer_type, (), {})
        for s in load_benchmark(source).samples
    ]
    unique = [replace(sample, question=sample.sample_id) for sample in samples]
    assert find_blind_floor(unique) == (133 + 11) / 451  # "no": 48.9 % of 272 closed; "axial": 6.1 % of 179 open


def test_equal_model_names_stay_apart(tmp_path):
    runs = [run for name in ("a", "x/step-1", "y/step-1") for run in read_runs(write_run(tmp_path, name, LOOKS))]
    assert [row.model for row in compare_runs(runs).rows] == ["a", "some/x/step-1", "some/y/step-1"]
    assert [row.model for row in compare_runs([runs[0], runs[0]]).rows] == ["some/a #1", "some/a #2"]


def test_a_folder_of_several_models_gives_them_all(tmp_path):
    write_run(tmp_path, "looks", LOOKS)
    write_run(tmp_path, "guesses", GUESSES)
    assert [run.model for run in read_runs(tmp_path)] == ["some/guesses", "some/looks"]


def test_the_same_data_from_the_hub_and_from_a_folder_is_compared(tmp_path):
    runs = [
        run
        for name in ("hub", "folder")
        for run in read_runs(write_run(tmp_path, name, LOOKS, dataset={"content_sha256": "0", "read_from": name}))
    ]
    assert len(compare_runs(runs).rows) == 2


def test_unusual_line_separators_in_a_log_are_no_new_lines(tmp_path):
    folder = write_run(tmp_path, "looks", [("q\u2028\u0085?", "a", "yes", 1, 0)])
    (path,) = folder.glob("samples_*")
    path.write_text(path.read_text().encode().decode("unicode_escape"), encoding="utf-8")
    (run,) = read_runs(folder)
    assert run.samples[0].question == "q\u2028\u0085?"


@pytest.mark.parametrize(
    ("changes", "rows", "message"),
    [
        ({"dataset": {"content_sha256": "1"}}, LOOKS, r"different data set of vrs_test \(content_sha256: 0 and 1\)"),
        (
            {"dataset": {"content_sha256": "0", "accept_golds_of_duplicates": True}},
            LOOKS,
            r"different data set of vrs_test \(accept_golds_of_duplicates: not given and True\)",
        ),
        (
            {"dataset": {"content_sha256": "0", "regions_sha256": "1"}},
            LOOKS,
            r"different data set of vrs_test \(regions_sha256: not given and 1\)",
        ),
        (
            {"dataset": {"content_sha256": "1", "skipped_rows": {"count": 1}}},
            LOOKS,
            r"different data set of vrs_test \(skipped_rows: not given and given\)",
        ),
        ({"variants": [{"name": "real"}]}, LOOKS, r"different variants of vrs_test \(shuffled: given and not given\)"),
        ({"parser_version": "2"}, LOOKS, r"different parser version of vrs_test \(1 and 2\)"),
        ({"variants_version": "2"}, LOOKS, "different version of the variants of vrs_test"),
        ({"prompt_style": "cot"}, LOOKS, r"different prompt style of vrs_test \(not given and cot\)"),
        ({}, LOOKS[:2], r"not the same questions of vrs_test \(4 and 2, 2 of them shared; different --limit\?\)"),
    ],
)
def test_what_differs_in_more_than_the_model_is_refused(tmp_path, changes, rows, message):
    runs = [
        *read_runs(write_run(tmp_path, "looks", LOOKS)),
        *read_runs(write_run(tmp_path, "other", rows, **changes)),
    ]
    with pytest.raises(IncomparableRunsError, match=f"some/looks and some/other: {message}"):
        compare_runs(runs)


def test_no_spread_gives_an_exact_bound(tmp_path):
    rows = [(question, image, gold, 1, 1) for question, image, gold, _, _ in LOOKS]
    comparison = compare_runs(read_runs(write_run(tmp_path, "same", rows)))
    missed = 1 - 0.05 ** (1 / 3)
    vrs = comparison.rows[0].metrics["vrs"]
    assert (vrs.low, vrs.high, vrs.reason) == (pytest.approx(-missed), pytest.approx(missed), None)
    assert f"only 3 images were asked about (VRS +0.000 [-{missed:.3f}, +{missed:.3f}])" in make_paragraph(comparison)
    shown = json.loads(make_json(comparison))["rows"][0]
    assert shown["metrics"]["vrs"]["method"] == "exact bound over images: none differs"
    assert shown["bootstraps"]["vrs"]["low"] is None


def test_reports_show_the_same_numbers(tmp_path):
    comparison = compare(tmp_path)
    console = Console(width=200, record=True)
    console.print(make_table(comparison), make_caption(comparison))
    for text in (console.export_text(), make_markdown(comparison)):
        assert "looks" in text
        assert "+0.750 [" in text
        assert "Blind floor by question (most frequent golds, no image): 0.750" in text
    assert json.loads(make_json(comparison))["rows"][0]["metrics"]["vrs"]["estimate"] == 0.75


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.glob("results_*")], "no results_.*json below it"),
        (lambda folder: [path.unlink() for path in folder.glob("samples_*")], "run lm_eval with --log_samples"),
        (
            lambda folder: [path.write_text('{"configs": ') for path in folder.glob("results_*")],
            "not valid JSON .* was the run interrupted",
        ),
        (
            lambda folder: [path.write_text("{}\n") for path in folder.glob("samples_*")],
            "line 1: not a logged VRS sample",
        ),
        (
            lambda folder: [path.write_text('{"configs": {"mmlu": {}}}') for path in folder.glob("results_*")],
            r"hold no vrs_\* task",
        ),
    ],
)
def test_spoiled_folders_are_named(tmp_path, spoil, message):
    folder = write_run(tmp_path, "looks", LOOKS)
    spoil(folder)
    with pytest.raises(UnreadableResultsError, match=message):
        read_runs(folder)


def test_compare_command_writes_what_it_shows(tmp_path):
    folders = [str(write_run(tmp_path, "looks", LOOKS)), str(write_run(tmp_path, "guesses", GUESSES))]
    shown = CliRunner().invoke(app, ["compare", *folders, "--output", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert "+0.750" in (tmp_path / "out" / "vrs_test.md").read_text()
    assert json.loads((tmp_path / "out" / "vrs_test.json").read_text())["task"] == "vrs_test"
    # Differences summed by image: -1, -2, 0. Of the 8 sign vectors 4 reach |-3|.
    paragraph = " ".join(shown.output.split())
    assert "guesses and looks are not shown to differ in how much they rely on the image" in paragraph
    assert "p = 0.500 (signs of images flipped)" in paragraph
    assert (tmp_path / "out" / "vrs_test.md").read_text().split("\n\n")[-1].strip() in paragraph


def test_compare_command_refuses_runs_without_a_common_task(tmp_path):
    folders = [str(write_run(tmp_path, "one", LOOKS)), str(write_run(tmp_path, "two", LOOKS, task="vrs_other"))]
    shown = CliRunner().invoke(app, ["compare", *folders])
    assert shown.exit_code == 2
    assert "no task was run by two models; there are vrs_test, vrs_other" in " ".join(shown.output.split())


@pytest.mark.parametrize(("p_value", "shown"), [(0.5, "0.500"), (0.00042, "0.0004"), (1e-20, "< 0.0001")])
def test_small_p_values_are_never_shown_as_zero(p_value, shown):
    assert format_p_value(p_value) == shown


def test_names_are_text_on_the_terminal_and_in_markdown(tmp_path):
    hostile = "[red]<b>a|b"
    comparison = compare_runs(read_runs(write_run(tmp_path, "plain", LOOKS)))
    comparison = replace(comparison, rows=(replace(comparison.rows[0], model=hostile),))
    console = Console(width=200, record=True)
    console.print(make_table(comparison))
    assert hostile in console.export_text()
    assert "| [red]&lt;b&gt;a\\|b |" in make_markdown(comparison)


def test_compare_command_explains_what_it_cannot_read(tmp_path):
    shown = CliRunner().invoke(app, ["compare", str(tmp_path)])
    assert shown.exit_code == 2
    assert "give lm_eval --output_path" in shown.output
