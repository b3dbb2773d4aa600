"""Without the extra `page`: what needs it says what to install before it does anything, the rest goes on."""

import subprocess
import sys

import pytest
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands import doctor, page_packages

STUDY = "models: [{model_args: {pretrained: org/one}}]\ntasks: [vrs_test]\n"


@pytest.fixture
def without_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)


def run(*arguments):
    shown = CliRunner().invoke(app, list(map(str, arguments)))
    return shown.exit_code, shown.output.strip()


@pytest.mark.usefixtures("without_plotly")
def test_the_page_is_refused_in_one_line_that_says_what_to_install(tmp_path):
    write_run(tmp_path / "runs", "model", draw_rows(0.8, 0.4))
    code, output = run("leaderboard", tmp_path / "runs", "--html", tmp_path / "board.html")
    assert code == 2
    assert output == 'vrs leaderboard: the page needs plotly: pip install "vrs_lmeval[page]"'
    assert not (tmp_path / "board.html").exists()


@pytest.mark.usefixtures("without_plotly")
def test_a_study_is_refused_before_it_runs_for_days(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    code, output = run("study", tmp_path / "study.yaml", "--output", tmp_path / "out")
    assert code == 2
    assert output == 'vrs study: the page needs plotly: pip install "vrs_lmeval[page]"'
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("without_plotly")
def test_tables_and_files_of_numbers_need_no_page(tmp_path):
    write_run(tmp_path / "runs", "model", draw_rows(0.8, 0.4))
    code, output = run("leaderboard", tmp_path / "runs", "--csv", tmp_path / "board.csv")
    assert code == 0, output
    assert (tmp_path / "board.csv").is_file()


def test_a_broken_package_is_named_with_its_error(monkeypatch):
    monkeypatch.setattr(page_packages, "find_fault", lambda package: "OSError: no disk")
    with pytest.raises(page_packages.MissingPagePackageError) as raised:
        page_packages.require_page_packages()
    assert str(raised.value) == (
        'the page needs plotly, which cannot be imported (OSError: no disk): pip install "vrs_lmeval[page]"'
    )


@pytest.mark.usefixtures("without_plotly")
def test_doctor_says_what_is_lost(monkeypatch):
    monkeypatch.setenv(doctor.SWITCH, "0")  # lm_eval is not asked
    found = {finding.subject: finding for finding in doctor.examine()}
    assert found["plotly"].is_fine
    assert found["plotly"].detail == (
        'not installed: without it the leaderboard\'s page cannot be drawn (pip install "vrs_lmeval[page]")'
    )


def test_the_command_line_loads_nothing_that_only_the_page_needs():
    script = f"import sys, vrs_lmeval.cli; print(sorted(sys.modules.keys() & {set(page_packages.PACKAGES)}))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert finished.stdout.strip() == "[]", finished.stderr
