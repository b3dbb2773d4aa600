"""`vrs rescore`: a log that version 0.1 wrote, read again; and texts that its parser could not read."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.leaderboard.runs import read_runs
from vrs_lmeval.reading.answers import PARSER_VERSION
from vrs_lmeval.run_record import RECORD_VERSION

FIRST = Path(__file__).parents[1] / "data" / "version_0_1"


def rescore(folder, output):
    shown = CliRunner().invoke(app, ["rescore", str(folder), "--output", str(output)])
    assert shown.exit_code == 0, shown.output
    (run,) = read_runs(output)
    return shown.output, run


def copy_log(tmp_path, change):
    """The log with its lines changed."""
    folder = tmp_path / "old"
    shutil.copytree(FIRST, folder)
    (samples,) = folder.rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        change(line)
    samples.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_a_log_of_version_0_1_is_read():
    (run,) = read_runs(FIRST)
    assert (run.evidence.record_version, run.evidence.parser_version, len(run.samples)) == (1, "1", 12)
    assert run.evidence.metrics is None
    assert {"acc", "vrs", "vrs_ceiling", "acc_majority", "blank_retention", "hvrr_if_independent"} <= set(run.metrics)
    assert not {"vrs_ci95_low", "acc_stderr"} & set(run.metrics)
    assert {"vrs_from_changed", "vrs_from_unread", "vrs_of_ceiling"} <= set(run.metrics)  # derived


def test_a_log_read_again_says_by_what_and_scores_as_before_where_the_answers_are_plain(tmp_path):
    output, run = rescore(FIRST, tmp_path / "new")
    assert "0 of 36 answers are read otherwise than by parser version 1" in output
    assert (run.evidence.parser_version, run.evidence.record_version) == (PARSER_VERSION, RECORD_VERSION)
    assert run.evidence.rescored_from == {"parser_version": "1"}
    (before,) = read_runs(FIRST)
    for old, new in zip(before.samples, run.samples, strict=True):
        assert old.sample_id == new.sample_id
        for name in set(old.values) & set(new.values):
            old_value, new_value = old.values[name], new.values[name]
            if isinstance(old_value, list) and len(old_value) == 3:
                old_value = old_value[:2]  # version 0.1 logged the image as well
            assert new_value == old_value, name
    assert {"named_open", "vrs_named", "vrs_recall"} <= set(run.metrics)


def test_what_today_reads_counts(tmp_path):
    def wrap(line):
        """Every answer to the real image as models tuned by reinforcement write it."""
        line["filtered_resps"][0] = rf"\boxed{{{line['filtered_resps'][0]}}}"

    output, run = rescore(copy_log(tmp_path, wrap), tmp_path / "new")
    assert "0 of 36 answers" in output
    plain = rescore(FIRST, tmp_path / "plain")[1]
    assert [sample.values["acc"] for sample in run.samples] == [sample.values["acc"] for sample in plain.samples]


def test_an_answer_that_is_read_otherwise_is_counted_and_scored(tmp_path):
    def refuse(line):
        line["filtered_resps"][0] = "I cannot view images."

    output, run = rescore(copy_log(tmp_path, refuse), tmp_path / "new")
    assert "11 of 36 answers are read otherwise" in output  # one was unparsable before
    assert {sample.values["acc"] for sample in run.samples} == {0.0}
    (results,) = (tmp_path / "new").rglob("results_*.json")
    shown = json.loads(results.read_text())["results"]["vrs_sample"]
    assert (shown["acc,none"], shown["parse_failure_rate,none"]) == (
        0.0,
        pytest.approx(14 / 36),
    )  # and two of the others


def test_reading_again_twice_changes_nothing_more(tmp_path):
    rescore(FIRST, tmp_path / "once")
    rescore(tmp_path / "once", tmp_path / "twice")
    for once in (tmp_path / "once").rglob("*.json*"):
        twice = tmp_path / "twice" / once.relative_to(tmp_path / "once")
        assert twice.read_text() == once.read_text()


@pytest.mark.parametrize("name", ["samples_*.jsonl", "results_*.json"])
def test_a_damaged_log_is_named_and_nothing_is_written(tmp_path, name):
    folder = tmp_path / "old"
    shutil.copytree(FIRST, folder)
    (file,) = folder.rglob(name)
    file.write_text(file.read_text()[:-200])
    shown = CliRunner().invoke(app, ["rescore", str(folder), "--output", str(tmp_path / "new")])
    assert shown.exit_code == 2
    assert file.name in shown.output.replace("\n", "")
    assert not (tmp_path / "new").exists()


def test_old_results_are_never_written_over(tmp_path):
    shutil.copytree(FIRST, tmp_path / "old")
    shown = CliRunner().invoke(app, ["rescore", str(tmp_path / "old"), "--output", str(tmp_path / "old")])
    assert shown.exit_code == 2
    assert "give --output another folder" in shown.output.replace("\n", " ")


def test_a_folder_without_results_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    shown = CliRunner().invoke(app, ["rescore", str(tmp_path / "empty"), "--output", str(tmp_path / "new")])
    assert shown.exit_code == 2
    assert "no results_*.json below it" in shown.output.replace("\n", " ")


def test_the_output_must_lie_apart_and_be_empty(tmp_path):
    shutil.copytree(FIRST, tmp_path / "runs" / "one")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json*")}
    for output in ("runs/one/new", "runs", "."):
        shown = CliRunner().invoke(app, ["rescore", str(tmp_path / "runs" / "one"), "--output", str(tmp_path / output)])
        assert shown.exit_code == 2, output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json*")} == before


def test_folders_of_one_name_are_kept_apart(tmp_path):
    for place in ("a", "b"):
        shutil.copytree(FIRST, tmp_path / place / "runs")
    command = ["rescore", str(tmp_path / "a" / "runs"), str(tmp_path / "b" / "runs"), "--output", str(tmp_path / "new")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert len(list((tmp_path / "new").rglob("results_*.json"))) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.pop("metrics"),
        lambda line: line.update(filtered_resps=[None, None, None]),
        lambda line: line["doc"]["variants"].pop("real"),
        lambda line: line["doc"].update(sample_id="the same"),
    ],
)
def test_a_line_that_cannot_be_read_again_is_named(tmp_path, damage):
    shown = CliRunner().invoke(app, ["rescore", str(copy_log(tmp_path, damage)), "--output", str(tmp_path / "new")])
    assert shown.exit_code == 2
    assert "samples_vrs_sample" in shown.output.replace("\n", "")
    assert not (tmp_path / "new").exists()


def test_a_rescored_run_that_showed_other_images_is_not_compared(tmp_path):
    def swap(line):
        line["doc"]["variants"]["shuffled"]["image_id"] = "another"

    rescore(FIRST, tmp_path / "first")
    rescore(copy_log(tmp_path, swap), tmp_path / "second")
    shown = CliRunner().invoke(app, ["compare", str(tmp_path / "first"), str(tmp_path / "second")])
    assert shown.exit_code == 2
    assert "different images were shown for 12 questions" in shown.output.replace("\n", " ")


def test_a_text_that_utf_8_cannot_hold_is_read_again_and_written(tmp_path):
    def break_text(line):
        line["filtered_resps"][0] = "yes \ud800"

    _, run = rescore(copy_log(tmp_path, break_text), tmp_path / "new")
    assert run.samples[0].answers["real"].text == "yes ?"  # as it can be shown
    (samples,) = run.source.parent.glob("samples_*")
    assert json.loads(samples.read_text().splitlines()[0])["filtered_resps"][0] == "yes \ud800"


@pytest.mark.models
@pytest.mark.parametrize("task", ["vrs_sample", "vrs_sample_mc", "vrs_sample_mirage", "vrs_sample_rotated"])
def test_a_fresh_run_read_again_gives_its_own_samples_whatever_was_asked(control_runs, tmp_path, task):
    (fresh,) = (control_runs / "sighted").rglob(f"samples_{task}_2*.jsonl")
    shown = CliRunner().invoke(app, ["rescore", str(fresh.parent), "--output", str(tmp_path / "again")])
    assert shown.exit_code == 0, shown.output
    (said,) = [line for line in shown.output.replace("\n", " ").split("results_") if f": {task}, " in line]
    assert ", 0 of " in said
    (again,) = (tmp_path / "again").rglob(fresh.name)
    for one, other in zip(fresh.read_text().splitlines(), again.read_text().splitlines(), strict=True):
        assert json.loads(one) == json.loads(other)
