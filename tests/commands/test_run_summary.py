"""What a run of lm_eval says at its end, in our words."""

import io
import os
import time

import pytest
from rich.console import Console
from support.control_runs import TASKS
from support.results import draw_rows, write_run

from vrs_lmeval.commands import stopped_run
from vrs_lmeval.commands.run_summary import show_end


def say(started, arguments):
    printed = io.StringIO()
    show_end(started, arguments, Console(width=200, file=printed))
    return printed.getvalue()


@pytest.fixture
def two_tasks(tmp_path):
    write_run(tmp_path, "model", draw_rows(0.9, 0.2), task="vrs_one")
    write_run(tmp_path, "model", draw_rows(0.5, 0.5, seed=1), task="vrs_two", time="2026-01-02T00-00-00.000000")
    return tmp_path


@pytest.mark.parametrize("form", [("--output_path", "{}"), ("--output_path={}",), ("-o", "{}")])
def test_a_row_and_a_sentence_a_task_and_the_commands_for_more(two_tasks, form):
    arguments = ["run", *(part.format(two_tasks) for part in form), "--log_samples"]
    said = say(time.time() - 60, arguments)
    assert [line.split("│")[2].strip() for line in said.splitlines() if "│ vrs_" in line] == ["vrs_one", "vrs_two"]
    assert "vrs_one: model looks at the image: it is right more often with its own image" in said
    assert f"more: vrs compare {two_tasks}, beside other models: vrs leaderboard {two_tasks} ..." in said


def test_what_an_earlier_run_wrote_is_not_this_runs(two_tasks):
    for path in two_tasks.rglob("results_2026-01-01*"):
        os.utime(path, (0, 0))
    said = say(time.time() - 60, ["run", "--output_path", str(two_tasks), "--log_samples"])
    assert "vrs_two" in said
    assert "vrs_one" not in said


def test_a_run_that_wrote_nothing_says_so_where_no_traceback_does(two_tasks, monkeypatch):
    arguments = ["run", "--output_path", str(two_tasks), "--log_samples"]
    assert f"no results were written to {two_tasks}" in say(time.time() + 60, arguments)
    monkeypatch.setattr(stopped_run, "_ends", ["stopped by SIGTERM"])
    assert say(time.time() + 60, arguments) == ""


@pytest.mark.parametrize("arguments", [["run"], ["run", "--output_path", "x"], ["run", "--log_samples"]])
def test_without_samples_it_says_what_to_type(arguments):
    assert "run with --log_samples --output_path FOLDER" in say(0, arguments)


@pytest.mark.parametrize("option", ["--config", "-C"])
def test_a_configuration_in_a_file_is_not_told_what_it_says_already(option):
    assert say(0, ["run", option, "run.yaml"]) == ""


def test_results_in_a_file_of_ones_own_name_are_not_called_lost(tmp_path):
    assert say(time.time() - 60, ["run", "--output_path", str(tmp_path / "mine.json"), "--log_samples"]) == ""


@pytest.mark.models
def test_the_real_command_ends_so_and_says_it_once(control_runs):
    printed = (control_runs / "sighted.txt").read_text()
    ours = printed[printed.rindex("|vrs_") :]
    for task in TASKS:
        assert f"│ {task} " in ours
    assert ours.count("more: vrs compare") == 1
    assert "vrs_sample: sighted cannot be told to look at the image or not: only 18 images were asked about" in ours
