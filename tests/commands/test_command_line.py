"""The `vrs` command itself: its version, its help, names that are nearly right."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval.cli import app


def test_it_says_its_version_and_the_harnesss():
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.output.strip() == f"vrs_lmeval {version('vrs_lmeval')}, lm_eval {version('lm_eval')}"


def test_without_a_command_it_lists_them_with_its_exit_codes():
    shown = " ".join(CliRunner().invoke(app, [], env={"COLUMNS": "200"}).output.split())
    assert "Exit codes: 0 all is well" in shown
    assert all(f"│ {name} " in shown for name in ("run", "plan", "study", "compare", "leaderboard", "doctor"))


@pytest.mark.parametrize(
    "command",
    [["preview", "--task", "vrs_vqarad"], pytest.param(["plan", "--tasks", "vrs_vqarad"], marks=pytest.mark.slow)],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(command):
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert shown.exit_code == 2
    assert "did you mean vrs_vqa_rad or " in shown.output


def test_every_command_stands_on_the_page_of_the_command_line():
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `vrs ([a-z-]+)` \|", page, re.M))
    assert named == {command.name or command.callback.__name__ for command in app.registered_commands}


def test_the_leaderboard_names_entries_of_models_yaml_that_fit_no_run(tmp_path):
    write_run(tmp_path / "runs", "model-a", draw_rows(0.8, 0.4))
    (tmp_path / "models.yaml").write_text("models: {model-a: {size: 7B}, model-aa: {size: 7B}}")
    command = ["leaderboard", str(tmp_path / "runs"), "--models", str(tmp_path / "models.yaml")]
    shown = " ".join(CliRunner().invoke(app, command, env={"COLUMNS": "200"}).output.split())
    told = "models.yaml: 1 of 2 entries fit no run: model-aa (did you mean model-a?). The runs are of some/model-a"
    assert told in shown
