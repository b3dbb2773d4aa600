"""`vrs study`: what it would run, that it goes on where it stopped, and that a failure costs the others nothing."""

import json
import subprocess

import pytest
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval import cli
from vrs_lmeval.commands.study import UnreadableStudyError, read_study
from vrs_lmeval.leaderboard.model_cards import ModelCard

PLAN = """
models:
  - {model_args: {pretrained: org/one, dtype: float32}, training: synthetic, label: One}
  - {model: hf-multimodal, model_args: {pretrained: org/two}}
tasks: [vrs_test, vrs_other]
arguments: {batch_size: 8, apply_chat_template: true}
"""


def write_plan(tmp_path, text=PLAN):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_a_plan_becomes_commands_of_lm_eval(tmp_path):
    study = read_study(write_plan(tmp_path), tmp_path / "out")
    assert [(run.name, run.task) for run in study.runs] == [
        (name, task) for name in ("org/one", "org/two") for task in ("vrs_test", "vrs_other")
    ]
    assert study.cards["org/one"] == ModelCard(label="One", training="synthetic")
    first, third = study.runs[0].command, study.runs[2].command
    assert first[1:11] == (
        *("-m", "lm_eval", "run", "--model", "vrs-hf", "--model_args", "pretrained=org/one,dtype=float32"),
        *("--tasks", "vrs_test", "--log_samples"),
    )
    assert first[-3:] == ("--batch_size", "8", "--apply_chat_template")
    assert third[5] == "hf-multimodal"
    assert len({run.folder for run in study.runs}) == 4


def test_two_settings_of_one_model_have_folders_of_their_own(tmp_path):
    text = "models: [{model_args: {pretrained: a}}, {model_args: {pretrained: a, dtype: bfloat16}}]\ntasks: [t]"
    first, second = read_study(write_plan(tmp_path, text), tmp_path).runs
    assert first.folder != second.folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: []", "should hold models, tasks"),
        ("{models: [], tasks: [], task: x}", "nothing else"),
        ("{models: {}, tasks: []}", "should be lists"),
        ("{models: [{pretrained: a}], tasks: [t]}", "model 1: needs model_args"),
        ("{models: [{model_args: {dtype: a}}], tasks: [t]}", "model 1: model_args should name the model"),
        ("{models: [{model_args: {pretrained: a}, training: x}], tasks: [t]}", "model 1: training 'x' is none of"),
        ("models: [", "cannot be read as YAML"),
    ],
)
def test_a_faulty_plan_is_named(tmp_path, text, message):
    with pytest.raises(UnreadableStudyError, match=message):
        read_study(write_plan(tmp_path, text), tmp_path)


@pytest.fixture
def lm_eval(monkeypatch):
    """Stands for the lm_eval process: writes results as it does, or fails for the names in `broken`."""
    calls, broken = [], set()

    def run(command, stdout, stderr):
        name = command[command.index("--model_args") + 1].split("=")[1].split(",")[0]
        calls.append((name, command[command.index("--tasks") + 1]))
        if name in broken:
            stdout.write("starting\nOutOfMemoryError: too big\n")
            stdout.flush()
            return subprocess.CompletedProcess(command, 1)
        folder = command[command.index("--output_path") + 1]
        from pathlib import Path

        write_run(Path(folder), name.replace("/", "_"), draw_rows(0.8, 0.4), task=calls[-1][1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(cli.subprocess, "run", run)
    return calls, broken


def study(tmp_path, text=PLAN):
    plan = write_plan(tmp_path, text)
    return CliRunner().invoke(cli.app, ["study", str(plan), "--output", str(tmp_path / "out")])


def test_a_study_runs_all_once_and_builds_the_page(tmp_path, lm_eval):
    calls, _ = lm_eval
    for _ in range(2):
        shown = study(tmp_path)
        assert shown.exit_code == 0, shown.output
    assert len(calls) == 4
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    assert "some/org_one" in (tmp_path / "out" / "leaderboard.csv").read_text() or "org_one" in shown.output


def test_a_changed_argument_runs_again(tmp_path, lm_eval):
    calls, _ = lm_eval
    study(tmp_path)
    study(tmp_path, PLAN.replace("batch_size: 8", "limit: 8"))
    assert len(calls) == 8


def test_a_failed_run_is_said_and_tried_again_and_costs_the_others_nothing(tmp_path, lm_eval):
    calls, broken = lm_eval
    broken.add("org/one")
    shown = study(tmp_path)
    assert shown.exit_code == 1
    assert "OutOfMemoryError: too big" in shown.output
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    broken.clear()
    assert study(tmp_path).exit_code == 0
    assert sorted(calls) == sorted(
        [("org/one", task) for task in ("vrs_test", "vrs_other")] * 2
        + [("org/two", task) for task in ("vrs_test", "vrs_other")]
    )


def test_a_run_that_was_killed_is_not_done(tmp_path):
    (run, *_) = read_study(write_plan(tmp_path), tmp_path / "out").runs
    write_run(run.folder, "org_one", draw_rows(0.8, 0.4))  # results, but no note
    assert not run.is_done
    run.mark_done()
    assert run.is_done
    assert json.loads((run.folder / "study_run.json").read_text())[:2] == ["-m", "lm_eval"]
