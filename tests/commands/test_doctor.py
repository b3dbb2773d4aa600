"""`vrs doctor`: what it finds here, and that it finds what is wrong."""

import subprocess
from pathlib import Path

import huggingface_hub
import pytest
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands import doctor


def listing(stdout="vrs_medvqa", returncode=0):
    return lambda *args, **kwargs: subprocess.CompletedProcess(args, returncode, stdout=stdout, stderr="broken")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def findings(monkeypatch, run=None):
    monkeypatch.setattr(doctor.subprocess, "run", run or listing())
    return {finding.subject: finding for finding in doctor.examine()}


def test_a_sound_installation_has_no_problems(monkeypatch):
    monkeypatch.delenv("VRS_DATA_DIR", raising=False)
    found = findings(monkeypatch)
    assert all(finding.is_fine or finding.is_absent for finding in found.values())
    assert "backends cpu" in found["fused op"].detail
    assert found["lm_eval"].is_fine


def test_data_that_are_not_here_are_never_called_fine(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = findings(monkeypatch)["vrs_vqa_rad"]
    assert (found.is_fine, found.is_absent) == (False, True)
    assert found.detail == "flaviagiammarino/vqa-rad: the hub is not asked (HF_HUB_OFFLINE is set)"


def test_every_benchmark_with_data_of_its_own_is_named(monkeypatch):
    tasks = Path(doctor.tasks_folder()).rglob("*.yaml")
    expected = {
        path
        for path in tasks
        if "dataset_path: embedded" not in path.read_text() and "dataset_path" in path.read_text()
    }
    assert len([subject for subject in findings(monkeypatch) if subject.startswith("vrs_")]) == len(expected)


def test_data_below_the_folder_are_found(monkeypatch, tmp_path):
    file = tmp_path / "flaviagiammarino" / "vqa-rad" / "data" / "test-0.parquet"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    assert findings(monkeypatch)["vrs_vqa_rad"].detail.endswith(str(tmp_path / "flaviagiammarino" / "vqa-rad"))


def test_data_and_images_that_no_hub_holds_are_said(monkeypatch):
    monkeypatch.delenv("VRS_DATA_DIR", raising=False)
    monkeypatch.delenv("VRS_MEDICONFUSION_IMAGES", raising=False)
    found = findings(monkeypatch)
    assert "Get it from Zenodo record 10499039" in found["vrs_vqa_med_2019"].advice
    assert found["vrs_mediconfusion"].is_absent


@pytest.mark.parametrize(
    ("variable", "value", "subject", "advice"),
    [("VRS_DATA_DIR", "/no/such/folder", "data", "VRS_DATA_DIR"), ("VRS_LMEVAL_BRIDGE", "0", "lm_eval", "unset")],
)
def test_problems_come_with_advice(monkeypatch, variable, value, subject, advice):
    monkeypatch.setenv(variable, value)
    finding = findings(monkeypatch)[subject]
    assert not finding.is_fine
    assert advice in finding.advice


@pytest.mark.parametrize("run", [listing(stdout="mmlu"), listing(returncode=1)])
def test_an_lm_eval_that_does_not_know_us_is_a_problem(monkeypatch, run):
    assert not findings(monkeypatch, run)["lm_eval"].is_fine


def test_an_lm_eval_that_takes_too_long_is_said(monkeypatch):
    def run(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    finding = findings(monkeypatch, run)["lm_eval"]
    assert not finding.is_fine
    assert finding.detail == f"`lm_eval ls tasks` takes over {doctor.LISTING_SECONDS} s"


@pytest.mark.models
def test_the_command_asks_the_real_lm_eval(monkeypatch):
    monkeypatch.setattr(doctor, "LISTING_SECONDS", 1200)  # what it says is tested, not how busy this machine is
    shown = CliRunner().invoke(app, ["doctor"])
    assert "lists our tasks; --model vrs-hf is known to it" in " ".join(shown.output.split())
